/* waiting.h -- what failed under test, or waits behind such a one, kept so that it can run.
 *
 * Why     a host's own retries run from the ledger's rows. The ledger of a spec is in memory and has
 *         no bodies, so the spec keeps them here.
 * How     a list; each is a job that is ready to run. Of those in a lane one waits for its time, and
 *         the others behind it, in the order of arrival. Bounded: beyond HW_WAITING_MAX it forgets
 *         the oldest.
 * Thread  one. */
#ifndef HW_WAITING_H
#define HW_WAITING_H

#include <stdbool.h>
#include <stddef.h>

#include "trip/job.h"

enum { HW_WAITING_MAX = 10000 };

/* Zeroed at first. */
struct hw_waiting {
    struct hw_job *first; /* by job->next */
    size_t count;
    int64_t last_row;
};

void hw_waiting_fini(struct hw_waiting *waiting);

/* Remembers what followed the outcome of `job`, in place of what was known of its identity. Returns
 * 0 or HW_ENOMEM. */
int hw_waiting_keep(struct hw_waiting *waiting, const struct hw_job *job);

/* True while one of this lane has not come to its end; false for no lane. */
bool hw_waiting_holds_lane(const struct hw_waiting *waiting, struct hw_str lane);

/* The one that is due first, or NULL: its next_run_at says when. */
const struct hw_job *hw_waiting_next(const struct hw_waiting *waiting);

/* Likewise, and gives it to the caller. */
struct hw_job *hw_waiting_take(struct hw_waiting *waiting);

#endif
