/* X-Forwarded-For: what trusted proxies appended counts, and nothing that a client sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/check.h"
#include "guard.h"
#include "http/forwarded.h"

static struct hw_networks proxies;
static struct guard guard;

static int set_up(void **state)
{
    static const char *const texts[] = {"10.0.0.0/8", "fd00::/8"};
    (void)state;
    guard_open(&guard, 16384);
    return hw_networks_make(&proxies, texts, 2);
}

static int tear_down(void **state)
{
    (void)state;
    hw_networks_fini(&proxies);
    guard_close(&guard);
    return 0;
}

/* The client of these lines as text; "peer" when it is the peer itself. Lines end with '\n'. */
static const char *client_of(const char *text)
{
    static char host[HW_ADDRESS_TEXT_MAX];
    struct hw_str lines[64];
    struct hw_address client;
    size_t count = 0, len = strlen(text);
    const char *at = guard_place(&guard, text, len), *end = at + len;
    while (at < end || count == 0) {
        const char *stop = len ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        lines[count++] = (struct hw_str){at, (size_t)((stop ? stop : end) - at)};
        at = stop ? stop + 1 : end;
    }
    if (!hw_forwarded_client(lines, count, &proxies, &client))
        return "peer";
    struct hw_str shown = hw_address_text(&client.any, host, sizeof host);
    return shown.ptr;
}

static void the_first_address_from_the_right_that_is_no_proxy_is_the_client(void **state)
{
    (void)state;
    assert_string_equal(client_of("203.0.113.7"), "203.0.113.7");
    assert_string_equal(client_of("203.0.113.7, 10.0.0.1"), "203.0.113.7");
    assert_string_equal(client_of("198.51.100.1, 203.0.113.7, 10.0.0.1,fd00::1"), "203.0.113.7");
    assert_string_equal(client_of("10.0.0.9, 203.0.113.7"), "203.0.113.7");
    assert_string_equal(client_of("2001:db8::1, fd00::1"), "2001:db8::1");
    assert_string_equal(client_of(" \t203.0.113.7\t ,\t10.0.0.1 "), "203.0.113.7");
}

static void with_proxies_alone_the_first_one_is_the_client(void **state)
{
    (void)state;
    assert_string_equal(client_of("10.0.0.1"), "10.0.0.1");
    assert_string_equal(client_of("10.0.0.3, 10.0.0.2, 10.0.0.1"), "10.0.0.3");
}

