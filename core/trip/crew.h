/* crew.h -- leader/followers: a fixed crew of threads shares one libuv loop.
 *
 * Why     Handing each request to a thread pool costs a wake-up and a cold cache. With a loop for
 *         each thread, a blocking handler stops its loop. Here the thread that reads a request also
 *         runs it, and another one can always read.
 * How     At most one thread, the leader, is inside uv_run. The leader owns the loop, its handles
 *         and all that is marked "leader only"; libuv allows a loop to be run by different threads,
 *         one at a time. When the loop has cut jobs the leader steps down and runs jobs itself. A
 *         thread that runs out of jobs takes the lead. As many threads are active as there are
 *         cores; the watchdog (watchdog.h) lets others join for those that are blocked. A job needs
 *         a worker, and there is one thread more than there are workers, so one can always lead.
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

/* Leader only: takes the job over, to be run; if it is last in line, after those that are not. */
void hw_crew_submit(struct hw_crew *crew, struct hw_job *job);

/* Leader only: takes back a job that was submitted and is still in the queue. False: a worker has
 * it or had it. Only for a job that was not settled since it was submitted. */
bool hw_crew_withdraw(struct hw_crew *crew, struct hw_job *job);

/* Leader only: if a job that was submitted last in line still waits, it is no longer last. */
void hw_crew_hurry(struct hw_crew *crew, struct hw_job *job);

/* Leader only, within a callback of the loop: calls `visit` for each free worker. It must be quick:
 * meanwhile no thread can take them. */
void hw_crew_visit_free(struct hw_crew *crew, void (*visit)(struct hw_worker *worker));

/* Leader only: has each free worker tidied (hw_worker_tidy) by a thread that does not lead, since a
 * script's finalizers may take long. */
void hw_crew_tidy_free(struct hw_crew *crew);

/* What the crew has to do now. */
struct hw_crew_load {
    size_t queued;    /* jobs that wait for a worker */
    unsigned running; /* threads that have one; not those that were given up */
};

/* Leader only. */
void hw_crew_load(struct hw_crew *crew, struct hw_crew_load *load);

/* Leader only: each thread ends after its present job; queued jobs stay queued. */
void hw_crew_stop(struct hw_crew *crew);

/* Any thread: hands back a list of jobs (by job->next) that the ledger thread is done with; the
 * leader settles them again. */
void hw_crew_return(struct hw_crew *crew, struct hw_job *jobs);

/* Waits until the threads have ended, for at most `ms` after hw_crew_stop was called, but not for
 * those that were given up. Not to be called by one of them. Returns how many threads are still
 * inside a handler: unless it is 0, the crew and its workers can't be freed. */
unsigned hw_crew_join(struct hw_crew *crew, unsigned ms);

/* After hw_crew_join returned 0 and the caller has closed every handle of the loop. */
void hw_crew_free(struct hw_crew *crew);

/* After hw_crew_join: the jobs that have their outcome and were not settled, a list by job->next.
 * There is no leader any more, so the caller may settle them. */
struct hw_job *hw_crew_take_done(struct hw_crew *crew);

/* After hw_crew_join: the jobs that did not run, a list by job->next. */
struct hw_job *hw_crew_take_rest(struct hw_crew *crew);

#endif
