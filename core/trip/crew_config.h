/* crew_config.h -- what a crew is started with: the loop, the workers, and whom it tells. */
#ifndef HW_CREW_CONFIG_H
#define HW_CREW_CONFIG_H

#include <stdbool.h>
#include <uv.h>

#include "trip/job.h"
#include "trip/stages.h"

/* Called by the leader, outside any callback of the loop: `done` is a list (by job->next) of jobs
 * that have their outcome. The callee owns them from then on. */
typedef void hw_settle_fn(void *owner, struct hw_job *done);

/* Called by the leader, before `settle` of the same turn: a thread computes inside `job` and can't
 * be stopped. It is given up, and `replaced` or not. The job may still come back one day. */
typedef void hw_lost_fn(void *owner, struct hw_job *job, bool replaced);

enum { HW_CREW_SPIN_MS = 5000 /* of computing, since the job was due */ };

struct hw_crew_config {
    uv_loop_t *loop;
    struct hw_worker *workers; /* the crew's while it runs */
    unsigned worker_count;
    unsigned active_max; /* threads active at once: the number of cores */
    bool guard;          /* SIGPIPE is not ours: blocked in a thread for as long as it leads */
    unsigned spin_ms;    /* see HW_CREW_SPIN_MS */
    hw_settle_fn *settle;
    hw_lost_fn *lost;
    void *owner;
};

#endif
