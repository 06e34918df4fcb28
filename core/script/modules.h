/* modules.h -- hookward's own modules inside a Lua state: what `require "hookward…"` finds.
 *
 * Why     handlers, apps, the configuration and the command line each run in a state of their own,
 *         and all of them require the same modules. The opener of the C half is passed in, so that
 *         the code that creates a state does not depend on everything that the C half offers.
 * Thread  the one that has the Lua state. A struct hw_modules is constant, and may be shared. */
#ifndef HW_MODULES_H
#define HW_MODULES_H

#include <lua.h>
#include <stdbool.h>

#include "script/embedded.h"

struct hw_modules {
    lua_CFunction open_core;        /* opens `hookward.core`, the C half */
    const struct hw_embedded *rows; /* the Lua half */
};

/* Makes `require` find the modules. Rows that carry modules come before any file of the same name;
 * rows that are search paths set these. `modules` must live as long as the state. Stack: -0 +0. */
void hw_modules_preload(lua_State *L, const struct hw_modules *modules);

/* Keeps the opener for hw_modules_of. `open_core` itself calls this, since a program that uses the
 * rock has a state that was not preloaded. Stack: -0 +0. */
void hw_modules_keep_opener(lua_State *L, lua_CFunction open_core);

/* The modules for the states of a host that this state starts: the modules that it was preloaded
 * with, or else the search paths package.path and package.cpath as they are now. The result lives
 * as long as the value that is pushed. Stack: -0 +1. */
const struct hw_modules *hw_modules_of(lua_State *L);

/* The row of this name that the state was preloaded with: a module, a text of the guide, or a file
 * of an example. NULL if there is none. Stack: -0 +0. */
const struct hw_embedded *hw_modules_find(lua_State *L, const char *name);

/* True for "hookward" and "hookward.…" if these are found by search paths. A script must not
 * replace one of them; preloaded modules can't be replaced anyway. */
bool hw_modules_own(const struct hw_modules *modules, const char *name);

#endif
