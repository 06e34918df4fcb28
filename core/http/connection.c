/* connection.c -- a connection's states and the steps between them; see connection.h.
 *
 *                    ┌────────────── next request, keep-alive ◀──────────────┐
 *   accept ▸ IDLE ▸ HEAD ▸ BODY ▸ BUSY ▸ FLUSH (only if the socket is full) ─┤
 *              │      │      │       └▸ STREAM ▸ FLUSH (likewise) ────────────┤
 *              │      └──────┴── refused: answered ──▶ FLUSH ────────────────┴▶ LINGER ▸ CLOSED
 *              └─ idle too long, or gone ─▶ CLOSED
 *
 * IDLE    no byte of a request has arrived     BUSY    the service has the request; we wait
 * HEAD    reading the head                     FLUSH   the answer does not fit the socket yet
 * BODY    the head was accepted                LINGER  answered and done; reading on for a moment,
 *                                                      so that no reset destroys the answer
 * STREAM  an answer in pieces has begun
 * From any state an error leads to CLOSED.
 *
 * One function, hw_connection_advance(), decides what comes next. Every callback records what
 * happened and calls it. No other file sets a state.
 * Not     how bytes are read from the socket (reading.c), what they mean (http.h), how an answer is
 *         sent in pieces (pieces.c), who is closed to make room for others (connections.c). */
#include "http/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/address.h"
#include "http/connection_state.h"
#include "http/connections.h"
#include "http/handshake.h"
#include "http/preamble.h"
#include "http/reading.h"
#include "http/tls.h"
#include "http/write.h"

static void on_written(uv_stream_t *stream, int status);
static void on_closed(uv_handle_t *handle);
static void on_answer(struct hw_waiter *waiter, int code, struct hw_str reason);

static void set_deadline(struct hw_connection *c, enum hw_deadline_kind kind)
{
    hw_deadline_set(&c->server->deadlines, &c->deadline, kind);
}

/* ---- closing ---- */

static void tell_that_it_left(struct hw_connection *c)
{
    if (c->waiter.link && c->service->type->left)
        c->service->type->left(c->service, &c->waiter);
}

void hw_connection_close(struct hw_connection *c)
{
    if (c->state == CLOSED)
        return;
    c->state = CLOSED;
    if (c->tls)
        hw_tls_end(c->tls);
    hw_deadline_clear(&c->deadline);
    hw_turn_leave(&c->turn);
    tell_that_it_left(c);
    hw_waiter_leave(&c->waiter);
    hw_connection_drop_request(c);
    hw_crowd_leave(&c->server->crowd, &c->place);
    uv_close(&c->u.handle, on_closed);
}

/* Closing with unread bytes in the socket sends a reset, and a reset may destroy the answer before
 * the client has read it (RFC 9112, 9.6). */
void hw_connection_end(struct hw_connection *c)
{
    int fd;
    bool unread = c->hard_close || c->request || hw_reading_has_unread(c);
    hw_connection_drop_request(c);
    if (c->eof || !unread || uv_fileno(&c->u.handle, &fd)) {
        hw_connection_close(c);
        return;
    }
    if (c->tls) {
        hw_tls_end(c->tls);
        hw_tls_drop(c->tls);
    }
    shutdown(fd, SHUT_WR);
    c->state = LINGER;
    set_deadline(c, HW_DEADLINE_LINGER);
    hw_reading_start(c);
}

/* ---- writing ---- */

static struct hw_connection *connection_of(struct hw_waiter *waiter)
{
    return HW_CONNECTION_WITH(waiter, waiter);
}

static void forget_request(struct hw_connection *c)
{
    c->waiter.peer = &c->peer;
    c->refusal = 0;
    c->head = c->old_keep_alive = c->hard_close = false;
}

/* The whole answer was written. */
static void answered(struct hw_connection *c)
{
    if (c->close || c->server->draining) {
        hw_connection_end(c);
        return;
    }
    forget_request(c);
    c->state = IDLE;
    set_deadline(c, HW_DEADLINE_IDLE);
    hw_reading_start(c);
}

