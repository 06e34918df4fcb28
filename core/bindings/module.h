/* module.h -- hookward inside a Lua state.
 *
 * Thread  the one that has the state. */
#ifndef HW_MODULE_H
#define HW_MODULE_H

#include <lua.h>
#include <stdbool.h>

#include "script/embedded.h"

/* The C half of hookward as a Lua module, `hookward.core`: the same functions in the binary, in
 * the LuaRocks rock and in a handler's state (lua/hookward/_meta.lua describes them). The one
 * symbol that the rock's library shows. */
__attribute__((visibility("default"))) int luaopen_hookward_core(lua_State *L);

/* Makes `require` find hookward's modules: `hookward.core` from C, and those of `modules` (may be
 * NULL) before any file of the same name, or by its search paths. */
void hw_module_preload(lua_State *L, const struct hw_embedded *modules);

/* Where states that serve this one's host find the modules: what it was itself preloaded with, or
 * else by its package.path and package.cpath as they are now. The result lives as long as the value
 * that is pushed. Stack: -0 +1. */
const struct hw_embedded *hw_module_sources(lua_State *L);

/* True for "hookward" and "hookward.…" when these are found by search paths, so that no script may
 * come before them. */
bool hw_module_owns(const struct hw_embedded *modules, const char *name);

#endif
