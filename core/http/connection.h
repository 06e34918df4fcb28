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

#include "http/address.h"
#include "http/server.h"
#include "http/service.h"

enum {
    HW_LINGER_MAX = 64 * 1024,    /* bytes read and dropped after a refusal; then no more is read */
    HW_CONNECTION_STALE_MS = 2000 /* from then on it may be closed for others */
};

/* Makes a zeroed server ready for connections, with the limits of the configuration. Its loop,
 * on_room, on_no_files and owner are the caller's to set before. */
void hw_connections_init(struct hw_server *server, const struct hw_config *config);

/* Who has just come in. */
struct hw_arrival {
    int fd;
    bool is_unix;
    struct hw_address peer;     /* as accept4 tells it */
    struct hw_service *service; /* gets its requests */
    struct hw_place place;      /* in the server's crowd */
};

/* Takes over who has come in, its descriptor and its place, whatever happens. Returns 0 or a libuv
 * error. */
int hw_connection_open(struct hw_server *server, const struct hw_arrival *arrival);

/* Closes one that counts in the crowd: the one that was idle longest; when none is, one that was
 * answered, or has been stuck for HW_CONNECTION_STALE_MS with its answer or its request. Returns
 * false when there is none. */
bool hw_connections_make_room(struct hw_server *server);

/* An app's answer to a waiter that its service was given; it has left its list by then. */
void hw_connection_reply(struct hw_waiter *waiter, const struct hw_reply *reply);

/* Where the client is: "127.0.0.1:4711", "[::1]:4711" or "unix". Returns a view of `text`. */
struct hw_str hw_connection_peer(struct hw_waiter *waiter, char *text, size_t size);

/* From now on: idle connections are closed, every answer is a connection's last one. */
void hw_connections_drain(struct hw_server *server);

/* Closes all, answered or not. */
void hw_connections_close(struct hw_server *server);

#endif
