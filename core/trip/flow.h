/* flow.h -- the steps that the parts of dispatch have in common: to a worker, to the ledger, to the
 * senders; and its struct.
 *
 * flow.c      these steps
 * claimed.c   what follows a claim
 * overdue.c   jobs that take too long
 * dispatch.c  admission, and what comes back from the crew and the ledger
 *
 * Not     for other files: they include dispatch.h.
 * Thread  leader only. */
#ifndef HW_FLOW_H
#define HW_FLOW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "http/waiter.h"
#include "ledger/ledger.h"
#include "trip/claims.h"
#include "trip/committer.h"
#include "trip/crew.h"
#include "trip/distrust.h"
#include "trip/in_flight.h"
#include "trip/in_hand.h"
#include "trip/job.h"
#include "trip/patience.h"
#include "trip/report.h"
#include "trip/retry.h"

/* What hw_dispatch_pick asked for; `code` is 0 or HW_ELEDGER_UNAVAILABLE. */
typedef void hw_due_picked_fn(void *owner, int code, const struct hw_ledger_due *due);

struct hw_dispatch {
    /* constant after init */
    struct hw_crew *crew;
    struct hw_ledger *ledger;
    struct hw_committer
        *committer; /* NULL: the ledger does not wait for a disk, or the thread has ended */
    struct hw_requests *requests;
    struct hw_report *report;
    size_t open_max;
    hw_due_picked_fn *picked;
    struct hw_distrust distrust;

    /* leader only */
    size_t with_crew; /* jobs that were submitted and have no outcome yet */
    size_t held;      /* jobs that the committer holds until the ledger can be written */
    size_t open;      /* requests that entered the gate and whose job is not freed yet */
    size_t stuck;     /* jobs whose handler did not return in time, and has not yet */
    bool draining;
    bool parting; /* it drains, and still lets in what comes: the sender can't know of it yet */
    struct hw_patience patience;
    struct hw_retries retries;
    struct hw_in_hand in_hand;
    struct hw_claims claims;
    struct hw_forward_clock clock; /* what retries wait by */
    uint64_t random;
    struct hw_in_flight in_flight;
};

/* It counts at the gate from now on, or no more. */
static inline void hw_flow_enter_gate(struct hw_dispatch *d)
{
    hw_stats_set(d->report->stats, HW_COUNT_IN_FLIGHT, ++d->open);
}

static inline void hw_flow_leave_gate(struct hw_dispatch *d)
{
    HW_CHECK(d->open > 0);
    hw_stats_set(d->report->stats, HW_COUNT_IN_FLIGHT, --d->open);
}

/* To a worker; `enter`: one that comes into the table with that; `again`: one that had a worker before,
 * and starts anew. */
void hw_flow_submit(struct hw_dispatch *d, struct hw_job *job);
void hw_flow_enter(struct hw_dispatch *d, struct hw_job *job);
void hw_flow_again(struct hw_dispatch *d, struct hw_job *job);

void hw_flow_wait_for(struct hw_waiter *waiter, struct hw_job *job);

/* Answers all that wait for it. */
void hw_flow_answer(struct hw_dispatch *d, struct hw_job *job, int code, struct hw_str reason);

/* Answers, and frees: the end of a job. `bury` frees only. */
void hw_flow_reply(struct hw_dispatch *d, struct hw_job *job);
void hw_flow_bury(struct hw_dispatch *d, struct hw_job *job);

/* To the ledger: decides what is recorded of it, and commits a list of those. Those without a ledger
 * thread are committed, and answered, within the call. `record` does both for one. */
void hw_flow_prepare(struct hw_dispatch *d, struct hw_job *job);
void hw_flow_commit(struct hw_dispatch *d, struct hw_job *jobs);
void hw_flow_record(struct hw_dispatch *d, struct hw_job *job);

/* It comes back from the ledger, to go on (job->let_go). `count_recorded` does only what is due to its
 * senders. */
void hw_flow_let_go(struct hw_dispatch *d, struct hw_job *job);
void hw_flow_count_recorded(struct hw_dispatch *d, struct hw_job *job);

#endif
