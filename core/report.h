/* report.h -- the log's line for each notification, and for each refusal; they are counted as well.
 *
 * A notification that was verified gets its line, always. What was refused before that is a
 * stranger's doing: per reason at most HW_REPORT_REFUSALS lines a second, and then a count, so that
 * a flood can't fill a disk.
 *
 * Bodies are personal data and stay out of the log, but for a developer's terminal.
 * Thread  leader only. */
#ifndef HW_REPORT_H
#define HW_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "job.h"
#include "stats.h"
#include "str.h"

enum {
    HW_REPORT_REFUSALS = 10,
    HW_REPORT_BODY_MAX = 4000 /* bytes that are shown of a body */
};

struct hw_report {
    /* constant after start */
    bool with_bodies; /* `serve --dev`: what failed is shown with its body */

    struct hw_stats stats;
    struct {
        int64_t second;
        uint32_t lines, suppressed;
    } refusals[HW_ERROR_END - HW_ERROR_BASE];
};

/* A job that has its final outcome; `status` is what the sender gets. */
void hw_report_job(struct hw_report *report, const struct hw_job *job);

/* A request that never became a job. `why` and `peer` may be {NULL, 0}. */
void hw_report_refusal(struct hw_report *report, int code, struct hw_str why, struct hw_str peer);

/* A handler that did not come back in time; the sender was answered without it. */
void hw_report_stuck(struct hw_report *report, const struct hw_job *job);

#endif
