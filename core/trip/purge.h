/* purge.h -- rows that `hookward jobs purge` wants removed, by the host that has the ledger.
 *
 * Why     Two programs may write one database, but not when a file of it was replaced and each
 *         has another one open. The ledger thread checks that before it writes, and there is no
 *         lock to wait for.
 * How     A request names each row and when it was settled; a row that ran again since then stays.
 *         It travels as a job of its own kind, from the leader to the ledger thread and back. A
 *         request without rows asks for the write-ahead log to be emptied, which still holds what
 *         was removed.
 * Thread  leader only. */
#ifndef HW_PURGE_H
#define HW_PURGE_H

#include "http/request.h"
#include "trip/dispatch.h"

enum { HW_PURGE_ROWS_MAX = 500 };

/* The body has a line for each row: "SEQ SETTLED", the latter in milliseconds since 1970. Returns
 * 0: the waiter gets its answer later, "REMOVED LOOKED-AT". Or returns the code to answer with at
 * once, with a `reason`. */
int hw_purge_ask(struct hw_dispatch *dispatch, const struct hw_request *request,
                 struct hw_waiter *waiter, struct hw_str *reason);

#endif
