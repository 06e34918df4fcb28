/* module.h -- the room of bindings: the C half of hookward as a Lua module, `hookward.core`.
 *
 * What    One table of functions, and tables of these, each in a file of its own. The commands, the
 *         library and hookward.testing are Lua on top of it.
 * Promise the same functions in the binary, in the LuaRocks rock and in a handler's state. What can
 *         fail returns nil and one line; misuse raises an error. A Lua error leaks nothing.
 * Not     no rules of its own: a binding turns Lua values into C calls, and results into Lua
 *         values.
 * Thread  the one that has the Lua state. */
#ifndef HW_MODULE_H
#define HW_MODULE_H

#include <lua.h>

/* The one symbol that the rock's library shows. Stack: -0 +1. */
__attribute__((visibility("default"))) int luaopen_hookward_core(lua_State *L);

#endif
