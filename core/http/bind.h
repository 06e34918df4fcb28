/* bind.h -- makes a listening socket of an address: TCP, Unix, or handed over by systemd.
 *
 * Not     no loop, nobody is accepted here (acceptor.h).
 * Thread  any; no state. */
#ifndef HW_BIND_H
#define HW_BIND_H

#include <stdbool.h>
#include <stddef.h>

enum { HW_BIND_BACKLOG = 4096, HW_BIND_SYSTEMD_FIRST = 3 };

struct hw_bound {
    int fd; /* non-blocking, closed on exec; -1: closed */
    bool is_unix;
    char *path; /* of a Unix socket whose file is ours to remove; NULL: none is */
};

/* Opens "host:port", "[v6]:port" or "unix:/path", which may go on ",mode=0660" and ",group=www"
 * (a name or a number). A Unix socket that a dead process left behind is replaced.
 * `v6_only`: an IPv6 address takes no IPv4 clients; see hw_bind_is_shared.
 * Returns 0, or HW_EFAILED with one line. */
int hw_bind_open(struct hw_bound *bound, const char *address, bool v6_only, char *why,
                 size_t why_size);

/* A Unix socket for this user only (0600). Returns as above. */
int hw_bind_private(struct hw_bound *bound, const char *path, char *why, size_t why_size);

/* How many sockets systemd handed over, from HW_BIND_SYSTEMD_FIRST on (sd_listen_fds(3)); 0: it did
 * not. */
int hw_bind_systemd_count(void);

/* Says in `why` that there is none. Returns HW_EFAILED. */
int hw_bind_systemd_missing(char *why, size_t why_size);

/* Takes one of them over. Returns as above. */
int hw_bind_inherited(struct hw_bound *bound, int fd, char *why, size_t why_size);

/* True for an IPv6 address whose port an address of the list takes for IPv4: each of the two then
 * has its own family's clients. */
bool hw_bind_is_shared(const char *address, const char *const *all, size_t count);

/* Closes it; the file of a Unix socket goes too. Twice is once. */
void hw_bind_close(struct hw_bound *bound);

#endif
