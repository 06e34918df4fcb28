/* modules.h -- hookward's own modules inside a Lua state: what `require "hookward…"` finds.
 *
 * Why     handlers, apps, the configuration and the command line each run in a state of their own, and
 *         all of them require the same modules. The opener of the C half is handed in, so that what
 *         makes a state need not know all that the C half offers.
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

/* Makes `require` find the modules: before any file of the same name when the rows carry them, or
 * else by their search paths. `modules` must live as long as the state. Stack: -0 +0. */
void hw_modules_preload(lua_State *L, const struct hw_modules *modules);

/* For `open_core` to call in a state that was not preloaded, such as that of a program that uses the
 * rock: keeps the opener for hw_modules_of. Stack: -0 +0. */
void hw_modules_keep_opener(lua_State *L, lua_CFunction open_core);

/* The modules for states that serve this one's host: those that it was itself preloaded with, or
 * else the search paths package.path and package.cpath as they are now. The result lives as long as
 * the value that is pushed. Stack: -0 +1. */
const struct hw_modules *hw_modules_of(lua_State *L);

/* The row of this name that the state was preloaded with: a module, or a text of the guide or of an
 * example. NULL when there is none. Stack: -0 +0. */
const struct hw_embedded *hw_modules_find(lua_State *L, const char *name);

/* True for "hookward" and "hookward.…" when these are found by search paths: no script may take the
 * place of one. */
bool hw_modules_own(const struct hw_modules *modules, const char *name);

#endif
