/* error_text_test.c -- the text of an error, whatever value it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "script/error_text.h"
#include "script/json.h"

enum { MEMORY = 1024 * 1024 };

/* Runs `code`, which fails, with the message handler; `text` becomes the text of the error. */
static int run(const char *code, uint64_t ms, char *text, size_t size)
{
    struct hw_limits l = {0};
    struct hw_arena arena;
    lua_State *L = hw_limits_open(&l, MEMORY);
    assert_non_null(L);
    luaL_openlibs(L);
    hw_json_open(L);
    lua_pushcfunction(L, hw_error_text_describe);
    assert_int_equal(luaL_loadbufferx(L, code, strlen(code), "=code", "t"), LUA_OK);
    hw_limits_begin(&l, hw_now_ns(), ms, "handler_timeout");
    int status = lua_pcall(L, 0, 0, 1);
    hw_limits_end(&l);
    hw_arena_init(&arena, NULL, 0);
    struct hw_str s = hw_error_text_take(&l, status, &arena);
    snprintf(text, size, "%.*s", (int)s.len, s.ptr);
    assert_int_equal(lua_gettop(L), 1);
    hw_arena_fini(&arena);
    hw_limits_close(&l);
    return status;
}

static void expect(const char *code, const char *begin)
{
    char text[2000];
    run(code, 10000, text, sizeof text);
    if (strncmp(text, begin, strlen(begin)) != 0)
        assert_string_equal(text, begin);
}

static void any_value_becomes_a_text(void **state)
{
    (void)state;
    expect("error 'oops'", "code:1: oops\nstack traceback:\n");
    expect("error(7)", "7\nstack traceback:\n");
    expect("error()", "(an error that is a nil value)\nstack traceback:\n");
    expect("error(print)", "(an error that is a function value)\n");
    expect("error { code = 1 }", "(an error that is a table: {\"code\":1})\n");
    expect("error { print }", "(an error that is a table value)\n");
    expect("error(setmetatable({}, { __tostring = function() return 'mine' end }))", "mine\n");
}

static void a_description_that_fails_is_replaced(void **state)
{
    (void)state;
    expect("error(setmetatable({}, { __tostring = function() error 'later' end }))",
           "code:1: later\nstack traceback:\n");
    expect("local e = setmetatable({}, {}) getmetatable(e).__tostring = function() error(e) end\n"
           "error(e)",
           "C stack overflow\n");
}

static void a_limit_is_named(void **state)
{
    char text[2000];
    (void)state;
    expect("local t = {} for i = 1, 1e9 do t[i] = i end",
           "not enough memory (vm_memory is 1048576 bytes)");
    run("while true do end", 10, text, sizeof text);
    assert_non_null(strstr(text, "code:1: it ran longer than handler_timeout (10 ms)\nstack"));
}

static void expect_line(const char *text, const char *want)
{
    char line[80];
    struct hw_str s = {text, text ? strlen(text) : 0};
    hw_error_text_line(s, line, sizeof line);
    assert_string_equal(line, want);
}

static void a_line_is_the_first_one(void **state)
{
    (void)state;
    expect_line("a.lua:1: oops", "a.lua:1: oops");
    expect_line("a.lua:1: oops\nstack traceback:\n\t[C]", "a.lua:1: oops");
    expect_line("error loading module 'x':\n\tx.lua:3: oops\nmore",
                "error loading module 'x': x.lua:3: oops");
    expect_line("ends with a colon:", "ends with a colon:");
    expect_line("", "");
    expect_line(NULL, "out of memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_value_becomes_a_text),
        cmocka_unit_test(a_description_that_fails_is_replaced),
        cmocka_unit_test(a_limit_is_named),
        cmocka_unit_test(a_line_is_the_first_one),
    };
    return cmocka_run_group_tests_name("error_text", tests, NULL, NULL);
}
