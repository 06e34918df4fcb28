/* host.h -- the room of the host: all parts of one host, started and stopped in order.
 *
 * What    host.c puts the parts together; instance.h runs a host beside its caller; control.h
 *         answers the control socket; signals.h and init.h are for a process that is ours.
 * Start   keys ▸ scripts ▸ ledger ▸ workers ▸ listeners ▸ crew. What can fail fails before the
 *         first connection is accepted, with one line.
 * Stop    by walking the arrows: close the listeners, wait until there are no jobs, stop the crew,
 *         the ledger, the loop.
 * Promise what was begun is answered, or cut off at drain_timeout; a handler that never returns
 *         does not keep the process from ending; all is given back otherwise.
 * Thread  start, wait, free: one at a time, each maybe on another thread. stop, reload: any, a
 *         signal handler too. The rest: any, until free. */
#ifndef HW_HOST_H
#define HW_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/stats.h"
#include "script/modules.h"

struct hw_host;

/* Takes over `config` (from malloc), even when it fails. `modules` must outlive the host. `guard`:
 * the process is not ours: no write may raise its SIGPIPE, no signal is for the host, and the
 * service manager does not mean it. Returns NULL with one line in `why`, or with "" when a signal
 * asked it to stop while it waited for the host before (takeover.h). */
struct hw_host *hw_host_start(struct hw_config *config, const struct hw_modules *modules,
                              bool guard, char *why, size_t why_size);

/* Begins to drain; returns at once, may be called again. Async-signal-safe. */
void hw_host_stop(struct hw_host *host);

/* Reloads configuration, keys and scripts as if they had changed. Async-signal-safe. */
void hw_host_reload(struct hw_host *host);

/* The same, and waits for the result: 0 or HW_ERELOAD_FAILED, with one line in `text`; HW_EDRAINING
 * once the host has drained. Not from a thread of the host's own. Not async-signal-safe. */
int hw_host_reload_now(struct hw_host *host, char *text, size_t size);

/* The addresses are texts as `listen` takes them, with the ports that the kernel chose. The list
 * ends with NULL. */
const char *const *hw_host_addresses(const struct hw_host *host);
const struct hw_stats *hw_host_stats(const struct hw_host *host);

/* The version that is live, and why the last attempt to reload failed. */
struct hw_host_version {
    uint64_t number;
    char version[17];
    char error[1024]; /* of the last attempt; "" when it succeeded */
};
void hw_host_version(struct hw_host *host, struct hw_host_version *version);

/* Waits until the host has drained. Returns 0, or 1 when something was cut off at drain_timeout.
 * *stuck is true when a handler never returned. Its thread is still there then, the host must not
 * be freed, and the process should end without tearing anything down. */
int hw_host_wait(struct hw_host *host, bool *stuck);
void hw_host_free(struct hw_host *host);

#endif
