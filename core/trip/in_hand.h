/* in_hand.h -- what the host runs by itself: what may be accepted, and what may run now.
 *
 * Why     a backlog stays in the ledger. Of it only so many are in hand as due.h has places, and of
 *         a handler with a limit only so many as that allows.
 * How     a job is in hand from the moment that it takes a place until it ends. It comes from the
 *         ledger (due.h), or it was just accepted and starts from memory: when a place is free, and
 *         nothing older waits in the ledger.
 * Not     the places themselves, which due.h counts.
 * Thread  leader only. */
#ifndef HW_IN_HAND_H
#define HW_IN_HAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger/ledger.h"
#include "trip/job.h"
#include "trip/pools.h"

/* One in hand has come to its end, or needs no worker any more. `row` is 0 for one that came from
 * memory. `moot`: it did not run, and may be found again at once. */
typedef void hw_due_ended_fn(void *owner, int64_t row, bool moot);

/* True when one that was accepted may run at once, from memory: then it has a place until
 * hw_due_ended_fn is called for it. */
typedef bool hw_due_take_fn(void *owner);

/* The ledger has something new that is due, or that has become due. */
typedef void hw_due_added_fn(void *owner);

struct hw_in_hand {
    /* constant after start; set by due.h, else NULL: nothing is run from the ledger */
    hw_due_ended_fn *ended;
    hw_due_take_fn *take;
    hw_due_added_fn *added;
    void *owner;

    /* constant after init */
    struct hw_ledger *ledger;

    /* leader only */
    struct hw_pools pools;
    size_t backlog_max; /* as the configuration says */
    size_t accepting;   /* jobs that the ledger has, to accept them */
};

/* Takes one in hand that has a place of due.h. `pool` is its row's; its handler may have another one
 * by now, for its next run. Returns false without memory. */
bool hw_in_hand_take(struct hw_in_hand *h, struct hw_job *job, struct hw_str pool);

/* It is not in hand any more; does nothing for one that is not. Others of its pool or its lane may
 * run now. */
void hw_in_hand_end(struct hw_in_hand *h, struct hw_job *job, bool moot);

/* Takes note of the limit, if the job was matched to its handler. */
void hw_in_hand_learn(struct hw_in_hand *h, const struct hw_job *job);

/* There is something new in the ledger. */
void hw_in_hand_add(struct hw_in_hand *h);

/* Why nothing more may be accepted; no text if it may. */
struct hw_str hw_in_hand_why_full(const struct hw_in_hand *h);

/* Decides what is recorded of one that is accepted: its start, when it is in hand now, or that it
 * waits. `may_start`: the host does not drain. Times as in retry.h. */
void hw_in_hand_accept(struct hw_in_hand *h, struct hw_job *job, bool may_start, int64_t now_ms,
                       uint64_t timeout_ms);

/* Decides what is recorded of a start. */
void hw_in_hand_start(struct hw_in_hand *h, struct hw_job *job, int64_t now_ms,
                      uint64_t timeout_ms);

#endif
