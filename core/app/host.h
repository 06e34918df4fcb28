/* host.h -- a host for one app and nothing else: listeners, but no workers and no ledger.
 *
 * Thread  start, run, free: one thread, which has the loop; stop: any, a signal handler too. */
#ifndef HW_APP_HOST_H
#define HW_APP_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/config.h"
#include "script/modules.h"

struct hw_app_host;

/* Uses the configuration's addresses and limits, and its `settings`, which are the app's. Takes
 * over `config` (from malloc), even when it fails. Returns NULL with one line in `why`. */
struct hw_app_host *hw_app_host_start(struct hw_config *config, const char *module,
                                      const struct hw_modules *modules, char *why, size_t why_size);

/* Serves until it is stopped, then drains: requests that were begun are answered, for at most
 * drain_timeout. The app's timers and outgoing requests don't hold it up. */
void hw_app_host_run(struct hw_app_host *host);

/* Returns at once, may be called again. Async-signal-safe. */
void hw_app_host_stop(struct hw_app_host *host);

/* Returns false when the app had to be given up (hw_app_stop); the log says so. */
bool hw_app_host_free(struct hw_app_host *host);

#endif
