/* bundle_test.c -- which scripts of a folder are loaded, in which order, and what errors say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/prctl.h>
#include <sys/stat.h>

#include "folder.h"
#include "script/bundle.h"

static struct folder folder;
static char why[512];

static int open_folder(void **state)
{
    (void)state;
    folder_open(&folder);
    return 0;
}

static int close_folder(void **state)
{
    (void)state;
    folder_close(&folder);
    return 0;
}

static void make_folder(const char *name)
{
    char path[FOLDER_PATH_MAX];
    HW_CHECK(mkdir(folder_path(&folder, name, path), 0700) == 0);
}

static void make_link(const char *target, const char *name)
{
    char path[FOLDER_PATH_MAX];
    HW_CHECK(symlink(target, folder_path(&folder, name, path)) == 0);
}

static struct hw_bundle *load(void)
{
    why[0] = '\0';
    return hw_bundle_load(folder.path, "handlers", HW_STR("return {}"), why, sizeof why);
}

static struct hw_bundle *must_load(void)
{
    struct hw_bundle *bundle = load();
    if (!bundle)
        fail_msg("%s", why);
    return bundle;
}

static void assert_fails(const char *expected)
{
    assert_null(load());
    if (!strstr(why, expected))
        fail_msg("\"%s\" is not in \"%s\"", expected, why);
    assert_null(strchr(why, '\n'));
}

static const char *found(const struct hw_bundle *bundle, const char *name)
{
    const struct hw_script *script = hw_bundle_find(bundle, name);
    return script ? script->module : "nothing";
}

static void loads_handlers_in_name_order(void **state)
{
    (void)state;
    folder_write(&folder, "b.lua", "");
    folder_write(&folder, "a.lua", "");
    folder_write(&folder, "c.lua", "");
    folder_write(&folder, "notes.txt", "no Lua at all (");
    make_folder("lib");
    folder_write(&folder, "lib/aa.lua", "");
    struct hw_bundle *bundle = must_load();
    static const char *const names[] = {"a", "b", "c", "lib.aa"};
    assert_int_equal(bundle->count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(bundle->scripts[i].module, names[i]);
        assert_int_equal(bundle->scripts[i].handler, i < 3);
        assert_true(bundle->scripts[i].code.len > 0);
    }
    assert_string_equal(bundle->scripts[3].chunk, "@handlers/lib/aa.lua");
    assert_true(hw_str_eq(bundle->settings, HW_STR("return {}")));
    hw_bundle_unref(bundle);
}

static void finds_what_require_means(void **state)
{
    (void)state;
    folder_write(&folder, "a.lua", "");
    folder_write(&folder, "both.lua", "");
    make_folder("lib");
    make_folder("sub");
    make_folder("lib/pack");
    folder_write(&folder, "lib/both.lua", "");
    folder_write(&folder, "lib/mail.lua", "");
    folder_write(&folder, "lib/pack/init.lua", "");
    folder_write(&folder, "sub/init.lua", "");
    folder_write(&folder, "sub/x.lua", "");
    struct hw_bundle *bundle = must_load();
    assert_string_equal(found(bundle, "a"), "a");
    assert_string_equal(found(bundle, "mail"), "lib.mail");
    assert_string_equal(found(bundle, "lib.mail"), "lib.mail");
    assert_string_equal(found(bundle, "both"), "both"); /* the folder wins over its lib */
    assert_string_equal(found(bundle, "sub"), "sub.init");
    assert_string_equal(found(bundle, "sub.x"), "sub.x");
    assert_string_equal(found(bundle, "pack"), "lib.pack.init");
    assert_string_equal(found(bundle, "x"), "nothing");
    assert_string_equal(found(bundle, ""), "nothing");
    assert_string_equal(found(bundle, "%s%n"), "nothing");
    hw_bundle_unref(bundle);
}

static void passes_dotfiles_by(void **state)
{
    (void)state;
    folder_write(&folder, "a.lua", "");
    folder_write(&folder, ".b.lua", "broken (");
    folder_write(&folder, ".lua", "broken (");
    make_folder(".git");
    folder_write(&folder, ".git/c.lua", "broken (");
    make_link("nowhere", ".#a.lua"); /* an editor's lock */
    make_link("nowhere", "socket");
    struct hw_bundle *bundle = must_load();
    assert_int_equal(bundle->count, 1);
    hw_bundle_unref(bundle);
}

