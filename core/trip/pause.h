/* pause.h -- what `hookward pause` and `resume` want changed, by the host that has the ledger.
 *
 * How     a request names one pattern. It travels as a job of its own kind, from the leader to the
 *         ledger thread and back, so that it is durable when it is answered (ledger/pauses.h).
 * Thread  leader only. */
#ifndef HW_PAUSE_H
#define HW_PAUSE_H

#include "http/request.h"
#include "trip/dispatch.h"

/* The request's body is the pattern. Returns 0: the waiter gets its answer later, "changed" or
 * "unchanged". Or returns the code to answer with at once, with a `reason`. */
int hw_pause_ask(struct hw_dispatch *dispatch, const struct hw_request *request, bool resume,
                 struct hw_waiter *waiter, struct hw_str *reason);

#endif
