/* globals.h -- warns about globals that a handler sets.
 *
 * Why     a global that is set by mistake (a forgotten `local`) lasts until the VM is replaced. If
 *         it has a name of Lua's own (`next`, `type`, `math`), it breaks every script of the VM.
 * How     scripts have an _ENV of their own. It is always empty, so its metamethods see every
 *         access to a global; they read from and write to _G. A script may change _G and give it a
 *         metatable, as ever; the metatable of _ENV is protected.
 * Not     hookward's own modules need no protection: they keep the functions that they use.
 * Thread  the one that has the Lua state. All functions may raise Lua errors. */
#ifndef HW_GLOBALS_H
#define HW_GLOBALS_H

#include <lua.h>

/* Creates the scripts' _ENV, and records the names in _G. Before any script. Stack: -0 +0. */
void hw_globals_open(lua_State *L);

/* Gives the scripts' _ENV to the chunk on top, which was just loaded. Stack: -0 +0. */
void hw_globals_give(lua_State *L);

/* From here on, a warning is logged when a handler sets a global that is new or that was there
 * before any script; once for each name. If a script has given _G a metatable ("strict.lua", say),
 * that is left alone and nothing is warned about. Stack: -0 +0. */
void hw_globals_guard(lua_State *L);

#endif
