/* The crowd counts connections and unfinished requests, in total and for each origin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>

#include "base/check.h"
#include "base/seldom.h"
#include "http/crowd.h"

static struct hw_crowd crowd;

static int set_up(void **state)
{
    (void)state;
    hw_crowd_init(&crowd);
    crowd.limits =
        (struct hw_crowd_limits){.connections = 100000, .per_address = 2, .unfinished = 100000};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(crowd.connections, 0);
    assert_int_equal(crowd.unfinished, 0);
    assert_int_equal(crowd.origin_count, 0);
    hw_crowd_fini(&crowd);
    return 0;
}

/* "" is a Unix socket. */
static enum hw_crowd_answer enter(struct hw_place *place, const char *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr none = {.sa_family = AF_UNIX};
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
        return hw_crowd_enter(&crowd, place, (struct sockaddr *)&v4);
    if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1)
        return hw_crowd_enter(&crowd, place, (struct sockaddr *)&v6);
    return hw_crowd_enter(&crowd, place, &none);
}

static void leave_all(struct hw_place *places, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hw_crowd_leave(&crowd, &places[i]);
}

/* Whether a third connection is let in after two. */
static bool has_room(const char *first, const char *second, const char *third)
{
    struct hw_place places[3];
    assert_int_equal(enter(&places[0], first), HW_CROWD_IN);
    assert_int_equal(enter(&places[1], second), HW_CROWD_IN);
    enum hw_crowd_answer answer = enter(&places[2], third);
    leave_all(places, 3);
    return answer == HW_CROWD_IN;
}

static void test_an_address_has_its_limit(void **state)
{
    (void)state;
    assert_false(has_room("192.0.2.1", "192.0.2.1", "192.0.2.1"));
    assert_true(has_room("192.0.2.1", "192.0.2.1", "192.0.2.2"));
    assert_true(has_room("192.0.2.1", "192.0.2.2", "192.0.2.1"));
}

static void test_an_ipv6_subscriber_is_one_address(void **state)
{
    (void)state;
    assert_false(has_room("2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:ffff::"));
    assert_true(has_room("2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:3::1"));
}

static void test_an_ipv4_client_of_an_ipv6_socket_is_an_ipv4_address(void **state)
{
    (void)state;
    assert_false(has_room("192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.1"));
    assert_true(has_room("::ffff:192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.2"));
    assert_true(has_room("::1", "::1", "::ffff:192.0.2.2"));
}

static void test_a_unix_socket_has_no_address(void **state)
{
    (void)state;
    assert_true(has_room("", "", ""));
}

static void test_the_house_is_full_whoever_is_in(void **state)
{
    (void)state;
    struct hw_place places[2];
    crowd.limits.connections = 2;
    enter(&places[0], "");
    assert_false(hw_crowd_is_full(&crowd));
    enter(&places[1], "192.0.2.1");
    assert_true(hw_crowd_is_full(&crowd));
    hw_crowd_leave(&crowd, &places[1]);
    hw_crowd_leave(&crowd, &places[1]); /* the second call does nothing */
    assert_false(hw_crowd_is_full(&crowd));
    hw_crowd_leave(&crowd, &places[0]);
}

static void test_it_finds_each_of_many_addresses_again(void **state)
{
    (void)state;
    enum { MANY = 10000 };
    static struct hw_place places[MANY][2];
    struct hw_place third;
    char text[32];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < MANY; i++) {
            snprintf(text, sizeof text, "10.0.%d.%d", i / 256, i % 256);
            assert_int_equal(enter(&places[i][round], text), HW_CROWD_IN);
        }
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "10.0.%d.%d", i / 256, i % 256);
        assert_int_equal(enter(&third, text), HW_CROWD_ADDRESS_FULL);
        leave_all(places[i], 2);
    }
}

/* ---- unfinished requests ---- */

static void test_an_address_has_as_large_a_share_of_requests_as_of_connections(void **state)
{
    (void)state;
    enum { MANY = 100 };
    struct hw_place places[MANY], other, local;
    crowd.limits =
        (struct hw_crowd_limits){.connections = 400, .per_address = 100, .unfinished = 120};
    for (int i = 0; i < MANY; i++) {
        enter(&places[i], "192.0.2.1");
        assert_int_equal(hw_crowd_begin(&crowd, &places[i]), i < 30);
    }
    assert_true(hw_crowd_begin(&crowd, &places[0])); /* it has begun already */
    enter(&other, "192.0.2.2");
    assert_true(hw_crowd_begin(&crowd, &other));
    enter(&local, "");
    assert_true(hw_crowd_begin(&crowd, &local));
    assert_int_equal(crowd.unfinished, MANY + 2);
    assert_false(hw_crowd_has_too_many_unfinished(&crowd));
    crowd.limits.unfinished = MANY + 1;
    assert_true(hw_crowd_has_too_many_unfinished(&crowd));
    hw_crowd_end(&crowd, &other);
    hw_crowd_end(&crowd, &other);
    assert_false(hw_crowd_has_too_many_unfinished(&crowd));
    leave_all(places, MANY);
    hw_crowd_leave(&crowd, &other);
    hw_crowd_leave(&crowd, &local); /* ends its request too */
}

