/* state_limits.h -- a Lua state that gets so much memory, and so much time.
 *
 * How     memory: the state allocates from a pool (pool.h) with a limit. Time: a count hook looks
 *         at the clock every HW_LIMITS_EVERY instructions of the VM. From the deadline on every
 *         instruction raises, in the coroutine at hand and in the main one, so that a pcall in a
 *         loop can't outlast it. What is raised is Lua's lack of memory, since no message handler
 *         is called for that one: called from a hook, it would run without hooks, and a loop in it
 *         without an end. What really happened is kept beside, for hw_limits_put_why.
 * Not     a C function runs no hook; stoppable.h has what else Lua would run without.
 * Thread  one at a time, as the state. */
#ifndef HW_STATE_LIMITS_H
#define HW_STATE_LIMITS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "script/pool.h"

enum { HW_LIMITS_EVERY = 10000 /* about 50 us */ };

struct hw_limits {
    lua_State *L;
    struct hw_pool pool;
    unsigned forks; /* see forked.h */

    /* the owner's: asked now and then while code runs; true ends it. NULL: nobody is asked */
    bool (*give_up)(void *ud);
    void *give_up_ud;

    /* of this run */
    const char *name; /* of the limit; NULL: it has none */
    uint64_t ms, deadline_ns /* 0: none */;
    bool timed_out; /* it was ended */
};

/* Makes the state, with a pointer to `limits` in its extra space. Returns it, or NULL without
 * memory. To be closed in both cases. */
lua_State *hw_limits_open(struct hw_limits *limits, size_t memory_max);

/* What runs in the state has `ms` from `now_ns` on; `name`, if any, is told in the error. */
void hw_limits_begin(struct hw_limits *limits, uint64_t now_ns, uint64_t ms, const char *name);

/* It has come back: in a child that it forked this does not return (forked.h). */
void hw_limits_end(struct hw_limits *limits);

/* After a call that failed, or not, when `timed_out` says so: the value on top becomes what
 * happened, with a traceback, or what is no string when there was no memory for that. Raises
 * nothing. */
void hw_limits_put_why(struct hw_limits *limits);

/* Is time up? check raises then. */
bool hw_limits_are_over(lua_State *L);
void hw_limits_check(lua_State *L);

void hw_limits_close(struct hw_limits *limits);

#endif