struct hw_answer hw_connection_begin_answer(struct hw_connection *c)
{
    hw_crowd_end(&c->server->crowd, &c->place);
    c->close = c->close || (c->eof && !c->request) || c->server->parting;
    return (struct hw_answer){
        .close = c->close, .keep_alive_1_0 = c->old_keep_alive, .head = c->head};
}

int hw_connection_write(struct hw_connection *c, const uv_buf_t *bufs, unsigned count)
{
    if (c->tls)
        return hw_tls_write(c->tls, bufs, count);
    return hw_write(&c->u.stream, bufs, count, on_written);
}

void hw_connection_end_answer(struct hw_connection *c, int rc)
{
    if (rc < 0) {
        hw_connection_close(c);
    } else if (rc > 0) {
        c->state = FLUSH;
        set_deadline(c, HW_DEADLINE_WRITE);
    } else {
        answered(c);
    }
}

void hw_connection_send_answer(struct hw_connection *c, const uv_buf_t *bufs, unsigned count)
{
    hw_connection_end_answer(c, hw_connection_write(c, bufs, count));
}

void hw_connection_enter_stream(struct hw_connection *c)
{
    c->state = STREAM;
    hw_deadline_clear(&c->deadline);
}

static void answer(struct hw_connection *c, int code, struct hw_str reason)
{
    char bytes[HW_ANSWER_MAX];
    struct hw_answer a = hw_connection_begin_answer(c);
    a.code = code;
    a.reason = c->service->codes_only ? HW_STR_NONE : reason;
    size_t len = hw_answer_write(bytes, &a, &c->server->clock);
    uv_buf_t buf = uv_buf_init(bytes, (unsigned)len);
    hw_connection_send_answer(c, &buf, 1);
}

void hw_connection_reply(struct hw_waiter *waiter, const struct hw_reply *reply)
{
    char head[HW_ANSWER_MAX];
    struct hw_connection *c = connection_of(waiter);
    struct hw_answer a = hw_connection_begin_answer(c);
    size_t len = hw_answer_write_head(head, reply, &a, &c->server->clock);
    bool has_body = !c->head && !hw_answer_is_bare(reply->status);
    uv_buf_t bufs[] = {uv_buf_init(head, (unsigned)len), hw_connection_buf(reply->fields),
                       hw_connection_buf(HW_STR("\r\n")),
                       hw_connection_buf(has_body ? reply->body : HW_STR_NONE)};
    hw_connection_send_answer(c, bufs, sizeof bufs / sizeof *bufs);
    hw_connection_advance(c);
}

/* ---- refusals ---- */

struct hw_str hw_connection_peer(struct hw_waiter *waiter, char *text, size_t size)
{
    return hw_address_text(&waiter->peer->any, text, size);
}

/* Logs and counts a refusal. `r` may be NULL, or a request whose head is not complete: then the log
 * line has no path. */
static void report(struct hw_connection *c, int code, const char *why, const struct hw_request *r)
{
    char peer[HW_ADDRESS_TEXT_MAX];
    struct hw_refusal refusal = {.code = code,
                                 .why = hw_str_of(why),
                                 .peer = hw_connection_peer(&c->waiter, peer, sizeof peer),
                                 .client = c->waiter.client};
    if (r && (code == HW_ENOT_FOUND || code == HW_EMETHOD_NOT_ALLOWED)) {
        refusal.method = hw_http_view(r->bytes, r->http.method);
        refusal.path = hw_http_view(r->bytes, r->http.path);
    }
    hw_refusal_log_add(&c->server->refusal_log, &refusal);
}

static bool is_head(const struct hw_request *r)
{
    return hw_str_eq(hw_http_view(r->bytes, r->http.method), HW_STR("HEAD"));
}

void hw_connection_refuse(struct hw_connection *c, int code, const char *why)
{
    char text[160];
    if (hw_handshake_fail(c, hw_str_of(why)))
        return;
    report(c, code, why, c->request);
    int n = why ? snprintf(text, sizeof text, "%s: %s", hw_error_message(code), why) : 0;
    c->close = c->hard_close = true;
    c->head = c->request && is_head(c->request);
    hw_connection_drop_request(c); /* free its memory now: the client may take long to read */
    answer(c, code, n ? (struct hw_str){text, (size_t)n} : HW_STR_NONE);
}

