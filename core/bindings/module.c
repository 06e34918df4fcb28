/* module.c -- see module.h
 *
 * LuaRocks compiles this file first, so that a missing library is reported with its package. */
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

#include "base/version.h"
#include "bindings/crypto_api.h"
#include "bindings/host_api.h"
#include "bindings/ledger_api.h"
#include "bindings/process_api.h"
#include "bindings/rehearsal.h"
#include "bindings/replay.h"
#include "bindings/sys_api.h"
#include "bindings/testing_api.h"
#include "bindings/trial.h"
#include "bindings/versions.h"
#include "script/api.h"
#include "script/http_client.h"
#include "script/json.h"
#include "script/modules.h"

#if LUA_VERSION_NUM != 504
#error "hookward needs Lua 5.4 (on Debian: liblua5.4-dev, and luarocks --lua-version 5.4)"
#endif

/* source(name) -> text | nil: a module, or a text of the guide or of an example, inside the
 * binary. */
static int source(lua_State *L)
{
    const struct hw_embedded *row = hw_modules_find(L, luaL_checkstring(L, 1));
    if (!row)
        return 0;
    lua_pushlstring(L, row->text, row->len);
    return 1;
}

int luaopen_hookward_core(lua_State *L)
{
    hw_modules_keep_opener(L, luaopen_hookward_core);
    lua_newtable(L);
    hw_trial_push_check(L);
    lua_setfield(L, -2, "check");
    hw_replay_push(L);
    lua_setfield(L, -2, "replay");
    hw_host_push_start(L);
    lua_setfield(L, -2, "start");
    hw_host_push_serve_app(L);
    lua_setfield(L, -2, "serve_app");
    lua_pushliteral(L, HW_VERSION);
    lua_setfield(L, -2, "version");
    hw_versions_push(L);
    lua_setfield(L, -2, "libraries");
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
