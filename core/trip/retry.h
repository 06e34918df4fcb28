/* retry.h -- what follows an outcome: the sender delivers again, the host runs it again, or nobody
 * does.
 *
 * Why     Accredit gives up after its fifth retry, some minutes after the first delivery. What has
 *         failed by then, because a database was away for an hour, must not be lost.
 * How     while the sender has attempts left it is the one that retries, and the host only records.
 *         After that the host runs the notification again by itself, from the ledger, after each of
 *         the configuration's `retries`. What is left then is dead: it stays in the ledger with its
 *         body until somebody replays or removes it.
 * Not     when what is due runs: due.h.
 * Thread  pure; any. */
#ifndef HW_RETRY_H
#define HW_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"
#include "notification.h"

/* True when its sender delivers it no more: what it came to must be recorded. */
bool hw_retry_is_for_host(const struct hw_notification *n);

/* True when this run is the last one: if it fails, neither side delivers it again. */
bool hw_retry_is_last(const struct hw_retries *retries, const struct hw_notification *n);

/* True when its run must be recorded before it begins, since nobody would deliver it again should
 * the host end meanwhile. */
bool hw_retry_records_start(const struct hw_retries *retries, const struct hw_notification *n);

/* Sets state, next_run_at and retries of one that has its outcome. What did not run since the host
 * was in its way is put off and counts as no retry. `now_ms` is in milliseconds since 1970;
 * `random`, any number, spreads the retries of what failed together over a tenth of their delay
 * either way; 0 leaves a delay as it is. */
void hw_retry_settle(const struct hw_retries *retries, struct hw_notification *n, int64_t now_ms,
                     uint64_t random);

/* Sets state and next_run_at of one that is accepted, and due. */
void hw_retry_queue(struct hw_notification *n, int64_t now_ms);

/* Sets state and next_run_at of one whose run is about to begin. `timeout_ms` is what a handler may
 * take: long after that it is due, should its outcome never be recorded. */
void hw_retry_start(struct hw_notification *n, int64_t now_ms, uint64_t timeout_ms);

#endif
