/* The feed keeps records only while somebody follows, and each in its fixed room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/feed.h"
#include "trip/sample_job.h"

static uv_loop_t loop;
static struct hw_report report;
static struct hw_feed feed;
static struct hw_waiter waiters[HW_FEED_WAITERS_MAX + 1];
static struct hw_str reason;

static int set_up(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    report = (struct hw_report){0};
    hw_feed_init(&feed, &loop, &report);
    memset(waiters, 0, sizeof waiters);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    uv_close((uv_handle_t *)&feed.timer, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    hw_feed_fini(&feed);
    return uv_loop_close(&loop);
}

/* It has an outcome, and is shown to whoever watches. */
static void see(const char *event, const char *why, bool authentic)
{
    struct hw_job *job = sample_job("job-1", "a");
    job->n.event = hw_str_of(event);
    job->n.outcome.authentic = authentic;
    job->n.outcome.reason = hw_str_of(why);
    if (report.watcher)
        report.watcher->see(report.watcher, job);
    hw_job_free(job);
}

static const struct hw_feed_record *last_record(void)
{
    return &feed.ring[feed.last % HW_FEED_RECORDS];
}

static void ask(uint64_t after, struct hw_waiter *waiter)
{
    assert_int_equal(hw_feed_ask(&feed, after, waiter, &reason), 0);
}

static void keeps_nothing_while_nobody_follows(void **state)
{
    (void)state;
    assert_null(report.watcher);
    see("A.B", "", true);
    assert_null(feed.ring);
    ask(HW_FEED_FROM_NOW, &waiters[0]);
    assert_non_null(report.watcher);
    uint64_t before = feed.last;
    see("A.B", "", true);
    see("A.B", "", false);
    assert_int_equal(feed.last, before + 1);
    hw_waiter_leave(&waiters[0]);
}

static void stops_when_nobody_has_asked_for_a_while(void **state)
{
    (void)state;
    ask(HW_FEED_FROM_NOW, &waiters[0]);
    see("A.B", "", true);
    uint64_t last = feed.last;
    hw_waiter_leave(&waiters[0]);
    feed.asked_ms -= HW_FEED_FOLLOWED_MS - 2 * 1000; /* the timer looks once a second */
    uv_run(&loop, UV_RUN_ONCE);
    assert_non_null(feed.ring);
    feed.asked_ms -= 2 * 1000;
    while (feed.ring)
        assert_int_not_equal(uv_run(&loop, UV_RUN_ONCE), -1);
    assert_null(report.watcher);
    ask(HW_FEED_FROM_NOW, &waiters[0]);
    assert_true(feed.first > last); /* the last number is known to be of another time */
    hw_waiter_leave(&waiters[0]);
}

static void cuts_long_texts_between_characters(void **state)
{
    (void)state;
    char event[HW_FEED_EVENT_MAX + 8], why[1000];
    ask(HW_FEED_FROM_NOW, &waiters[0]);
    memset(event, 'e', sizeof event);
    event[HW_FEED_EVENT_MAX] = '\0';
    memset(why, 'w', sizeof why);
    memcpy(why + HW_FEED_REASON_MAX - 2, "\xE2\x82\xAC", 3);
    why[sizeof why - 1] = '\0';
    see(event, why, true);
    assert_int_equal(last_record()->event_len, HW_FEED_EVENT_MAX);
    assert_int_equal(last_record()->reason_len, HW_FEED_REASON_MAX - 2);
    memcpy(event + HW_FEED_EVENT_MAX - 1, "\xC3\xA9", 3);
    memset(why, 0x80, sizeof why - 1); /* no character at all */
    see(event, why, true);
    assert_int_equal(last_record()->event_len, HW_FEED_EVENT_MAX - 1);
    assert_int_equal(last_record()->reason_len, 0);
    hw_waiter_leave(&waiters[0]);
}

static void lets_a_hundred_wait(void **state)
{
    (void)state;
    for (int i = 0; i < HW_FEED_WAITERS_MAX; i++)
        ask(HW_FEED_FROM_NOW, &waiters[i]);
    struct hw_waiter *more = &waiters[HW_FEED_WAITERS_MAX];
    assert_int_equal(hw_feed_ask(&feed, HW_FEED_FROM_NOW, more, &reason), HW_EOVERLOADED);
    hw_waiter_leave(&waiters[50]);
    ask(HW_FEED_FROM_NOW, more);
    for (int i = 0; i <= HW_FEED_WAITERS_MAX; i++)
        hw_waiter_leave(&waiters[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_nothing_while_nobody_follows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stops_when_nobody_has_asked_for_a_while, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cuts_long_texts_between_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lets_a_hundred_wait, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
