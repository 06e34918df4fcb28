/* An address is written as people know it, whichever kind of socket it came in by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "base/check.h"
#include "http/address.h"

static struct hw_address v6(const char *host)
{
    struct hw_address address = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(4711)}};
    HW_CHECK(inet_pton(AF_INET6, host, &address.v6.sin6_addr) == 1);
    return address;
}

static void assert_text(const struct hw_address *address, const char *expected)
{
    char text[96];
    struct hw_str got = hw_address_text(&address->any, text, sizeof text);
    assert_true(hw_str_eq(got, hw_str_of(expected)));
}

static void writes_ipv4_and_ipv6(void **state)
{
    (void)state;
    struct hw_address v4 = {.v4 = {.sin_family = AF_INET, .sin_port = htons(80)}};
    HW_CHECK(inet_pton(AF_INET, "192.0.2.7", &v4.v4.sin_addr) == 1);
    assert_text(&v4, "192.0.2.7:80");
    HW_CHECK(inet_pton(AF_INET, "255.100.10.0", &v4.v4.sin_addr) == 1);
    v4.v4.sin_port = htons(65535);
    assert_text(&v4, "255.100.10.0:65535");
    char few[8];
    assert_string_equal(hw_address_text(&v4.any, few, sizeof few).ptr, "255.100");
    v4 = v6("2001:db8::7");
    assert_text(&v4, "[2001:db8::7]:4711");
    v4 = v6("::1");
    assert_text(&v4, "[::1]:4711");
}

static void writes_an_ipv4_client_of_an_ipv6_socket_as_ipv4(void **state)
{
    (void)state;
    struct hw_address mapped = v6("::ffff:192.0.2.7");
    assert_text(&mapped, "192.0.2.7:4711");
    mapped = v6("::192.0.2.7"); /* compatible, not mapped: that is IPv6 */
    assert_text(&mapped, "[::192.0.2.7]:4711");
}

static void names_a_unix_socket_and_no_address(void **state)
{
    (void)state;
    struct hw_address local = {.any = {.sa_family = AF_UNIX}}, none = {0};
    char text[96];
    assert_text(&local, "unix");
    assert_null(hw_address_text(&none.any, text, sizeof text).ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_ipv4_and_ipv6),
        cmocka_unit_test(writes_an_ipv4_client_of_an_ipv6_socket_as_ipv4),
        cmocka_unit_test(names_a_unix_socket_and_no_address),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
