/* host.h -- a host for one app and nothing else: listeners, no workers, no ledger.
 *
 * Thread  start, run, free: the caller's; stop: any, a signal handler too. */
#ifndef HW_APP_HOST_H
#define HW_APP_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/config.h"
#include "script/modules.h"

struct hw_app_host;

/* Of the configuration its addresses, limits and `settings` (the app's) count. Takes over `config`
 * (from malloc), whatever happens. Returns NULL with one line in `why`. */
struct hw_app_host *hw_app_host_start(struct hw_config *config, const char *module,
                                      const struct hw_modules *modules, char *why, size_t why_size);

/* Serves on the calling thread until it is stopped: what was begun is answered, for at most
 * drain_timeout. What the app waits for ends with it. */
void hw_app_host_run(struct hw_app_host *host);

/* Returns at once, may be called again. Async-signal-safe. */
void hw_app_host_stop(struct hw_app_host *host);

/* Returns false when the app had to be given up (app.h: hw_app_stop); that is in the log. */
bool hw_app_host_free(struct hw_app_host *host);

#endif