static void test_it_knows_the_oldest_and_the_largest(void **state)
{
    (void)state;
    struct hw_place places[3];
    assert_null(hw_crowd_oldest(&crowd));
    assert_null(hw_crowd_largest(&crowd));
    for (int i = 0; i < 3; i++) {
        enter(&places[i], "");
        assert_true(hw_crowd_begin(&crowd, &places[i]));
        hw_crowd_weigh(&crowd, &places[i], i == 1 ? 2000 : 1000);
    }
    assert_ptr_equal(hw_crowd_oldest(&crowd), &places[0]);
    assert_ptr_equal(hw_crowd_largest(&crowd), &places[1]);
    hw_crowd_weigh(&crowd, &places[2], 3000);
    assert_ptr_equal(hw_crowd_largest(&crowd), &places[2]);
    hw_crowd_weigh(&crowd, &places[2], 1000);
    assert_ptr_equal(hw_crowd_largest(&crowd), &places[1]);
    hw_crowd_end(&crowd, &places[0]);
    hw_crowd_end(&crowd, &places[1]);
    hw_crowd_weigh(&crowd, &places[1], 4000); /* its next request has not begun */
    assert_ptr_equal(hw_crowd_oldest(&crowd), &places[2]);
    assert_ptr_equal(hw_crowd_largest(&crowd), &places[2]);
    leave_all(places, 3);
    assert_null(hw_crowd_oldest(&crowd));
}

static void test_the_share_hurts_nobody_in_a_small_house(void **state)
{
    (void)state;
    assert_int_equal(hw_crowd_part(10000, HW_CROWD_USUAL_PART), 2500);
    assert_int_equal(hw_crowd_part(64, HW_CROWD_USUAL_PART), 16);
    assert_int_equal(hw_crowd_part(63, HW_CROWD_USUAL_PART), 16);
    assert_int_equal(hw_crowd_part(16, HW_CROWD_USUAL_PART), 16);
    assert_int_equal(hw_crowd_part(2, HW_CROWD_USUAL_PART), 2);
    assert_int_equal(hw_crowd_part(1000, 1), 1000);
    assert_int_equal(hw_crowd_part(1000, 7), 1000);
}

static void test_who_is_not_entered_is_not_counted(void **state)
{
    (void)state;
    struct hw_place nowhere = {0};
    crowd.limits.unfinished = 0;
    assert_true(hw_crowd_begin(&crowd, &nowhere));
    hw_crowd_end(&crowd, &nowhere);
    hw_crowd_leave(&crowd, &nowhere);
}

static void test_who_joins_its_address_later_counts_for_it_from_then_on(void **state)
{
    (void)state;
    struct hw_place places[4];
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
    for (int i = 0; i < 4; i++) /* nobody knows yet whose they are */
        assert_int_equal(hw_crowd_enter(&crowd, &places[i], NULL), HW_CROWD_IN);
    assert_int_equal(crowd.connections, 4);
    assert_int_equal(hw_crowd_join(&crowd, &places[0], (struct sockaddr *)&peer), HW_CROWD_IN);
    assert_int_equal(hw_crowd_join(&crowd, &places[1], (struct sockaddr *)&peer), HW_CROWD_IN);
    assert_int_equal(hw_crowd_join(&crowd, &places[2], (struct sockaddr *)&peer),
                     HW_CROWD_ADDRESS_FULL);
    hw_crowd_leave(&crowd, &places[0]);
    assert_int_equal(hw_crowd_join(&crowd, &places[3], (struct sockaddr *)&peer), HW_CROWD_IN);
    leave_all(places, 4);
}

/* ---- seldom.h ---- */

static void test_a_flood_is_told_once_a_minute_and_whole(void **state)
{
    (void)state;
    struct hw_seldom s = {0};
    assert_int_equal(hw_seldom_count(&s, 5000), 1);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(hw_seldom_count(&s, 5000 + (uint64_t)i), 0);
    assert_int_equal(hw_seldom_due(&s, 5000 + HW_SELDOM_MS - 1), 0);
    assert_int_equal(hw_seldom_due(&s, 5000 + HW_SELDOM_MS), 1000);
    assert_int_equal(hw_seldom_due(&s, 5000 + 9 * HW_SELDOM_MS), 0); /* nothing to report */
    assert_int_equal(hw_seldom_count(&s, 5000 + 9 * HW_SELDOM_MS), 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_an_address_has_its_limit),
        CASE(test_an_ipv6_subscriber_is_one_address),
        CASE(test_an_ipv4_client_of_an_ipv6_socket_is_an_ipv4_address),
        CASE(test_a_unix_socket_has_no_address),
        CASE(test_the_house_is_full_whoever_is_in),
        CASE(test_it_finds_each_of_many_addresses_again),
        CASE(test_an_address_has_as_large_a_share_of_requests_as_of_connections),
        CASE(test_it_knows_the_oldest_and_the_largest),
        CASE(test_the_share_hurts_nobody_in_a_small_house),
        CASE(test_who_is_not_entered_is_not_counted),
        CASE(test_who_joins_its_address_later_counts_for_it_from_then_on),
        CASE(test_a_flood_is_told_once_a_minute_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
