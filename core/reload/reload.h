/* reload.h -- the room of edits: they take effect without a restart, or not at all.
 *
 * How     A thread of its own waits for a change (watch.h), a signal, or `hookward reload`, and
 *         lets a burst of edits come to rest. Then it makes an attempt (attempt.h): configuration
 *         (reconfig.h), keys, scripts (release.h) and certificates (http/tls_set.h) are read,
 *         loaded and published. The leader applies the limits, gives the listeners their
 *         certificates, and logs the outcome. Old VMs are closed on this thread too.
 * Promise a failed attempt changes nothing and is logged. A request (hw_reload_ask) always gets a
 *         result, unless the host stops first.
 * Not     no sockets, no jobs. What can't change in a running host (listeners, ledger, workers) is
 *         named in a warning.
 * Thread  ask: any. start, unwatch, free: the one that has the loop then. stop: any, but one at a
 *         time. The callbacks: leader only. */
#ifndef HW_RELOAD_H
#define HW_RELOAD_H

#include <stdbool.h>
#include <uv.h>

#include "base/config.h"
#include "reload/attempt.h"
#include "trip/release.h"

enum { HW_RELOAD_QUIET_MS = 100 }; /* without a change, and a burst of edits is over */

struct hw_reload;

/* What the leader is told after an attempt. */
struct hw_reload_result {
    uint64_t asked;    /* it answers every request up to this one */
    bool worth_saying; /* somebody asked, or it is news */
    uint64_t took_ns;  /* the attempt, without waiting for quiet or for the leader */
    struct hw_attempt_result attempt;
};

struct hw_reload_config {
    const struct hw_config *config; /* what the host was started with; it outlives this */
    const struct hw_modules *modules;
    struct hw_shelf *shelf;
    struct hw_tls_set *tls; /* what is live at the start; gets a reference */
    uv_loop_t *loop;
    /* Leader only. began: an attempt has begun. renew: free workers may take the release that was
     * published. apply: take over the limits that may change in a running host. set_tls: give the
     * listeners these contexts, which are borrowed for the call. told: an attempt is over. */
    void (*began)(void *owner);
    void (*renew)(void *owner);
    void (*apply)(void *owner, const struct hw_config *config);
    void (*set_tls)(void *owner, struct hw_tls_set *tls);
    void (*told)(void *owner, const struct hw_reload_result *result);
    void *owner;
};

/* Returns 0, or a libuv error when there is no memory or no thread. Then *out may be NULL; if not,
 * stop and free it all the same, since the loop has its handle. */
int hw_reload_start(const struct hw_reload_config *config, struct hw_reload **out);

/* Asks for a reload now, whether anything changed or not. Returns the request's number. Not
 * async-signal-safe. */
uint64_t hw_reload_ask(struct hw_reload *reload);

/* Ends the thread, and waits for an attempt that is under way. Returns false when that takes longer
 * than `ms`, since a script that loads or unloads may be inside a C function that does not return.
 * The thread ends once it does. Until then `reload` must not be freed; ask again. */
bool hw_reload_stop(struct hw_reload *reload, unsigned ms);

/* Ends the events. To be called before the loop is closed. */
void hw_reload_unwatch(struct hw_reload *reload);

/* To be called once the loop is closed. */
void hw_reload_free(struct hw_reload *reload);

#endif
