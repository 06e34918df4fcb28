/* notify.h -- messages to the service manager: the protocol of sd_notify(3), without its library.
 *
 * How     A datagram with lines KEY=VALUE, to the Unix socket that NOTIFY_SOCKET names: a path, or
 *         "@" and a name without a file.
 * Promise sending never blocks: a manager that does not read can't stop the host. If its queue is
 *         full, the message is lost, but for the last one that changes the service's state
 *         (READY=1 and its like): that is sent again before the next one.
 * Environ the protocol is for this process alone, so its variables are removed, with those that
 *         hand over sockets and a watchdog: a program of a handler that takes itself for the
 *         service would end the watchdog, or listen at the sockets.
 * Thread  one at a time. */
#ifndef HW_NOTIFY_H
#define HW_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

enum { HW_NOTIFY_MAX = 512 }; /* bytes of a message */

struct hw_notify {
    int fd; /* -1: there is no manager */
    struct sockaddr_un to;
    unsigned to_len;
    uint64_t watchdog_us;      /* WATCHDOG_USEC, if it is for this process; 0: none */
    char state[HW_NOTIFY_MAX]; /* a change of state that was not sent yet; "": none */
};

/* Reads the environment, and removes the variables from it: to be called while no other thread uses
 * the environment. A NOTIFY_SOCKET that can't be used is logged. */
void hw_notify_open(struct hw_notify *notify);
void hw_notify_close(struct hw_notify *notify);

/* Opens it for this address and leaves the environment alone. Returns false when it can't be used. */
bool hw_notify_reach(struct hw_notify *notify, const char *address);

/* Sends a message, as printf. It must be at most HW_NOTIFY_MAX - 1 bytes; what is over is cut. */
void hw_notify_say(struct hw_notify *notify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for a message that must not be lost: if it can't be sent now, it is sent later, unless
 * another such message takes its place. */
void hw_notify_say_state(struct hw_notify *notify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Sends the message that must not be lost, if it could not be sent before. */
void hw_notify_again(struct hw_notify *notify);

#endif
