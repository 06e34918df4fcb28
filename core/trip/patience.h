/* patience.h -- how long the sender of a notification waits, stage by stage.
 *
 * Why     waiting for a worker, the handler and the ledger have a limit each. One clock over all of
 *         them would blame a handler for the queue before it.
 * How     whoever has the job writes by when its stage must be over (job->due_ns). The leader looks
 *         at a job that is long under way: when is its stage due, and was that missed? What is
 *         missed gets HW_PATIENCE_GRACE_MS and one more look, so that a handler that is stopped at
 *         its time-out still answers for itself, and a pause of the whole process blames nobody.
 *         A job that is done within its first HW_PATIENCE_LOOK_MS is never looked at.
 * Not     what the sender is told: dispatch.c.
 * Thread  leader only. */
#ifndef HW_PATIENCE_H
#define HW_PATIENCE_H

#include <stdint.h>
#include <uv.h>

#include "http/deadline.h"
#include "trip/job.h"

enum {
    HW_PATIENCE_LEDGER_MS = 5000, /* for the ledger to read before the handler, to write after it */
    HW_PATIENCE_GRACE_MS = 100,
    HW_PATIENCE_LOOK_MS =
        5000 /* between two looks at the latest: no more than the shortest limit */
};

/* The job's stage is not over in time. */
typedef void hw_impatient_fn(void *owner, struct hw_job *job);

struct hw_patience {
    struct hw_deadlines deadlines;
    uint64_t queue_ms, handler_ms;
    hw_impatient_fn *impatient;
    void *owner;
};

void hw_patience_init(struct hw_patience *patience, uv_loop_t *loop, hw_impatient_fn *impatient,
                      void *owner);

/* For jobs that begin to wait from here on. */
void hw_patience_limit(struct hw_patience *patience, uint64_t queue_ms, uint64_t handler_ms);

/* The job waits for a worker since `since_ns`. */
void hw_patience_begin(struct hw_patience *patience, struct hw_job *job, uint64_t since_ns);

/* A copy waits for a job whose sender was told already: it has a handler's time. */
void hw_patience_again(struct hw_patience *patience, struct hw_job *job);

/* It has a worker by now, and more time: another look later. */
void hw_patience_go_on(struct hw_patience *patience, struct hw_job *job);

static inline void hw_patience_end(struct hw_job *job)
{
    hw_deadline_clear(&job->patience);
}

#endif