static void follows_links(void **state)
{
    (void)state;
    make_folder("..data");
    folder_write(&folder, "..data/real.lua", "");
    make_link("..data/real.lua", "linked.lua");
    make_link("..data", "more");
    struct hw_bundle *bundle = must_load();
    assert_int_equal(bundle->count, 2);
    assert_string_equal(found(bundle, "linked"), "linked");
    assert_string_equal(found(bundle, "more.real"), "more.real");
    hw_bundle_unref(bundle);
}

static void tells_of_a_script_that_is_not_there(void **state)
{
    (void)state;
    folder_write(&folder, "a.lua", "");
    make_link("nowhere", "b.lua");
    assert_fails("b.lua: No such file or directory");
}

static void stops_in_a_circle_of_links(void **state)
{
    (void)state;
    folder_write(&folder, "a.lua", "");
    make_link(".", "again");
    assert_fails("folders are nested more than 16 deep");
}

static void loads_as_deep_as_its_limit_and_not_one_more(void **state)
{
    char name[FOLDER_PATH_MAX] = "d", script[FOLDER_PATH_MAX + 10];
    (void)state;
    folder_write(&folder, "a.lua", "");
    for (int depth = 1; depth <= HW_BUNDLE_DEPTH_MAX; depth++) {
        make_folder(name);
        if (depth < HW_BUNDLE_DEPTH_MAX)
            strcat(name, "/d");
    }
    snprintf(script, sizeof script, "%s/deep.lua", name);
    folder_write(&folder, script, "");
    struct hw_bundle *bundle = must_load();
    assert_int_equal(bundle->count, 2);
    hw_bundle_unref(bundle);
    strcat(name, "/d");
    make_folder(name);
    assert_fails("folders are nested more than 16 deep");
}

static void names_file_and_line_of_a_syntax_error(void **state)
{
    (void)state;
    folder_write(&folder, "a.lua", "");
    make_folder("sub");
    folder_write(&folder, "sub/b.lua", "local x = 1\n\nlocal = 2\n");
    assert_fails("handlers/sub/b.lua:3: ");
}

static void refuses_compiled_code(void **state)
{
    (void)state;
    folder_write_bytes(&folder, "a.lua", "\033Lua\x54\x00", 6);
    assert_fails("a.lua");
}

static void refuses_a_folder_without_a_handler(void **state)
{
    (void)state;
    assert_fails("handlers: no handler file (*.lua) in this folder");
    make_folder("lib");
    folder_write(&folder, "lib/a.lua", "");
    assert_fails("handlers: no handler file (*.lua) in this folder");
}

static void refuses_a_folder_that_is_not_there(void **state)
{
    (void)state;
    assert_null(hw_bundle_load("/nonexistent", "handlers", HW_STR(""), why, sizeof why));
    assert_string_equal(why, "handlers: No such file or directory");
}

static void tells_of_what_it_can_not_read(void **state)
{
    char path[FOLDER_PATH_MAX];
    (void)state;
    if (geteuid() == 0)
        skip(); /* root may read any file */
    folder_write(&folder, "a.lua", "");
    HW_CHECK(chmod(folder_path(&folder, "a.lua", path), 0) == 0);
    assert_fails("handlers/a.lua: Permission denied");
}

static void takes_a_script_of_its_limit_and_not_a_byte_more(void **state)
{
    static char text[HW_BUNDLE_FILE_MAX + 1];
    (void)state;
    memset(text, '\n', sizeof text);
    folder_write_bytes(&folder, "a.lua", text, HW_BUNDLE_FILE_MAX);
    hw_bundle_unref(must_load());
    folder_write_bytes(&folder, "a.lua", text, sizeof text);
    assert_fails("handlers/a.lua: larger than 4 MB");
}