static void what_is_no_address_ends_the_search(void **state)
{
    (void)state;
    assert_string_equal(client_of("203.0.113.7, unknown"), "peer");
    assert_string_equal(client_of("203.0.113.7, unknown, 10.0.0.1"), "10.0.0.1");
    assert_string_equal(client_of("203.0.113.7,,10.0.0.1"), "10.0.0.1");
    assert_string_equal(client_of("203.0.113.7,"), "peer");
    assert_string_equal(client_of(""), "peer");
    assert_string_equal(client_of("203.0.113.7, , 10.0.0.2, 10.0.0.1"), "10.0.0.2");
    static const char *const texts[] = {
        "203.0.113.07",
        "203.0.113.7:",
        "203.0.113.7:65536",
        "203.0.113.7:x",
        "203.0.113.7:80:80",
        "[203.0.113.7]:80",
        "[2001:db8::1",
        "[2001:db8::1]80",
        "[2001:db8::1]:",
        "[]",
        "[",
        "\"203.0.113.7\"",
        "203.0.113.7/32",
        "_hidden",
        "fe80::1%eth0",
        "203.0.113.7 10.0.0.1",
        "203.0.113.7;10",
        "2001:db8::1]:80",
        "1234567890123456789012345678901234567890123456",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_string_equal(client_of(texts[i]), "peer");
}

static void ports_are_taken_as_proxies_write_them(void **state)
{
    (void)state;
    assert_string_equal(client_of("203.0.113.7:4711"), "203.0.113.7:4711");
    assert_string_equal(client_of("203.0.113.7:4711, 10.0.0.1:80"), "203.0.113.7:4711");
    assert_string_equal(client_of("[2001:db8::1]"), "2001:db8::1");
    assert_string_equal(client_of("[2001:db8::1]:4711"), "[2001:db8::1]:4711");
    assert_string_equal(client_of("203.0.113.7, [fd00::1]:443"), "203.0.113.7");
    assert_string_equal(client_of("::ffff:203.0.113.7"), "203.0.113.7");
    assert_string_equal(client_of("[::ffff:203.0.113.7]:80"), "203.0.113.7:80");
    assert_string_equal(client_of("203.0.113.7, ::ffff:10.0.0.1"), "203.0.113.7");
}

static void several_lines_are_one_list(void **state)
{
    (void)state;
    assert_string_equal(client_of("198.51.100.1\n203.0.113.7"), "203.0.113.7");
    assert_string_equal(client_of("203.0.113.7\n10.0.0.2\n10.0.0.1"), "203.0.113.7");
    assert_string_equal(client_of("198.51.100.1, 203.0.113.7\n10.0.0.2,10.0.0.1"), "203.0.113.7");
    assert_string_equal(client_of("203.0.113.7\n\n10.0.0.1"), "10.0.0.1");
}

/* Writes `first` and then `hops` proxies. */
static const char *after_hops(const char *first, int hops, const char *between)
{
    static char text[4096];
    size_t len = (size_t)snprintf(text, sizeof text, "%s", first);
    for (int i = hops; i > 0; i--)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s10.0.0.%d", between, i);
    return text;
}

static void at_most_32_addresses_are_looked_at(void **state)
{
    (void)state;
    assert_int_equal(HW_FORWARDED_HOPS_MAX, 32);
    assert_string_equal(client_of(after_hops("203.0.113.7", 31, ",")), "203.0.113.7");
    assert_string_equal(client_of(after_hops("203.0.113.7", 32, ",")), "10.0.0.32");
    assert_string_equal(client_of(after_hops("203.0.113.7", 31, "\n")), "203.0.113.7");
    assert_string_equal(client_of(after_hops("203.0.113.7", 32, "\n")), "10.0.0.32");
}

/* The client of a message with `before` other lines, then these, as X-Forwarded-For. */
static const char *found_in(int before, const char *text)
{
    static char message[16384], host[HW_ADDRESS_TEXT_MAX];
    struct hw_http http;
    struct hw_http_limits limits = {16384, 1024};
    struct hw_address client;
    int len = snprintf(message, sizeof message, "POST / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < before; i++)
        len +=
            snprintf(message + len, sizeof message - (size_t)len, "X-Forwarded-Fo: 192.0.2.1\r\n");
    for (const char *end; *text; text = *end ? end + 1 : end) {
        end = strchr(text, '\n');
        end = end ? end : text + strlen(text);
        len += snprintf(message + len, sizeof message - (size_t)len, "x-fORWARDED-for: %.*s\r\n",
                        (int)(end - text), text);
    }
    len += snprintf(message + len, sizeof message - (size_t)len, "\r\n");
    const char *bytes = guard_place(&guard, message, (size_t)len);
    hw_http_init(&http, &limits);
    assert_int_equal(hw_http_head(&http, bytes, (size_t)len), len);
    if (!hw_forwarded_find(&http, bytes, &proxies, &client))
        return "peer";
    struct hw_str shown = hw_address_text(&client.any, host, sizeof host);
    return shown.ptr;
}

static void it_is_found_among_the_header_lines(void **state)
{
    (void)state;
    assert_string_equal(found_in(0, ""), "peer");
    assert_string_equal(found_in(0, "203.0.113.7"), "203.0.113.7");
    assert_string_equal(found_in(3, "198.51.100.1\n203.0.113.7\n10.0.0.1"), "203.0.113.7");
    assert_string_equal(found_in(100, "203.0.113.7, 10.0.0.2\n10.0.0.1"), "203.0.113.7");
    assert_string_equal(found_in(0, after_hops("203.0.113.7", 31, "\n")), "203.0.113.7");
    assert_string_equal(found_in(0, after_hops("203.0.113.7", 32, "\n")), "10.0.0.32");
    assert_string_equal(found_in(0, after_hops("203.0.113.7", 100, "\n")), "10.0.0.32");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_address_from_the_right_that_is_no_proxy_is_the_client),
        cmocka_unit_test(with_proxies_alone_the_first_one_is_the_client),
        cmocka_unit_test(what_is_no_address_ends_the_search),
        cmocka_unit_test(ports_are_taken_as_proxies_write_them),
        cmocka_unit_test(several_lines_are_one_list),
        cmocka_unit_test(at_most_32_addresses_are_looked_at),
        cmocka_unit_test(it_is_found_among_the_header_lines),
    };
    return cmocka_run_group_tests_name("forwarded", tests, set_up, tear_down);
}
