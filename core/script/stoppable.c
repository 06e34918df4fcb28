/* stoppable.c -- see stoppable.h */
#include "script/stoppable.h"

#include <lauxlib.h>

#include "script/limits.h"

/* ---- finalizers ---- */

/* Takes the place of a finalizer, which is its upvalue. */
static int finalize(lua_State *L)
{
    int count = lua_gettop(L), results;
    lua_State *co = lua_newthread(L);
    lua_insert(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 2); /* co function arguments… */
    if (!lua_checkstack(co, count + 1))
        return luaL_error(L, "stack overflow");
    lua_xmove(L, co, count + 1);
    int status = lua_resume(co, L, count, &results);
    if (status == LUA_YIELD)
        return luaL_error(L, "attempt to yield across a C-call boundary");
    if (status != LUA_OK && hw_limits_are_over(L))
        return luaL_error(L, "a finalizer did not finish in time");
    if (status == LUA_OK && !lua_checkstack(L, results))
        return luaL_error(L, "stack overflow");
    lua_xmove(co, L, status == LUA_OK ? results : 1);
    return status == LUA_OK ? results : lua_error(L);
}

/* Replaces the __gc of the metatable at `index`, if it has one that is written in Lua. */
static void guard_finalizer(lua_State *L, int index)
{
    if (!lua_istable(L, index))
        return;
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, index) == LUA_TFUNCTION && !lua_iscfunction(L, -1)) {
        lua_pushliteral(L, "__gc");
        lua_insert(L, -2);
        lua_pushcclosure(L, finalize, 1);
        lua_rawset(L, index);
        return;
    }
    lua_pop(L, 1);
}

static void check_metatable(lua_State *L)
{
    int type = lua_type(L, 2);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    lua_settop(L, 2);
    guard_finalizer(L, 2);
}

/* setmetatable(table, metatable) */
static int set_metatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    check_metatable(L);
    lua_setmetatable(L, 1);
    return 1;
}

/* debug.setmetatable(value, metatable) */
static int set_any_metatable(lua_State *L)
{
    check_metatable(L);
    lua_setmetatable(L, 1);
    return 1;
}

/* ---- coroutines ---- */

/* coroutine.close(co). The upvalue is the original. */
static int close_coroutine(lua_State *L)
{
    luaL_argexpected(L, lua_isthread(L, 1), 1, "coroutine");
    hw_limits_check(L);
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* Raises the coroutine's error in its caller, with the place of the call, as Lua does. */
static int pass_on_error(lua_State *L, lua_State *co, int status)
{
    hw_limits_check(L); /* lua_resetthread closes variables, without hooks */
    if (lua_status(co) != LUA_OK && lua_status(co) != LUA_YIELD)
        status = lua_resetthread(co); /* otherwise it was not resumed: it is dead, or running */
    lua_xmove(co, L, 1);
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

/* What coroutine.wrap returns; the coroutine is its upvalue. */
static int call_wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int count = lua_gettop(L), results;
    if (!lua_checkstack(co, count))
        return luaL_error(L, "too many arguments to resume");
    lua_xmove(L, co, count);
    int status = lua_resume(co, L, count, &results);
    if (status != LUA_OK && status != LUA_YIELD)
        return pass_on_error(L, co, status);
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        return luaL_error(L, "too many results to resume");
    }
    lua_xmove(co, L, results);
    return results;
}

static int refuse_to_resume(lua_State *L, const char *why)
{
    lua_pushboolean(L, false);
    lua_pushstring(L, why);
    return 2;
}

/* coroutine.resume(co, …). Once time is up, an error is raised and not returned. Otherwise nested
 * loops that ignore what becomes of their coroutines would never end. */
static int resume(lua_State *L)
{
    luaL_argexpected(L, lua_isthread(L, 1), 1, "coroutine");
    lua_State *co = lua_tothread(L, 1);
    int count = lua_gettop(L) - 1, results;
    if (!lua_checkstack(co, count))
        return refuse_to_resume(L, "too many arguments to resume");
    lua_xmove(L, co, count);
    int status = lua_resume(co, L, count, &results);
    if (status != LUA_OK && status != LUA_YIELD) {
        hw_limits_check(L);
        lua_xmove(co, L, 1); /* the error; it is there already if co is L, which can't be resumed */
        lua_pushboolean(L, false);
        lua_insert(L, -2);
        return 2;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        return refuse_to_resume(L, "too many results to resume");
    }
    lua_pushboolean(L, true);
    lua_xmove(co, L, results);
    return results + 1;
}

/* coroutine.wrap(function) */
static int wrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

void hw_stoppable_open(lua_State *L)
{
    lua_register(L, "setmetatable", set_metatable);
    lua_getglobal(L, "debug");
    lua_pushcfunction(L, set_any_metatable);
    lua_setfield(L, -2, "setmetatable");
    lua_getglobal(L, "coroutine"); /* debug coroutine */
    lua_pushcfunction(L, wrap);
    lua_setfield(L, -2, "wrap");
    lua_pushcfunction(L, resume);
    lua_setfield(L, -2, "resume");
    lua_getfield(L, -1, "close");
    lua_pushcclosure(L, close_coroutine, 1);
    lua_setfield(L, -2, "close");
    lua_pop(L, 2);
}
