/* forked.h -- ends a child that a script forked before it runs the host's code.
 *
 * Why     a script may fork (luaposix) to start a program. If the child returns from the handler
 *         instead, it is a second host without threads, on the same sockets and the same ledger.
 * How     each fork increments a counter in the child. A Lua state keeps the counter's value from
 *         its creation. The two are compared at times while its code runs, and when it returns.
 *         A child that starts a host of its own creates its states with the new value. A child that
 *         runs another program (exec) never compares.
 * Thread  any. */
#ifndef HW_FORKED_H
#define HW_FORKED_H

#include <stdatomic.h>

enum { HW_FORKED_EXIT = 127 };

extern atomic_uint hw_forked_depth; /* only forked.c writes it */

/* The current value, for a new state to keep. */
unsigned hw_forked_watch(void);

/* Ends this process at once, with HW_FORKED_EXIT. */
void hw_forked_leave(void);

/* Ends this process if it was forked since `kept` was taken. */
static inline void hw_forked_check(unsigned kept)
{
    if (atomic_load_explicit(&hw_forked_depth, memory_order_relaxed) != kept)
        hw_forked_leave();
}

#endif
