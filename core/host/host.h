/* host.h -- the whole host: started and stopped in order.
 *
 * Start   keys ▸ scripts ▸ ledger ▸ workers ▸ listeners ▸ crew. What can fail fails before the
 *         first connection is accepted, with one line.
 * Stop    by walking the arrows: close the listeners, wait for no jobs, stop the crew, the ledger,
 *         the loop.
 * Thread  start, wait: the caller's; stop: any, a signal handler too. */
#ifndef HW_HOST_H
#define HW_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/stats.h"
#include "script/modules.h"

struct hw_host;

/* Takes over `config` (from malloc), whatever happens. `modules` may be NULL; it outlives the host.
 * `guard`: SIGPIPE is not ours, writes must not raise it. Returns NULL with one line in `why`. */
struct hw_host *hw_host_start(struct hw_config *config, const struct hw_modules *modules,
                              bool guard, char *why, size_t why_size);

/* Begins to drain; returns at once, may be called again. Async-signal-safe. */
void hw_host_stop(struct hw_host *host);

/* Reloads configuration, keys and scripts as if they had changed. Async-signal-safe. */
void hw_host_reload(struct hw_host *host);

/* The same, and waits for the outcome: 0, or HW_ERELOAD_FAILED, with one line in `text`. Any thread
 * but the host's own. Returns HW_EDRAINING once hw_host_wait has returned. */
int hw_host_reload_now(struct hw_host *host, char *text, size_t size);

/* Any thread, until hw_host_free. The addresses are texts as `listen` takes them, with the ports
 * that the kernel chose; the list ends with NULL. */
const char *const *hw_host_addresses(const struct hw_host *host);
const struct hw_stats *hw_host_stats(const struct hw_host *host);

/* What is live, and why the last attempt to reload was none; any thread, until hw_host_free. */
struct hw_host_version {
    uint64_t number;
    char version[17];
    char error[1024]; /* of the last attempt; "" when it succeeded */
};
void hw_host_version(struct hw_host *host, struct hw_host_version *version);

/* Waits until the host has drained. Returns 0, or 1 when something was cut off at drain_timeout.
 * *stuck is set when a handler never came back: its thread is still there, the host can't be freed,
 * and the process should end without tearing anything down. */
int hw_host_wait(struct hw_host *host, bool *stuck);
void hw_host_free(struct hw_host *host);

#endif
