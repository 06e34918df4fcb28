/* watch_test.c -- the signature changes with every script, key and configuration file, and with
 * nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/resource.h>
#include <sys/stat.h>

#include "folder.h"
#include "reload/watch.h"

static struct folder folder;
static char file[FOLDER_PATH_MAX], handlers[FOLDER_PATH_MAX], pattern[FOLDER_PATH_MAX];
static char tls[4][FOLDER_PATH_MAX];
static const char *patterns[] = {pattern};
static struct hw_tls_pair pair = {tls[0], tls[1]};
static const struct hw_tls_files tls_files = {
    .pairs = &pair, .pair_count = 1, .client_ca = tls[2], .crl = tls[3]};
static struct hw_listen listen_at[] = {{.address = "plain"}, {.address = "b", .tls = &tls_files}};
static struct hw_config config = {.file_path = file,
                                  .folder = folder.path,
                                  .handlers = handlers,
                                  .listen = listen_at,
                                  .listen_count = 2,
                                  .door_count = 2,
                                  .key_patterns = patterns,
                                  .pattern_count = 1};

static const char *at(const char *name)
{
    static char path[FOLDER_PATH_MAX];
    return folder_path(&folder, name, path);
}

static void link_to(const char *target, const char *name)
{
    HW_CHECK(symlink(target, at(name)) == 0);
}

static int set_up(void **state)
{
    (void)state;
    folder_open(&folder);
    folder_path(&folder, "hookward.lua", file);
    folder_path(&folder, "handlers", handlers);
    folder_path(&folder, "*.pem", pattern);
    HW_CHECK(mkdir(at("handlers"), 0700) == 0 && mkdir(at("handlers/lib"), 0700) == 0);
    HW_CHECK(mkdir(at("elsewhere"), 0700) == 0 && mkdir(at("tls"), 0700) == 0);
    for (size_t i = 0; i < 4; i++) {
        static const char *const names[] = {"tls/cert", "tls/key", "tls/ca", "tls/crl"};
        folder_path(&folder, names[i], tls[i]);
        folder_write(&folder, names[i], "PEM");
    }
    folder_write(&folder, "hookward.lua", "return {}");
    folder_write(&folder, "key.pem", "key");
    folder_write(&folder, "handlers/a.lua", "return 1");
    folder_write(&folder, "handlers/lib/b.lua", "return 2");
    folder_write(&folder, "elsewhere/c.lua", "return 3");
    link_to("../elsewhere/c.lua", "handlers/c.lua");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    folder_close(&folder);
    return 0;
}

static uint64_t last;

static void see(void)
{
    last = hw_watch_signature(&config);
}

static bool changed(void)
{
    uint64_t before = last;
    see();
    return last != before;
}

static void changes_with_each_file(void **state)
{
    (void)state;
    static const char *const names[] = {
        "hookward.lua",    "key.pem",  "handlers/a.lua", "handlers/lib/b.lua",
        "elsewhere/c.lua", "tls/cert", "tls/key",        "tls/ca",
        "tls/crl"};
    see();
    assert_false(changed());
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        folder_write(&folder, names[i], "something longer");
        assert_true(changed());
        assert_false(changed());
    }
}

static void changes_with_what_comes_and_goes(void **state)
{
    (void)state;
    see();
    folder_write(&folder, "handlers/new.lua", "");
    assert_true(changed());
    unlink(at("handlers/new.lua"));
    assert_true(changed());
    folder_write(&folder, "second.pem", "key");
    assert_true(changed());
    folder_write(&folder, "handlers/other.lua", "return 1");
    see();
    char from[FOLDER_PATH_MAX];
    HW_CHECK(rename(folder_path(&folder, "handlers/other.lua", from), at("handlers/a.lua")) == 0);
    assert_true(changed());
}

static void tells_the_content_of_files_whose_times_are_the_same(void **state)
{
    (void)state;
    static const char *const names[] = {
        "hookward.lua",    "key.pem",  "handlers/a.lua", "handlers/lib/b.lua",
        "elsewhere/c.lua", "tls/cert", "tls/key",        "tls/ca",
        "tls/crl"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        folder_write(&folder, names[i], "return 1");
        uint64_t content = hw_watch_content(&config);
        folder_write(&folder, names[i], "return 2"); /* within one tick, as a rule */
        assert_true(content != hw_watch_content(&config));
        folder_write(&folder, names[i], "return 1");
        assert_true(content == hw_watch_content(&config)); /* whatever the times are */
    }
}

static void tells_in_which_file_a_byte_is(void **state)
{
    (void)state;
    folder_write(&folder, "handlers/a.lua", "ab");
    folder_write(&folder, "handlers/lib/b.lua", "c");
    uint64_t content = hw_watch_content(&config);
    folder_write(&folder, "handlers/a.lua", "a");
    folder_write(&folder, "handlers/lib/b.lua", "bc");
    assert_true(content != hw_watch_content(&config));
}

