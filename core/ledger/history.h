/* history.h -- which runs are in the history of a notification, in either ledger.
 *
 * Why     `jobs show` tells what every run came to; the ordinary success needs no more than its
 *         row.
 * Thread  any. */
#ifndef HW_HISTORY_H
#define HW_HISTORY_H

#include <stdbool.h>

#include "notification.h"

/* Whether the outcome is to be in the history; otherwise it succeeded at its first run, or there
 * was no run. */
bool hw_ledger_history_wants(const struct hw_notification *n);

/* It failed, or was not the first. Of the others that are wanted only those with a history already
 * are added to it: what failed before any run has one, unless it was put off. */
bool hw_ledger_history_is_sure(const struct hw_notification *n);

#endif
