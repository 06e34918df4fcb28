/* purge.h -- rows that `hookward jobs purge` wants removed, by the host that has the ledger.
 *
 * Why     two programs may write a database, but not while one of its files is another to each of
 *         them; the ledger thread looks before it writes, and no lock is waited for.
 * How     a request names each row, and when it was settled: one that ran again since then stays.
 *         It travels as a job of its own kind, from the leader to the ledger thread and back. One
 *         that names none asks for the log to be emptied, which still holds what was removed.
 * Thread  leader only. */
#ifndef HW_PURGE_H
#define HW_PURGE_H

#include "http/request.h"
#include "trip/dispatch.h"

enum { HW_PURGE_ROWS_MAX = 500 };

/* The body has a line for each row: "SEQ SETTLED", in milliseconds since 1970. Returns 0 when the
 * waiter will have its answer later, "REMOVED LOOKED-AT"; or the code to answer with at once, with
 * a `reason`. */
int hw_purge_ask(struct hw_dispatch *dispatch, const struct hw_request *request,
                 struct hw_waiter *waiter, struct hw_str *reason);

#endif
