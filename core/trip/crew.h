/* crew.h -- leader/followers: a fixed crew of threads shares one libuv loop.
 *
 * Why     handing each request to a pool costs a wake-up and a cold cache; a loop a thread freezes
 *         with its handler. Here whoever reads a request also runs it, and somebody can always
 *         read.
 * How     At most one thread, the leader, is inside uv_run; holding the lead is owning the loop,
 *         its handles and all that is marked "leader only". When the loop has cut jobs the leader
 *         steps away and takes jobs itself; whoever runs out of jobs takes the lead. As many
 *         threads as there are cores are active. A watchdog that finds a thread inside one job for
 *         more than a millisecond counts it as blocked and lets another one join. A job needs a
 *         worker, and there is one thread more than there are workers: one can always lead.
 *         A thread that goes on computing although its job is overdue is given up: another one
 *         takes its place, with a worker of its own. One that waits for something is waited for.
 *         libuv allows a loop to be run by different threads, one at a time.
 * Thread  as each function says. */
#ifndef HW_CREW_H
#define HW_CREW_H

#include <stdbool.h>

#include "trip/crew_config.h"

struct hw_crew;

/* Sets *out before the first thread runs. The loop belongs to the crew from start to join. Returns
 * 0, or a libuv error when a thread can't be had: then *out is NULL, or a crew without threads that
 * is to be freed as one that was joined. */
int hw_crew_start(const struct hw_crew_config *config, struct hw_crew **out);

/* Leader only: the job may run. It is taken over. */
void hw_crew_submit(struct hw_crew *crew, struct hw_job *job);

/* Leader only: takes back a job that was submitted and that no worker has yet. False: one has it,
 * or had it. Only for a job that was not settled since it was submitted. */
bool hw_crew_withdraw(struct hw_crew *crew, struct hw_job *job);

/* Leader only, within a callback of the loop: has each worker that nobody uses now visited. Quick,
 * please: meanwhile they are nobody's. */
void hw_crew_visit_free(struct hw_crew *crew, void (*visit)(struct hw_worker *worker));

/* Leader only: each worker that nobody uses now is tidied (hw_worker_tidy) by a thread that does
 * not lead meanwhile: what a script does in there may take its time. */
void hw_crew_tidy_free(struct hw_crew *crew);

/* Leader only: threads end when they have nothing in hand; what is queued stays there. */
void hw_crew_stop(struct hw_crew *crew);

/* Any thread: hands back jobs (a list by job->next) that were settled elsewhere; the leader settles
 * them once more. */
void hw_crew_return(struct hw_crew *crew, struct hw_job *jobs);

/* Waits until the threads have ended, for at most `ms` once hw_crew_stop was called; the calling
 * thread must not be one of them; those that were given up are not waited for. Returns the number
 * of threads that are still inside a handler: when it is not 0 the crew and its workers can't be
 * freed. */
unsigned hw_crew_join(struct hw_crew *crew, unsigned ms);

/* After hw_crew_join returned 0 and the caller has closed every handle of the loop. */
void hw_crew_free(struct hw_crew *crew);

/* After hw_crew_join: the jobs that have their outcome and were not settled, a list by job->next.
 * Nobody leads any more, so the caller may settle them. */
struct hw_job *hw_crew_take_done(struct hw_crew *crew);

/* After hw_crew_join returned 0: the jobs that were left over, a list by job->next. */
struct hw_job *hw_crew_take_rest(struct hw_crew *crew);

#endif
