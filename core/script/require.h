/* require.h -- `require` in a VM: what it finds, and its message when it finds nothing.
 *
 * How     a searcher before Lua's own finds the scripts of the bundle. Scripts that require each
 *         other are recognised by their chunks, which are still running, on the call stack. The VM
 *         itself uses a `require` that was saved before any script could replace it.
 * Thread  the one that has the Lua state. All functions may raise Lua errors. */
#ifndef HW_REQUIRE_H
#define HW_REQUIRE_H

#include <lua.h>

#include "script/bundle.h"
#include "script/modules.h"

/* Before any script, after Lua's libraries. Bundle and modules must live as long as the state.
 * Stack: -0 +0. */
void hw_require_open(lua_State *L, const struct hw_bundle *bundle,
                     const struct hw_modules *modules);

/* Requires the module and pushes it. Stack: -0 +1. */
void hw_require_module(lua_State *L, const char *module);

/* Replaces the text of an error, at the index, by one that says what to do, if it says that a
 * module was not found. Raises memory errors only. Stack: -0 +0. */
void hw_require_explain(lua_State *L, int index);

#endif
