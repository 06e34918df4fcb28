/* acceptor.h -- accepts connections at the listening sockets.
 *
 * Why     libuv's own accepting goes on while connections come, spins when descriptors have run
 *         out, and silently resets connections that it can't accept.
 * How     a door is a listening socket. When the loop reports connections, the door accepts at most
 *         HW_ACCEPTOR_TURN of them in a turn. At max_connections (crowd.h) the connection that was
 *         idle longest is closed for each new one. When none can be closed, or the kernel has no
 *         descriptor or memory, the door rests: new connections wait in the kernel's queue until
 *         one is closed, or until a timer lets the door try again.
 * Files   one descriptor is kept in reserve. The control socket's door may use it, so that a host
 *         without free descriptors can still be controlled. When none has been free for longer than
 *         HW_ACCEPTOR_PATIENCE_MS, it is used to accept connections and close them at once, so that
 *         a sender can try later or elsewhere instead of waiting.
 * Log     trouble.h
 * Thread  leader only; init: whoever has the loop. */
#ifndef HW_ACCEPTOR_H
#define HW_ACCEPTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "http/trouble.h"

struct hw_server;
struct hw_service;
struct hw_tls_context;
struct hw_acceptor;

enum {
    HW_ACCEPTOR_TURN = 64,          /* connections that a door accepts in a turn of the loop */
    HW_ACCEPTOR_REST_MS = 10,       /* the first rest; each further one doubles it … */
    HW_ACCEPTOR_REST_MAX_MS = 500,  /* … up to this */
    HW_ACCEPTOR_ASK_MS = 1000,      /* the least time between two calls of on_no_files */
    HW_ACCEPTOR_PATIENCE_MS = 1000, /* without descriptors; then new connections are closed */
};

struct hw_door {
    uv_poll_t poll;
    struct hw_acceptor *acceptor;
    struct hw_service *service; /* of the connections that are accepted here */
    struct hw_tls_context *tls; /* of connections from now on, with a reference; NULL: plain */
    struct hw_door *next;
    int fd;
    bool is_unix;
    bool exempt;         /* its connections are not entered in the crowd */
    bool proxy_protocol; /* its connections begin with a header: see preamble.h */
    bool open, resting;
};

struct hw_acceptor {
    struct hw_server *server;
    struct hw_door *doors;
    int spare;               /* the reserved descriptor; -1: it is in use */
    uint64_t rest_ms;        /* length of the next rest */
    uint64_t asked_at;       /* when on_no_files was last called; 0: never */
    uint64_t no_files_since; /* by the loop's clock; 0: descriptors are free */
    uv_timer_t rest;
    struct hw_troubles troubles;
};

void hw_acceptor_init(struct hw_acceptor *acceptor, struct hw_server *server);

/* Opens a door at a listening, non-blocking socket, which the caller still owns. `exempt`: see
 * struct hw_door. Returns 0 or a libuv error. */
int hw_acceptor_open(struct hw_acceptor *acceptor, struct hw_door *door, int fd, bool is_unix,
                     bool exempt, struct hw_service *service);

/* Call it when there may be room again: doors that rest then try again. */
void hw_acceptor_resume(struct hw_acceptor *acceptor);

/* Closes the doors, after which their sockets may be closed, and logs what was not reported yet.
 * Idempotent. The memory must stay until the loop has closed the handles. */
void hw_acceptor_close(struct hw_acceptor *acceptor);

#endif
