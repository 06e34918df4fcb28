/* report.h -- the log's line for each notification, and for each refusal; they are counted as well.
 *
 * A notification that was verified gets its line, always. What was refused before that is a
 * stranger's doing: per reason at most HW_REPORT_REFUSALS lines a second, and then a count, so that
 * a flood can't fill a disk. Each of these lines names the client.
 *
 * The level says who is to look. error: nobody will deliver it again, or a handler has a bug; warn:
 * it was refused, and a retry may follow; info: all is well.
 *
 * Bodies are personal data and stay out of the log, but for a developer's terminal.
 * Thread  leader only. */
#ifndef HW_REPORT_H
#define HW_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/stats.h"
#include "base/str.h"
#include "trip/job.h"

enum {
    HW_REPORT_REFUSALS = 10,
    HW_REPORT_BODY_MAX = 4000, /* bytes that are shown of a body */
    HW_REPORT_PATH_MAX = 200,  /* and of what a stranger chose: the path that is not there, */
    HW_REPORT_METHOD_MAX = 32, /* the method that is not POST */
    HW_REPORT_PEER_MAX = 96    /* room for the text of a peer */
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

/* A request that never became a job. All but the code may be {NULL, 0}. */
struct hw_refusal {
    int code;
    struct hw_str why, peer;
    struct hw_str method, path; /* of what is not there; the query may hold secrets */
};
void hw_report_refusal(struct hw_report *report, const struct hw_refusal *refusal);

/* A handler that did not come back in time; the sender was answered without it. */
void hw_report_stuck(struct hw_report *report, const struct hw_job *job);

/* A handler that can't be stopped; its thread was replaced, or there were too many of those. */
void hw_report_lost(struct hw_report *report, const struct hw_job *job, bool replaced);

#endif
