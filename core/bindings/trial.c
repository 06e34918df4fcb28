/* trial.c -- see trial.h */
#include "bindings/trial.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "bindings/trial_postgres.h"
#include "http/bind.h"
#include "http/inherited.h"
#include "http/listener.h"
#include "ledger/file.h"
#include "ledger/lock.h"
#include "trip/release.h"

static int fail(char *why, size_t size, const char *path, const char *what)
{
    snprintf(why, size, "%s: %s", path, what);
    return HW_EFAILED;
}

/* ---- the ledger ---- */

/* SQLite makes the ledger's log and shared memory beside it. */
static int try_folder(const char *path, char *why, size_t size)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    int len = slash ? (int)(slash - path) + 1 : 0;
    if (!slash || len >= (int)sizeof folder)
        return fail(why, size, path, "not an absolute path, or too long");
    snprintf(folder, sizeof folder, "%.*s", len, path);
    if (access(folder, F_OK))
        return fail(why, size, path, "its folder is not there; make it with `mkdir -p`");
    if (access(folder, W_OK | X_OK) == 0)
        return 0;
    char text[160];
    snprintf(text, sizeof text,
             "its folder can't be written: %s; give it to the user that runs the host",
             strerror(errno));
    return fail(why, size, path, text);
}

static int try_ledger(const char *path, char *why, size_t size)
{
    struct stat st;
    int rc = try_folder(path, why, size);
    if (rc || stat(path, &st))
        return rc;
    rc = hw_ledger_lock_try(path, why, size);
    return rc || st.st_size == 0 ? rc : hw_ledger_file_try(path, why, size);
}

static int push_failure(lua_State *L, const char *why)
{
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

static int trial_ledger(lua_State *L)
{
    char why[1024];
    if (try_ledger(luaL_checkstring(L, 1), why, sizeof why))
        return push_failure(L, why);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- listen ---- */

/* Two checks of the same port at the same time are in each other's way for a moment. */
enum { TRIES = 3, PAUSE_US = 50000 };

static int try_address(struct hw_bound *bound, const struct hw_listen *all, size_t count, size_t i,
                       char *why, size_t size)
{
    *bound = (struct hw_bound){.fd = -1};
    const char *address = all[i].address;
    if (hw_inherited_is_meant(address))
        return hw_inherited_check(all, count, i, why, size);
    bool shared = hw_bind_is_shared(address, all, count);
    int rc = hw_bind_open(bound, address, shared, why, size);
    for (int n = 1; rc && n < TRIES; n++) {
        usleep(PAUSE_US);
        rc = hw_bind_open(bound, address, shared, why, size);
    }
    return rc;
}

/* Opens all at the same time, as a host does, since one may be in another's way. The listeners are
 * in the table at 1. Stack: -0 +1, the lines. */
static void try_all(lua_State *L, const struct hw_listen *all, size_t count,
                    struct hw_bound *bounds)
{
    char why[1024];
    lua_newtable(L);
    for (size_t i = 0; i < count; i++)
        if (try_address(&bounds[i], all, count, i, why, sizeof why)) {
            lua_pushstring(L, why);
            lua_rawseti(L, -2, luaL_len(L, -2) + 1);
        }
    for (size_t i = 0; i < count; i++)
        hw_bind_close(&bounds[i]);
}

static int trial_listen(lua_State *L)
{
    struct hw_listen all[HW_LISTENERS_MAX] = {0};
    struct hw_bound bounds[HW_LISTENERS_MAX];
    luaL_checktype(L, 1, LUA_TTABLE);
    size_t count = lua_rawlen(L, 1);
    if (count > HW_LISTENERS_MAX) {
        lua_newtable(L);
        lua_pushfstring(L, "listen: more than %d listeners", HW_LISTENERS_MAX);
        lua_rawseti(L, -2, 1);
        return 1;
    }
    luaL_checkstack(L, 2 * (int)count + LUA_MINSTACK, NULL);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        lua_getfield(L, -1, "address");
        all[i].address = luaL_checkstring(L, -1);
    }
    try_all(L, all, count, bounds);
    return 1;
}

/* ---- scripts ---- */

static int trial_scripts(lua_State *L)
{
    struct hw_config config;
    char why[1024];
    hw_config_read(&config, L, 1);
    const struct hw_modules *modules = hw_modules_of(L);
    struct hw_bundle *bundle = hw_release_scripts(&config, why, sizeof why);
    struct hw_vm_config limits = hw_release_limits(&config, modules);
    struct hw_vm *vm = bundle ? hw_vm_new(&limits, bundle, why, sizeof why) : NULL;
    if (vm) {
        lua_createtable(L, 0, 1);
        hw_vm_push_routes(vm, L);
        lua_setfield(L, -2, "routes");
        hw_vm_free(vm);
    }
    if (bundle)
        hw_bundle_unref(bundle);
    hw_config_fini(&config);
    return vm ? 1 : push_failure(L, why);
}

void hw_trial_push_check(lua_State *L)
{
    lua_pushcfunction(L, trial_scripts);
}

void hw_trial_push_api(lua_State *L)
{
    lua_createtable(L, 0, 3);
    lua_pushcfunction(L, hw_trial_postgres);
    lua_setfield(L, -2, "postgres");
    lua_pushcfunction(L, trial_ledger);
    lua_setfield(L, -2, "ledger");
    lua_pushcfunction(L, trial_listen);
    lua_setfield(L, -2, "listen");
}
