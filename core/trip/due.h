/* due.h -- runs what is due: the host's own retries, and what was under way when the last host ended.
 *
 * How     a backlog stays on disk: of what is due only as many are in hand as may run at once, one
 *         less than there are workers, so that what just arrived always finds one. (A single worker
 *         runs both in turn.) The ledger is asked once a second, and at once when a run has ended
 *         and there was more.
 * Thread  leader only. */
#ifndef HW_DUE_H
#define HW_DUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "trip/dispatch.h"

struct hw_due {
    /* constant after start */
    struct hw_dispatch *dispatch; /* NULL until then */
    size_t max;                   /* in hand at once */
    bool takes;                   /* the ledger takes what it finds due, in the same step */

    /* leader only */
    uv_timer_t timer;
    int64_t *rows; /* in hand, from the ledger */
    size_t count;
    size_t fresh;      /* in hand, from memory: they ran as soon as they were accepted */
    bool asking, more; /* more: the ledger has rows that are due, or may have */
    bool added;        /* since it was asked: the answer may be without it */
};

/* Begins to look; the dispatch has its committer by now, and its ledger can be picked from. The loop
 * gets a handle, to be closed by its owner. Returns 0 or HW_ENOMEM. */
int hw_due_start(struct hw_due *due, uv_loop_t *loop, struct hw_dispatch *dispatch,
                 unsigned workers);
void hw_due_fini(struct hw_due *due);

#endif
