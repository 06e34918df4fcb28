/* forked.h -- a child that a script forked must never run the host's code.
 *
 * Why     a script may fork (luaposix) to start a program. If its child returns from the handler
 *         instead, it is a second host without threads, on the same sockets and the same ledger.
 * How     a number that each fork raises in the child. A Lua state knows the number that it was
 *         made under; where its code ends, and now and then while it runs, the two are compared.
 *         A child that starts a host of its own makes its states under the new number, and one
 *         that becomes another program never compares.
 * Thread  any. */
#ifndef HW_FORKED_H
#define HW_FORKED_H

#include <stdatomic.h>

enum { HW_FORKED_EXIT = 127 };

extern atomic_uint hw_forked_depth; /* forked.c alone writes */

/* What a state keeps from its making. */
unsigned hw_forked_watch(void);

void hw_forked_leave(void);

/* Ends this process when it was forked since. */
static inline void hw_forked_check(unsigned kept)
{
    if (atomic_load_explicit(&hw_forked_depth, memory_order_relaxed) != kept)
        hw_forked_leave();
}

#endif
