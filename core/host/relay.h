/* relay.h -- process 1 passes on what its host tells the service manager.
 *
 * Why     the manager believes a message by the process that sends it, and by default only the
 *         service's main process. That is process 1 (init.h), not the host, its child. Telling the
 *         manager the host's pid (MAINPID=) would be wrong: it is a number of this namespace, and
 *         the manager is outside.
 * How     process 1 has a socket of its own, without a file, which the host finds in NOTIFY_SOCKET.
 *         It takes messages from the host alone: others in the namespace may reach the socket.
 * Thread  the only one of process 1. */
#ifndef HW_RELAY_H
#define HW_RELAY_H

#include <sys/types.h>

#include "host/notify.h"

struct hw_relay {
    int fd; /* the host's messages arrive here; -1: there is no manager */
    struct hw_notify manager;
    char address[32]; /* of fd, for NOTIFY_SOCKET */
};

/* Before the fork. Reads the environment, and leaves it as it is. */
void hw_relay_open(struct hw_relay *relay);

/* In the child: makes the environment's variables those of this process, and closes the rest. */
void hw_relay_enter(struct hw_relay *relay);

/* In the parent: passes on the messages that have arrived. */
void hw_relay_pass(struct hw_relay *relay, pid_t host);

#endif
