/* module.h -- hookward inside a Lua state.
 *
 * Thread  the one that has the state. */
#ifndef HW_MODULE_H
#define HW_MODULE_H

#include <lua.h>

#include "embedded.h"

/* The C half of hookward as a Lua module, `hookward.core`: the same functions in the binary, in
 * the LuaRocks rock and in a handler's state (lua/hookward/_meta.lua describes them). */
__attribute__((visibility("default"))) int luaopen_hookward_core(lua_State *L);

/* Makes `require` find hookward's modules: `hookward.core` from C, and those of `modules` (may be
 * NULL) before any file of the same name. */
void hw_module_preload(lua_State *L, const struct hw_embedded *modules);

#endif
