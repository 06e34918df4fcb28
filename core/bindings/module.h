/* module.h -- the C half of hookward as a Lua module, `hookward.core`.
 *
 * The same functions are in the binary, in the LuaRocks rock and in a handler's state;
 * lua/hookward/_meta.lua describes them.
 * Thread  the one that has the Lua state. */
#ifndef HW_MODULE_H
#define HW_MODULE_H

#include <lua.h>

/* The one symbol that the rock's library shows. Stack: -0 +1. */
__attribute__((visibility("default"))) int luaopen_hookward_core(lua_State *L);

#endif
