/* stoppable.h -- replaces the functions of Lua's library in which a loop could not be stopped.
 *
 * Why     a hook ends a loop (limits.h), but Lua runs some code without hooks: finalizers,
 *         and the variables that a coroutine still has to close after a hook's error has ended it.
 * How     setmetatable and debug.setmetatable replace a `__gc` that is written in Lua by a function
 *         that runs it in a coroutine, which has hooks. Once time is up, coroutine.wrap and
 *         coroutine.close close nothing, and coroutine.resume raises an error instead of returning
 *         one. Everything else is as the manual says.
 * Not     a `__gc` that is added to a metatable after setmetatable, and a C function that computes
 *         for a long time. The crew gives up a thread that runs one of these (crew.h).
 * Thread  the one that has the Lua state. */
#ifndef HW_STOPPABLE_H
#define HW_STOPPABLE_H

#include <lua.h>

/* After luaL_openlibs, in a state that hw_limits_open made. May raise. Stack: -0 +0. */
void hw_stoppable_open(lua_State *L);

#endif
