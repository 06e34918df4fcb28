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
#include "bindings/machine_api.h"
#include "bindings/process_api.h"
#include "bindings/rehearsal.h"
#include "bindings/replay.h"
#include "bindings/sys_api.h"
#include "bindings/testing_api.h"
#include "bindings/tls_api.h"
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

static void push_parts(lua_State *L)
{
    static const struct {
        const char *name;
        void (*push)(lua_State *L);
    } parts[] = {
        {"check", hw_trial_push_check},
        {"crypto", hw_crypto_push_api},
        {"http", hw_http_client_push_api},
        {"json", hw_json_push_api},
        {"ledger", hw_ledger_push_api},
        {"libraries", hw_versions_push},
        {"log", hw_api_push_log},
        {"machine", hw_machine_push_api},
        {"never", hw_api_push_never},
        {"process", hw_process_push_api},
        {"rehearse", hw_rehearsal_push},
        {"replay", hw_replay_push},
        {"retry_after", hw_api_push_retry_after},
        {"serve_app", hw_host_push_serve_app},
        {"start", hw_host_push_start},
        {"sys", hw_sys_push_api},
        {"testing", hw_testing_push_api},
        {"timestamp", hw_api_push_timestamp},
        {"tls", hw_tls_push_api},
        {"trial", hw_trial_push_api},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        parts[i].push(L);
        lua_setfield(L, -2, parts[i].name);
    }
}

int luaopen_hookward_core(lua_State *L)
{
    hw_modules_keep_opener(L, luaopen_hookward_core);
    hw_json_open(L);
    lua_newtable(L);
    push_parts(L);
    lua_pushliteral(L, HW_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushcfunction(L, source);
    lua_setfield(L, -2, "source");
    return 1;
}