/* As one that grows while it is read: the system says that this file has no bytes. */
static void reads_more_than_the_size_that_it_is_told(void **state)
{
    (void)state;
    HW_CHECK(prctl(PR_SET_NAME, "x=1") == 0);
    make_link("/proc/self/comm", "a.lua");
    hw_bundle_unref(must_load());
    HW_CHECK(prctl(PR_SET_NAME, "x=") == 0);
    assert_fails("handlers/a.lua:");
}

static void takes_as_many_scripts_as_its_limit_and_not_one_more(void **state)
{
    char name[32];
    (void)state;
    for (int i = 0; i < HW_BUNDLE_FILES_MAX; i++) {
        snprintf(name, sizeof name, "%04d.lua", i);
        folder_write(&folder, name, "");
    }
    struct hw_bundle *bundle = must_load();
    assert_int_equal(HW_BUNDLE_FILES_MAX, bundle->count);
    hw_bundle_unref(bundle);
    folder_write(&folder, "one_more.lua", "");
    assert_fails("handlers/one_more.lua: more than 2000 scripts");
}

static void reads_over_a_byte_order_mark(void **state)
{
    (void)state;
    folder_write(&folder, "a.lua", "\xef\xbb\xbfreturn 1");
    folder_write(&folder, "b.lua", "\xef\xbb\xbf");
    hw_bundle_unref(must_load());
    folder_write(&folder, "c.lua", "\xef\xbb");
    assert_fails("handlers/c.lua:1: ");
}

static void skips_a_first_line_for_a_shell(void **state)
{
    (void)state;
    folder_write(&folder, "a.lua", "#!/usr/bin/env lua5.4\nreturn 1");
    folder_write(&folder, "b.lua", "\xef\xbb\xbf#!/usr/bin/lua\r\nreturn 1");
    folder_write(&folder, "c.lua", "#");
    folder_write(&folder, "d.lua", "# a word\n");
    hw_bundle_unref(must_load());
    folder_write(&folder, "e.lua", "#!lua\nlocal a = 1\nbroken (");
    assert_fails("handlers/e.lua:3: ");
    folder_write(&folder, "e.lua", "return 1\n#!lua");
    assert_fails("handlers/e.lua:2: ");
    folder_write(&folder, "e.lua", "\n#!lua");
    assert_fails("handlers/e.lua:2: ");
    folder_write(&folder, "e.lua", "#!lua\n\x1bLua");
    assert_fails("handlers/e.lua:2: ");
}

static void lives_until_its_last_reference(void **state)
{
    (void)state;
    folder_write(&folder, "a.lua", "");
    struct hw_bundle *bundle = must_load();
    assert_ptr_equal(hw_bundle_ref(bundle), bundle);
    hw_bundle_unref(bundle);
    assert_string_equal(found(bundle, "a"), "a");
    hw_bundle_unref(bundle);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, open_folder, close_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(loads_handlers_in_name_order),
        IN_A_FOLDER(finds_what_require_means),
        IN_A_FOLDER(passes_dotfiles_by),
        IN_A_FOLDER(follows_links),
        IN_A_FOLDER(tells_of_a_script_that_is_not_there),
        IN_A_FOLDER(stops_in_a_circle_of_links),
        IN_A_FOLDER(loads_as_deep_as_its_limit_and_not_one_more),
        IN_A_FOLDER(names_file_and_line_of_a_syntax_error),
        IN_A_FOLDER(refuses_compiled_code),
        IN_A_FOLDER(refuses_a_folder_without_a_handler),
        IN_A_FOLDER(refuses_a_folder_that_is_not_there),
        IN_A_FOLDER(tells_of_what_it_can_not_read),
        IN_A_FOLDER(takes_a_script_of_its_limit_and_not_a_byte_more),
        IN_A_FOLDER(reads_more_than_the_size_that_it_is_told),
        IN_A_FOLDER(takes_as_many_scripts_as_its_limit_and_not_one_more),
        IN_A_FOLDER(reads_over_a_byte_order_mark),
        IN_A_FOLDER(skips_a_first_line_for_a_shell),
        IN_A_FOLDER(lives_until_its_last_reference),
    };
    return cmocka_run_group_tests_name("bundle", tests, NULL, NULL);
}
