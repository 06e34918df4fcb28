/* limits.h -- a Lua state with a limit of its memory and of its time.
 *
 * Memory  the state allocates from a pool with a limit (memory.h).
 * Time    a count hook reads the clock every HW_LIMITS_EVERY instructions. After the deadline every
 *         instruction raises an error, in the current coroutine and in the main one, so that a
 *         pcall in a loop can't go on. The error that is raised is "not enough memory": Lua calls
 *         no message handler for it. A message handler that is called from a hook would run without
 *         hooks, and a loop in it could not be stopped. hw_limits_put_why has the real reason.
 * Not     a C function, which runs no hooks. See stoppable.h for Lua code that runs without hooks.
 * Thread  one at a time, as the state. */
#ifndef HW_LIMITS_H
#define HW_LIMITS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "script/memory.h"

enum { HW_LIMITS_EVERY = 10000 /* about 50 us */ };

struct hw_limits {
    lua_State *L;
    struct hw_memory pool;
    unsigned forks; /* see forked.h */

    /* the owner's: called at times while code runs; true ends it. May be NULL */
    bool (*give_up)(void *ud);
    void *give_up_ud;

    /* of this run */
    const char *name;     /* of the time limit, for the error; or NULL */
    uint64_t ms;          /* the time limit */
    uint64_t deadline_ns; /* 0: none */
    bool timed_out;       /* it was stopped */
};

/* Makes the state, with a pointer to `limits` in its extra space. Returns it, or NULL if there is
 * no memory. hw_limits_close must be called in both cases. */
lua_State *hw_limits_open(struct hw_limits *limits, size_t memory_max);

/* Begins a run that may last `ms` from `now_ns` on. The error names the limit `name`, if there is
 * one. */
void hw_limits_begin(struct hw_limits *limits, uint64_t now_ns, uint64_t ms, const char *name);

/* Ends the run. In a child that a script forked this does not return (forked.h). */
void hw_limits_end(struct hw_limits *limits);

/* When `timed_out` is set, whether the call failed or not: replaces the value on top by the real
 * reason with a traceback, or by a value that is no string if there was no memory for it. Raises
 * nothing. Stack: -1 +1. */
void hw_limits_put_why(struct hw_limits *limits);

/* True if a call that returned `status` failed because the process is out of memory, and not
 * because the state is over its limit. */
bool hw_limits_are_starved(const struct hw_limits *limits, int status);

/* Is time up? */
bool hw_limits_are_over(lua_State *L);

/* Raises the error if time is up. */
void hw_limits_check(lua_State *L);

/* Closes the state; its finalizers run. May be called twice. */
void hw_limits_close(struct hw_limits *limits);

#endif
