/* The past by the minute: nothing is lost or doubled, whatever the clock does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "host/timeline.h"

static struct hw_timeline timeline;
static struct hw_timeline_numbers now;

/* 12:00 of a day, so that each range's steps begin then. */
static const int64_t noon_ms = INT64_C(20000) * 86400 * 1000 + INT64_C(12) * 3600 * 1000;
static const int64_t minute_ms = 60000;

static int set_up(void **state)
{
    (void)state;
    now = (struct hw_timeline_numbers){0};
    return hw_timeline_init(&timeline);
}

static int tear_down(void **state)
{
    (void)state;
    hw_timeline_fini(&timeline);
    return 0;
}

/* So many more succeed, and the minute that ends then is noted. */
static void note(uint64_t more, int64_t ms)
{
    now.counts[HW_TIMELINE_SUCCEEDED] += more;
    hw_timeline_note(&timeline, &now, ms);
}

struct point {
    bool found;
    long long succeeded, backlog;
    double p50, p99;
};

static char *write_at(enum hw_timeline_range range, int64_t ms)
{
    size_t len = 0;
    char *text = hw_timeline_write_at(&timeline, range, &now, ms, &len);
    assert_non_null(text);
    assert_int_equal(strlen(text), len);
    return text;
}

/* The point that begins then. -1: it has no such member. */
static struct point point_at(enum hw_timeline_range range, int64_t begin_ms, int64_t ms)
{
    char *text = write_at(range, ms), begins[64];
    struct point p = {.succeeded = -1, .backlog = -1, .p50 = -1, .p99 = -1};
    snprintf(begins, sizeof begins, "{\"t\":%lld,", (long long)begin_ms / 1000);
    char *at = strstr(text, begins);
    if (at) {
        p.found = true;
        char *part;
        *strchr(at, '}') = '\0';
        if ((part = strstr(at, "\"succeeded\":")))
            p.succeeded = atoll(part + strlen("\"succeeded\":"));
        if ((part = strstr(at, "\"backlog\":")))
            p.backlog = atoll(part + strlen("\"backlog\":"));
        if ((part = strstr(at, "\"p50\":")))
            p.p50 = atof(part + strlen("\"p50\":"));
        if ((part = strstr(at, "\"p99\":")))
            p.p99 = atof(part + strlen("\"p99\":"));
    }
    free(text);
    return p;
}

static long long total(enum hw_timeline_range range, int64_t ms)
{
    char *text = write_at(range, ms);
    long long sum = 0;
    for (char *at = text; (at = strstr(at, "\"succeeded\":")); at++)
        sum += atoll(at + strlen("\"succeeded\":"));
    free(text);
    return sum;
}

static void assert_points(enum hw_timeline_range range, long long step, int count)
{
    char *text = write_at(range, noon_ms + 1), begins[64];
    int points = 0;
    snprintf(begins, sizeof begins, "{\"step\":%lld,\"start\":", step);
    assert_memory_equal(text, begins, strlen(begins));
    for (char *at = text; (at = strstr(at, "\"t\":")); at++)
        points++;
    assert_int_equal(points, count);
    assert_true(points <= HW_TIMELINE_POINTS_MAX);
    free(text);
}

static void has_an_hour_a_day_and_a_week_in_at_most_300_points(void **state)
{
    (void)state;
    assert_points(HW_TIMELINE_HOUR, 60, 60);
    assert_points(HW_TIMELINE_DAY, 300, 288);
    assert_points(HW_TIMELINE_WEEK, 2400, 252);
    assert_int_equal(hw_timeline_range_of(HW_STR("hour")), HW_TIMELINE_HOUR);
    assert_int_equal(hw_timeline_range_of(HW_STR("day")), HW_TIMELINE_DAY);
    assert_int_equal(hw_timeline_range_of(HW_STR("week")), HW_TIMELINE_WEEK);
    assert_int_equal(hw_timeline_range_of(HW_STR("weeks")), HW_TIMELINE_RANGES_END);
}

