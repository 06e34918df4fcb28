/* manager.h -- what the service manager is told of a host, and when.
 *
 *     READY=1       in the first turn of the loop: the sockets are open and the leader turns
 *     STATUS=       a line for a person (summary.h): at once when more than counts has changed,
 *                   otherwise every HW_MANAGER_CALM_MS, and only when it is another one
 *     RELOADING=1   with MONOTONIC_USEC, when a reload is asked for or an edit is tried; then
 *     READY=1       when the last that was asked for is over, also if it failed
 *     STOPPING=1    when the host begins to drain, with the time that this may take
 *     WATCHDOG=1    twice in each interval (WATCHDOG_USEC), as long as the host is alive
 *
 * Watchdog The ping comes from the leader's timer, so a leader that does not turn sends none. And
 *         it needs the pulse of the ledger's thread (committer.h). That thread may be slow: a
 *         commit on a busy disk takes seconds, and a restart would not make it faster. So it counts
 *         as dead only when it has been silent for longer than a whole interval, inside a single
 *         piece of its work; the manager itself then waits for the rest of its own interval. That
 *         is one to two intervals after the thread began to hang. A commit that fails, a ledger
 *         that was removed, workers that are stuck in handlers: these show in STATUS=, and stop no
 *         ping, since a restart does not help there. A ledger that hosts share has a thread for
 *         claims as well (claimer.h), which is watched likewise.
 * Not     MAINPID=: see relay.h.
 * Thread  open, wait, start, close: whoever has the host; the rest: leader only. */
#ifndef HW_MANAGER_H
#define HW_MANAGER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "host/notify.h"
#include "host/summary.h"

enum {
    HW_MANAGER_LOOK_MS = 1000,   /* between two looks at what there is to say */
    HW_MANAGER_CALM_MS = 4000,   /* between two messages that differ only in counts */
    HW_MANAGER_SILENT_TICKS = 2, /* ticks of the watchdog, of which an interval has two */
    HW_MANAGER_SILENT_MS = 1000  /* the shortest silence of the ledger's thread that is logged */
};

/* A thread that is watched. */
struct hw_manager_pulse {
    uint64_t pulse;    /* at the last tick */
    uint64_t heard_at; /* when it last changed, by the loop's clock */
    unsigned silent;   /* ticks since then */
    bool said_silent;
};

struct hw_manager {
    struct hw_notify notify;

    /* constant after start */
    const struct hw_status *status;
    const struct hw_due *due;

    /* leader only */
    uv_timer_t look, tick;
    char said[HW_SUMMARY_MAX]; /* the last STATUS= */
    unsigned found;            /* what hw_summary_write returned for it */
    uint64_t said_at;          /* by the loop's clock */
    uint64_t asked;            /* the last reload that was asked for */
    bool ready, reloading, stopping;
    struct hw_manager_pulse committer, claimer;
};

/* Reads the environment, and clears it (notify.h). Without a manager all that follows does nothing. */
void hw_manager_open(struct hw_manager *manager);
void hw_manager_close(struct hw_manager *manager);

/* The host waits before it starts: says why, and that it may take `ms`. */
void hw_manager_wait(struct hw_manager *manager, const char *why, uint64_t ms);

/* Before the leader's first turn. The loop gets two handles, to be closed by its owner. */
void hw_manager_start(struct hw_manager *manager, uv_loop_t *loop, const struct hw_status *status,
                      const struct hw_due *due);

/* A reload was asked for, with this number (hw_reload_ask). */
void hw_manager_asked(struct hw_manager *manager, uint64_t number);

/* An attempt to reload has begun; it is over, and answers all that were asked for up to `number`. */
void hw_manager_reloading(struct hw_manager *manager);
void hw_manager_reloaded(struct hw_manager *manager, uint64_t number);

/* The host begins to drain, which takes at most `ms`. */
void hw_manager_stop(struct hw_manager *manager, uint64_t ms);

#endif
