/* expiry.h -- warns in the log when a TLS certificate expires soon.
 *
 * How     Each certificate is looked at once an hour, and when certificates are replaced. One that
 *         expires within HW_CERTIFICATE_NOTICE_DAYS is named at once, and then once a day. The
 *         system's clock decides whether it expires soon. A monotonic clock decides when to say so
 *         again, so that a clock that leaps can neither flood the log nor silence the warning.
 * Thread  leader only. */
#ifndef HW_EXPIRY_H
#define HW_EXPIRY_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <uv.h>

#include "http/tls_set.h"

enum { HW_EXPIRY_LOOK_MS = 60 * 60 * 1000, HW_EXPIRY_AGAIN_MS = 24 * 60 * 60 * 1000 };

struct hw_expiry_said {
    char *file;
    time_t not_after;
    uint64_t at_ns;
};

/* Zeroed at first. */
struct hw_expiry {
    uv_timer_t timer;
    struct hw_tls_set *tls;      /* has a reference; NULL: none yet */
    struct hw_expiry_said *said; /* the certificates of `tls` that were named */
    size_t said_count;
};

/* Starts the timer. The loop closes its handle. */
void hw_expiry_start(struct hw_expiry *expiry, uv_loop_t *loop);

/* These certificates are live from now on. Looks at them at once. */
void hw_expiry_set(struct hw_expiry *expiry, struct hw_tls_set *tls);
void hw_expiry_fini(struct hw_expiry *expiry);

/* Looks at the certificates as if the clocks showed these times. */
void hw_expiry_look(struct hw_expiry *expiry, time_t now, uint64_t now_ns);

#endif
