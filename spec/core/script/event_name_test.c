/* The name of an event is found in its body without decoding it, and nothing is read past the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "guard.h"
#include "script/event_name.h"

static void finds(const char *body, const char *expected)
{
    struct guard g;
    size_t len = strlen(body);
    guard_open(&g, 128);
    struct hw_str found = hw_event_name_find((struct hw_str){guard_place(&g, body, len), len});
    char text[64];
    snprintf(text, sizeof text, "%.*s", HW_STR_ARG(found));
    assert_string_equal(text, expected);
    guard_close(&g);
}

static void finds_the_name(void **state)
{
    (void)state;
    finds("{\"Event\":\"A.B\"}", "A.B");
    finds("\xef\xbb\xbf {\r\n\t\"X\": 1, \"Event\" :\n\"A.B\" }", "A.B");
    finds("{\"Data\":{\"Event\":\"No\"},\"List\":[\"Event\",{\"Event\":\"No\"}],\"Event\":\"A.B\"}",
          "A.B");
    finds("{\"X\":\"\\\"Event\\\":\\\\\",\"Event\":\"A.B\"}", "A.B");
    finds("{\"Event\":\"A.B\",\"X\":\"Event\"}", "A.B");
    finds("{\"Event\":\"No\",\"Event\":\"A.B\"}", "A.B");
    finds("{\"Event\":\"\"}", "");
}

static void finds_none(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "{}",
        "[\"Event\",\"A.B\"]",
        "{\"Event\":1}",
        "{\"Event\"",
        "{\"Event",
        "{\"X\":\"Event\"}",
        "{\"Event\":\"A\\u002eB\"}",
        "{\"Event\":",
        "{\"Event\":\"A.B",
        "{\"Event\":\"A.B\\",
        "{\"event\":\"A.B\"}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        finds(bodies[i], "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_name),
        cmocka_unit_test(finds_none),
    };
    return cmocka_run_group_tests_name("event_name", tests, NULL, NULL);
}
