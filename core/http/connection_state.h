/* connection_state.h -- the memory of one connection, for the files that work on it.
 *
 * connection.c takes it through its states, reading.c reads its bytes from the socket, preamble.c
 * and handshake.c those before its first request, pieces.c sends an answer in pieces, and
 * connections.c keeps all connections of a server. No other file includes this.
 * Thread  leader only. */
#ifndef HW_CONNECTION_STATE_H
#define HW_CONNECTION_STATE_H

#include <stddef.h>

#include "http/address.h"
#include "http/answer.h"
#include "http/server.h"
#include "http/service.h"
#include "http/tls.h"

/* Drawn at the top of connection.c. Their order matters: up to BODY a request is being read. */
enum hw_connection_state { IDLE, HEAD, BODY, BUSY, STREAM, FLUSH, LINGER, CLOSED };

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
    struct hw_tls *tls;         /* NULL: plain */
    struct hw_connection *prev, *next;
    enum hw_connection_state state;
    struct hw_request *request; /* being read; while BUSY it holds the next request's bytes */
    struct hw_deadline deadline;
    struct hw_turn turn;
    struct hw_waiter waiter;
    struct hw_address peer;       /* see access.h */
    bool named;                   /* a header named the peer: it is not the socket's address */
    struct hw_preamble *preamble; /* its header is still being read; NULL: no */
    struct hw_place place;
    size_t lingered; /* bytes */

    /* of the present request */
    struct hw_address client; /* named by X-Forwarded-For; only when waiter.peer points here */
    int refusal;              /* decided at the head; sent once the body was read */
    bool close;               /* its answer is the last one */
    bool head;                /* its method is HEAD */
    bool old_keep_alive;      /* HTTP/1.0 with Connection: keep-alive */
    bool chunked;             /* its answer is sent in chunks */
    bool hard_close;          /* the client may still send bytes that nobody will parse */

    bool eof; /* the client will send no more; it may still read */
    bool reading;
};

/* Closes it, whatever its state. Idempotent. */
void hw_connection_close(struct hw_connection *c);

/* Closes it once the client has what was written: reads on for a moment where closing at once would
 * send a reset. */
void hw_connection_end(struct hw_connection *c);

/* Goes on as far as the bytes that have arrived, and the connection's turn, allow. */
void hw_connection_advance(struct hw_connection *c);

/* What the client has begun is incomplete: a request, or its TLS handshake. It counts as unfinished
 * from now on. If there are too many of these, one is refused: this one when its address has too
 * many, otherwise the oldest. What arrives in a single read never gets here. */
void hw_connection_wait_for_rest(struct hw_connection *c);

/* Answers with an error and closes, since it may be unknown where the next request begins. `why`
 * follows the code's own text; it may be NULL. During a TLS handshake nothing can be answered: the
 * handshake fails (handshake.h). */
void hw_connection_refuse(struct hw_connection *c, int code, const char *why);

/* ---- writing an answer ---- */

/* The request counts as finished from now on. Returns what the answer's head says of the
 * connection. */
struct hw_answer hw_connection_begin_answer(struct hw_connection *c);

/* Returns as hw_write. */
int hw_connection_write(struct hw_connection *c, const uv_buf_t *bufs, unsigned count);

/* Writes a whole answer, or the end of one, and goes on to the next request or ends the
 * connection. */
void hw_connection_send_answer(struct hw_connection *c, const uv_buf_t *bufs, unsigned count);

/* Likewise, after the answer, or its end, was written with the result `rc`. */
void hw_connection_end_answer(struct hw_connection *c, int rc);

/* An answer in pieces begins. */
void hw_connection_enter_stream(struct hw_connection *c);

static inline uv_buf_t hw_connection_buf(struct hw_str bytes)
{
    return uv_buf_init((char *)bytes.ptr, (unsigned)bytes.len);
}

/* ---- events ---- */

/* Reading ended or failed: UV_EOF, UV_ENOBUFS without memory for bytes, or another libuv error. */
void hw_connection_on_end(struct hw_connection *c, int error);

/* The callbacks of the server's deadlines and turns. */
void hw_connection_on_deadline(struct hw_deadlines *all, struct hw_deadline *deadline);
void hw_connection_on_turn(struct hw_turn *turn);

/* Whether bytes of the next request were already read. */
static inline bool hw_connection_has_next(const struct hw_connection *c)
{
    return c->state == IDLE && c->request && c->request->len > 0;
}

static inline void hw_connection_drop_request(struct hw_connection *c)
{
    if (c->request)
        hw_request_put(&c->server->requests, c->request);
    c->request = NULL;
}

/* The connection whose member `part` is at the address `at`. */
#define HW_CONNECTION_WITH(part, at)                                                               \
    ((struct hw_connection *)((char *)(at)-offsetof(struct hw_connection, part)))

#endif
