/* An answer is one well-formed HTTP message, whatever a handler gives as its reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/error.h"
#include "guard.h"
#include "http/answer.h"

static struct guard guard;
static struct hw_answer_clock clock_cache;
static char text[HW_ANSWER_MAX + 1];

static const char *write_answer(struct hw_answer answer)
{
    size_t len = hw_answer_write(text, &answer, &clock_cache);
    assert_true(len < HW_ANSWER_MAX);
    text[len] = '\0';
    return text;
}

/* Returns the body; checks that Content-Length is its length. */
static const char *body_of(const char *answer)
{
    const char *body = strstr(answer, "\r\n\r\n") + 4;
    char expected[40];
    snprintf(expected, sizeof expected, "\r\nContent-Length: %zu\r\n", strlen(body));
    if (!strstr(answer, expected))
        fail_msg("no%s in %s", expected + 1, answer);
    return body;
}

static void assert_message(struct hw_str reason, const char *message)
{
    char expected[6 * HW_ANSWER_REASON_MAX + 100];
    snprintf(expected, sizeof expected, "{\"error\":\"handler_refused\",\"message\":\"%s\"}",
             message);
    reason.ptr = guard_place(&guard, reason.ptr, reason.len);
    const char *answer =
        write_answer((struct hw_answer){.code = HW_EHANDLER_REFUSED, .reason = reason});
    assert_string_equal(body_of(answer), expected);
}

static void says_ok(void **state)
{
    (void)state;
    const char *answer = write_answer((struct hw_answer){0});
    assert_ptr_equal(strstr(answer, "HTTP/1.1 200 OK\r\nDate: "), answer);
    assert_non_null(strstr(answer, "\r\nContent-Type: application/json\r\n"));
    assert_string_equal(body_of(answer), "{\"status\":\"processed\"}");
    assert_null(strstr(answer, "Connection:"));
    assert_null(strstr(answer, "Server:"));
}

static void says_each_error_with_its_own_message(void **state)
{
    char expected[400];
    (void)state;
    for (int code = HW_ERROR_BASE + 1; code < HW_ERROR_END; code++) {
        const char *answer = write_answer((struct hw_answer){.code = code});
        snprintf(expected, sizeof expected, "HTTP/1.1 %d ", hw_error_status(code));
        assert_ptr_equal(strstr(answer, expected), answer);
        assert_int_equal(strstr(answer, "\r\nAllow: POST\r\n") != NULL,
                         code == HW_EMETHOD_NOT_ALLOWED);
        bool internal = strstr(answer, "Internal Server Error") != NULL;
        assert_int_equal(internal, hw_error_status(code) == 500); /* each status has a phrase */
        snprintf(expected, sizeof expected, "{\"error\":\"%s\",\"message\":\"%s\"}",
                 hw_error_name(code), hw_error_message(code));
        assert_string_equal(body_of(answer), expected);
    }
}

