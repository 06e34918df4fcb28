/* Failures are counted for each origin, within a minute that slides, and in bounded memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "address_of.h"
#include "http/failures.h"

static struct hw_failures failures;

enum { MINUTE = HW_FAILURES_MINUTE_MS, NOW = 1000 * HW_FAILURES_MINUTE_MS };

static void note(const char *text, int times, uint64_t now_ms)
{
    struct hw_address address = address_of(text);
    while (times-- > 0)
        hw_failures_note(&failures, &address.any, now_ms);
}

static bool is_over(const char *text, uint64_t now_ms)
{
    struct hw_address address = address_of(text);
    return hw_failures_is_over(&failures, &address.any, now_ms);
}

static int set_up(void **state)
{
    (void)state;
    return hw_failures_limit(&failures, 10);
}

static int tear_down(void **state)
{
    (void)state;
    hw_failures_fini(&failures);
    return 0;
}

static void an_address_is_over_with_one_more_than_the_limit(void **state)
{
    (void)state;
    assert_false(is_over("192.0.2.1", NOW));
    note("192.0.2.1", 10, NOW);
    assert_false(is_over("192.0.2.1", NOW));
    note("192.0.2.1", 1, NOW);
    assert_true(is_over("192.0.2.1", NOW));
    assert_false(is_over("192.0.2.2", NOW));
    assert_true(is_over("::ffff:192.0.2.1", NOW));
}

static void an_ipv6_subscriber_is_one_address(void **state)
{
    (void)state;
    note("2001:db8:1:2::1", 6, NOW);
    note("2001:db8:1:2:3::4", 5, NOW);
    assert_true(is_over("2001:db8:1:2:ffff::", NOW));
    assert_false(is_over("2001:db8:1:3::1", NOW));
}

static void a_unix_socket_has_no_count(void **state)
{
    (void)state;
    struct sockaddr local = {.sa_family = AF_UNIX}, none = {0};
    for (int i = 0; i < 20; i++) {
        hw_failures_note(&failures, &local, NOW);
        hw_failures_note(&failures, &none, NOW);
    }
    assert_false(hw_failures_is_over(&failures, &local, NOW));
    assert_false(hw_failures_is_over(&failures, &none, NOW));
}

/* Of those of the minute before, as many count as that minute has left in the last 60 s. */
static void failures_are_forgotten_as_the_minute_slides(void **state)
{
    (void)state;
    note("192.0.2.1", 20, NOW);
    assert_true(is_over("192.0.2.1", NOW + MINUTE - 1));
    assert_true(is_over("192.0.2.1", NOW + MINUTE + MINUTE / 2 - 1));
    assert_false(is_over("192.0.2.1", NOW + MINUTE + MINUTE / 2));
    note("192.0.2.1", 1, NOW + MINUTE + MINUTE / 2);
    assert_true(is_over("192.0.2.1", NOW + MINUTE + MINUTE / 2));
    assert_false(is_over("192.0.2.1", NOW + 2 * MINUTE));
    note("192.0.2.1", 10, NOW + 5 * MINUTE);
    assert_false(is_over("192.0.2.1", NOW + 5 * MINUTE));
    note("192.0.2.1", 1, NOW + 5 * MINUTE);
    assert_true(is_over("192.0.2.1", NOW + 5 * MINUTE));
}

static void a_burst_across_two_minutes_counts_as_one(void **state)
{
    (void)state;
    note("192.0.2.1", 10, NOW - 1);
    note("192.0.2.1", 1, NOW);
    assert_true(is_over("192.0.2.1", NOW));
}

static const char *numbered(unsigned i)
{
    static char text[32];
    snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
    return text;
}

/* A flood from other addresses with one failure each pushes out only such as have as few. */
static void the_one_with_the_fewest_failures_makes_room(void **state)
{
    (void)state;
    note("192.0.2.1", 11, NOW);
    for (unsigned i = 0; i < 20 * HW_FAILURES_ORIGINS; i++)
        note(numbered(i), 1, NOW);
    assert_true(is_over("192.0.2.1", NOW));
    unsigned kept = 0;
    for (unsigned i = 0; i < HW_FAILURES_ORIGINS; i++)
        kept += failures.table[i].now > 0;
    assert_int_equal(kept, HW_FAILURES_ORIGINS);
}

static void as_many_as_the_table_holds_are_told_apart(void **state)
{
    (void)state;
    unsigned over = 0, half = HW_FAILURES_ORIGINS / 4;
    for (unsigned i = 0; i < half; i++)
        note(numbered(i), 11, NOW);
    for (unsigned i = 0; i < half; i++)
        over += is_over(numbered(i), NOW);
    assert_true(over >
                half * 95 / 100); /* a set has eight places; few have more than eight to hold */
}

static void a_new_limit_holds_at_once_and_none_forgets_all(void **state)
{
    (void)state;
    note("192.0.2.1", 11, NOW);
    assert_int_equal(hw_failures_limit(&failures, 11), 0);
    assert_false(is_over("192.0.2.1", NOW));
    assert_int_equal(hw_failures_limit(&failures, 1), 0);
    assert_true(is_over("192.0.2.1", NOW));
    assert_int_equal(hw_failures_limit(&failures, 0), 0);
    assert_null(failures.table);
    note("192.0.2.1", 50, NOW);
    assert_false(is_over("192.0.2.1", NOW));
    assert_int_equal(hw_failures_limit(&failures, 1), 0);
    assert_false(is_over("192.0.2.1", NOW));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_address_is_over_with_one_more_than_the_limit, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_ipv6_subscriber_is_one_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_unix_socket_has_no_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_are_forgotten_as_the_minute_slides, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_burst_across_two_minutes_counts_as_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_one_with_the_fewest_failures_makes_room, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(as_many_as_the_table_holds_are_told_apart, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_new_limit_holds_at_once_and_none_forgets_all, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("failures", tests, NULL, NULL);
}
