/* null.c -- see null.h */
#include "script/null.h"

#include <lauxlib.h>
#include <stdbool.h>

static bool is_null(lua_State *L, int index)
{
    return lua_type(L, index) == LUA_TLIGHTUSERDATA && lua_touserdata(L, index) == NULL;
}

/* For another library's light userdata, the error is Lua's own. */
static int refuse(lua_State *L, bool null, const char *what)
{
    if (!null)
        return luaL_error(L, "attempt to %s a userdata value", what);
    return luaL_error(L,
                      "attempt to %s hook.null: the JSON has null here; check for "
                      "`== hook.null` first",
                      what);
}

/* __index and __newindex(null, key, …) */
static int on_index(lua_State *L)
{
    if (!is_null(L, 1))
        return refuse(L, false, "index");
    return luaL_error(L,
                      "attempt to index hook.null (member '%s'): the JSON has null here; "
                      "check for `== hook.null` first",
                      luaL_tolstring(L, 2, NULL));
}

/* The other metamethods. The upvalue names the operation; either operand may be null. */
static int on_event(lua_State *L)
{
    return refuse(L, is_null(L, 1) || is_null(L, 2), lua_tostring(L, lua_upvalueindex(1)));
}

static int on_tostring(lua_State *L)
{
    if (is_null(L, 1))
        lua_pushliteral(L, "null");
    else
        lua_pushfstring(L, "userdata: %p", lua_topointer(L, 1));
    return 1;
}

void hw_null_explain(lua_State *L)
{
    static const char *const events[][2] = {
        {"__add", "perform arithmetic on"},
        {"__sub", "perform arithmetic on"},
        {"__mul", "perform arithmetic on"},
        {"__div", "perform arithmetic on"},
        {"__mod", "perform arithmetic on"},
        {"__pow", "perform arithmetic on"},
        {"__idiv", "perform arithmetic on"},
        {"__unm", "perform arithmetic on"},
        {"__band", "perform bitwise operation on"},
        {"__bor", "perform bitwise operation on"},
        {"__bxor", "perform bitwise operation on"},
        {"__shl", "perform bitwise operation on"},
        {"__shr", "perform bitwise operation on"},
        {"__bnot", "perform bitwise operation on"},
        {"__concat", "concatenate"},
        {"__len", "get length of"},
        {"__lt", "compare"},
        {"__le", "compare"},
        {"__call", "call"},
    };
    lua_pushlightuserdata(L, NULL);
    lua_newtable(L); /* null meta */
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        lua_pushstring(L, events[i][1]);
        lua_pushcclosure(L, on_event, 1);
        lua_setfield(L, -2, events[i][0]);
    }
    lua_pushcfunction(L, on_index);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, on_index);
    lua_setfield(L, -2, "__newindex");
    lua_pushcfunction(L, on_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, "hook.null");
    lua_setfield(L, -2, "__name");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}