/* ---- reading a request ---- */

/* Finds out who sends the request. Returns 0, or HW_ENOT_ALLOWED. */
static int look_at_client(struct hw_connection *c)
{
    const struct hw_access *access = &c->server->access;
    const struct hw_request *r = c->request;
    if (c->service->is_private)
        return 0;
    bool forwarded = hw_access_find_client(access, &r->http, r->bytes, &c->peer, &c->client);
    c->waiter.peer = forwarded ? &c->client : &c->peer;
    return hw_access_may_send(access, c->waiter.peer, forwarded || c->named) ? 0 : HW_ENOT_ALLOWED;
}

static void accept_head(struct hw_connection *c)
{
    struct hw_request *r = c->request;
    struct hw_http *http = &r->http;
    int stranger = look_at_client(c);
    if (stranger) { /* its body is not even read */
        hw_connection_refuse(c, stranger, NULL);
        return;
    }
    c->refusal = c->service->type->accept(c->service, r);
    c->head = is_head(r);
    c->close = !http->keep_alive;
    c->old_keep_alive = http->minor == 0 && http->keep_alive;
    http->discard = c->refusal != 0;
    if (http->expects_continue && r->len == r->head_len) {
        if (c->refusal) {
            /* The client may or may not send the body now, so the next request can't be found. */
            hw_connection_refuse(c, c->refusal, NULL);
            return;
        }
        uv_buf_t buf = hw_connection_buf(hw_answer_continue);
        if (hw_connection_write(c, &buf, 1) < 0) {
            hw_connection_close(c);
            return;
        }
    }
    c->state = BODY;
    set_deadline(c, HW_DEADLINE_BODY);
}

static void hand_over(struct hw_connection *c, struct hw_request *r)
{
    struct hw_str reason = HW_STR_NONE;
    c->state = BUSY;
    if (c->service->patience == HW_DEADLINE_KINDS)
        hw_deadline_clear(&c->deadline);
    else
        set_deadline(c, c->service->patience);
    int code = c->service->type->complete(c->service, r, &c->waiter, &reason);
    if (code) {
        report(c, code, reason.ptr, NULL);
        answer(c, code, reason);
    }
}

/* The request ends at `end`; what follows belongs to the next one. */
static void complete(struct hw_connection *c, size_t end)
{
    struct hw_request *r = c->request;
    hw_crowd_end(&c->server->crowd, &c->place);
    if (c->refusal) {
        report(c, c->refusal, NULL, r);
        c->request = hw_request_skip(&c->server->requests, r, end);
        answer(c, c->refusal, HW_STR_NONE);
    } else if (hw_request_part(&c->server->requests, r, end, &c->request)) {
        hw_request_put(&c->server->requests, r);
        hw_connection_refuse(c, HW_EOVERLOADED, "out of memory");
    } else {
        hand_over(c, r);
    }
}

static void read_head(struct hw_connection *c)
{
    struct hw_request *r = c->request;
    int64_t n = hw_http_head(&r->http, r->bytes, r->len);
    if (n < 0) {
        hw_connection_refuse(c, (int)n, r->http.why);
    } else if (n > 0) {
        r->head_len = (size_t)n;
        accept_head(c);
    }
}

static void read_body(struct hw_connection *c)
{
    struct hw_request *r = c->request;
    int64_t n = hw_http_body(&r->http, r->bytes, &r->len);
    if (n < 0)
        hw_connection_refuse(c, (int)n, r->http.why);
    else if (n > 0)
        complete(c, (size_t)n);
}

/* ---- unfinished requests ---- */

static bool is_unfinished(const struct hw_connection *c)
{
    return c->state == HEAD || c->state == BODY;
}

