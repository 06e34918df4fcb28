/* null.h -- makes errors about hook.null say that it is null.
 *
 * Why     "attempt to index a userdata value" does not say that the JSON has null there.
 * How     all light userdata of a state share one metatable. It gets a metamethod for everything
 *         that can't be done with null, which raises a better error.
 * Not     in the Lua state of a program that has the host: its light userdata are its own.
 * Thread  the one that has the Lua state. */
#ifndef HW_NULL_H
#define HW_NULL_H

#include <lua.h>

/* Sets that metatable. May raise a Lua memory error. Stack: -0 +0. */
void hw_null_explain(lua_State *L);

#endif
