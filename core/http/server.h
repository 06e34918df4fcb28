/* server.h -- what all connections of a host share, and the limits that they have.
 *
 * Thread  leader only; init and fini: whoever has the loop. */
#ifndef HW_SERVER_H
#define HW_SERVER_H

#include <stdbool.h>
#include <uv.h>

#include "http/answer.h"
#include "http/crowd.h"
#include "http/deadline.h"
#include "http/request.h"
#include "http/turn.h"
#include "trip/report.h"

struct hw_config;
struct hw_connection;

struct hw_server {
    /* constant after start */
    uv_loop_t *loop;
    void (*on_room)(struct hw_server *server);     /* a connection was closed */
    void (*on_no_files)(struct hw_server *server); /* there are none left; may be NULL */
    void *owner;

    /* leader only */
    struct hw_requests requests;
    struct hw_deadlines deadlines;
    struct hw_turns turns;
    struct hw_report report;
    struct hw_answer_clock clock;
    struct hw_crowd crowd;
    struct hw_connection *connections;
    size_t connection_count;
    bool draining;
    char scratch[16 * 1024]; /* where bytes go that nobody wants */
};

/* Fills in what the configuration says; loop, on_room, on_no_files and owner are the caller's. The
 * server must have been zeroed. */
void hw_server_init(struct hw_server *server, const struct hw_config *config);
void hw_server_fini(struct hw_server *server);

/* What may change while connections are open. */
void hw_server_apply(struct hw_server *server, const struct hw_config *config);

#endif