static bool has(const struct hw_folders *folders, const char *path)
{
    for (size_t i = 0; i < folders->count; i++)
        if (strcmp(folders->paths[i], path) == 0)
            return true;
    return false;
}

static bool is_watched(const char *name)
{
    static struct hw_folders folders;
    hw_watch_folders(&config, &folders);
    bool found = has(&folders, at(name));
    hw_folders_fini(&folders);
    return found;
}

/* As certbot does it: a link is exchanged, or what it leads to is written. */
static void follows_the_links_of_certificates(void **state)
{
    (void)state;
    char from[FOLDER_PATH_MAX];
    assert_true(is_watched("tls"));
    assert_false(is_watched("elsewhere"));
    unlink(tls[0]);
    folder_write(&folder, "elsewhere/cert1", "PEM");
    folder_write(&folder, "elsewhere/cert2", "PEM");
    link_to("../elsewhere/cert1", "tls/cert");
    see();
    assert_true(is_watched("tls") && is_watched("elsewhere"));
    assert_false(changed());
    link_to("../elsewhere/cert2", "tls/new");
    HW_CHECK(rename(folder_path(&folder, "tls/new", from), tls[0]) == 0);
    assert_true(changed());
    folder_write(&folder, "elsewhere/cert2", "another one");
    assert_true(changed());
    unlink(tls[0]);
    assert_true(changed());
}

static void waits_for_no_pipe(void **state)
{
    (void)state;
    see();
    HW_CHECK(mkfifo(at("handlers/pipe.lua"), 0600) == 0);
    assert_true(changed());
    hw_watch_content(&config);
}

static void changes_with_a_link_that_leads_nowhere(void **state)
{
    (void)state;
    static const char *const links[][2] = {{"nowhere", "handlers/new.lua"},
                                           {"new.lua", "handlers/new.lua"}, /* to itself */
                                           {"nowhere", "new.pem"},
                                           {"new.pem", "new.pem"}};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        see();
        link_to(links[i][0], links[i][1]);
        assert_true(changed());
        unlink(at(links[i][1]));
        assert_true(changed());
    }
}

/* An unreadable folder must not look like an empty one: once it can be read, the reload is tried
 * again. Root can read any folder, so the test leaves the process no free descriptor, which has the
 * same effect. */
static void changes_when_a_folder_without_files_can_be_read_again(void **state)
{
    (void)state;
    char empty[FOLDER_PATH_MAX], none[FOLDER_PATH_MAX];
    const char *none_of[] = {folder_path(&folder, "empty/*.pem", none)};
    struct rlimit before, limit;
    HW_CHECK(mkdir(folder_path(&folder, "empty", empty), 0700) == 0);
    HW_CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    limit = (struct rlimit){0, before.rlim_max};
    for (int i = 0; i < 2; i++) {
        config.handlers = i == 0 ? empty : "/nowhere";
        config.key_patterns = i == 0 ? patterns : none_of;
        config.pattern_count = (size_t)i;
        HW_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        see();
        HW_CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
        assert_true(changed());
    }
    config.handlers = handlers;
    config.key_patterns = patterns;
    config.pattern_count = 1;
}

static void changes_when_the_configurations_folder_is_another_one(void **state)
{
    (void)state;
    char from[FOLDER_PATH_MAX], through[FOLDER_PATH_MAX];
    HW_CHECK(mkdir(at("first"), 0700) == 0 && mkdir(at("second"), 0700) == 0);
    link_to("../hookward.lua", "first/hookward.lua");
    link_to("../hookward.lua", "second/hookward.lua");
    link_to("first", "current");
    config.file_path = folder_path(&folder, "current/hookward.lua", through);
    see();
    assert_false(changed());
    link_to("second", "next");
    HW_CHECK(rename(folder_path(&folder, "next", from), at("current")) == 0);
    assert_true(changed());
    config.file_path = file;
}

static void changes_with_a_link_that_leads_elsewhere(void **state)
{
    (void)state;
    char from[FOLDER_PATH_MAX];
    folder_write(&folder, "elsewhere/d.lua", "return 3");
    see();
    link_to("../elsewhere/d.lua", "link");
    HW_CHECK(rename(folder_path(&folder, "link", from), at("handlers/c.lua")) == 0);
    assert_true(changed());
}

static void does_not_change_with_what_is_not_read(void **state)
{
    (void)state;
    see();
    folder_write(&folder, "hookward.db", "a ledger beside the key");
    folder_write(&folder, "handlers/.a.lua.swp", "swap");
    folder_write(&folder, "handlers/a.lua~", "backup");
    folder_write(&folder, "handlers/README.md", "text");
    assert_false(changed());
}

