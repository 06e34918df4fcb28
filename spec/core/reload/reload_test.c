/* The thread that reloads, and a leader that comes late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "carried.h"
#include "folder.h"
#include "http/tls_set.h"
#include "reload/reload.h"
#include "signing.h"

enum { WAIT_MS = 20000, STILL_MS = 400 };

static struct folder folder;
static char handlers[FOLDER_PATH_MAX], key[FOLDER_PATH_MAX], file[FOLDER_PATH_MAX];
static char source[2 * FOLDER_PATH_MAX], why[512];
static const char *keys[] = {key};
static struct hw_config first = {.file = "hookward.lua",
                                 .file_path = file,
                                 .folder = folder.path,
                                 .handlers = handlers,
                                 .control = "",
                                 .ledger = "memory:",
                                 .path = {"/", 1},
                                 .key_files = keys,
                                 .key_count = 1,
                                 .key_patterns = keys,
                                 .pattern_count = 1,
                                 .min_key_bits = 2048,
                                 .workers = 1,
                                 .handler_timeout_ms = 10000,
                                 .vm_memory = 64 * 1024 * 1024,
                                 .settings = {"return {}", 9}};

static struct hw_shelf shelf;
static struct hw_tls_set *tls;
static uv_loop_t loop;
static struct hw_reload *reload;
static unsigned applied;
static char allowed[64];

/* A new script as well, so that the version tells which of them is live. */
static void write_all(int number)
{
    char text[256];
    snprintf(text, sizeof text, "local number = %d\n", number);
    folder_write(&folder, "handlers/a.lua", text);
    snprintf(
        text, sizeof text,
        "return { keys = 'key.pem', ledger = 'memory:', workers = 1, allow = '203.0.113.%d' }\n",
        number);
    folder_write(&folder, "hookward.lua", text);
}

static void ignore(void *owner)
{
    (void)owner;
}

static void on_tls(void *owner, struct hw_tls_set *set)
{
    (void)owner, (void)set;
}

static void on_told(void *owner, const struct hw_reload_result *result)
{
    (void)owner;
    if (!result->attempt.ok)
        fail_msg("%s", result->attempt.text);
}

static void on_apply(void *owner, const struct hw_config *config)
{
    (void)owner;
    snprintf(allowed, sizeof allowed, "%s", config->allow_count ? config->allow[0] : "everybody");
    applied++;
}

static int set_up(void **state)
{
    (void)state;
    folder_open(&folder);
    folder_path(&folder, "handlers", handlers);
    folder_path(&folder, "hookward.lua", file);
    HW_CHECK(mkdir(handlers, 0700) == 0);
    EVP_PKEY *pkey = signing_make_key(2048, 65537);
    signing_write_public(folder_path(&folder, "key.pem", key), pkey);
    EVP_PKEY_free(pkey);
    write_all(1);
    snprintf(source, sizeof source, "return { file = '%s', name = 'hookward.lua', cwd = '%s' }",
             file, folder.path);
    first.source = hw_str_of(source);
    struct hw_release *release = hw_release_make(&first, &carried, 1, why, sizeof why);
    HW_CHECK(release && hw_release_fill(release, 1, NULL, NULL, why, sizeof why) == 0);
    hw_shelf_init(&shelf, release);
    tls = hw_tls_set_make(NULL, 0, NULL, why, sizeof why);
    HW_CHECK(tls && uv_loop_init(&loop) == 0);
    const struct hw_reload_config config = {.config = &first,
                                            .modules = &carried,
                                            .shelf = &shelf,
                                            .tls = tls,
                                            .loop = &loop,
                                            .began = ignore,
                                            .renew = ignore,
                                            .apply = on_apply,
                                            .set_tls = on_tls,
                                            .told = on_told};
    return hw_reload_start(&config, &reload);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    HW_CHECK(hw_reload_stop(reload, WAIT_MS));
    hw_reload_unwatch(reload);
    uv_walk(&loop, close_handle, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    HW_CHECK(uv_loop_close(&loop) == 0);
    hw_reload_free(reload);
    hw_tls_set_unref(tls);
    hw_shelf_fini(&shelf);
    folder_close(&folder);
    return 0;
}

static uint64_t live(void)
{
    uint64_t number;
    char version[17];
    hw_shelf_describe(&shelf, &number, version);
    return number;
}

/* Whether this release is live within `ms`; the leader does nothing meanwhile. */
static bool becomes(uint64_t number, unsigned ms)
{
    for (unsigned i = 0; i < ms && live() < number; i++)
        usleep(1000);
    return live() >= number;
}

static void lead_until(const char *address)
{
    for (unsigned i = 0; i < WAIT_MS && strcmp(allowed, address) != 0; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    assert_string_equal(address, allowed);
}

/* The lists of `allow` and `trusted_proxies` belong to the configuration that is live. */
static void keeps_what_the_leader_has_yet_to_apply(void **state)
{
    (void)state;
    mallopt(M_PERTURB, 'x'); /* what is freed is overwritten */
    hw_reload_ask(reload);
    lead_until("203.0.113.1");
    uint64_t number = live();

    write_all(2);
    hw_reload_ask(reload);
    assert_true(becomes(number + 1, WAIT_MS));
    write_all(3);
    hw_reload_ask(reload);
    assert_false(becomes(number + 2, STILL_MS));
    unsigned before = applied;
    while (applied == before)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_string_equal("203.0.113.2", allowed);
    lead_until("203.0.113.3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_what_the_leader_has_yet_to_apply, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
