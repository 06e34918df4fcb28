/* The PROXY protocol's header is taken to its last byte and no further, however it is split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "guard.h"
#include "http/proxy_protocol.h"

static struct guard guard;

static int set_up(void **state)
{
    (void)state;
    guard_open(&guard, 1 << 17);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    guard_close(&guard);
    return 0;
}

/* The client that these bytes name, as text: "socket" when they name none, "more" when they are not
 * complete, "refused". In pieces of `step` bytes. *taken is how many belong to the header. */
static const char *read_in(const char *bytes, size_t len, size_t step, size_t *taken,
                           const char **why)
{
    static char host[HW_ADDRESS_TEXT_MAX];
    struct hw_proxy_protocol p = {0};
    struct hw_address client;
    *taken = 0;
    for (size_t at = 0; at < len && !p.done && !p.why; at += step) {
        size_t piece = len - at < step ? len - at : step;
        *taken += hw_proxy_protocol_take(&p, guard_place(&guard, bytes + at, piece), piece);
    }
    *why = p.why;
    if (p.why)
        return "refused";
    if (!p.done)
        return "more";
    if (!hw_proxy_protocol_client(&p, &client))
        return "socket";
    struct hw_str shown = hw_address_text(&client.any, host, sizeof host);
    return shown.ptr;
}

static void assert_reads(const char *bytes, size_t len, const char *expected, size_t header)
{
    static char with_more[70000];
    const char *why, *first = NULL;
    size_t taken;
    memcpy(with_more, bytes, len);
    memcpy(with_more + len, "POST / HTTP/1.1", 15);
    for (size_t step = 1; step <= len + 15; step += step < 20 ? 1 : 37) {
        assert_string_equal(read_in(with_more, len + 15, step, &taken, &why), expected);
        assert_int_equal(taken, header);
        assert_true(!first || first == why);
        first = why;
    }
}

/* A whole header, and each of its beginnings. */
static void assert_whole(const char *bytes, size_t len, const char *expected)
{
    const char *why;
    size_t taken;
    assert_reads(bytes, len, expected, len);
    for (size_t part = 0; part < len; part++) {
        assert_string_equal(read_in(bytes, part, part ? part : 1, &taken, &why), "more");
        assert_int_equal(taken, part);
    }
}

#define LINE(text, expected) assert_whole("" text, sizeof(text) - 1, expected)

static void assert_refused(const char *bytes, size_t len, const char *reason)
{
    const char *why;
    size_t taken;
    assert_string_equal(read_in(bytes, len, len, &taken, &why), "refused");
    assert_string_equal(why, reason);
    assert_reads(bytes, len, "refused", taken);
}

#define REFUSED(text, reason) assert_refused("" text, sizeof(text) - 1, reason)

