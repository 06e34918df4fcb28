/* refusal_log.h -- counts the requests that never become a notification, and logs some of them.
 *
 * Why     whoever sends them is a stranger, and a flood of them must not fill a disk.
 * How     each error has at most HW_REFUSAL_LOG_LINES lines a second. The next line after that says
 *         how many were suppressed. Each line names the client.
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
    HW_REFUSAL_LOG_PATH_MAX = 200, /* bytes shown of the path, which a stranger chose */
    HW_REFUSAL_LOG_METHOD_MAX = 32 /* the same, of the method */
};

/* How many lines of one kind this second had. */
struct hw_refusal_quota {
    int64_t second;
    uint32_t lines, suppressed;
};

struct hw_refusal_log {
    /* constant after start */
    struct hw_stats *stats;

    struct hw_refusal_quota rows[HW_ERROR_END - HW_ERROR_BASE];
    struct hw_refusal_quota handshakes; /* TLS handshakes that failed */
};

/* All but the code may be {NULL, 0}. */
struct hw_refusal {
    int code;
    struct hw_str why, peer;
    struct hw_str client;       /* the name that its certificate proves */
    struct hw_str method, path; /* of a 404 or 405; without the query, which may hold secrets */
};

/* Counts it, and logs it unless there were too many. */
void hw_refusal_log_add(struct hw_refusal_log *log, const struct hw_refusal *refusal);

/* Counts and logs a TLS handshake that failed, in the same way. */
void hw_refusal_log_handshake(struct hw_refusal_log *log, struct hw_str why, struct hw_str peer);

/* Returns true when a refusal with `code` may be logged, and counts it as logged; *suppressed is
 * then how many were not logged since the last one. */
bool hw_refusal_log_may_say(struct hw_refusal_log *log, int code, uint32_t *suppressed);

#endif
