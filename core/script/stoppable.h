/* stoppable.h -- the parts of Lua's library in which a loop could not be stopped, made anew.
 *
 * Why     a loop is ended by a hook (state_limits.h), and Lua runs some code without hooks: a
 *         finalizer, and what a coroutine that a hook's error has killed still has to close.
 * How     setmetatable (debug's too) puts a function of its own in place of a `__gc` that is
 *         written in Lua: it runs that one in a coroutine, which has hooks. coroutine.wrap and
 *         coroutine.close close nothing once time is up, and coroutine.resume tells nobody of an
 *         error then. All else is as the manual says.
 * Not     a `__gc` that is put into a metatable after setmetatable, a C function that computes for
 *         long: who gives a thread up sees to these (crew.h).
 * Thread  the one that has the Lua state. */
#ifndef HW_STOPPABLE_H
#define HW_STOPPABLE_H

#include <lua.h>

/* After luaL_openlibs, in a state of hw_limits_open. May raise. Stack: -0 +0. */
void hw_stoppable_open(lua_State *L);

#endif
