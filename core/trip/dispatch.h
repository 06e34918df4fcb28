/* dispatch.h -- the leader's half of a job's trip: admit it at the door, commit it, reply, bury it.
 *
 * The gate  a request is counted when its last byte is there and until its job's death; over
 *           max_queue it is refused. So no queue further inside needs a bound of its own. Before
 *           that it costs its sender more than us: see crowd.h.
 * In flight a table of all jobs between admission and reply, by identity. A copy with the same
 *           signature joins: it gets the same answer. A copy with another signature (another key;
 *           or a forgery) waits its turn behind, and is then looked at by itself. So two copies of
 *           one notification never run side by side, and no forgery can speak for the original. At
 *           most HW_BEHIND_MAX wait so: honest copies differ only by their key.
 * Patience  a job that waits longer than queue_timeout is taken out again and was never begun; one
 *           that is overdue later on goes on, but whoever waits for it is told.
 * Waiting   is an intrusive list of the leader's own: connections enter it when their request is
 *           cut and leave it when they are gone. No other thread ever sees one.
 * Thread    leader only. */
#ifndef HW_DISPATCH_H
#define HW_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "http/unproven.h"
#include "http/waiter.h"
#include "ledger/ledger.h"
#include "trip/committer.h"
#include "trip/crew.h"
#include "trip/job.h"
#include "trip/patience.h"
#include "trip/report.h"

enum { HW_BEHIND_MAX = 16 };

struct hw_dispatch {
    /* constant after init */
    struct hw_crew *crew;
    struct hw_ledger *ledger;
    struct hw_committer *committer; /* NULL: the ledger does not wait for a disk, or it has ended */
    struct hw_requests *requests;
    struct hw_report *report;
    size_t open_max;
    struct hw_unproven *unproven; /* what was not authentic goes there; NULL: nowhere */

    /* leader only */
    size_t with_crew; /* jobs that were submitted and have no outcome yet */
    size_t held;      /* jobs that wait at the committer until the ledger can be written */
    size_t open;      /* requests that were let in and whose job has not died yet */
    bool draining;
    struct hw_patience patience;
    struct hw_job **buckets;
    size_t bucket_count; /* a power of two */
    uint64_t seed;       /* a stranger must not be able to choose his bucket */
};

/* Returns 0 or HW_ENOMEM. `crew` and `committer` are set later, before the first admission, and so
 * are the limits of `patience`. The loop gets a handle, to be closed by its owner. */
int hw_dispatch_init(struct hw_dispatch *d, uv_loop_t *loop, struct hw_ledger *ledger,
                     struct hw_requests *requests, struct hw_report *report, size_t open_max);
void hw_dispatch_fini(struct hw_dispatch *d);

/* Whether it is worth while to read the rest of a request whose head is there: 0, or HW_EOVERLOADED
 * or HW_EDRAINING. Nothing is counted. */
int hw_dispatch_look_at_gate(const struct hw_dispatch *d);

/* The gate: 0, or HW_EOVERLOADED. What was let in must go through admit, or out again by
 * leave_gate. */
int hw_dispatch_enter_gate(struct hw_dispatch *d);
void hw_dispatch_leave_gate(struct hw_dispatch *d);

/* The gate for the operator's own, whom nothing keeps out. */
void hw_dispatch_enter_side_gate(struct hw_dispatch *d);

/* Takes the job over. Returns 0: the waiter gets its answer later, never from within this call; or
 * HW_EOVERLOADED: too many copies wait for each other. */
int hw_dispatch_admit(struct hw_dispatch *d, struct hw_job *job, struct hw_waiter *waiter);

/* Runs a notification again from the ledger's row. The waiter gets its answer later; it must have
 * been let in at the gate. Returns 0 or HW_ENOMEM. */
int hw_dispatch_revive(struct hw_dispatch *d, int64_t row, bool force, struct hw_waiter *waiter);

/* Has the ledger thread remove what job->purge names. The job was let in at the gate, and is taken
 * over. Returns 0: the waiter gets its answer later; or HW_ELEDGER_UNAVAILABLE: there is none. */
int hw_dispatch_purge(struct hw_dispatch *d, struct hw_job *job, struct hw_waiter *waiter);

/* The crew's settle function; `owner` is the dispatch. */
void hw_dispatch_settle(void *owner, struct hw_job *done);

/* The crew's lost function. The job stays in flight, so that no copy of it runs, until it comes
 * back or for good; if its handler had begun, the ledger has a row of it at once. It counts no
 * longer: a drain does not wait for it. */
void hw_dispatch_lose(void *owner, struct hw_job *job, bool replaced);

/* Frees a list of jobs that will never run (the host has stopped). */
void hw_dispatch_drop(struct hw_dispatch *d, struct hw_job *list);

#endif