static void notes_what_was_added_in_each_minute(void **state)
{
    (void)state;
    note(3, noon_ms + minute_ms);
    note(4, noon_ms + 2 * minute_ms - 20); /* the timer was early */
    note(0, noon_ms + 3 * minute_ms + 900);
    int64_t end = noon_ms + 3 * minute_ms + 1000;
    assert_int_equal(point_at(HW_TIMELINE_HOUR, noon_ms, end).succeeded, 3);
    assert_int_equal(point_at(HW_TIMELINE_HOUR, noon_ms + minute_ms, end).succeeded, 4);
    assert_int_equal(point_at(HW_TIMELINE_HOUR, noon_ms + 2 * minute_ms, end).succeeded, 0);
    assert_int_equal(point_at(HW_TIMELINE_DAY, noon_ms, end).succeeded, 7);
    assert_int_equal(total(HW_TIMELINE_WEEK, end), 7);
}

static void has_the_present_minute_before_it_ends_and_not_twice(void **state)
{
    (void)state;
    now.counts[HW_TIMELINE_SUCCEEDED] = 5;
    assert_int_equal(point_at(HW_TIMELINE_HOUR, noon_ms, noon_ms + 1000).succeeded, 5);
    note(0, noon_ms + minute_ms);
    assert_int_equal(total(HW_TIMELINE_HOUR, noon_ms + minute_ms), 5);
    assert_int_equal(total(HW_TIMELINE_DAY, noon_ms + minute_ms), 5);
}

static void knows_how_long_handlers_took_and_what_waited(void **state)
{
    (void)state;
    now.durations[5] = 98; /* 2.5 to 5 ms */
    now.durations[9] = 2;  /* 50 to 100 ms */
    now.backlog = 7;
    note(100, noon_ms + minute_ms);
    now.backlog = 2;
    note(0, noon_ms + 2 * minute_ms);
    int64_t end = noon_ms + 2 * minute_ms + 1;
    struct point p = point_at(HW_TIMELINE_HOUR, noon_ms, end);
    assert_true(p.p50 > 0.0025 && p.p50 < 0.005);
    assert_true(p.p99 > 0.05 && p.p99 <= 0.1);
    assert_int_equal(p.backlog, 7);
    p = point_at(HW_TIMELINE_HOUR, noon_ms + minute_ms, end);
    assert_true(p.p50 == -1); /* nothing ran */
    assert_int_equal(p.backlog, 2);
    assert_int_equal(point_at(HW_TIMELINE_DAY, noon_ms, end).backlog, 7); /* the most */
    assert_int_equal(point_at(HW_TIMELINE_HOUR, noon_ms - minute_ms, end).backlog, -1);
}

static void survives_a_clock_that_is_set_back_and_forth(void **state)
{
    (void)state;
    const int64_t hour = 60 * minute_ms, year = 365 * 24 * hour;
    note(1, noon_ms + minute_ms);
    note(2, noon_ms + minute_ms - hour / 2); /* back */
    note(4, noon_ms + minute_ms);            /* and forth: the same minute again */
    assert_int_equal(point_at(HW_TIMELINE_HOUR, noon_ms, noon_ms + minute_ms).succeeded, 5);
    assert_int_equal(total(HW_TIMELINE_HOUR, noon_ms + minute_ms), 7);
    note(8, noon_ms + year); /* far ahead */
    assert_int_equal(total(HW_TIMELINE_WEEK, noon_ms + year), 8);
    note(16, noon_ms + 2 * minute_ms); /* and back: the future is not shown */
    assert_int_equal(total(HW_TIMELINE_WEEK, noon_ms + 2 * minute_ms), 23);
    note(1, 0);     /* before all time */
    note(1, -year); /* and earlier still */
    note(1, 1000);
    free(write_at(HW_TIMELINE_WEEK, 0));
    free(write_at(HW_TIMELINE_WEEK, -year));
    assert_int_equal(total(HW_TIMELINE_WEEK, noon_ms + 2 * minute_ms), 23);
}

