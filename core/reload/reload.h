/* reload.h -- edits take effect without a restart, or not at all.
 *
 * How     A thread of its own waits for a change (watch.h), a signal, or `hookward reload`; lets a
 *         burst of edits come to rest; reads the configuration, keys and scripts, loads them in as
 *         many new VMs as there are workers, and makes sure that nothing changed while it read. If
 *         all of that works it publishes the release (release.h) and has the leader take over the
 *         limits, and say so; if not, nothing changes but the log. Old VMs are closed here.
 * Not     no sockets, no jobs. What can't change in a running host (listeners, ledger, workers) is
 *         named in a warning.
 * Thread  start, stop: the host's; poke, ask: any; the callbacks: leader only. */
#ifndef HW_RELOAD_H
#define HW_RELOAD_H

#include <stdbool.h>
#include <uv.h>

#include "base/config.h"
#include "base/str.h"
#include "reload/watch.h"
#include "trip/release.h"

enum { HW_RELOAD_QUIET_MS = 100, HW_RELOAD_WHY_MAX = 1024 };

struct hw_reload;

/* What the leader is told after an attempt. */
struct hw_reload_result {
    uint64_t asked; /* every request up to this one is answered by it */
    bool ok;
    bool changed;                 /* there is something new that is live */
    bool worth_saying;            /* somebody asked, or it is news */
    char text[HW_RELOAD_WHY_MAX]; /* one line: what is live now, or why it is not */
};

struct hw_reload_config {
    const struct hw_config *config; /* what the host was started with; it outlives this */
    const struct hw_modules *modules;
    struct hw_shelf *shelf;
    uv_loop_t *loop;
    /* Leader only. renew: workers that have no job may take what was published. apply: take over
     * what may change in a running host. told: an attempt is over. */
    void (*renew)(void *owner);
    void (*apply)(void *owner, const struct hw_config *config);
    void (*told)(void *owner, const struct hw_reload_result *result);
    void *owner;
};

/* Returns 0, or a libuv error when there is no memory or no thread: then *out is NULL, or to be
 * stopped and freed all the same, since the loop has a handle of it. */
int hw_reload_start(const struct hw_reload_config *config, struct hw_reload **out);

/* Asks for a reload now, whether anything changed or not. Returns the request's number. Not
 * async-signal-safe. */
uint64_t hw_reload_ask(struct hw_reload *reload);

/* Ends the thread, and waits for an attempt that is under way. Returns false when that took longer
 * than `ms`: a script that loads or unloads may be inside a C function that does not come back. The
 * thread ends then if it ever does, and `reload` can't be freed. */
bool hw_reload_stop(struct hw_reload *reload, unsigned ms);

/* Whoever has the loop now, before it is closed: no more events. */
void hw_reload_unwatch(struct hw_reload *reload);
void hw_reload_free(struct hw_reload *reload);

#endif
