/* waiter.h -- a connection that waits for an answer, in the list of whatever will answer it.
 *
 * Why     a client may be gone, or its time up, before its answer is ready. So the code that works
 *         on the answer keeps no pointer to a connection: it has a list of waiters, and a
 *         connection that closes leaves the list by itself.
 * How     an intrusive list; leaving it is two pointer moves.
 * Thread  leader only. */
#ifndef HW_WAITER_H
#define HW_WAITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "http/address.h"

struct hw_job;
struct hw_waiter;

/* Gives its answer to a waiter that has left its list: 0 for "processed", or an HW_E… code.
 * `reason` is valid until it returns. */
typedef void hw_answer_fn(struct hw_waiter *waiter, int code, struct hw_str reason);

struct hw_waiter {
    struct hw_waiter *next, **link; /* in a list; link is NULL when it is in none */
    struct hw_job *job;             /* the job that it waits for; NULL: something else */
    uint64_t ticket;                /* what it asks for, in its service's own terms */
    uint64_t until_ms;              /* its answer comes by then, by the loop's clock; 0: not said */
    hw_answer_fn *answer;
    const struct hw_address *peer; /* the client's, in its connection; NULL: there is none */
    struct hw_str client;          /* the name that its TLS certificate proves; {NULL, 0}: none. The
                             connection's */
};

static inline void hw_waiter_join(struct hw_waiter *waiter, struct hw_waiter **list)
{
    waiter->next = *list;
    waiter->link = list;
    if (waiter->next)
        waiter->next->link = &waiter->next;
    *list = waiter;
}

/* Leaves the list, and so gets no answer from it. Idempotent. */
static inline void hw_waiter_leave(struct hw_waiter *waiter)
{
    if (!waiter->link)
        return;
    *waiter->link = waiter->next;
    if (waiter->next)
        waiter->next->link = waiter->link;
    waiter->link = NULL;
    waiter->job = NULL;
}

/* Moves all waiters of a list to one that is empty. */
static inline void hw_waiter_move(struct hw_waiter **from, struct hw_waiter **to)
{
    *to = *from;
    *from = NULL;
    if (*to)
        (*to)->link = to;
}

#endif
