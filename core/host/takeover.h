/* takeover.h -- an upgrade without a gap: one host takes over from the one before.
 *
 * How     The new host is started with the same listening sockets (inherited.h), which somebody
 *         keeps open. It loads all it can, then waits here until the old host has released the
 *         ledger. Meanwhile the kernel's queue holds new connections. Without such sockets there is
 *         nobody to take over from: then a ledger that is in use is an error at once, as ever.
 *         The old host, when it is told to stop, closes its copies of the sockets, and for
 *         HW_TAKEOVER_GRACE_MS lets in requests of clients that were connected already; the answers
 *         say `Connection: close`, so these clients go to the new host.
 * Thread  the one that starts the host. */
#ifndef HW_TAKEOVER_H
#define HW_TAKEOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"
#include "host/manager.h"

enum {
    HW_TAKEOVER_GRACE_MS = 1000, /* at most half of drain_timeout */
    HW_TAKEOVER_SPARE_MS = 5000  /* to wait longer than the old host may take to drain */
};

/* Whether the host listens at sockets that were handed over. */
bool hw_takeover_is_meant(const struct hw_config *config);

/* Waits until no host has the ledger, for at most drain_timeout + HW_TAKEOVER_SPARE_MS. Returns 0
 * when the host may try to open it, which says what is wrong if it can't; HW_EDRAINING when the
 * process was told to stop meanwhile (`signals`: this host heeds signals). */
int hw_takeover_wait(const struct hw_config *config, bool signals, struct hw_manager *manager);

#endif