static void ends_where_links_lead_in_a_circle(void **state)
{
    (void)state;
    link_to(".", "handlers/x");
    link_to(".", "handlers/y");
    link_to(".", "handlers/z"); /* 3^16 folders */
    see();
    assert_false(changed());
}

static void bears_that_nothing_is_there(void **state)
{
    (void)state;
    config.handlers = "/nowhere";
    see();
    assert_false(changed());
    config.handlers = handlers;
    assert_true(changed());
}

static void names_the_folders_but_not_the_configurations_own(void **state)
{
    (void)state;
    static struct hw_folders folders;
    hw_watch_folders(&config, &folders);
    assert_int_equal(3, folders.count);
    assert_true(has(&folders, handlers) && has(&folders, at("handlers/lib")));
    assert_true(has(&folders, at("tls")));
    hw_folders_fini(&folders);
    patterns[0] = "/keys\\[1\\]/sub/*.pem"; /* as the configuration escapes its own folder */
    hw_watch_folders(&config, &folders);
    assert_true(has(&folders, "/keys[1]/sub"));
    hw_folders_fini(&folders);
    patterns[0] = pattern;
}

static void names_as_many_folders_as_it_may(void **state)
{
    (void)state;
    static struct hw_folders folders;
    char name[64];
    config.listen_count = config.door_count = 0;
    for (int i = 2; i < HW_WATCH_FOLDERS_MAX; i++) { /* beside handlers and handlers/lib */
        snprintf(name, sizeof name, "handlers/%d", i);
        HW_CHECK(mkdir(at(name), 0700) == 0);
    }
    hw_watch_folders(&config, &folders);
    assert_int_equal(HW_WATCH_FOLDERS_MAX, folders.count);
    assert_false(folders.more);
    hw_folders_fini(&folders);
    HW_CHECK(mkdir(at("handlers/one_more"), 0700) == 0);
    hw_watch_folders(&config, &folders);
    assert_int_equal(HW_WATCH_FOLDERS_MAX, folders.count);
    assert_true(folders.more);
    hw_folders_fini(&folders);
    config.listen_count = config.door_count = 2;
}

/* ---- the events ---- */

static unsigned events;

static void on_changed(void *owner)
{
    (void)owner;
    events++;
}

static void wakes_when_a_file_is_written(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct hw_watches watches = {.loop = &loop, .changed = on_changed};
    static struct hw_folders folders;
    HW_CHECK(uv_loop_init(&loop) == 0);
    loop.data = &watches;
    hw_watch_folders(&config, &folders);
    assert_null(hw_watches_set(&watches, &folders));
    assert_null(hw_watches_set(&watches, &folders)); /* replaces the first set */
    folder_write(&folder, "handlers/lib/b.lua", "return 4");
    while (events == 0)
        uv_run(&loop, UV_RUN_ONCE);
    hw_watches_close(&watches);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(0, uv_loop_close(&loop));
    hw_folders_fini(&folders);
}

/* A test can't change the kernel's limits on inotify. A process without a free descriptor takes the
 * same path. */
static void says_why_a_folder_is_not_watched(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct hw_watches watches = {.loop = &loop};
    static struct hw_folders folders;
    struct rlimit before, none;
    HW_CHECK(uv_loop_init(&loop) == 0);
    hw_watch_folders(&config, &folders);
    HW_CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = (struct rlimit){0, before.rlim_max};
    HW_CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    const char *why = hw_watches_set(&watches, &folders);
    HW_CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    assert_non_null(strstr(why, "fs.inotify.max_user_instances"));
    HW_CHECK(unlink(at("handlers/lib/b.lua")) == 0);
    HW_CHECK(rmdir(at("handlers/lib")) == 0);
    assert_null(hw_watches_set(&watches, &folders)); /* it may come back: no error */
    hw_watches_close(&watches);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(0, uv_loop_close(&loop));
    hw_folders_fini(&folders);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(changes_with_each_file),
        TEST(changes_with_what_comes_and_goes),
        TEST(follows_the_links_of_certificates),
        TEST(tells_the_content_of_files_whose_times_are_the_same),
        TEST(tells_in_which_file_a_byte_is),
        TEST(waits_for_no_pipe),
        TEST(changes_with_a_link_that_leads_nowhere),
        TEST(changes_when_a_folder_without_files_can_be_read_again),
        TEST(changes_when_the_configurations_folder_is_another_one),
        TEST(changes_with_a_link_that_leads_elsewhere),
        TEST(does_not_change_with_what_is_not_read),
        TEST(ends_where_links_lead_in_a_circle),
        TEST(bears_that_nothing_is_there),
        TEST(names_the_folders_but_not_the_configurations_own),
        TEST(names_as_many_folders_as_it_may),
        TEST(wakes_when_a_file_is_written),
        TEST(says_why_a_folder_is_not_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
