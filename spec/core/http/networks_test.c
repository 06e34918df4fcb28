/* A set of networks has exactly the addresses that its texts name, and a wrong text is told how to
 * be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "address_of.h"
#include "http/networks.h"

static bool has(const struct hw_networks *set, const char *text)
{
    struct hw_address address = address_of(text);
    return hw_networks_has(set, &address.any);
}

/* Whether the set of this one text has the address. */
static bool covers(const char *network, const char *address)
{
    struct hw_networks set;
    assert_int_equal(hw_networks_make(&set, &network, 1), 0);
    assert_false(hw_networks_is_empty(&set));
    bool found = has(&set, address);
    hw_networks_fini(&set);
    return found;
}

static void a_block_has_its_first_and_last_address_and_no_other(void **state)
{
    (void)state;
    assert_false(covers("203.0.113.0/24", "203.0.112.255"));
    assert_true(covers("203.0.113.0/24", "203.0.113.0"));
    assert_true(covers("203.0.113.0/24", "203.0.113.255"));
    assert_false(covers("203.0.113.0/24", "203.0.114.0"));
    assert_false(covers("203.0.113.6/31", "203.0.113.5"));
    assert_true(covers("203.0.113.6/31", "203.0.113.7"));
    assert_false(covers("203.0.113.6/31", "203.0.113.8"));
    assert_false(covers("2001:db8::/32", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert_true(covers("2001:db8::/32", "2001:db8::"));
    assert_true(covers("2001:db8::/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert_false(covers("2001:db8::/32", "2001:db9::"));
    assert_false(covers("2001:db8::8000/113", "2001:db8::7fff"));
    assert_true(covers("2001:db8::8000/113", "2001:db8::ffff"));
    assert_false(covers("2001:db8::/64", "2001:db8:0:1::"));
    assert_true(covers("2001:db8::/63", "2001:db8:0:1::"));
    assert_false(covers("2001:db8::/65", "2001:db8:0:0:8000::"));
}

static void an_address_alone_is_a_block_of_one(void **state)
{
    (void)state;
    assert_true(covers("127.0.0.1", "127.0.0.1"));
    assert_false(covers("127.0.0.1", "127.0.0.2"));
    assert_true(covers("127.0.0.1/32", "127.0.0.1"));
    assert_true(covers("2001:db8::1", "2001:db8::1"));
    assert_false(covers("2001:db8::1/128", "2001:db8::2"));
}

static void everything_of_one_kind_has_nothing_of_the_other(void **state)
{
    (void)state;
    assert_true(covers("0.0.0.0/0", "255.255.255.255"));
    assert_false(covers("0.0.0.0/0", "::1"));
    assert_true(covers("::/0", "ffff::"));
    assert_false(covers("::/0", "192.0.2.1"));
}

static void an_ipv4_client_of_an_ipv6_socket_is_ipv4(void **state)
{
    (void)state;
    assert_true(covers("192.0.2.0/24", "::ffff:192.0.2.1"));
    assert_false(covers("192.0.3.0/24", "::ffff:192.0.2.1"));
    assert_false(covers("::/0", "::ffff:192.0.2.1"));
    assert_true(covers("::/0", "::192.0.2.1"));
}

static void unix_sockets_are_in_by_their_word_alone(void **state)
{
    (void)state;
    const char *with[] = {"unix", "192.0.2.1"}, *without[] = {"0.0.0.0/0", "::/0"};
    struct sockaddr local = {.sa_family = AF_UNIX}, none = {0};
    struct hw_networks set;
    assert_int_equal(hw_networks_make(&set, with, 2), 0);
    assert_true(hw_networks_has(&set, &local));
    assert_false(hw_networks_has(&set, &none));
    hw_networks_fini(&set);
    assert_true(hw_networks_is_empty(&set));
    assert_int_equal(hw_networks_make(&set, without, 2), 0);
    assert_false(hw_networks_has(&set, &local));
    assert_false(hw_networks_has(&set, &none));
    hw_networks_fini(&set);
    assert_int_equal(hw_networks_make(&set, NULL, 0), 0);
    assert_true(hw_networks_is_empty(&set));
    assert_false(has(&set, "127.0.0.1"));
    hw_networks_fini(&set);
}

/* Blocks in any order, inside each other, beside each other, twice. */
static void a_set_has_what_any_of_its_texts_has(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "10.8.0.0/16", "192.0.2.4/30", "10.0.0.0/8",    "192.0.2.0/30",
        "10.9.9.9",    "192.0.2.4/30", "fd00::/8",      "2001:db8::/32",
        "fd12::/16",   "198.51.100.7", "2001:db8:1::1",
    };
    struct hw_networks set;
    assert_int_equal(hw_networks_make(&set, texts, sizeof texts / sizeof *texts), 0);
    static const char *const in[] = {"10.0.0.0",     "10.9.9.9",     "10.255.255.255", "192.0.2.0",
                                     "192.0.2.3",    "192.0.2.7",    "198.51.100.7",   "fd12::1",
                                     "fdff:ffff::1", "2001:db8:1::1"};
    static const char *const out[] = {
        "9.255.255.255", "11.0.0.0",   "192.0.2.8", "198.51.100.6", "198.51.100.8", "fc00::1",
        "fe00::1",       "2001:db7::", "0.0.0.0",   "255.0.0.1",    "2001:db9::"};
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        assert_true(has(&set, in[i]));
    for (size_t i = 0; i < sizeof out / sizeof *out; i++)
        assert_false(has(&set, out[i]));
    hw_networks_fini(&set);
}

static void many_blocks_are_told_apart(void **state)
{
    (void)state;
    enum { COUNT = HW_NETWORKS_MAX };
    static char texts[COUNT][20];
    static const char *list[COUNT];
    struct hw_networks set;
    for (int i = 0; i < COUNT; i++) { /* every second /30, in a scattered order */
        int n = i * 7919 % COUNT * 8;
        snprintf(texts[i], sizeof texts[i], "10.%d.%d.%d/30", n >> 16, n >> 8 & 255, n & 255);
        list[i] = texts[i];
    }
    assert_int_equal(hw_networks_make(&set, list, COUNT), 0);
    assert_int_equal(set.v4_count, COUNT);
    for (int n = 0; n < COUNT * 8; n++) {
        struct hw_address address = {.v4 = {.sin_family = AF_INET}};
        address.v4.sin_addr.s_addr = htonl(10u << 24 | (unsigned)n);
        assert_int_equal(hw_networks_has(&set, &address.any), n % 8 < 4);
    }
    hw_networks_fini(&set);
}

static void assert_refused(const char *text, const char *reason)
{
    struct hw_network network;
    char why[HW_NETWORK_WHY_MAX], expected[HW_NETWORK_WHY_MAX];
    assert_true(hw_network_read(&network, hw_str_of(text), why, sizeof why) != 0);
    snprintf(expected, sizeof expected, "\"%s\" %s", text, reason);
    assert_string_equal(why, expected);
}

static void a_wrong_text_is_told_how_to_be_written(void **state)
{
    (void)state;
    assert_refused("203.0.113.5/24",
                   "has bits set after its prefix; write \"203.0.113.0/24\" for the block, or "
                   "\"203.0.113.5\" for the address");
    assert_refused("2001:db8::1/33",
                   "has bits set after its prefix; write \"2001:db8::/33\" for the block, or "
                   "\"2001:db8::1\" for the address");
    assert_refused("::1/0", "has bits set after its prefix; write \"::/0\" for the block, or "
                            "\"::1\" for the address");
    assert_refused("::ffff:192.0.2.1/90",
                   "has bits set after its prefix; write \"::ffc0:0:0/90\" for the block, or "
                   "\"192.0.2.1\" for the address");
    assert_refused("::ffff:192.0.2.1", "is an IPv4 address; write \"192.0.2.1\"");
    assert_refused("::ffff:192.0.2.1/120", "is an IPv4 block; write \"192.0.2.0/24\"");
    assert_refused("::ffff:0:0/96", "is an IPv4 block; write \"0.0.0.0/0\"");
    assert_refused("10.0.0.0/255.0.0.0", "has a mask; write \"10.0.0.0/8\"");
    assert_refused("10.0.0.0/0.0.0.0", "has a mask; write \"10.0.0.0/0\"");
    assert_refused("192.0.2.1:8080", "is more than an address; write \"192.0.2.1\"");
    assert_refused("[2001:db8::1]", "is more than an address; write \"2001:db8::1\"");
    assert_refused("[2001:db8::1]:80", "is more than an address; write \"2001:db8::1\"");
    assert_refused("[2001:db8::]/32", "has brackets; write \"2001:db8::/32\"");
    assert_refused("[2001:db8::]/129", "is more than an address; write \"2001:db8::\"");
    assert_refused("10.0.0.0/8, 192.168.0.0/16",
                   "is more than one; write a list: { \"...\", \"...\" }");
    assert_refused("10.0.0.1,10.0.0.2", "is more than one; write a list: { \"...\", \"...\" }");
    assert_refused("fe80::1%eth0", "has a zone, which is not supported; leave it out");
    assert_refused("*", "is not an address; write \"0.0.0.0/0\" and \"::/0\" for all");
    static const char *const lengths[] = {"10.0.0.0/33", "10.0.0.0/",   "10.0.0.0/-1",
                                          "10.0.0.0/08", "10.0.0.0/8 ", "10.0.0.0/255.0.255.0",
                                          "10.0.0.0/8/8"};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        assert_refused(lengths[i], "needs the length of its prefix after the slash, from 0 to 32");
    assert_refused("2001:db8::/129",
                   "needs the length of its prefix after the slash, from 0 to 128");
    static const char *const texts[] = {"",          "10",        "10.0.0",        "10.0.0.256",
                                        "10.0.0.01", "localhost", "10.0.0.0 ",     " 10.0.0.0",
                                        "1::2::3",   "unix:/run", "example.com:80"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_refused(texts[i], "is not an address; write one such as \"203.0.113.7\" or "
                                 "\"2001:db8::7\", or a block such as \"203.0.113.0/24\" or "
                                 "\"2001:db8::/32\"");
}

static void the_text_of_a_refusal_is_short_and_printable(void **state)
{
    (void)state;
    char why[HW_NETWORK_WHY_MAX], text[300];
    struct hw_network network;
    memset(text, 'x', sizeof text);
    memcpy(text, "\n\0\x1b\xff", 4);
    assert_true(hw_network_read(&network, (struct hw_str){text, sizeof text}, why, sizeof why));
    assert_memory_equal(why, "\"????xxxx", 9);
    assert_non_null(strstr(why, "...\" is not an address;"));
    assert_true(strlen(why) < sizeof why - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_has_its_first_and_last_address_and_no_other),
        cmocka_unit_test(an_address_alone_is_a_block_of_one),
        cmocka_unit_test(everything_of_one_kind_has_nothing_of_the_other),
        cmocka_unit_test(an_ipv4_client_of_an_ipv6_socket_is_ipv4),
        cmocka_unit_test(unix_sockets_are_in_by_their_word_alone),
        cmocka_unit_test(a_set_has_what_any_of_its_texts_has),
        cmocka_unit_test(many_blocks_are_told_apart),
        cmocka_unit_test(a_wrong_text_is_told_how_to_be_written),
        cmocka_unit_test(the_text_of_a_refusal_is_short_and_printable),
    };
    return cmocka_run_group_tests_name("networks", tests, NULL, NULL);
}
