/* bind.h -- opens a listening socket for an address: TCP or Unix.
 *
 * Not     sockets that are handed over (inherited.h); the loop; accepting connections (acceptor.h).
 * Thread  any; no state. */
#ifndef HW_BIND_H
#define HW_BIND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { HW_BIND_BACKLOG = 4096 };

struct hw_listen;

struct hw_bound {
    int fd; /* non-blocking, closed on exec; -1: closed */
    bool is_unix;
    char *path;   /* the file of a Unix socket, removed at the end; NULL: there is none */
    dev_t device; /* … if it is still the same file: another host may have put its own there */
    ino_t inode;
};

/* Opens "host:port", "[v6]:port" or "unix:/path". The path may be followed by ",mode=0660" and
 * ",group=www" (a name or a number). A Unix socket that a dead process left behind is replaced.
 * `v6_only`: an IPv6 socket accepts no IPv4 clients; see hw_bind_is_shared.
 * Returns 0, or HW_EFAILED with one line in `why`. */
int hw_bind_open(struct hw_bound *bound, const char *address, bool v6_only, char *why,
                 size_t why_size);

/* Opens a Unix socket for this user only (0600). Returns as above. */
int hw_bind_private(struct hw_bound *bound, const char *path, char *why, size_t why_size);

/* Whether `address` is IPv6 and an IPv4 address of the list has the same port. Then each of the two
 * accepts only clients of its own family. */
bool hw_bind_is_shared(const char *address, const struct hw_listen *all, size_t count);

/* Says in `why` that a host can't listen at this address. Returns HW_EFAILED. */
int hw_bind_fail(char *why, size_t why_size, const char *address, const char *what);

/* Closes it, and removes the file of a Unix socket. Idempotent. */
void hw_bind_close(struct hw_bound *bound);

#endif