static void a_line_names_the_client(void **state)
{
    (void)state;
    LINE("PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n", "203.0.113.7:4711");
    LINE("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535");
    LINE("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0");
    LINE("PROXY TCP6 2001:db8::7 ::1 4711 443\r\n", "[2001:db8::7]:4711");
    LINE("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    LINE("PROXY TCP6 ::ffff:203.0.113.7 ::1 4711 443\r\n", "203.0.113.7:4711");
}

static void an_unknown_line_leaves_the_sockets_address(void **state)
{
    (void)state;
    LINE("PROXY UNKNOWN\r\n", "socket");
    LINE("PROXY UNKNOWN whatever  stands here\t\x01\r\n", "socket");
    LINE("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         "socket");
}

static void a_line_has_at_most_107_bytes(void **state)
{
    (void)state;
    char line[200];
    for (int len = 106; len <= 108; len++) {
        memset(line, 'x', sizeof line);
        memcpy(line, "PROXY UNKNOWN ", 14);
        memcpy(line + len - 2, "\r\n", 2);
        if (len <= HW_PROXY_PROTOCOL_LINE_MAX)
            assert_whole(line, (size_t)len, "socket");
        else
            assert_refused(line, (size_t)len, "its line is longer than 107 bytes");
    }
    memset(line + 14, 'x', sizeof line - 14);
    assert_refused(line, 107, "its line is longer than 107 bytes");
    assert_reads(line, 106, "refused", 107);
}

static void a_malformed_line_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 203.0.113.7\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 4711\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 4711 \r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 4711 443 \r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 4711 443 1\r\n",
        "PROXY TCP4  203.0.113.7 192.0.2.1 4711 443\r\n",
        "PROXY TCP4 203.0.113.07 192.0.2.1 4711 443\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 04711 443\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 4711 65536\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 -1 443\r\n",
        "PROXY TCP4 203.0.113.256 192.0.2.1 4711 443\r\n",
        "PROXY TCP4 2001:db8::7 ::1 4711 443\r\n",
        "PROXY TCP6 203.0.113.7 192.0.2.1 4711 443\r\n",
        "PROXY TCP6 2001:db8::7 192.0.2.1 4711 443\r\n",
        "PROXY TCP6 [2001:db8::7] ::1 4711 443\r\n",
        "PROXY UDP4 203.0.113.7 192.0.2.1 4711 443\r\n",
        "PROXY tcp4 203.0.113.7 192.0.2.1 4711 443\r\n",
        "PROXY UNKNOWNS\r\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_refused(lines[i], strlen(lines[i]), "its line is malformed");
    REFUSED("PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\n",
            "a line feed without its carriage return");
    REFUSED("PROXY UNKNOWN \r \n", "a carriage return without its line feed");
    REFUSED("PROXY UNKNOWN\r\r\n", "a carriage return without its line feed");
    REFUSED("PROXY UNKNOWN \0\r\n", "it is not a PROXY protocol header");
}

static void other_bytes_are_refused_at_the_first_that_differs(void **state)
{
    (void)state;
    static const char no[] = "it is not a PROXY protocol header";
    assert_reads("GET / HTTP/1.1\r\n\r\n", 18, "refused", 1);
    assert_reads("POST / HTTP/1.1\r\n\r\n", 19, "refused", 2);
    assert_reads("PROXY\r\n", 7, "refused", 6);
    assert_reads("\x16\x03\x01", 3, "refused", 1);
    REFUSED("\r\n\r\nPROXY TCP4", no);
    REFUSED("\r\n\r\n\0\r\nQUIT\r", no);
    REFUSED("proxy TCP4 203.0.113.7 192.0.2.1 4711 443\r\n", no);
}

/* ---- version 2 ---- */

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_ADDRESSES "\xcb\x00\x71\x07\xc0\x00\x02\x01\x12\x67\x01\xbb"
#define V6_ADDRESS "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
#define V6_ADDRESSES V6_ADDRESS V6_ADDRESS "\x12\x67\x01\xbb"

static void bytes_name_the_client(void **state)
{
    (void)state;
    LINE(SIGNATURE "\x21\x11\x00\x0c" V4_ADDRESSES, "203.0.113.7:4711");
    LINE(SIGNATURE "\x21\x21\x00\x24" V6_ADDRESSES, "[2001:db8::7]:4711");
}

static void tlvs_are_skipped(void **state)
{
    (void)state;
    LINE(SIGNATURE "\x21\x11\x00\x13" V4_ADDRESSES "\x04\x00\x04POST", "203.0.113.7:4711");
    LINE(SIGNATURE "\x21\x21\x00\x27" V6_ADDRESSES "\xea\xff\xff", "[2001:db8::7]:4711");
    LINE(SIGNATURE "\x20\x00\x00\x07\x04\x00\x04POST", "socket");
}

static void local_and_other_families_leave_the_sockets_address(void **state)
{
    (void)state;
    LINE(SIGNATURE "\x20\x00\x00\x00", "socket");
    LINE(SIGNATURE "\x20\x11\x00\x0c" V4_ADDRESSES, "socket");
    LINE(SIGNATURE "\x20\xff\x00\x02\x11\x11", "socket"); /* its family is ignored */
    LINE(SIGNATURE "\x20\x11\x00\x00", "socket");
    LINE(SIGNATURE "\x21\x00\x00\x00", "socket");
    LINE(SIGNATURE "\x21\x12\x00\x0c" V4_ADDRESSES, "socket"); /* UDP */
    LINE(SIGNATURE "\x21\x10\x00\x00", "socket");
    LINE(SIGNATURE "\x21\x01\x00\x00", "socket");
    char header[16 + 216] = SIGNATURE "\x21\x31\x00\xd8";
    assert_whole(header, sizeof header, "socket");
}

static void malformed_bytes_are_refused(void **state)
{
    (void)state;
    static const char small[] = "its length is too small for its addresses";
    REFUSED(SIGNATURE "\x21\x11\x00\x0b" V4_ADDRESSES, small);
    REFUSED(SIGNATURE "\x21\x21\x00\x23" V6_ADDRESSES, small);
    REFUSED(SIGNATURE "\x21\x31\x00\xd7", small);
    REFUSED(SIGNATURE "\x21\x11\x00\x00", small);
    REFUSED(SIGNATURE "\x11", "its version or command is not known");
    REFUSED(SIGNATURE "\x22", "its version or command is not known");
    REFUSED(SIGNATURE "\x31", "its version or command is not known");
    REFUSED(SIGNATURE "\x21\x41", "its address family or protocol is not known");
    REFUSED(SIGNATURE "\x21\x13", "its address family or protocol is not known");
    REFUSED(SIGNATURE "\x21\xf1", "its address family or protocol is not known");
}

static void bytes_are_at_most_2048(void **state)
{
    (void)state;
    char header[HW_PROXY_PROTOCOL_BYTES_MAX + 1] = SIGNATURE "\x21\x11\x07\xf0" V4_ADDRESSES;
    assert_int_equal(HW_PROXY_PROTOCOL_BYTES_MAX, 2048);
    assert_whole(header, 2048, "203.0.113.7:4711");
    header[15]++;
    assert_refused(header, 2049, "it is longer than 2048 bytes");
    assert_reads(header, 2049, "refused", 16);
    memcpy(header + 14, "\xff\xff", 2);
    assert_refused(header, 2049, "it is longer than 2048 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_names_the_client),
        cmocka_unit_test(an_unknown_line_leaves_the_sockets_address),
        cmocka_unit_test(a_line_has_at_most_107_bytes),
        cmocka_unit_test(a_malformed_line_is_refused),
        cmocka_unit_test(other_bytes_are_refused_at_the_first_that_differs),
        cmocka_unit_test(bytes_name_the_client),
        cmocka_unit_test(tlvs_are_skipped),
        cmocka_unit_test(local_and_other_families_leave_the_sockets_address),
        cmocka_unit_test(malformed_bytes_are_refused),
        cmocka_unit_test(bytes_are_at_most_2048),
    };
    return cmocka_run_group_tests_name("PROXY protocol", tests, set_up, tear_down);
}
