/* summary.h -- how a host is, in one line for a person: what `systemctl status` shows.
 *
 *     3 handlers, 2 keys; 1,204 notifications processed, 3 waiting, 0 failed; ledger ok
 *     2 of 8 workers are stuck in handlers; 3 handlers, …
 *     the ledger can't be written, answering 400 (see the log); 3 handlers, …
 *     stopping: finishing 3 notifications
 *
 * How     what somebody should act on comes first. `processed` is what handlers were run for and
 *         succeeded, `failed` the authentic ones that did not; what strangers sent is counted
 *         apart, as refused, if there was any.
 * Thread  leader only. */
#ifndef HW_SUMMARY_H
#define HW_SUMMARY_H

#include "host/status.h"
#include "trip/due.h"

enum { HW_SUMMARY_MAX = 400 /* bytes, with the zero */ };

/* Writes the line. Returns a number that changes when more than counts did: somebody who watches
 * should see that at once. */
unsigned hw_summary_write(const struct hw_status *status, const struct hw_due *due, char *text);

#endif