void hw_connection_wait_for_rest(struct hw_connection *c)
{
    struct hw_crowd *crowd = &c->server->crowd;
    if (!hw_crowd_begin(crowd, &c->place))
        hw_connection_refuse(c, HW_EOVERLOADED, "its address used up its share of max_unfinished");
    else if (hw_crowd_has_too_many_unfinished(crowd))
        hw_connection_refuse(HW_CONNECTION_WITH(place, hw_crowd_oldest(crowd)), HW_EOVERLOADED,
                             "over max_unfinished, and it was under way longest");
}

/* ---- what comes next ---- */

/* A request's first bytes have arrived. Returns false when it has to wait for its turn. */
static bool begin(struct hw_connection *c)
{
    if (!hw_turn_begin(&c->server->turns, &c->turn))
        return false;
    c->state = HEAD;
    hw_crowd_weigh(&c->server->crowd, &c->place, c->request->cap);
    set_deadline(c, HW_DEADLINE_HEAD);
    return true;
}

void hw_connection_advance(struct hw_connection *c)
{
    enum hw_connection_state before;
    do {
        if (hw_connection_has_next(c) && !begin(c))
            return;
        before = c->state;
        if (c->state == HEAD)
            read_head(c);
        else if (c->state == BODY)
            read_body(c);
    } while (c->state != before && (c->state == BODY || hw_connection_has_next(c)));

    /* The client will send no more, and what it sent is not a complete request. */
    if (c->eof && (c->state == IDLE || is_unfinished(c)))
        hw_connection_close(c);
    else if (is_unfinished(c))
        hw_connection_wait_for_rest(c);
}

/* ---- opening ---- */

static int open_stream(struct hw_connection *c, const struct hw_arrival *arrival)
{
    uv_loop_t *loop = c->server->loop;
    int rc = arrival->is_unix ? uv_pipe_init(loop, &c->u.pipe, 0) : uv_tcp_init(loop, &c->u.tcp);
    if (rc == 0)
        rc = arrival->is_unix ? uv_pipe_open(&c->u.pipe, arrival->fd)
                              : uv_tcp_open(&c->u.tcp, arrival->fd);
    return rc;
}

/* Returns 0 or UV_ENOMEM. */
static int open_tls(struct hw_connection *c, struct hw_tls_context *context)
{
    struct hw_server *server = c->server;
    if (!server->tls)
        server->tls = hw_tls_shared_new();
    if (server->tls)
        c->tls = hw_tls_new(server->tls, context, &c->u.stream, on_written);
    return c->tls ? 0 : UV_ENOMEM;
}

static int refuse_arrival(struct hw_server *server, struct hw_place *place, int fd, int rc)
{
    hw_crowd_leave(&server->crowd, place);
    close(fd);
    return rc;
}

int hw_connection_open(struct hw_server *server, const struct hw_arrival *arrival)
{
    struct hw_place place = arrival->place;
    struct hw_connection *c = calloc(1, sizeof *c);
    if (!c)
        return refuse_arrival(server, &place, arrival->fd, UV_ENOMEM);
    c->server = server;
    c->service = arrival->service;
    c->place = place;
    c->peer = arrival->peer;
    c->waiter.answer = on_answer;
    c->waiter.peer = &c->peer;
    int rc = open_stream(c, arrival);
    c->u.handle.data = c;
    hw_connections_add(c);
    if (rc) {
        hw_connection_close(c);
        close(arrival->fd);
        return rc;
    }
    if ((arrival->header_to && hw_preamble_expect(c, arrival->header_to)) ||
        (arrival->tls && open_tls(c, arrival->tls))) {
        hw_connection_close(c);
        return UV_ENOMEM;
    }
    if (!arrival->is_unix)
        uv_tcp_nodelay(&c->u.tcp, 1);
    set_deadline(c, HW_DEADLINE_FIRST);
    hw_reading_start(c);
    return 0;
}

/* ---- events ---- */

/* Whether a client that has closed its half may still want the answer. */
static bool may_want_answer(struct hw_connection *c)
{
    return !c->waiter.link || !c->service->type->half_closed ||
           !c->service->type->half_closed(c->service, &c->waiter);
}

void hw_connection_await(struct hw_waiter *waiter)
{
    struct hw_connection *c = connection_of(waiter);
    if (c->eof && !may_want_answer(c))
        hw_connection_close(c);
}

