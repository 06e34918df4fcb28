/* Each worker takes a release as a whole; Lua states that no worker takes are closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lua.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "carried.h"
#include "folder.h"
#include "signing.h"
#include "trip/release.h"

static struct folder folder;
static char handlers[FOLDER_PATH_MAX], unloads[FOLDER_PATH_MAX];
static char key[FOLDER_PATH_MAX], why[512];
static const char *key_files[] = {key};
static struct hw_config config = {.folder = folder.path,
                                  .handlers = handlers,
                                  .ledger = "memory:",
                                  .key_files = key_files,
                                  .key_count = 1,
                                  .min_key_bits = 2048,
                                  .handler_timeout_ms = 10000,
                                  .vm_memory = 64 * 1024 * 1024,
                                  .settings = {"return {}", 9}};

/* Each state that is closed appends a byte to a file. */
static void write_script(int version)
{
    char text[1024];
    snprintf(text, sizeof text,
             "local version = %d\n"
             "require 'hookward'.on_unload(function()\n"
             "  local file = io.open('%s', 'a') file:write('x') file:close()\n"
             "end)\n",
             version, unloads);
    folder_write(&folder, "handlers/a.lua", text);
}

static void write_key(void)
{
    static EVP_PKEY *pkey; /* one for all tests: it takes a while to make */
    if (!pkey)
        pkey = signing_make_key(2048, 65537);
    signing_write_public(folder_path(&folder, "key.pem", key), pkey);
}

static int set_up(void **state)
{
    (void)state;
    folder_open(&folder);
    folder_path(&folder, "handlers", handlers);
    folder_path(&folder, "unloads", unloads);
    HW_CHECK(mkdir(handlers, 0700) == 0);
    write_script(1);
    write_key();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    folder_close(&folder);
    return 0;
}

static long unloaded(void)
{
    struct stat st;
    return stat(unloads, &st) ? 0 : (long)st.st_size;
}

static struct hw_release *make(uint64_t number)
{
    struct hw_release *release = hw_release_make(&config, &carried, number, why, sizeof why);
    assert_non_null(release);
    return release;
}

static struct hw_release *make_full(uint64_t number)
{
    struct hw_release *release = make(number);
    assert_int_equal(0, hw_release_fill(release, 3, NULL, NULL, why, sizeof why));
    return release;
}

static void is_the_same_until_something_changes(void **state)
{
    (void)state;
    struct hw_release *a = make(1), *b = make(2);
    assert_true(hw_release_same(a, b));
    hw_release_unref(b);
    config.handler_timeout_ms++;
    b = make(2);
    assert_false(hw_release_same(a, b));
    hw_release_unref(b);
    config.handler_timeout_ms--;
    write_script(2);
    b = make(2);
    assert_false(hw_release_same(a, b));
    assert_string_not_equal(a->version, b->version);
    hw_release_unref(b);
    hw_release_unref(a);
    assert_int_equal(0, unloaded()); /* no script ran for this */
}

static void is_taken_once_and_what_is_left_is_closed(void **state)
{
    (void)state;
    struct hw_shelf shelf;
    struct hw_vm *vm, *again;
    hw_shelf_init(&shelf, make_full(1));
    struct hw_release *old = hw_shelf_take(&shelf, 1, &vm);
    struct hw_release *same = hw_shelf_take(&shelf, 1, &again);
    assert_ptr_equal(old, same);
    assert_non_null(vm);
    assert_null(again);
    hw_release_unref(same);
    assert_false(hw_shelf_is_stale(&shelf, old));

    hw_shelf_publish(&shelf, make_full(2));
    assert_true(hw_shelf_is_stale(&shelf, old));
    assert_int_equal(2, unloaded()); /* although a worker still holds the old release */

    hw_shelf_retire(&shelf, vm);
    hw_release_unref(old);
    assert_int_equal(2, unloaded());
    hw_shelf_sweep(&shelf);
    assert_int_equal(3, unloaded());
    hw_shelf_fini(&shelf);
    assert_int_equal(6, unloaded());
}

static bool at_the_third_time(void *ud)
{
    int *asked = ud;
    return ++*asked == 3;
}

static void gives_up_when_told(void **state)
{
    (void)state;
    int asked = 0;
    folder_write(&folder, "handlers/a.lua", "while true do end");
    struct hw_release *release = make(1);
    assert_int_equal(HW_EFAILED,
                     hw_release_fill(release, 3, at_the_third_time, &asked, why, sizeof why));
    assert_int_equal(3, asked);
    assert_int_equal(0, release->vm_count);
    hw_release_unref(release);
}

static void says_which_file_is_broken(void **state)
{
    (void)state;
    folder_write(&folder, "handlers/b.lua", "local local");
    assert_null(hw_release_make(&config, &carried, 1, why, sizeof why));
    assert_non_null(strstr(why, "handlers/b.lua:1:"));
    unlink(key);
    assert_null(hw_release_make(&config, &carried, 1, why, sizeof why));
    assert_non_null(strstr(why, key));
}

static pid_t child; /* 0 in the child */

static int fork_it(lua_State *L)
{
    (void)L;
    child = fork();
    return 0;
}

static void add_fork(lua_State *L, void *ud)
{
    (void)ud;
    lua_register(L, "fork", fork_it);
}

/* Otherwise the child would go on as the thread that closed the state. */
static void ends_a_child_that_an_unload_forked(void **state)
{
    enum { BACK = 3 };
    int status;
    (void)state;
    folder_write(&folder, "handlers/a.lua", "require 'hookward'.on_unload(function() fork() end)");
    struct hw_release *r = hw_release_make(&config, &carried, 1, why, sizeof why);
    assert_non_null(r);
    r->vm.fit = add_fork;
    struct hw_vm *vm = hw_vm_new(&r->vm, r->bundle, why, sizeof why);
    assert_non_null(vm);
    child = -1;
    hw_vm_free(vm);
    if (child == 0)
        _exit(BACK); /* the child is back in the host's code */
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 127);
    hw_release_unref(r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(is_the_same_until_something_changes),
        TEST(is_taken_once_and_what_is_left_is_closed),
        TEST(gives_up_when_told),
        TEST(says_which_file_is_broken),
        TEST(ends_a_child_that_an_unload_forked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
