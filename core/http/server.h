/* server.h -- what all connections of a host share: limits, memory, deadlines, turns, counts.
 *
 * Thread  leader only; init and fini: whoever has the loop. */
#ifndef HW_SERVER_H
#define HW_SERVER_H

#include <stdbool.h>
#include <uv.h>

#include "base/stats.h"
#include "http/access.h"
#include "http/answer.h"
#include "http/crowd.h"
#include "http/deadline.h"
#include "http/refusal_log.h"
#include "http/request.h"
#include "http/turn.h"

struct hw_config;
struct hw_connection;
struct hw_tls_shared;

enum {
    HW_WRITE_TIMEOUT_MS = 30000,
    HW_LINGER_MS = 2000,
    HW_LINGER_MAX = 64 * 1024, /* bytes read and dropped after a connection's last answer */
    HW_APP_ANSWER_MS = 30000,  /* an app's answer, its time in the queue included */
    HW_ANSWER_GRACE_MS = 100   /* after a handler's time-out, for its outcome to arrive */
};

struct hw_server {
    /* constant after start */
    uv_loop_t *loop;
    void (*on_room)(struct hw_server *server);     /* a connection was closed */
    void (*on_no_files)(struct hw_server *server); /* no descriptor is free; may be NULL */
    void *owner;

    /* leader only */
    struct hw_requests requests;
    struct hw_deadlines deadlines;
    struct hw_turns turns;
    struct hw_stats stats;
    struct hw_refusal_log refusal_log;
    struct hw_answer_clock clock;
    struct hw_crowd crowd;
    struct hw_access access;
    struct hw_connection *connections;
    size_t connection_count;
    size_t connections_most;   /* since memory was returned to the system */
    struct hw_tls_shared *tls; /* NULL until there is a TLS connection */
    bool parting;              /* answers say `Connection: close` */
    bool draining;             /* and a connection ends with its answer */
    char scratch[16 * 1024];   /* bytes that are dropped are read into it */
};

/* For hw_connections_init alone, which names the functions that deadlines and turns call. */
void hw_server_init(struct hw_server *server, const struct hw_config *config,
                    hw_deadline_fn *on_deadline, hw_turn_fn *on_turn);
void hw_server_fini(struct hw_server *server);

/* Applies a configuration's limits and durations; also while connections are open. */
void hw_server_apply(struct hw_server *server, const struct hw_config *config);

#endif
