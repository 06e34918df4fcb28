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

#include "config.h"
#include "embedded.h"

struct hw_host;

/* Takes over `config` (from malloc), whatever happens. `modules` may be NULL. Returns NULL with one
 * line in `why`. */
struct hw_host *hw_host_start(struct hw_config *config, const struct hw_embedded *modules,
                              char *why, size_t why_size);

/* Begins to drain; returns at once, may be called again. Async-signal-safe. */
void hw_host_stop(struct hw_host *host);

/* Reloads configuration, keys and scripts as if they had changed. Async-signal-safe. */
void hw_host_reload(struct hw_host *host);

/* Waits until the host has drained. Returns 0, or 1 when something was cut off at drain_timeout.
 * *stuck is set when a handler never came back: its thread is still there, the host can't be freed,
 * and the process should end without tearing anything down. */
int hw_host_wait(struct hw_host *host, bool *stuck);
void hw_host_free(struct hw_host *host);

#endif
