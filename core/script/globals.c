/* globals.c -- see globals.h */
#include "script/globals.h"

#include <lauxlib.h>
#include <string.h>

#include "base/log.h"
#include "script/running.h"

static const char env_key;      /* in the registry: the scripts' _ENV */
static const char standard_key; /* in the registry: { name = true }, Lua's and hookward's names */

/* Logs that the function at `level` of the call stack has set a global; `name` is the index of its
 * name. */
static void warn(lua_State *L, int name, int level, const char *what)
{
    struct hw_log_line line;
    if (!hw_log_wants(HW_LOG_WARN))
        return;
    luaL_where(L, level);
    const char *place = lua_tostring(L, -1);
    size_t len = strlen(place);
    lua_pushfstring(L,
                    "a handler %s the global '%s': it lasts until its VM is replaced; "
                    "is a 'local' missing?",
                    what, luaL_tolstring(L, name, NULL));
    hw_log_begin(&line, HW_LOG_WARN, hw_str_of(lua_tostring(L, -1)));
    if (len > 2)
        hw_log_text(&line, "place",
                    (struct hw_str){place, len - 2}); /* without the ": " at its end */
    hw_log_end(&line);
}

/* Is it a name of Lua's or hookward's? True only once for each name. */
static bool take_standard(lua_State *L, int name)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &standard_key);
    lua_pushvalue(L, name);
    bool found = lua_rawget(L, -2) != LUA_TNIL; /* names found */
    lua_pop(L, 1);
    if (found) {
        lua_pushvalue(L, name);
        lua_pushnil(L);
        lua_rawset(L, -3);
    }
    lua_pop(L, 1);
    return found;
}

/* __newindex of _G, for globals that are not set through a script's _ENV. lua_rawset adds the name,
 * so there is one warning. */
static int on_new(lua_State *L)
{
    if (hw_running_notification(L))
        warn(L, 2, 1, "set");
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 0;
}

/* __newindex of the scripts' _ENV, which is always empty. */
static int on_set(lua_State *L)
{
    lua_settop(L, 3);
    lua_pushglobaltable(L); /* env name value _G */
    lua_pushvalue(L, 2);
    bool known = lua_rawget(L, 4) != LUA_TNIL;
    if (hw_running_notification(L)) {
        if (!known)
            warn(L, 2, 1, "set");
        else if (take_standard(L, 2))
            warn(L, 2, 1, "replaced Lua's own value of");
    }
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_rawset(L, 4);
    return 0;
}

static int next_global(lua_State *L)
{
    lua_settop(L, 2);
    return lua_next(L, 1) ? 2 : 0;
}

/* __pairs of the scripts' _ENV: walks _G. */
static int all_globals(lua_State *L)
{
    lua_pushcfunction(L, next_global);
    lua_pushglobaltable(L);
    return 2;
}

static void keep_names(lua_State *L)
{
    lua_newtable(L);
    lua_pushglobaltable(L); /* names _G */
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        lua_pushboolean(L, 1);
        lua_rawset(L, -6);
    }
    lua_pop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &standard_key);
}

/* While scripts are being loaded, every global that they set goes straight to _G. */
void hw_globals_open(lua_State *L)
{
    keep_names(L);
    lua_newtable(L);          /* env */
    lua_createtable(L, 0, 4); /* env meta */
    lua_pushliteral(L, "a script's _ENV; set a metatable on _G");
    lua_setfield(L, -2, "__metatable"); /* with another metatable, no script would find `print` */
    lua_pushglobaltable(L);
    lua_setfield(L, -2, "__index");
    lua_pushglobaltable(L);
    lua_setfield(L, -2, "__newindex");
    lua_pushcfunction(L, all_globals);
    lua_setfield(L, -2, "__pairs");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &env_key);
}

void hw_globals_give(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &env_key); /* chunk env */
    if (!lua_setupvalue(L, -2, 1))
        lua_pop(L, 1);
}

void hw_globals_guard(lua_State *L)
{
    lua_pushglobaltable(L);
    if (lua_getmetatable(L, -1)) { /* a script's own guard */
        lua_pop(L, 2);
        return;
    }
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, on_new);
    lua_setfield(L, -2, "__newindex");
    lua_setmetatable(L, -2);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &env_key); /* _G env */
    lua_getmetatable(L, -1);
    lua_pushcfunction(L, on_set);
    lua_setfield(L, -2, "__newindex"); /* _G env meta */
    lua_pop(L, 3);
}