void hw_connection_on_end(struct hw_connection *c, int error)
{
    bool answering = c->state == BUSY || c->state == STREAM || c->state == FLUSH;
    const char *what = error == UV_EOF ? "the client closed the connection" : uv_strerror(error);
    if (hw_handshake_fail(c, hw_str_of(what)))
        return;
    if (answering && error == UV_EOF && may_want_answer(c)) {
        c->eof = true;
        hw_reading_stop(c);
    } else if (answering && error == UV_ENOBUFS) {
        hw_reading_stop(c); /* once the answer is out, there may be memory for the next request */
    } else if (c->state <= BODY && error == UV_ENOBUFS) {
        hw_connection_refuse(c, HW_EOVERLOADED, "no memory is left for it (max_memory_bodies)");
    } else {
        hw_connection_close(c);
    }
}

static void on_written(uv_stream_t *stream, int status)
{
    struct hw_connection *c = stream->data;
    if (c->state == CLOSED)
        return;
    if (status < 0) {
        hw_connection_close(c);
    } else if (c->state == FLUSH && uv_stream_get_write_queue_size(&c->u.stream) == 0) {
        /* the answer too, not only a 100 Continue that was queued before it */
        answered(c);
        hw_connection_advance(c);
    } else if (c->state == STREAM && uv_stream_get_write_queue_size(&c->u.stream) == 0) {
        hw_deadline_clear(&c->deadline);
        c->service->type->sent(c->service, &c->waiter);
    }
}

static void on_answer(struct hw_waiter *waiter, int code, struct hw_str reason)
{
    struct hw_connection *c = connection_of(waiter);
    answer(c, code, reason);
    hw_connection_advance(c);
}

void hw_connection_on_turn(struct hw_turn *turn)
{
    hw_reading_resume(HW_CONNECTION_WITH(turn, turn));
}

static void give_up_waiting(struct hw_connection *c)
{
    struct hw_str reason = HW_STR_NONE;
    int code = c->service->type->expired(c->service, &c->waiter, &reason);
    if (code == 0)
        return;
    hw_waiter_leave(&c->waiter);
    answer(c, code, reason);
    hw_connection_advance(c);
}

/* Bytes that wait in the socket arrived in time; it was not their turn to be read yet. */
static bool is_still_reading(struct hw_connection *c)
{
    if (!(c->reading || hw_turn_is_held(&c->turn)) || !hw_reading_has_unread(c))
        return false;
    hw_deadline_postpone(&c->server->deadlines, &c->deadline, 1);
    return true;
}

void hw_connection_on_deadline(struct hw_deadlines *all, struct hw_deadline *deadline)
{
    (void)all;
    struct hw_connection *c = HW_CONNECTION_WITH(deadline, deadline);
    if (deadline->kind <= HW_DEADLINE_BODY && is_still_reading(c))
        return;
    switch (deadline->kind) {
    case HW_DEADLINE_HANDSHAKE:
        hw_handshake_fail(c, HW_STR("it took longer than header_timeout"));
        break;
    case HW_DEADLINE_HEAD:
        hw_connection_refuse(c, HW_EREQUEST_TIMEOUT, "the header took longer than header_timeout");
        break;
    case HW_DEADLINE_BODY:
        hw_connection_refuse(c, HW_EREQUEST_TIMEOUT, "the body took longer than body_timeout");
        break;
    case HW_DEADLINE_ANSWER:
    case HW_DEADLINE_APP:
        give_up_waiting(c);
        break;
    case HW_DEADLINE_FIRST:
        if (c->preamble)
            hw_preamble_fail(c, "it took longer than header_timeout");
        hw_connection_close(c);
        break;
    case HW_DEADLINE_IDLE:
    case HW_DEADLINE_WRITE:
    case HW_DEADLINE_LINGER:
        hw_connection_close(c);
        break;
    default:
        break; /* those of jobs are not set here */
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct hw_connection *c = handle->data;
    struct hw_server *server = c->server;
    hw_connections_remove(c);
    hw_tls_free(c->tls);
    hw_preamble_end(c);
    free(c);
    server->on_room(server);
}
