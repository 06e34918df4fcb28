/* module.c -- see module.h */
#include "module.h"

#include <lauxlib.h>
#include <string.h>

#include "api.h"
#include "crypto_api.h"
#include "host_parts.h"
#include "http_client.h"
#include "json.h"
#include "ledger_api.h"
#include "rehearsal.h"
#include "replay.h"
#include "sys_api.h"
#include "testing_api.h"
#include "version.h"

static const char modules_key;

/* source(name) -> text | nil: of one of the modules that are carried inside the binary. */
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
    lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key);
    const struct hw_embedded *modules = lua_touserdata(L, -1);
    lua_pop(L, 1);
    hw_host_push_check(L, modules);
    lua_setfield(L, -2, "check");
    hw_replay_push(L, modules);
    lua_setfield(L, -2, "replay");
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
    hw_ledger_push_api(L);
    lua_setfield(L, -2, "ledger");
    hw_rehearsal_push(L, modules);
    lua_setfield(L, -2, "rehearse");
    hw_testing_push_api(L, modules);
    lua_setfield(L, -2, "testing");
    lua_pushcfunction(L, source);
    lua_setfield(L, -2, "source");
    return 1;
}

static int load_embedded(lua_State *L)
{
    const struct hw_embedded *m = lua_touserdata(L, lua_upvalueindex(1));
    if (luaL_loadbufferx(L, m->text, m->len, m->chunk, "t"))
        return lua_error(L);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

void hw_module_preload(lua_State *L, const struct hw_embedded *modules)
{
    lua_pushlightuserdata(L, (void *)modules);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &modules_key);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_hookward_core);
    lua_setfield(L, -2, "hookward.core");
    for (; modules && modules->module; modules++) {
        lua_pushlightuserdata(L, (void *)modules);
        lua_pushcclosure(L, load_embedded, 1);
        lua_setfield(L, -2, modules->module);
    }
    lua_pop(L, 1);
}
