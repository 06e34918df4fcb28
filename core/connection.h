/* connection.h -- one client's connection: its states, reading requests, writing answers.
 *
 *                    ┌────────────── next request, keep-alive ◀──────────────┐
 *   accept ▸ IDLE ▸ HEAD ▸ BODY ▸ BUSY ▸ FLUSH (only if the socket is full) ─┤
 *              │      └──────┴── refused: answered ──▶ FLUSH ────────────────┴▶ LINGER ▸ CLOSED
 *              └─ idle too long, or gone ─▶ CLOSED
 *
 * IDLE    no byte of a request is there        BUSY    the service has the request; we wait
 * HEAD    reading the head                     FLUSH   the answer does not fit the socket yet
 * BODY    the head was accepted                LINGER  answered and done; reading on for a moment,
 *                                                      so that the answer is not lost to a reset
 * One function, advance(), decides what comes next; every callback records and calls it.
 * Thread  leader only. */
#ifndef HW_CONNECTION_H
#define HW_CONNECTION_H

#include <stdbool.h>
#include <uv.h>

#include "answer.h"
#include "deadline.h"
#include "report.h"
#include "request.h"
#include "service.h"
#include "turn.h"

enum {
    HW_WRITE_TIMEOUT_MS = 30000,
    HW_LINGER_MS = 2000,
    HW_LINGER_MAX = 4 * 1024 * 1024, /* bytes read and dropped after a refusal */
    HW_APP_ANSWER_MS = 30000,        /* an app's answer, waiting for its turn included */
    HW_ANSWER_GRACE_MS = 100         /* what a handler that is stopped at its time-out may need */
};

/* What all connections share. */
struct hw_server {
    /* constant after start */
    uv_loop_t *loop;
    size_t connections_max;
    void (*on_room)(struct hw_server *server); /* a connection was closed */
    void *owner;

    /* leader only */
    struct hw_requests requests;
    struct hw_deadlines deadlines;
    struct hw_turns turns;
    struct hw_report report;
    struct hw_answer_clock clock;
    struct hw_connection *connections;
    size_t connection_count;
    bool draining;
    char scratch[16 * 1024]; /* where bytes go that nobody wants */
};

struct hw_connection;
struct hw_config;

/* Fills in what the configuration says; loop, on_room and owner are the caller's. The server must
 * have been zeroed. */
void hw_server_init(struct hw_server *server, const struct hw_config *config);
void hw_server_fini(struct hw_server *server);

/* Accepts the connection that waits at `listener` (a TCP or Unix socket, by `type`); `service` gets
 * its requests. Returns 0 or a libuv error. */
int hw_connection_accept(struct hw_server *server, uv_stream_t *listener, uv_handle_type type,
                         struct hw_service *service);

/* An app's answer to a waiter that its service was given; it has left its list by then. */
void hw_connection_reply(struct hw_waiter *waiter, const struct hw_reply *reply);

/* Where the client is: "127.0.0.1:4711", "[::1]:4711" or "unix". Returns a view of `text`. */
struct hw_str hw_connection_peer(struct hw_waiter *waiter, char *text, size_t size);

/* What may change while connections are open. */
void hw_server_apply(struct hw_server *server, const struct hw_config *config);

/* From now on: idle connections are closed, every answer is a connection's last one. */
void hw_connections_drain(struct hw_server *server);

/* Closes all, answered or not. */
void hw_connections_close(struct hw_server *server);

#endif
