/* claimer.h -- the claim thread: asks a ledger that hosts share what may run here.
 *
 * Why     A claim waits for the network and for the database's disk. A worker that waited with it
 *         would be missing for that long, and one transaction claims many notifications.
 * How     Jobs that arrive while claims are under way go together into the next batch, at most
 *         HW_LEDGER_BATCH_MAX of them. Nothing waits for more to join.
 * Pulse   as the committer's: a counter that goes up between two batches.
 * Not     what follows from the answer: claimed.h.
 * Thread  put, stop: the leader; the rest as said. */
#ifndef HW_CLAIMER_H
#define HW_CLAIMER_H

#include "ledger/ledger.h"
#include "trip/job.h"

struct hw_claimer;

/* Called by the claim thread with a list of jobs (by job->next) that are marked `asked`. */
typedef void hw_claimed_fn(void *owner, struct hw_job *jobs);

/* NULL without memory or threads; errno says which. */
struct hw_claimer *hw_claimer_start(struct hw_ledger *ledger, hw_claimed_fn *claimed, void *owner);

/* Takes over a list of jobs to be claimed. Does not block. */
void hw_claimer_put(struct hw_claimer *claimer, struct hw_job *jobs);

/* The thread's pulse; any thread. */
uint64_t hw_claimer_pulse(const struct hw_claimer *claimer);

/* Has the thread raise its pulse if it is idle. Any thread; does not block. */
void hw_claimer_knock(struct hw_claimer *claimer);

/* Ends the thread once the claims that are under way have their answer. Those that still wait come
 * back with HW_EDRAINING. */
void hw_claimer_stop(struct hw_claimer *claimer);

/* Claims the first jobs of a list (by job->next), at most HW_LEDGER_BATCH_MAX, and marks them `asked`:
 *
 *     HW_CLAIM_MINE       it is to run, and to be committed. With an outcome.code: only to be committed
 *     HW_CLAIM_KNOWN      it has its outcome, from the ledger
 *     HW_CLAIM_ELSEWHERE  it is to be claimed again
 *     HW_CLAIM_NONE       outcome.code says why
 *
 * The list ends behind them; the rest of it is returned. Blocks. The claim thread, or that of a
 * program without one. */
struct hw_job *hw_claim_batch(struct hw_ledger *ledger, struct hw_job *jobs);

#endif
