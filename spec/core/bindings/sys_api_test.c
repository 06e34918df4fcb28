/* sys_api_test.c -- a new file appears whole, with its mode, and never replaces another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "bindings/sys_api.h"
#include "folder.h"

struct fixture {
    struct folder folder;
    lua_State *L;
};

static int setup(void **state)
{
    static struct fixture f;
    folder_open(&f.folder);
    f.L = luaL_newstate();
    luaL_openlibs(f.L);
    hw_sys_push_api(f.L);
    lua_setglobal(f.L, "sys");
    lua_pushstring(f.L, f.folder.path);
    lua_setglobal(f.L, "folder");
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    lua_close(f->L);
    folder_close(&f->folder);
    return 0;
}

static void run(struct fixture *f, const char *code)
{
    if (luaL_dostring(f->L, code) != LUA_OK)
        fail_msg("%s", lua_tostring(f->L, -1));
    lua_settop(f->L, 0);
}

static void writes_a_new_file_and_nothing_beside_it(void **state)
{
    run(*state, "local path = folder .. '/key.pem'\n"
                "assert(sys.write_new(path, 'a\\0b', 384) == true)\n"
                "assert(io.open(path):read 'a' == 'a\\0b')\n"
                "assert(sys.stat(path).mode == 384)\n"
                "assert(#assert(sys.list(folder)) == 1)\n");
}

static void never_overwrites(void **state)
{
    run(*state, "local path = folder .. '/key.pem'\n"
                "assert(sys.write_new(path, 'first', 384))\n"
                "local ok, why, kind = sys.write_new(path, 'second', 384)\n"
                "assert(ok == nil and kind == 'exists', kind)\n"
                "assert(why == path .. ': File exists', why)\n"
                "assert(io.open(path):read 'a' == 'first')\n"
                "assert(#assert(sys.list(folder)) == 1)\n"
                "ok, why, kind = sys.write_new(folder .. '/none/key.pem', '', 384)\n"
                "assert(ok == nil and kind == nil and why:find 'No such file', why)\n");
}

static void takes_over_what_a_killed_process_left(void **state)
{
    struct fixture *f = *state;
    char name[64];
    snprintf(name, sizeof name, ".key.pem.new-%d", (int)getpid());
    folder_write(&f->folder, name, "half a k");
    run(f, "assert(sys.write_new(folder .. '/key.pem', 'whole', 384))\n"
           "assert(io.open(folder .. '/key.pem'):read 'a' == 'whole')\n"
           "assert(#assert(sys.list(folder)) == 1)\n");
}

static void leaves_nothing_when_it_can_not_write_all(void **state)
{
    struct rlimit before, little = {.rlim_cur = 100};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    run(*state, "local ok, why = sys.write_new(folder .. '/key.pem', ('x'):rep(200), 384)\n"
                "assert(ok == nil and why:find 'File too large', why)\n");
    setrlimit(RLIMIT_FSIZE, &before);
    run(*state, "assert(#assert(sys.list(folder)) == 0)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(writes_a_new_file_and_nothing_beside_it),
        TEST(never_overwrites),
        TEST(takes_over_what_a_killed_process_left),
        TEST(leaves_nothing_when_it_can_not_write_all),
    };
    signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests_name("sys_api", tests, NULL, NULL);
}
