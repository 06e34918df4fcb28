/* module.c -- see module.h */
/* The rock's compiler comes here first: what is missing is said with the package that has it. */
#if !__has_include(<uv.h>)
#error "libuv's uv.h is missing (on Debian: apt-get install libuv1-dev)"
#endif
#if !__has_include(<openssl/evp.h>)
#error "OpenSSL's openssl/evp.h is missing (on Debian: apt-get install libssl-dev)"
#endif
#if !__has_include(<sqlite3.h>)
#error "SQLite's sqlite3.h is missing (on Debian: apt-get install libsqlite3-dev)"
#endif
#if !__has_include(<curl/curl.h>)
#error "libcurl's curl/curl.h is missing (on Debian: apt-get install libcurl4-openssl-dev)"
#endif

#include "bindings/module.h"

#include <lauxlib.h>
#include <string.h>

#include "base/version.h"
#include "bindings/crypto_api.h"
#include "bindings/host_api.h"
#include "bindings/ledger_api.h"
#include "bindings/rehearsal.h"
#include "bindings/replay.h"
#include "bindings/sys_api.h"
#include "bindings/testing_api.h"
#include "bindings/trial.h"
#include "host/parts.h"
#include "host/process.h"
#include "script/api.h"
#include "script/http_client.h"
#include "script/json.h"

#if LUA_VERSION_NUM != 504
#error "hookward needs Lua 5.4 (on Debian: liblua5.4-dev, and luarocks --lua-version 5.4)"
#endif

static const char modules_key;

/* source(name) -> text | nil: of what is carried inside the binary and is no module. */
static int source(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key);
    const struct hw_embedded *m = lua_touserdata(L, -1);
    for (; m && m->module; m++)
        if (m->chunk && strcmp(m->module, name) == 0)
            return lua_pushlstring(L, m->text, m->len), 1;
    return 0;
}

int luaopen_hookward_core(lua_State *L)
{
    lua_newtable(L);
    hw_host_push_check(L);
    lua_setfield(L, -2, "check");
    hw_replay_push(L);
    lua_setfield(L, -2, "replay");
    hw_host_push_start(L);
    lua_setfield(L, -2, "start");
    hw_host_push_serve_app(L);
    lua_setfield(L, -2, "serve_app");
    lua_pushliteral(L, HW_VERSION);
    lua_setfield(L, -2, "version");
    hw_json_open(L);
    hw_json_push_api(L);
    lua_setfield(L, -2, "json");
    hw_http_client_push_api(L);
    lua_setfield(L, -2, "http");
    hw_crypto_push_api(L);
    lua_setfield(L, -2, "crypto");
    hw_api_push_log(L);
    lua_setfield(L, -2, "log");
    hw_api_push_timestamp(L);
    lua_setfield(L, -2, "timestamp");
    hw_sys_push_api(L);
    lua_setfield(L, -2, "sys");
    hw_process_push_api(L);
    lua_setfield(L, -2, "process");
    hw_ledger_push_api(L);
    lua_setfield(L, -2, "ledger");
    hw_rehearsal_push(L);
    lua_setfield(L, -2, "rehearse");
    hw_testing_push_api(L);
    lua_setfield(L, -2, "testing");
    hw_trial_push_api(L);
    lua_setfield(L, -2, "trial");
    lua_pushcfunction(L, source);
    lua_setfield(L, -2, "source");
    return 1;
}

/* ---- where the modules are ---- */

/* A row of search path, its text kept by the table on top. */
static struct hw_embedded path_row(lua_State *L, const char *name)
{
    struct hw_embedded row = {.module = name};
    lua_getglobal(L, "package");
    lua_getfield(L, -1, name);
    row.text = luaL_checklstring(L, -1, &row.len);
    lua_pushboolean(L, 1);
    lua_settable(L, -4); /* kept[text] = true */
    lua_pop(L, 1);
    return row;
}

/* A search path that begins with "./?.lua" finds a project's configuration, hookward.lua, for the
 * module `hookward`: so that is found beside the others. A row of zeros if it is not there. */
static struct hw_embedded init_row(lua_State *L)
{
    static const char find[] = "local file = package.searchpath('hookward.router', package.path)\n"
                               "file = file and file:gsub('router%.lua$', 'init.lua')\n"
                               "return file and ('return assert(loadfile(%q))(...)'):format(file)";
    struct hw_embedded row = {0};
    if (luaL_loadstring(L, find))
        lua_error(L);
    lua_call(L, 0, 1);
    row.text = lua_tolstring(L, -1, &row.len);
    if (!row.text) {
        lua_pop(L, 1);
        return row;
    }
    row.module = "hookward";
    row.chunk = "=hookward";
    lua_pushboolean(L, 1);
    lua_settable(L, -3); /* kept[text] = true */
    return row;
}

const struct hw_embedded *hw_module_sources(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key) == LUA_TLIGHTUSERDATA)
        return lua_touserdata(L, -1);
    lua_pop(L, 1);
    struct hw_embedded *rows = lua_newuserdatauv(L, 4 * sizeof *rows, 1); /* rows */
    lua_newtable(L);                                                      /* rows kept */
    rows[0] = path_row(L, "path");
    rows[1] = path_row(L, "cpath");
    rows[2] = init_row(L);
    rows[3] = (struct hw_embedded){0};
    lua_setiuservalue(L, -2, 1);
    return rows;
}

bool hw_module_owns(const struct hw_embedded *modules, const char *name)
{
    static const char own[] = "hookward";
    bool by_path = !modules || (modules->module && !modules->chunk);
    return by_path && strncmp(name, own, sizeof own - 1) == 0 &&
           (name[sizeof own - 1] == '\0' || name[sizeof own - 1] == '.');
}

static void set_path(lua_State *L, const struct hw_embedded *row)
{
    lua_getglobal(L, "package");
    lua_pushlstring(L, row->text, row->len);
    lua_setfield(L, -2, row->module);
    lua_pop(L, 1);
}

static int load_embedded(lua_State *L)
{
    const struct hw_embedded *m = lua_touserdata(L, lua_upvalueindex(1));
    if (luaL_loadbufferx(L, m->text, m->len, m->chunk, "bt"))
        return lua_error(L);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* Texts are read by `source` alone. */
static bool is_module(const struct hw_embedded *row)
{
    size_t len = strlen(row->chunk);
    return !strchr(row->module, '/') && (len < 3 || strcmp(row->chunk + len - 3, ".md") != 0);
}

void hw_module_preload(lua_State *L, const struct hw_embedded *modules)
{
    lua_pushlightuserdata(L, (void *)modules);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &modules_key);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_hookward_core);
    lua_setfield(L, -2, "hookward.core");
    for (; modules && modules->module; modules++) {
        if (!modules->chunk) {
            set_path(L, modules);
            continue;
        }
        if (!is_module(modules))
            continue;
        lua_pushlightuserdata(L, (void *)modules);
        lua_pushcclosure(L, load_embedded, 1);
        lua_setfield(L, -2, modules->module);
    }
    lua_pop(L, 1);
}
