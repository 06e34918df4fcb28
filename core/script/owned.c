/* owned.c -- see owned.h */
#include "script/owned.h"

/* The metatable is registered when it is complete. luaL_newmetatable registers it first; if memory
 * ran out after that, it would stay without __gc for good. */
static void push_metatable(lua_State *L, const char *name, const luaL_Reg *methods,
                           lua_CFunction close)
{
    if (luaL_getmetatable(L, name) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 4); /* metatable */
    lua_pushcfunction(L, close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, close);
    lua_setfield(L, -2, "__close");
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    if (methods) {
        lua_newtable(L);
        luaL_setfuncs(L, methods, 0);
        lua_setfield(L, -2, "__index");
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, name);
}

void hw_owned_set(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close)
{
    push_metatable(L, name, methods, close); /* userdata metatable */
    lua_setmetatable(L, -2);                 /* userdata */
}
