/* JSON is laid out over several lines, as far as there is room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/layout.h"

static void lays_out(const char *json, const char *expected)
{
    char out[512];
    size_t len = hw_layout_json(out, sizeof out - 1, hw_str_of(json));
    out[len] = '\0';
    assert_string_equal(expected, out);
}

static void gives_each_member_its_line(void **state)
{
    (void)state;
    lays_out("{\"a\":1,\"b\":[true,null],\"c\":{\"d\":\"x\"}}",
             "{\n  \"a\": 1,\n  \"b\": [\n    true,\n    null\n  ],\n  \"c\": {\n    \"d\": "
             "\"x\"\n  }\n}");
}

static void keeps_what_is_empty_in_its_line(void **state)
{
    (void)state;
    lays_out("{\"a\":{},\"b\":[ ]}", "{\n  \"a\": {},\n  \"b\": []\n}");
    lays_out("{}", "{}");
    lays_out("", "");
}

static void keeps_strings_and_digits_as_they_are(void **state)
{
    (void)state;
    lays_out(" [ \"{,:} \\\" \\\\\" , 1.50e+10 ] ", "[\n  \"{,:} \\\" \\\\\",\n  1.50e+10\n]");
}

static void bears_what_is_not_json(void **state)
{
    (void)state;
    lays_out("}}{\"", "\n}\n}{\n  \"");
    lays_out("\"\\", "\"\\");
    lays_out("not json", "notjson");
}

/* At each size: never a byte too many, never half a character, and a mark when it was cut. */
static void ends_with_a_mark_where_the_room_ends(void **state)
{
    (void)state;
    struct hw_str json = HW_STR("{\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\",\"b\":2}");
    char whole[128];
    size_t need = hw_layout_json(whole, sizeof whole, json);
    for (size_t size = HW_LAYOUT_MIN; size < need + 8; size++) {
        char *out = malloc(size); /* a sanitizer watches its end */
        size_t len = hw_layout_json(out, size, json);
        assert_true(len <= size);
        if (len != need || memcmp(out, whole, len) != 0)
            assert_memory_equal("\n\xe2\x80\xa6", out + len - 4, 4);
        for (size_t i = 0, n; i < len; i += n) {
            n = hw_str_utf8((struct hw_str){out, len}, i);
            assert_true(n > 0);
        }
        free(out);
    }
}

static void indents_only_so_far(void **state)
{
    (void)state;
    char json[2 * 200], out[65536];
    memset(json, '[', 200);
    memset(json + 200, ']', 200);
    assert_true(hw_layout_json(out, sizeof out, (struct hw_str){json, sizeof json}) < 200 * 2 * 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_each_member_its_line),
        cmocka_unit_test(keeps_what_is_empty_in_its_line),
        cmocka_unit_test(keeps_strings_and_digits_as_they_are),
        cmocka_unit_test(bears_what_is_not_json),
        cmocka_unit_test(ends_with_a_mark_where_the_room_ends),
        cmocka_unit_test(indents_only_so_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
