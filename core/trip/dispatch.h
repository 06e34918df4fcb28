/* dispatch.h -- the leader's half of a job's trip: admit, commit, reply, free.
 *
 * The gate   A request counts against max_queue once it is complete, and until its job is freed.
 *            Beyond max_queue it is refused, so no later queue needs a limit of its own. An
 *            incomplete request costs its sender more than us: see crowd.h.
 * In flight  A table of all jobs between admission and reply, by identity. A copy with the same
 *            signature joins: it gets the same answer. A copy with another signature (made with
 *            another key, or forged) waits behind the first and is then processed by itself. So two
 *            copies of one notification never run side by side, and no forgery gets the answer of
 *            the original. Once the first is accepted, a copy is only verified and looked up, and
 *            need not wait for that. At most HW_BEHIND_MAX wait like this: honest copies differ only by
 *            their key.
 * Claims     With a ledger that hosts share a verified job is claimed before it goes on. What another
 *            host has waits in claims.h. From then on that ledger keeps copies apart, and the table
 *            only joins those of this host.
 * Last       Jobs of an address with too many failures (failures.h) are last in line: a worker takes
 *            them only when no other job waits.
 * Patience   A job that waits longer than queue_timeout is taken out of the queue and never runs. A
 *            job that is overdue in a later stage goes on, but those who wait for it are answered.
 * Waiters    An intrusive list that only the leader sees. Connections enter it when their request
 *            is cut, and leave it when they close.
 * Thread     leader only. */
#ifndef HW_DISPATCH_H
#define HW_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "http/waiter.h"
#include "ledger/ledger.h"
#include "trip/flow.h"
#include "trip/job.h"

/* Returns 0 or HW_ENOMEM. `crew`, `committer` and the time-outs of `patience` are set later, before
 * the first admission. Adds a handle to the loop, which the loop's owner closes. */
int hw_dispatch_init(struct hw_dispatch *d, uv_loop_t *loop, struct hw_ledger *ledger,
                     struct hw_requests *requests, struct hw_report *report, size_t open_max);
void hw_dispatch_fini(struct hw_dispatch *d);

/* Whether to read on after the head of a request: 0, HW_EOVERLOADED or HW_EDRAINING. Counts
 * nothing. */
int hw_dispatch_look_at_gate(const struct hw_dispatch *d);

/* Enters the gate: 0 or HW_EOVERLOADED. After 0, admit or leave_gate must follow. */
int hw_dispatch_enter_gate(struct hw_dispatch *d);
void hw_dispatch_leave_gate(struct hw_dispatch *d);

/* The gate for requests of the operator, which are never refused. */
void hw_dispatch_enter_side_gate(struct hw_dispatch *d);

/* Takes the job over. Returns 0: the waiter gets its answer later, never within this call. Or
 * returns HW_EOVERLOADED: too many copies wait behind each other. */
int hw_dispatch_admit(struct hw_dispatch *d, struct hw_job *job, struct hw_waiter *waiter);

/* Runs a notification again, from its row of the ledger. The gate was entered before. The waiter
 * gets its answer later. Returns 0 or HW_ENOMEM. */
int hw_dispatch_revive(struct hw_dispatch *d, int64_t row, bool force, struct hw_waiter *waiter);

/* Runs what is due, without a waiter; due.h counts these. One that the ledger took is given back if it
 * can't run. Returns 0 or HW_ENOMEM. */
int hw_dispatch_run_due(struct hw_dispatch *d, const struct hw_ledger_due_row *row);

/* Has the ledger thread look for at most `max` rows that are due; d->picked gets them later. Returns
 * 0 or HW_ENOMEM. Only with a committer. */
int hw_dispatch_pick(struct hw_dispatch *d, size_t max);

/* Has the ledger thread remove what job->purge names. The gate was entered before; takes the job
 * over. Returns 0: the waiter gets its answer later. Or returns HW_ELEDGER_UNAVAILABLE: this ledger
 * keeps no rows, or its thread has ended. */
int hw_dispatch_purge(struct hw_dispatch *d, struct hw_job *job, struct hw_waiter *waiter);

/* Has the ledger thread change what is paused, as job->pause says. As hw_dispatch_purge. */
int hw_dispatch_pause(struct hw_dispatch *d, struct hw_job *job, struct hw_waiter *waiter);

/* The crew's settle function; `owner` is the dispatch. */
void hw_dispatch_settle(void *owner, struct hw_job *done);

/* The crew's lost function. The job stays in flight, so that no copy of it runs, until it comes
 * back, if it ever does. If its handler had begun it is recorded at once. It no longer counts at
 * the gate, so a drain does not wait for it. */
void hw_dispatch_lose(void *owner, struct hw_job *job, bool replaced);

/* How many jobs wait since another host has them. */
size_t hw_dispatch_elsewhere(const struct hw_dispatch *d);

/* Frees a list of jobs that will never run, since the host has stopped. Those that are claimed are
 * given back to the ledger. */
void hw_dispatch_drop(struct hw_dispatch *d, struct hw_job *list);

#endif
