/* refusal_log.h -- requests that never became a notification: each is counted, and some are logged.
 *
 * Why     whoever sends them is a stranger, and a flood of them must not fill a disk.
 * How     for each error at most HW_REFUSAL_LOG_LINES lines of the log a second. The next line after
 *         that says how many were suppressed. Each line names the client.
 * Thread  leader only. */
#ifndef HW_REFUSAL_LOG_H
#define HW_REFUSAL_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/stats.h"
#include "base/str.h"

enum {
    HW_REFUSAL_LOG_LINES = 10,
    HW_REFUSAL_LOG_PATH_MAX = 200, /* bytes that are shown of what a stranger chose: the path, */
    HW_REFUSAL_LOG_METHOD_MAX = 32 /* the method */
};

struct hw_refusal_log {
    /* constant after start */
    struct hw_stats *stats;

    struct {
        int64_t second;
        uint32_t lines, suppressed;
    } rows[HW_ERROR_END - HW_ERROR_BASE];
};

/* All but the code may be {NULL, 0}. */
struct hw_refusal {
    int code;
    struct hw_str why, peer;
    struct hw_str method, path; /* of what is not there; the query may hold secrets */
};

/* Counts it, and logs it unless there were too many. */
void hw_refusal_log_add(struct hw_refusal_log *log, const struct hw_refusal *refusal);

/* True when a refusal with `code` may have a line; *suppressed is how many had none since the last
 * one. It counts as said. */
bool hw_refusal_log_may_say(struct hw_refusal_log *log, int code, uint32_t *suppressed);

#endif
