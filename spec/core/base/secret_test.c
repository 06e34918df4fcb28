/* secret_test.c -- no password of a database is left in a text, and the rest of it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"
#include "guard.h"

static struct guard in, room;

/* The text and the room for it end at a guard page. */
static const char *hide(const char *text)
{
    size_t len = strlen(text), size = HW_SECRET_ROOM(len);
    const char *exact = guard_place(&in, text, len + 1);
    char *out = (char *)guard_place(&room, "", 0) - size;
    size_t written = hw_secret_hide(out, size, exact);
    assert_int_equal(written, strlen(out));
    return out;
}

static void hides_the_password_of_an_address(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"postgres://hw:secret@db/hookward", "postgres://hw:***@db/hookward"},
        {"postgresql://hw:s@a:1,b:2/h?sslmode=require",
         "postgresql://hw:***@a:1,b:2/h?sslmode=require"},
        {"POSTGRES://hw:s@db", "POSTGRES://hw:***@db"},
        {"postgres://:s@db", "postgres://:***@db"},
        {"postgres://hw:a?b@db/x", "postgres://hw:***@db/x"},
        {"postgres://hw:a/b@db/x", "postgres://hw:***@db/x"},
        {"postgres://hw:a@b@db/x?y=1", "postgres://hw:***@db/x?y=1"},
        {"postgres://hw:a@b/c@db/x", "postgres://hw:***@db/x"},
        {"postgres://h/d?user=u&password=s&port=1", "postgres://h/d?user=u&password=***&port=1"},
        {"postgres://h/d?p%61ssw%6Frd=s", "postgres://h/d?p%61ssw%6Frd=***"},
        {"postgres://h/d?sslpassword=s", "postgres://h/d?sslpassword=***"},
        {"could not use \"postgres://a:b@c/d\": no", "could not use \"postgres://a:***@c/d\": no"},
        {"postgres://a:b@c postgres://d:e@f", "postgres://a:***@c postgres://d:***@f"},
        {"host=db password = 'a\\'b c' user=u", "host=db password = *** user=u"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        assert_string_equal(hide(pairs[i][0]), pairs[i][1]);
}

static void leaves_everything_else(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "postgres://",
        "postgres:",
        "postgres://hw@db:5432/hookward",
        "postgres://db:5432/hookward?application_name=a@b",
        "postgres://hw:@db",
        "postgres:///hookward?host=/run/postgresql",
        "password authentication failed for user \"hw\"",
        "http://a:b@c/d",
        "password=",
        "%7",
        "%70%6",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_string_equal(hide(texts[i]), texts[i]);
}

static void cuts_off_what_does_not_fit(void **state)
{
    (void)state;
    char out[16];
    assert_int_equal(hw_secret_hide(out, sizeof out, "postgres://hw:secret@db"), 15);
    assert_string_equal(out, "postgres://hw:*");
}

int main(void)
{
    guard_open(&in, 1000);
    guard_open(&room, 1000);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hides_the_password_of_an_address),
        cmocka_unit_test(leaves_everything_else),
        cmocka_unit_test(cuts_off_what_does_not_fit),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    guard_close(&in);
    guard_close(&room);
    return failed;
}
