/* service.h -- what stands behind a listener: the few functions that a connection calls.
 *
 * Why     sockets, HTTP, limits and time-outs are the same for a notification (intake.h), for the
 *         control socket (control.h) and for an app (app.h); what becomes of a request is not.
 * How     a request whose head was accepted may be completed; if it never is, nobody is told. Its
 *         answer goes to the waiter, which the connection lends out until then.
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
    struct hw_str shown; /* the path that the log shows behind the address; ptr NULL: no line */
    enum hw_deadline_kind patience; /* how long a client waits for its answer; HW_DEADLINE_KINDS:
                                       whoever has the waiter sees to that */

    /* leader only */
    bool codes_only; /* its answers give the code and that code's own text, no reason */
};

struct hw_service_type {
    /* The head is complete. Returns 0 when the body may come, or the refusal's code. */
    int (*accept)(struct hw_service *service, const struct hw_request *request);

    /* The request is there to its last byte; it is taken over. Returns 0 when the waiter will have
     * its answer later, or the code to answer with at once, with a `reason` that is static, or
     * none. */
    int (*complete)(struct hw_service *service, struct hw_request *request,
                    struct hw_waiter *waiter, struct hw_str *reason);

    /* The waiter waited in vain; it leaves its list after this call. Returns the code to answer
     * with, and a `reason` as above; or 0: whoever has the waiter sees to that after all. */
    int (*expired)(struct hw_service *service, struct hw_waiter *waiter, struct hw_str *reason);
};

#endif
