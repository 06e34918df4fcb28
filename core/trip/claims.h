/* claims.h -- the leader's part of claims: what is to be claimed, and what another host has.
 *
 * Why     with a ledger that hosts share, whatever is to run is claimed first. A copy of what runs at
 *         another host waits for what that comes to: its sender gets the same answer.
 * How     what is elsewhere stands in a list, and is claimed again after 20 ms, then after delays that
 *         double up to 500 ms, spread by chance, while a sender waits for it.
 * Not     the claims themselves: claimer.h; what follows from an answer: claimed.h.
 * Thread  leader only. */
#ifndef HW_CLAIMS_H
#define HW_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "trip/claimer.h"
#include "trip/queue.h"

/* Nobody waits any more for a job that is elsewhere; it has left the list. */
typedef void hw_forsaken_fn(void *owner, struct hw_job *job);

struct hw_claims {
    /* constant after init */
    hw_forsaken_fn *forsaken;
    void *owner;

    /* constant after start; NULL: the ledger does not claim, or the thread has ended */
    struct hw_claimer *claimer;

    /* leader only */
    uv_timer_t timer;
    struct hw_queue elsewhere;
    uint64_t random;
};

/* Adds a handle to the loop, which the loop's owner closes. `random`: any number. */
void hw_claims_init(struct hw_claims *claims, uv_loop_t *loop, uint64_t random,
                    hw_forsaken_fn *forsaken, void *owner);

/* Takes over a list of jobs (by job->next): they come back marked `asked`. Only with a claimer. */
void hw_claims_ask(struct hw_claims *claims, struct hw_job *jobs);

/* Another host has it: it is claimed again after a while. */
void hw_claims_wait(struct hw_claims *claims, struct hw_job *job);

/* Takes back one that waits. False: it does not, or it is being claimed just now. */
bool hw_claims_leave(struct hw_claims *claims, struct hw_job *job);

/* Takes back all that wait, a list by job->next. */
struct hw_job *hw_claims_take_all(struct hw_claims *claims);

#endif
