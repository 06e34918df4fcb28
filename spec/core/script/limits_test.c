/* limits_test.c -- forked children end before they run the host's code; loops are stopped.
 *
 * The forks and the Lua states are real. The exit code of a child says how far it got. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "script/forked.h"
#include "script/limits.h"
#include "script/stoppable.h"

enum { BACK = 3, MINUTE_MS = 60000, MEMORY = 16 << 20 };

static pid_t child; /* of the last fork; 0 in the child */

static int fork_it(lua_State *L)
{
    child = fork();
    HW_CHECK(child >= 0);
    lua_pushboolean(L, child == 0);
    return 1;
}

static int become(lua_State *L)
{
    execl("/bin/sh", "sh", "-c", luaL_checkstring(L, 1), (char *)NULL);
    return 0;
}

static void open_state(struct hw_limits *l)
{
    *l = (struct hw_limits){0};
    HW_CHECK(hw_limits_open(l, MEMORY));
    luaL_openlibs(l->L);
    hw_stoppable_open(l->L);
    lua_register(l->L, "fork", fork_it);
    lua_register(l->L, "become", become);
}

static int run(struct hw_limits *l, const char *code, uint64_t ms)
{
    HW_CHECK(luaL_loadstring(l->L, code) == LUA_OK);
    hw_limits_begin(l, hw_now_ns(), ms, "time");
    int status = lua_pcall(l->L, 0, 0, 0);
    hw_limits_end(l);
    if (child == 0)
        _exit(BACK); /* here the host's code would run */
    return status;
}

/* Runs `code`, which forks, and returns the child's exit code. */
static int code_of_child(const char *code)
{
    struct hw_limits l;
    int status;
    open_state(&l);
    child = -1;
    assert_int_equal(run(&l, code, MINUTE_MS), LUA_OK);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    hw_limits_close(&l);
    return WEXITSTATUS(status);
}

static void ends_a_child_that_returns(void **state)
{
    (void)state;
    assert_int_equal(code_of_child("fork()"), HW_FORKED_EXIT);
    assert_int_equal(code_of_child("if fork() then error 'oops' end"), HW_FORKED_EXIT);
    assert_int_equal(code_of_child("coroutine.wrap(fork)()"), HW_FORKED_EXIT);
}

static void ends_a_child_that_loops(void **state)
{
    (void)state;
    assert_int_equal(code_of_child("if fork() then while true do end end"), HW_FORKED_EXIT);
}

static void leaves_a_child_that_becomes_a_program(void **state)
{
    (void)state;
    assert_int_equal(code_of_child("if fork() then become 'exit 7' end"), 7);
    assert_int_equal(code_of_child("if fork() then os.exit(8) end"), 8);
}

/* A daemon forks, and starts its host in the child. */
static void leaves_a_child_that_makes_states_of_its_own(void **state)
{
    int status;
    struct hw_limits l;
    (void)state;
    open_state(&l);
    pid_t pid = fork();
    HW_CHECK(pid >= 0);
    if (pid == 0) {
        struct hw_limits own;
        open_state(&own);
        child = -1;
        int rc = run(&own, "for i = 1, 1e6 do end", MINUTE_MS);
        _exit(rc == LUA_OK ? BACK : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), BACK);
    child = -1;
    assert_int_equal(run(&l, "for i = 1, 1e6 do end", MINUTE_MS), LUA_OK);
    hw_limits_close(&l);
}

/* ---- time ---- */

/* A finalizer runs in a coroutine of its own, even when the state is being closed. */
static void ends_a_loop_while_the_state_is_closed(void **state)
{
    struct hw_limits l;
    (void)state;
    open_state(&l);
    child = -1;
    assert_int_equal(
        run(&l, "x = setmetatable({}, { __gc = function() while true do end end })", MINUTE_MS),
        LUA_OK);
    hw_limits_begin(&l, hw_now_ns(), 10, NULL);
    hw_limits_close(&l);
}

/* Each coroutine is stopped, but the loop that created it creates another one. */
static void ends_coroutines_within_coroutines(void **state)
{
    struct hw_limits l;
    (void)state;
    open_state(&l);
    child = -1;
    uint64_t from_ns = hw_now_ns();
    assert_int_equal(run(&l,
                         "local function nest(depth)"
                         "  while depth == 0 do end"
                         "  while true do coroutine.resume(coroutine.create(nest), depth - 1) end"
                         " end nest(4)",
                         10),
                     LUA_ERRMEM);
    assert_true(l.timed_out);
    assert_true(hw_now_ns() - from_ns < MINUTE_MS * 1000000ull);
    hw_limits_close(&l);
}

static void resumes_as_the_manual_says(void **state)
{
    struct hw_limits l;
    (void)state;
    open_state(&l);
    child = -1;
    assert_int_equal(
        run(&l,
            "local co = coroutine.create(function(...) local x = coroutine.yield(...) error(x) end)"
            "local function same(...)"
            "  local a, b = table.pack(...), table.pack(coroutine.resume(co, 1, nil))"
            "  for i = 1, 4 do assert(a[i] == b[i]) end assert(a.n == b.n)"
            " end "
            "same(true, 1, nil) "
            "local ok, what = coroutine.resume(co, co) assert(not ok and what == co) "
            "same(false, 'cannot resume dead coroutine') "
            "co = coroutine.running() "
            "same(false, 'cannot resume non-suspended coroutine') "
            "assert(not pcall(coroutine.resume, 1))",
            MINUTE_MS),
        LUA_OK);
    hw_limits_close(&l);
}

static void tells_where_it_was_stopped(void **state)
{
    struct hw_limits l;
    (void)state;
    open_state(&l);
    child = -1;
    assert_int_not_equal(run(&l, "\nxpcall(error, function() while true do end end)", 10), LUA_OK);
    assert_true(l.timed_out);
    hw_limits_put_why(&l);
    assert_non_null(strstr(lua_tostring(l.L, -1), ":2: it ran longer than time (10 ms)\nstack"));
    hw_limits_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_a_child_that_returns),
        cmocka_unit_test(ends_a_child_that_loops),
        cmocka_unit_test(leaves_a_child_that_becomes_a_program),
        cmocka_unit_test(leaves_a_child_that_makes_states_of_its_own),
        cmocka_unit_test(ends_a_loop_while_the_state_is_closed),
        cmocka_unit_test(ends_coroutines_within_coroutines),
        cmocka_unit_test(resumes_as_the_manual_says),
        cmocka_unit_test(tells_where_it_was_stopped),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
