/* committer.h -- the ledger thread: group commit.
 *
 * Why     A commit waits for the disk; one fsync can make many outcomes durable.
 * How     Outcomes that arrive while a transaction is being written go together into the next one,
 *         at most HW_LEDGER_BATCH_MAX. Under load a transaction waits up to HW_GROUP_WAIT_US for
 *         more to join, since each costs an fsync and written pages, whatever it holds. When a
 *         commit fails, all of its batch fails, and only here.
 * Failed  After a failed commit no handler runs (stages.c): jobs come here without having run, and
 *         are held. A batch of them is recorded as not run. If that succeeds, all that are held go
 *         back to the crew; otherwise they are refused.
 * Idle    between batches the thread tends the ledger (write-back, retention).
 * Pulse   A counter that goes up between two pieces of work: a batch, an errand, a round of
 *         tending. It shows that the thread is not stuck in the kernel. A commit that fails counts
 *         like one that succeeds. It costs a store for each batch.
 * Thread  put: the leader; the rest as said. */
#ifndef HW_COMMITTER_H
#define HW_COMMITTER_H

#include "ledger/ledger.h"
#include "trip/job.h"

enum { HW_GROUP_WAIT_US = 500 };

struct hw_committer;

/* Called by the ledger thread with a list of jobs (by job->next). Those that are marked `committed`
 * are durable, or failed for good. Those that are marked `let_go` may run now: they were held, or
 * their start is recorded. */
typedef void hw_committed_fn(void *owner, struct hw_job *jobs);

/* NULL without memory or threads. */
struct hw_committer *hw_committer_start(struct hw_ledger *ledger, hw_committed_fn *committed,
                                        void *owner);

/* Takes over a list of jobs that have their outcome or are held. Does not block. `running` is how
 * many more are with the crew: while they are more than the jobs that wait here, the commit may
 * wait for them for a moment. */
void hw_committer_put(struct hw_committer *committer, struct hw_job *jobs, size_t running);

/* The thread's pulse; any thread. */
uint64_t hw_committer_pulse(const struct hw_committer *committer);

/* Has the thread raise its pulse if it is idle; otherwise its work does so. Any thread; does not
 * block. */
void hw_committer_knock(struct hw_committer *committer);

/* Commits what is there, then ends the thread. */
void hw_committer_stop(struct hw_committer *committer);

/* Commits the first jobs of a list (by job->next), at most HW_LEDGER_BATCH_MAX, and marks them. The
 * list ends behind them; the rest of it is returned. The ledger thread, or the leader when the
 * ledger does not wait for a disk. */
struct hw_job *hw_commit_batch(struct hw_ledger *ledger, struct hw_job *jobs);

/* Changes what is paused, as job->pause says; the outcome is the job's answer. Thread as above. */
void hw_commit_pause(struct hw_ledger *ledger, struct hw_job *job);

/* Tries whether the ledger can be written again, with the first of a list of jobs that are held;
 * the list stays as it is. Returns 0: they may run. Thread as above. */
int hw_commit_held(struct hw_ledger *ledger, struct hw_job *jobs);

#endif
