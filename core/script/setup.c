/* setup.c -- see setup.h */
#include "script/setup.h"

#include <lauxlib.h>
#include <lualib.h>

#include "script/api.h"
#include "script/globals.h"
#include "script/null.h"
#include "script/require.h"
#include "script/router.h"
#include "script/stoppable.h"

/* The module hookward.settings: the configuration's `settings`. The upvalue is the bundle. */
static int load_settings(lua_State *L)
{
    const struct hw_bundle *bundle = lua_touserdata(L, lua_upvalueindex(1));
    if (luaL_loadbufferx(L, bundle->settings.ptr, bundle->settings.len, "=settings", "t"))
        return lua_error(L);
    lua_call(L, 0, 1);
    return 1;
}

static void preload_settings(lua_State *L, const struct hw_bundle *bundle)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushlightuserdata(L, (void *)bundle);
    lua_pushcclosure(L, load_settings, 1);
    lua_setfield(L, -2, "hookward.settings");
    lua_pop(L, 1);
}

/* A handler file is loaded by `require`. If Lua or hookward has a module of the same name,
 * `require` would return that one and skip the file silently. */
static void refuse_taken_names(lua_State *L, const struct hw_setup *s)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE); /* loaded preload */
    for (size_t i = 0; i < s->bundle->count; i++) {
        const struct hw_script *script = &s->bundle->scripts[i];
        if (!script->handler)
            continue;
        if (lua_getfield(L, -2, script->module) || lua_getfield(L, -2, script->module) ||
            hw_modules_own(s->modules, script->module))
            luaL_error(L, "%s: '%s' is the name of a module of Lua's or hookward's; rename it",
                       script->chunk + 1, script->module);
        lua_pop(L, 2);
    }
    lua_pop(L, 2);
}

static void load_handlers(lua_State *L, const struct hw_bundle *bundle)
{
    for (size_t i = 0; i < bundle->count; i++) {
        if (!bundle->scripts[i].handler)
            continue;
        hw_require_module(L, bundle->scripts[i].module);
        lua_pop(L, 1);
    }
}

void hw_setup_run(lua_State *L, const struct hw_setup *s)
{
    luaL_openlibs(L);
    hw_stoppable_open(L);
    hw_api_open(L, s->modules);
    preload_settings(L, s->bundle);
    hw_null_explain(L);
    hw_require_open(L, s->bundle, s->modules);
    hw_require_module(L, "hookward"); /* before any script can change what it finds in Lua */
    lua_pop(L, 1);
    if (s->fit)
        s->fit(L, s->fit_ud);
    refuse_taken_names(L, s);
    load_handlers(L, s->bundle);
    hw_router_open(L, s->validate, s->ack_first, s->durable);
    hw_globals_guard(L);
}
