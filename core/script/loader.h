/* loader.h -- how scripts get into a VM: what `require` finds, and what it says when it does not.
 *
 * How     a searcher before Lua's own finds the scripts of the bundle. Two scripts that require
 * each other are told by the chunks that are under way on the call stack. What a VM itself requires
 * goes by a `require` that was kept before any script could replace it. Thread  the one that has
 * the Lua state. All may raise Lua errors. */
#ifndef HW_LOADER_H
#define HW_LOADER_H

#include <lua.h>

#include "script/bundle.h"
#include "script/modules.h"

/* Before any script, with Lua's libraries open. Both must live as long as the state. Stack: -0 +0.
 */
void hw_loader_open(lua_State *L, const struct hw_bundle *bundle, const struct hw_modules *modules);

/* Pushes the module. Stack: -0 +1. */
void hw_loader_require(lua_State *L, const char *module);

/* The text of an error, at the index: if it says that a module is not there, it is replaced by one
 * that says what to do. Raises memory errors alone. Stack: -0 +0. */
void hw_loader_explain(lua_State *L, int index);

#endif