static void forgets_what_is_older_than_a_week(void **state)
{
    (void)state;
    const int64_t week = HW_TIMELINE_MINUTES * minute_ms;
    note(1, noon_ms + minute_ms);
    note(2, noon_ms + week); /* the last minute of the week */
    assert_int_equal(total(HW_TIMELINE_WEEK, noon_ms + week - minute_ms), 3);
    note(4, noon_ms + week + minute_ms); /* has the first one's place */
    assert_int_equal(total(HW_TIMELINE_WEEK, noon_ms + week), 6);
}

static void waits_for_the_end_of_the_minute(void **state)
{
    (void)state;
    assert_int_equal(hw_timeline_wait_ms(noon_ms), 60000);
    assert_int_equal(hw_timeline_wait_ms(noon_ms + 1), 59999);
    assert_int_equal(hw_timeline_wait_ms(noon_ms + 59000), 1000);
    assert_int_equal(hw_timeline_wait_ms(noon_ms + 59001), 60999); /* it was early */
    assert_in_range(hw_timeline_wait_ms(-5), 1000, 60999);
}

static void saves_a_minute_and_reads_it_back(void **state)
{
    (void)state;
    uint8_t bytes[HW_TIMELINE_SAVED_MAX];
    struct hw_timeline_minute minute = {.at = 7, .backlog = UINT32_MAX}, read = {.at = 7};
    for (uint32_t i = 0; i < HW_TIMELINE_COUNTS_END; i++)
        minute.counts[i] = 100 * i;
    for (uint32_t i = 0; i < HW_TIMELINE_DURATIONS; i++)
        minute.durations[i] = UINT32_C(1) << i;
    size_t len = hw_timeline_encode(&minute, bytes);
    assert_true(hw_timeline_decode(&read, bytes, len));
    assert_memory_equal(&read, &minute, sizeof minute);
    memset(minute.counts, 0xff, sizeof minute.counts);
    memset(minute.durations, 0xff, sizeof minute.durations);
    assert_int_equal(hw_timeline_encode(&minute, bytes), HW_TIMELINE_SAVED_MAX);
}

static void reads_no_broken_minute(void **state)
{
    (void)state;
    uint8_t bytes[HW_TIMELINE_SAVED_MAX + 1] = {0};
    struct hw_timeline_minute minute = {0};
    memset(minute.durations, 0xff, sizeof minute.durations);
    size_t len = hw_timeline_encode(&minute, bytes);
    for (size_t shorter = 0; shorter < len; shorter++) {
        uint8_t *exact = malloc(shorter + !shorter); /* what reads past it is found */
        assert_non_null(exact);
        memcpy(exact, bytes, shorter);
        assert_false(hw_timeline_decode(&minute, exact, shorter));
        free(exact);
    }
    assert_false(hw_timeline_decode(&minute, bytes, len + 1));
    bytes[len - 1] = 0x10; /* 2^32 */
    assert_false(hw_timeline_decode(&minute, bytes, len));
    bytes[0] = 2;
    assert_false(hw_timeline_decode(&minute, bytes, len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(has_an_hour_a_day_and_a_week_in_at_most_300_points, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(notes_what_was_added_in_each_minute, set_up, tear_down),
        cmocka_unit_test_setup_teardown(has_the_present_minute_before_it_ends_and_not_twice, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(knows_how_long_handlers_took_and_what_waited, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(survives_a_clock_that_is_set_back_and_forth, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(forgets_what_is_older_than_a_week, set_up, tear_down),
        cmocka_unit_test(waits_for_the_end_of_the_minute),
        cmocka_unit_test(saves_a_minute_and_reads_it_back),
        cmocka_unit_test(reads_no_broken_minute),
    };
    return cmocka_run_group_tests_name("timeline", tests, NULL, NULL);
}
