/* globals.h -- what becomes of a global that a handler sets.
 *
 * Why     a forgotten `local` lasts until the VM is replaced, and with a name of Lua's own (`next`,
 *         `type`, `math`) it breaks every script of the VM.
 * How     scripts have an _ENV of their own: always empty, so that it is asked about every global
 *         that is set. Reads go on to _G, and so does what is set. What a script does to _G itself,
 *         or a metatable that it gives it, works as ever; that of _ENV is not to be changed.
 * Not     hookward's own modules are safe without this: they hold what they use.
 * Thread  the one that has the Lua state. All may raise Lua errors. */
#ifndef HW_GLOBALS_H
#define HW_GLOBALS_H

#include <lua.h>

/* Notes what there is by now; before any script. Stack: -0 +0. */
void hw_globals_open(lua_State *L);

/* Gives the chunk on top, which was just loaded, the scripts' _ENV. Stack: -0 +0. */
void hw_globals_give(lua_State *L);

/* From here on what a handler sets is warned about, once a name: a new one, or one that was there
 * before any script. A script's own guard ("strict.lua", say) is left to its work. Stack: -0 +0. */
void hw_globals_guard(lua_State *L);

#endif
