/* owned.h -- userdata that own what the collector does not know: files, threads, C memory.
 *
 * Thread  the one that has the Lua state. */
#ifndef HW_OWNED_H
#define HW_OWNED_H

#include <lauxlib.h>

/* Makes `close` the __gc and the __close of the userdata on top, so it may be called twice. `name`
 * is for luaL_checkudata and for messages; `methods` may be NULL. The userdata must be ready for
 * `close` before this is called, since memory may run out here. Stack: -0 +0. */
void hw_owned_set(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close);

#endif
