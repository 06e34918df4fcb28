/* crew_config.h -- what a crew is started with: the loop, the workers, the callbacks. */
#ifndef HW_CREW_CONFIG_H
#define HW_CREW_CONFIG_H

#include <stdbool.h>
#include <uv.h>

#include "trip/job.h"
#include "trip/stages.h"

/* Called by the leader, outside any callback of the loop: takes over a list of jobs (by job->next)
 * that have their outcome. */
typedef void hw_settle_fn(void *owner, struct hw_job *done);

/* Called by the leader, before `settle` of the same turn: the thread that runs `job` computes and
 * can't be stopped, so it was given up, and `replaced` or not. The job may still come back. */
typedef void hw_lost_fn(void *owner, struct hw_job *job, bool replaced);

enum { HW_CREW_SPIN_MS = 5000 /* CPU time after its job was due, until a thread is given up */ };

struct hw_crew_config {
    uv_loop_t *loop;
    struct hw_worker *workers; /* the crew's, while it runs */
    unsigned worker_count;
    unsigned active_max; /* threads active at once: the number of cores */
    bool guard;          /* SIGPIPE is the program's own: a thread blocks it while it leads */
    unsigned spin_ms;    /* see HW_CREW_SPIN_MS */
    hw_settle_fn *settle;
    hw_lost_fn *lost;
    void *owner;
};

#endif
