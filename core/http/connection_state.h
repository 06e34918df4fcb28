/* connection_state.h -- what is to be known of one connection.
 *
 * For connection.c, which takes it through its states, and connections.c, which chooses among all;
 * for nobody else. The states are drawn in connection.h.
 * Thread  leader only. */
#ifndef HW_CONNECTION_STATE_H
#define HW_CONNECTION_STATE_H

#include <stddef.h>

#include "http/address.h"
#include "http/server.h"
#include "http/service.h"

enum hw_connection_state { IDLE, HEAD, BODY, BUSY, FLUSH, LINGER, CLOSED };

struct hw_connection {
    /* leader only */
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct hw_server *server;   /* constant */
    struct hw_service *service; /* constant */
    struct hw_connection *prev, *next;
    enum hw_connection_state state;
    struct hw_request *request; /* being read; the next one's bytes while BUSY */
    struct hw_deadline deadline;
    struct hw_turn turn;
    struct hw_waiter waiter;
    struct hw_address peer;
    struct hw_place place;
    size_t lingered; /* bytes */

    /* of the request at hand */
    int refusal;         /* decided at the head, answered when the body was read */
    bool close;          /* the answer is the last one */
    bool head;           /* the method was HEAD */
    bool old_keep_alive; /* HTTP/1.0 with Connection: keep-alive */
    bool hard_close;     /* bytes may still come that will never be read */

    bool eof; /* the client will send no more; it may still read */
    bool reading;
};

/* Closes it, whatever its state. Twice is once. */
void hw_connection_close(struct hw_connection *c);

/* What the server's deadlines and turns call. */
void hw_connection_on_deadline(struct hw_deadlines *all, struct hw_deadline *deadline);
void hw_connection_on_turn(struct hw_turn *turn);

/* Bytes of it are in the socket. */
bool hw_connection_has_unread(struct hw_connection *c);

/* Those of a next request were read already. */
static inline bool hw_connection_has_next(const struct hw_connection *c)
{
    return c->state == IDLE && c->request && c->request->len > 0;
}

/* Whose deadline it is. */
static inline struct hw_connection *hw_connection_by(struct hw_deadline *deadline)
{
    return (struct hw_connection *)((char *)deadline - offsetof(struct hw_connection, deadline));
}

/* Among its server's connections, and counted. */
void hw_connections_add(struct hw_connection *c);
void hw_connections_remove(struct hw_connection *c);

#endif
