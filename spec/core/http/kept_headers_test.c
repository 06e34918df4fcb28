/* A request's headers are kept as JSON: all but secrets, and within bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "guard.h"
#include "http/kept_headers.h"

static struct hw_requests pool;
static struct guard guard;

/* Of a request with these header lines; ends at the guard page. */
static struct hw_str kept(const char *lines)
{
    static char copy[HW_KEPT_HEADERS_MAX];
    char *text = guard_place(&guard, copy, sizeof copy);
    struct hw_request *r = hw_request_take(&pool);
    assert_int_equal(hw_request_append(r, HW_STR("POST / HTTP/1.1\r\n")), 0);
    assert_int_equal(hw_request_append(r, hw_str_of(lines)), 0);
    assert_int_equal(hw_request_append(r, HW_STR("\r\n")), 0);
    assert_true(hw_http_head(&r->http, r->bytes, r->len) > 0);
    size_t len = hw_kept_headers_write(r, text);
    assert_true(len <= HW_KEPT_HEADERS_MAX);
    memcpy(copy, text, len);
    hw_request_put(&pool, r);
    return (struct hw_str){copy, len};
}

static void assert_kept(const char *lines, const char *expected)
{
    struct hw_str json = kept(lines);
    if (!hw_str_eq(json, hw_str_of(expected)))
        fail_msg("%.*s", HW_STR_ARG(json));
}

static void writes_names_in_lower_case_and_joins_values(void **state)
{
    (void)state;
    assert_kept("Host: a\r\nX-One:  1 \r\nX-Two: a\r\nx-one: 2\r\nX-TWO:\r\nX-ONE: 3\r\n",
                "{\"host\":\"a\",\"x-one\":\"1, 2, 3\",\"x-two\":\"a, \"}");
    assert_kept("Host: a\r\nx^: 1\r\nx~: 2\r\n", "{\"host\":\"a\",\"x^\":\"1\",\"x~\":\"2\"}");
}

static void escapes_what_json_needs_escaped(void **state)
{
    (void)state;
    assert_kept("Host: a\r\nX: \"q\" \\ \t \xc3\xa4\r\n",
                "{\"host\":\"a\",\"x\":\"\\\"q\\\" \\\\ \\u0009 \xc3\xa4\"}");
}

static void leaves_out_secrets_and_what_is_not_utf8(void **state)
{
    (void)state;
    assert_kept(
        "Authorization: Basic eA==\r\nHost: a\r\ncookie: a=b\r\nCookie: c=d\r\n"
        "Proxy-Authorization: x\r\nX-Latin: \xe4\r\nX-Two: a\r\nX-Two: \xff\r\nX-Last: z\r\n",
        "{\"host\":\"a\",\"x-last\":\"z\"}");
    assert_kept("Authorization: Basic eA==\r\nHost:\r\n", "{\"host\":\"\"}");
}

/* In the order of the lines: what has no room is left out as a whole, what is shorter may follow. */
static void leaves_out_what_has_no_room(void **state)
{
    enum { REST = sizeof "{\"host\":\"a\",\"x-long\":\"\"}" - 1 };
    char lines[2 * HW_KEPT_HEADERS_MAX];
    (void)state;
    for (int over = 0; over <= 1; over++) {
        int len = HW_KEPT_HEADERS_MAX - REST + over;
        snprintf(lines, sizeof lines, "Host: a\r\nX-Long: %0*d\r\nX-Short: b\r\n", len, 0);
        struct hw_str json = kept(lines);
        if (over)
            assert_true(hw_str_eq(json, HW_STR("{\"host\":\"a\",\"x-short\":\"b\"}")));
        else
            assert_int_equal(json.len, HW_KEPT_HEADERS_MAX);
    }
}

static void looks_at_so_many_lines_only(void **state)
{
    char lines[4096];
    int len = snprintf(lines, sizeof lines, "Host: a\r\n");
    (void)state;
    for (int i = 2; i <= HW_HTTP_HEADERS_KEPT + 1; i++)
        len += snprintf(lines + len, sizeof lines - (size_t)len, "X-%d: %d\r\n", i, i);
    struct hw_str json = kept(lines);
    char *text = strndup(json.ptr, json.len);
    assert_non_null(strstr(text, ",\"x-64\":\"64\"}"));
    free(text);
}

static int open_all(void **state)
{
    (void)state;
    hw_requests_init(&pool, (struct hw_http_limits){32768, 1 << 20});
    guard_open(&guard, HW_KEPT_HEADERS_MAX);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    guard_close(&guard);
    hw_requests_fini(&pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_names_in_lower_case_and_joins_values),
        cmocka_unit_test(escapes_what_json_needs_escaped),
        cmocka_unit_test(leaves_out_secrets_and_what_is_not_utf8),
        cmocka_unit_test(leaves_out_what_has_no_room),
        cmocka_unit_test(looks_at_so_many_lines_only),
    };
    return cmocka_run_group_tests_name("kept_headers", tests, open_all, close_all);
}
