/* RFC 3339 date-times are read exactly, and nothing else is accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "base/timestamp.h"
#include "guard.h"

static struct guard guard;

static int parse(const char *text, double *seconds)
{
    size_t len = strlen(text);
    return hw_timestamp_parse((struct hw_str){guard_place(&guard, text, len), len}, seconds);
}

static void assert_reads(const char *text, double expected)
{
    double seconds = -1;
    if (parse(text, &seconds) != 0)
        fail_msg("%s is refused", text);
    if (fabs(seconds - expected) > 1e-6)
        fail_msg("%s is %.6f, not %.6f", text, seconds, expected);
}

static void assert_refused(const char *text)
{
    double seconds = 42;
    if (parse(text, &seconds) != -1)
        fail_msg("%s is taken for %.3f", text, seconds);
    assert_true(seconds == 42);
}

static void reads_every_form(void **state)
{
    (void)state;
    assert_reads("1970-01-01T00:00:00Z", 0);
    assert_reads("2024-05-10T11:09:21.248Z", 1715339361.248);
    assert_reads("2024-05-10t11:09:21.248z", 1715339361.248);
    assert_reads("2024-05-10 11:09:21.2480000Z", 1715339361.248);
    assert_reads("2024-05-10T11:09:21.000000000000000000000000001Z", 1715339361);
    assert_reads("2024-05-10T11:09:21.5", 1715339361.5); /* .NET, when no zone is known */
    assert_reads("1969-12-31T23:59:59Z", -1);
    assert_reads("0000-01-01T00:00:00Z", -62167219200.0);
    assert_reads("0000-02-29T23:59:59Z", -62162035201.0);
    assert_reads("0000-03-01T00:00:00Z", -62162035200.0);
    assert_reads("9999-12-31T23:59:59Z", 253402300799.0);
    assert_reads("2016-12-31T23:59:60Z", 1483228800); /* a leap second */
}

static void moves_by_the_offset(void **state)
{
    (void)state;
    assert_reads("2024-05-10T13:09:21+02:00", 1715339361);
    assert_reads("2024-05-10T05:39:21-05:30", 1715339361);
    assert_reads("2024-05-11T11:08:21+23:59", 1715339361);
    assert_reads("2024-05-10T11:09:21-00:00", 1715339361);
    assert_reads("2024-01-01T00:30:00+01:00", 1704065400); /* the year before */
}

/* The forms that people write, which --since takes too. */
static void reads_other_forms_where_they_may_stand(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds;
    } forms[] = {
        {"2024-05-10", 1715299200},
        {"2024-05-10T11:09", 1715339340},
        {"2024-05-10 11:09Z", 1715339340},
        {"2024-05-10T12:09+01:00", 1715339340},
        {"2024-05-10T12:09:21+0100", 1715339361},
        {"2024-05-10T05:39:21.5-0530", 1715339361.5},
        {"2024-05-10T12:09:21+01", 1715339361},
        {"2024-05-10T11:09:21.248Z", 1715339361.248},
    };
    static const char *const bad[] = {
        "",
        "2024",
        "2024-05",
        "2024-05-1",
        "2023-02-29",
        "2024-05-10T",
        "2024-05-10T11",
        "2024-05-10T11:",
        "2024-05-10T11:09:",
        "2024-05-10T11:09:21.",
        "2024-05-10T11:09+",
        "2024-05-10T11:09+1",
        "2024-05-10T11:09+010",
        "2024-05-10T11:09+01:",
        "2024-05-10T11:09+0160",
        "2024-05-10T11:09+2400",
        "2024-05-10Z",
        "2024-05-10T11:09+01000",
        "2024-05-10T11:09Zx",
        "10.05.2024",
        "1715339361",
    };
    double seconds;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t len = strlen(forms[i].text);
        struct hw_str text = {guard_place(&guard, forms[i].text, len), len};
        if (hw_timestamp_read(text, &seconds) != 0)
            fail_msg("%s is refused", forms[i].text);
        if (fabs(seconds - forms[i].seconds) > 1e-6)
            fail_msg("%s is %.6f, not %.6f", forms[i].text, seconds, forms[i].seconds);
        if (i < 7)
            assert_refused(forms[i].text); /* only the last one is RFC 3339 */
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t len = strlen(bad[i]);
        struct hw_str text = {guard_place(&guard, bad[i], len), len};
        if (hw_timestamp_read(text, &seconds) == 0)
            fail_msg("%s is taken for %.3f", bad[i], seconds);
        assert_refused(bad[i]);
    }
}

