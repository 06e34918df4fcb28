/* service.h -- what handles the requests of a listener: the few functions that a connection calls.
 *
 * Why     sockets, HTTP, limits and time-outs are the same for notifications, for the control
 *         socket and for an app; what becomes of a request is not.
 * How     the service first accepts a request's head, then gets the complete request. A request
 *         that is never completed is not reported to it. The service sends the answer to the
 *         waiter, which the connection lends it until then.
 * Thread  leader only. */
#ifndef HW_SERVICE_H
#define HW_SERVICE_H

#include <stdbool.h>

#include "http/deadline.h"
#include "http/request.h"
#include "http/waiter.h"

struct hw_service {
    /* constant after start */
    const struct hw_service_type *type;
    struct hw_str shown; /* the path that the log shows after the address; ptr NULL: not shown */
    enum hw_deadline_kind patience; /* how long a client waits for its answer; HW_DEADLINE_KINDS:
                                       the service keeps the time itself */
    bool is_private; /* whoever can connect may use it: access.h does not concern it */

    /* leader only */
    bool codes_only; /* its answers carry the code and the code's own text, never a reason */
};

struct hw_service_type {
    /* The head is complete. Returns 0 to accept the request, or an HW_E… code to refuse it. */
    int (*accept)(struct hw_service *service, const struct hw_request *request);

    /* The request is complete, and the service's now. Returns 0 when the waiter gets its answer
     * later; or the code to answer with at once, and may set `reason` to a static text. */
    int (*complete)(struct hw_service *service, struct hw_request *request,
                    struct hw_waiter *waiter, struct hw_str *reason);

    /* The waiter's time is up; it leaves its list after this call. Returns the code to answer with,
     * and a `reason` as above; or 0 when the service will answer after all. */
    int (*expired)(struct hw_service *service, struct hw_waiter *waiter, struct hw_str *reason);

    /* The rest may be NULL. The waiter is in its list in each of them. */

    /* All pieces of its answer that were given to the connection are written (pieces.h). */
    void (*sent)(struct hw_service *service, struct hw_waiter *waiter);

    /* The client will send no more. Returns whether it counts as gone: then its connection is
     * closed. Otherwise it may still read the answer. */
    bool (*half_closed)(struct hw_service *service, struct hw_waiter *waiter);

    /* The connection is being closed; the waiter leaves its list after this call. */
    void (*left)(struct hw_service *service, struct hw_waiter *waiter);
};

#endif
