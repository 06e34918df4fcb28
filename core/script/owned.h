/* owned.h -- userdata that own what the collector does not know of: files, threads, C memory.
 *
 * Thread  the one that has the Lua state. */
#ifndef HW_OWNED_H
#define HW_OWNED_H

#include <lauxlib.h>

/* Makes `close` the end of the userdata on top: as __gc and as __close, so it may be called twice.
 * `name` is for luaL_checkudata and for messages; `methods` may be NULL. The userdata must be one
 * that `close` takes by now: memory may run out here. Stack: -0 +0. */
void hw_owned_set(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close);

#endif