static void knows_leap_years(void **state)
{
    (void)state;
    assert_reads("2024-02-29T00:00:00Z", 1709164800);
    assert_reads("2024-03-01T00:00:00Z", 1709251200);
    assert_reads("2000-02-29T00:00:00Z", 951782400);
    assert_reads("2023-03-01T00:00:00Z", 1677628800);
    assert_refused("2023-02-29T00:00:00Z");
    assert_refused("1900-02-29T00:00:00Z");
    assert_refused("2100-02-29T00:00:00Z");
    assert_refused("2024-02-30T00:00:00Z");
}

static void counts_each_month_and_its_days(void **state)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    double first = 1672531200; /* 2023-01-01 */
    char text[40];
    (void)state;
    for (int month = 1; month <= 12; month++) {
        snprintf(text, sizeof text, "2023-%02d-01T00:00:00Z", month);
        assert_reads(text, first);
        first += 86400.0 * lengths[month - 1];
        snprintf(text, sizeof text, "2023-%02d-%02dT23:59:59Z", month, lengths[month - 1]);
        assert_reads(text, first - 1);
        snprintf(text, sizeof text, "2023-%02d-%02dT00:00:00Z", month, lengths[month - 1] + 1);
        assert_refused(text);
    }
}

static void refuses_numbers_out_of_range(void **state)
{
    (void)state;
    assert_refused("2024-00-10T11:09:21Z");
    assert_refused("2024-13-10T11:09:21Z");
    assert_refused("2024-05-00T11:09:21Z");
    assert_refused("2024-05-32T11:09:21Z");
    assert_refused("2024-05-10T24:00:00Z");
    assert_refused("2024-05-10T11:60:21Z");
    assert_refused("2024-05-10T11:09:61Z");
    assert_refused("2024-05-10T11:09:21+24:00");
    assert_refused("2024-05-10T11:09:21+02:60");
}

static void refuses_other_forms(void **state)
{
    (void)state;
    assert_refused("");
    assert_refused("now");
    assert_refused("1715339361");
    assert_refused("2024-05-10");
    assert_refused("2024-5-10T11:09:21Z");
    assert_refused("24-05-10T11:09:21Z");
    assert_refused("+2024-05-10T11:09:21Z");
    assert_refused("20240510T110921Z");
    assert_refused("2024/05/10T11:09:21Z");
    assert_refused("2024-05-10_11:09:21Z");
    assert_refused("2024-05-10T11:09Z");
    assert_refused("2024-05-10T11.09.21Z");
    assert_refused("2024-05-10T11:09:21.Z");
    assert_refused("2024-05-10T11:09:21,5Z");
    assert_refused("2024-05-10T11:09:21+0200");
    assert_refused("2024-05-10T11:09:21+02");
    assert_refused("2024-05-10T11:09:21 +02:00");
    assert_refused("2024-05-10T11:09:21ZZ");
    assert_refused("2024-05-10T11:09:21Z ");
    assert_refused(" 2024-05-10T11:09:21Z");
    assert_refused("2024-05-10T11:09:21+02:00Z");
    assert_refused("2024-05-10T1\xef\xbc\x91:09:21Z");
}

/* Each prefix of a text ends at the guard page. Those that only lack the zone are accepted. */
static void reads_no_byte_behind_the_end(void **state)
{
    static const char text[] = "2024-05-10T11:09:21.248+02:00";
    char part[sizeof text];
    double seconds;
    (void)state;
    for (size_t len = 0; len < sizeof text - 1; len++) {
        memcpy(part, text, len);
        part[len] = '\0';
        bool complete = len == 19 || (len > 20 && len <= 23);
        assert_int_equal(parse(part, &seconds), complete ? 0 : -1);
    }
    assert_int_equal(hw_timestamp_parse(HW_STR("2024-05-10T11:09:21\0Z"), &seconds), -1);
    assert_int_equal(hw_timestamp_parse(HW_STR("2024-05-10\0"
                                               "11:09:21Z"),
                                        &seconds),
                     -1);
}

static int open_guard(void **state)
{
    (void)state;
    guard_open(&guard, 100);
    return 0;
}

static int close_guard(void **state)
{
    (void)state;
    guard_close(&guard);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_form),
        cmocka_unit_test(moves_by_the_offset),
        cmocka_unit_test(reads_other_forms_where_they_may_stand),
        cmocka_unit_test(knows_leap_years),
        cmocka_unit_test(counts_each_month_and_its_days),
        cmocka_unit_test(refuses_numbers_out_of_range),
        cmocka_unit_test(refuses_other_forms),
        cmocka_unit_test(reads_no_byte_behind_the_end),
    };
    return cmocka_run_group_tests_name("timestamp", tests, open_guard, close_guard);
}
