/* patience.h -- how long the sender of a notification waits, stage by stage.
 *
 * Why     Waiting for a worker, the handler and the ledger each have a time-out of their own. A
 *         single time-out over all of them would blame a handler for the queue before it.
 * How     The job's owner writes when its stage must be over (job->due_ns). The leader checks jobs
 *         that take long. One that is overdue gets HW_PATIENCE_GRACE_MS and a second check: so a
 *         handler that is stopped at its time-out still gives its own answer, and a pause of the
 *         whole process is not taken for a slow stage. A job that is done within its first
 *         HW_PATIENCE_LOOK_MS is never checked.
 * Not     what the sender is told: see overdue.c.
 * Thread  leader only. */
#ifndef HW_PATIENCE_H
#define HW_PATIENCE_H

#include <stdint.h>
#include <uv.h>

#include "http/deadline.h"
#include "trip/job.h"

enum {
    HW_PATIENCE_LEDGER_MS = 5000, /* for the look-up, and for the commit */
    HW_PATIENCE_GRACE_MS = 100,
    HW_PATIENCE_LOOK_MS = 5000 /* between two checks, at most; less if a time-out is shorter */
};

/* Called when the job's stage is overdue. */
typedef void hw_impatient_fn(void *owner, struct hw_job *job);

struct hw_patience {
    struct hw_deadlines deadlines;
    uint64_t queue_ms, handler_ms;
    hw_impatient_fn *impatient;
    void *owner;
};

void hw_patience_init(struct hw_patience *patience, uv_loop_t *loop, hw_impatient_fn *impatient,
                      void *owner);

/* The time-outs of jobs that begin to wait from now on. */
void hw_patience_limit(struct hw_patience *patience, uint64_t queue_ms, uint64_t handler_ms);

/* The job has been waiting for a worker since `since_ns`. */
void hw_patience_begin(struct hw_patience *patience, struct hw_job *job, uint64_t since_ns);

/* A copy joined a job whose sender was answered already: the copy waits for handler_timeout. */
void hw_patience_again(struct hw_patience *patience, struct hw_job *job);

/* It has a worker by now, and so more time: it is checked again later. */
void hw_patience_go_on(struct hw_patience *patience, struct hw_job *job);

static inline void hw_patience_end(struct hw_job *job)
{
    hw_deadline_clear(&job->patience);
}

#endif
