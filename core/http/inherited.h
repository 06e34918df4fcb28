/* inherited.h -- listening sockets that the service manager hands over: sd_listen_fds(3).
 *
 * How     LISTEN_FDS sockets, from descriptor 3 on, if LISTEN_PID is this process; LISTEN_FDNAMES
 *         has their names (FileDescriptorName=), which several may share. "systemd:NAME" as an
 *         address takes those of that name, "systemd" all that no other address names. They are
 *         listed once, since the variables are removed later, and are closed on exec from then on.
 * Promise a socket is only ever closed, never shut down and its path never removed: others have it
 *         too, and go on to accept what waits in its queue. Its backlog is the manager's choice.
 * Thread  any. */
#ifndef HW_INHERITED_H
#define HW_INHERITED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/config.h"
#include "http/bind.h"

/* Whether it is "systemd" or "systemd:NAME". */
bool hw_inherited_is_meant(const char *address);

/* How many sockets there are. The first call lists them. */
size_t hw_inherited_count(void);

/* Whether listen[which] gets the socket number `index`. */
bool hw_inherited_is_for(size_t index, const struct hw_listen *listen, size_t count, size_t which);

/* Checks that listen[which] gets a socket at least, and that all it gets listen. An address of
 * another kind is fine. Returns 0, or HW_EFAILED with one line in `why`. */
int hw_inherited_check(const struct hw_listen *listen, size_t count, size_t which, char *why,
                       size_t why_size);

/* Takes a socket over. Returns 0, or HW_EFAILED with one line in `why`. */
int hw_inherited_take(struct hw_bound *bound, size_t index, char *why, size_t why_size);

/* Warns of listening sockets that no address takes: whoever connects there waits in vain. */
void hw_inherited_warn(const struct hw_listen *listen, size_t count);

#endif
