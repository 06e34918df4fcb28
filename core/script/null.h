/* null.h -- hook.null says what it is.
 *
 * Why     "attempt to index a userdata value" tells nobody that the JSON had null there.
 * How     light userdata of a state share one metatable; all that can't be done with null is in it.
 * Not     for the Lua state of a program that has the host: its light userdata are its own.
 * Thread  the one that has the Lua state. */
#ifndef HW_NULL_H
#define HW_NULL_H

#include <lua.h>

/* May raise a Lua memory error. Stack: -0 +0. */
void hw_null_explain(lua_State *L);

#endif