static void escapes_what_json_can_not_hold(void **state)
{
    (void)state;
    assert_message(HW_STR(""), "");
    assert_message(HW_STR("plain / text \x7f"), "plain / text \x7f");
    assert_message(HW_STR("\"\\\n\r\t\x01\x1f"), "\\\"\\\\\\u000a\\u000d\\u0009\\u0001\\u001f");
    assert_message(HW_STR("a\0b"), "a\\u0000b");
    assert_message(HW_STR("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"),
                   "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void replaces_what_is_not_utf8(void **state)
{
    (void)state;
    assert_message(HW_STR("\xff"), "\\ufffd");
    assert_message(HW_STR("a\x80z"), "a\\ufffdz");
    assert_message(HW_STR("\xc3"), "\\ufffd"); /* cut short */
    assert_message(HW_STR("\xc3("), "\\ufffd(");
    assert_message(HW_STR("\xe2\x82"), "\\ufffd\\ufffd");
    assert_message(HW_STR("\xf0\x9f\x98"), "\\ufffd\\ufffd\\ufffd");
    assert_message(HW_STR("\xc0\x80"), "\\ufffd\\ufffd"); /* overlong */
    assert_message(HW_STR("\xe0\x9f\xbf"), "\\ufffd\\ufffd\\ufffd");
    assert_message(HW_STR("\xf0\x8f\xbf\xbf"), "\\ufffd\\ufffd\\ufffd\\ufffd");
    assert_message(HW_STR("\xed\xa0\x80"), "\\ufffd\\ufffd\\ufffd");            /* a surrogate */
    assert_message(HW_STR("\xf4\x90\x80\x80"), "\\ufffd\\ufffd\\ufffd\\ufffd"); /* over U+10FFFF */
    assert_message(HW_STR("\xf4\x8f\xbf\xbf"), "\xf4\x8f\xbf\xbf");
    assert_message(HW_STR("\xed\x9f\xbf"), "\xed\x9f\xbf");
}

/* The reason is `count` bytes x, then `tail`, which is left out unless all of it fits. */
static void assert_cut(size_t count, const char *tail, bool fits)
{
    char reason[2 * HW_ANSWER_REASON_MAX], expected[2 * HW_ANSWER_REASON_MAX];
    memset(reason, 'x', count);
    strcpy(reason + count, tail);
    strcpy(expected, reason);
    if (!fits)
        expected[count] = '\0';
    assert_message(hw_str_of(reason), expected);
}

static void cuts_a_long_reason_between_characters(void **state)
{
    (void)state;
    assert_cut(HW_ANSWER_REASON_MAX - 1, "y", true);
    assert_cut(HW_ANSWER_REASON_MAX, "y", false);
    assert_cut(HW_ANSWER_REASON_MAX - 2, "\xc3\xbc", true);
    assert_cut(HW_ANSWER_REASON_MAX - 1, "\xc3\xbc", false);
    assert_cut(HW_ANSWER_REASON_MAX - 3, "\xe2\x82\xac", true);
    assert_cut(HW_ANSWER_REASON_MAX - 2, "\xe2\x82\xac", false);
    assert_cut(HW_ANSWER_REASON_MAX - 4, "\xf0\x9f\x98\x80", true);
    assert_cut(HW_ANSWER_REASON_MAX - 3, "\xf0\x9f\x98\x80", false);
}

static void has_room_for_the_longest_escapes(void **state)
{
    char reason[HW_ANSWER_REASON_MAX + 1], expected[6 * HW_ANSWER_REASON_MAX + 1] = "";
    (void)state;
    memset(reason, 1, sizeof reason);
    for (int i = 0; i < HW_ANSWER_REASON_MAX; i++)
        memcpy(expected + 6 * i, "\\u0001", 7);
    assert_message((struct hw_str){reason, sizeof reason}, expected);
}

static void says_what_becomes_of_the_connection(void **state)
{
    (void)state;
    assert_non_null(
        strstr(write_answer((struct hw_answer){.close = true}), "\r\nConnection: close\r\n"));
    assert_non_null(strstr(write_answer((struct hw_answer){.keep_alive_1_0 = true}),
                           "\r\nConnection: keep-alive\r\n"));
    const char *both = write_answer((struct hw_answer){.close = true, .keep_alive_1_0 = true});
    assert_non_null(strstr(both, "\r\nConnection: close\r\n"));
    assert_null(strstr(both, "keep-alive"));
}

static void gives_head_the_length_without_the_body(void **state)
{
    static char full[HW_ANSWER_MAX + 1];
    (void)state;
    time_t before;
    do { /* within one second */
        before = time(NULL);
        strcpy(full, write_answer((struct hw_answer){.code = HW_EMETHOD_NOT_ALLOWED}));
        write_answer((struct hw_answer){.code = HW_EMETHOD_NOT_ALLOWED, .head = true});
    } while (time(NULL) != before);
    assert_true(strlen(body_of(full)) > 0);
    *strstr(full, "{\"error\"") = '\0';
    assert_string_equal(text, full);
}

static void formats_the_date_once_a_second(void **state)
{
    (void)state;
    const char *answer;
    do {
        clock_cache.second = time(NULL);
        strcpy(clock_cache.date, "as it was");
        answer = write_answer((struct hw_answer){0});
    } while (time(NULL) != clock_cache.second);
    assert_non_null(strstr(answer, "\r\nDate: as it was\r\n"));

    char expected[64];
    struct tm tm;
    clock_cache.second = 1;
    answer = write_answer((struct hw_answer){0});
    gmtime_r(&clock_cache.second, &tm);
    strftime(expected, sizeof expected, "\r\nDate: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
    assert_non_null(strstr(answer, expected));
}

static void counts_its_continue_right(void **state)
{
    (void)state;
    assert_int_equal(hw_answer_continue.len, strlen(hw_answer_continue.ptr));
}

static int open_guard(void **state)
{
    (void)state;
    guard_open(&guard, 1000);
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
        cmocka_unit_test(says_ok),
        cmocka_unit_test(says_each_error_with_its_own_message),
        cmocka_unit_test(escapes_what_json_can_not_hold),
        cmocka_unit_test(replaces_what_is_not_utf8),
        cmocka_unit_test(cuts_a_long_reason_between_characters),
        cmocka_unit_test(has_room_for_the_longest_escapes),
        cmocka_unit_test(says_what_becomes_of_the_connection),
        cmocka_unit_test(gives_head_the_length_without_the_body),
        cmocka_unit_test(formats_the_date_once_a_second),
        cmocka_unit_test(counts_its_continue_right),
    };
    return cmocka_run_group_tests_name("answer", tests, open_guard, close_guard);
}
