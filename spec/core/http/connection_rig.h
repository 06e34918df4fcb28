/* connection_rig.h -- the real connection.c on a loop of its own, with a client at the other end of
 * a Unix socket and a service that the rig controls. For connection_test.c and the fuzz target.
 *
 * The service looks at the path. A request whose path begins with "/refused" is refused at its
 * head; "/now" is answered at once; any other waits until the rig answers. Each request that the
 * service gets is compared with a model, which parses all that the client has sent in one piece. So
 * each must arrive as it was sent and in order, however the bytes were cut into reads.
 *
 * Nothing sleeps: the loop is run a turn at a time, and a time-out passes when the rig says so. */
#ifndef CONNECTION_RIG_H
#define CONNECTION_RIG_H

#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/config.h"
#include "base/log.h"
#include "http/connection.h"
#include "http/connections.h"
#include "http/pieces.h"

enum { RIG_HEADER_MAX = 2048, RIG_BODY_MAX = 300 * 1000, RIG_LONG_MS = 1000 * 1000 };

struct rig {
    uv_loop_t loop;
    struct hw_server server;
    struct hw_service service;
    int fd;                     /* the client's end; -1 when it is closed */
    struct hw_tls_context *tls; /* of connections to come; NULL: plain */

    /* what the client sent, and what the model has read of it */
    char *sent;
    size_t sent_len, sent_cap, model_at;

    /* what the service was given */
    struct hw_waiter *waiters;
    unsigned accepted, completed, refused;
    unsigned drained; /* all pieces of an answer were written */
    bool streams;     /* an answer in pieces has begun */
    bool left;        /* a waiter's client has left */

    /* what the client has read */
    char *got;
    size_t got_len, got_cap, got_at;
    unsigned answers; /* final ones */
    int last_status;
    bool ended; /* nothing more will come: 0 was read, or a reset */
};

static struct rig *rig_of_service; /* there is one at a time */

/* ---- the model ---- */

struct model_message {
    struct hw_http http;
    char *bytes; /* a copy: the body is decoded in place */
    size_t head_len, len;
    size_t used; /* bytes of what was sent; 0: incomplete or malformed */
    bool refused;
};

static bool rig_path_is(const struct hw_http *http, const char *bytes, const char *begins)
{
    struct hw_str path = hw_http_view(bytes, http->path);
    return path.len >= strlen(begins) && memcmp(path.ptr, begins, strlen(begins)) == 0;
}

/* Parses the message at `at` of what was sent. The caller frees its bytes. */
static struct model_message rig_read_model(const struct rig *r, size_t at)
{
    struct model_message m = {.len = r->sent_len - at};
    m.bytes = malloc(m.len + 1);
    HW_CHECK(m.bytes);
    memcpy(m.bytes, r->sent + at, m.len);
    hw_http_init(&m.http, &r->server.requests.limits);
    int64_t head = hw_http_head(&m.http, m.bytes, m.len), whole = 0;
    size_t before = m.len;
    if (head > 0) {
        m.head_len = (size_t)head;
        m.refused = rig_path_is(&m.http, m.bytes, "/refused");
        m.http.discard = m.refused;
        whole = hw_http_body(&m.http, m.bytes, &m.len);
    }
    if (whole > 0) {
        m.used = (size_t)whole + (before - m.len);
        m.len = (size_t)whole;
    }
    return m;
}

/* The next message that the service must get. */
static struct model_message rig_next_model(struct rig *r)
{
    for (;;) {
        struct model_message m = rig_read_model(r, r->model_at);
        r->model_at += m.used;
        if (!m.refused || !m.used)
            return m;
        free(m.bytes);
    }
}

/* Whether the connection may end after its answer: it said so, or its body may never come. */
static inline bool rig_may_end(const struct model_message *m)
{
    return !m->http.keep_alive || (m->refused && m->http.expects_continue);
}

/* How many whole messages were sent before the first that can't be read. `certain`: only up to the
 * first after which the connection may end. */
static inline unsigned rig_count_model(const struct rig *r, bool certain)
{
    size_t at = 0;
    for (unsigned count = 0;; count++) {
        struct model_message m = rig_read_model(r, at);
        free(m.bytes);
        if (!m.used)
            return count;
        if (certain && rig_may_end(&m))
            return count + 1;
        at += m.used;
    }
}

/* ---- the service ---- */

static int rig_on_accept(struct hw_service *service, const struct hw_request *request)
{
    (void)service;
    if (rig_path_is(&request->http, request->bytes, "/refused")) {
        rig_of_service->refused++;
        return HW_ENOT_FOUND;
    }
    rig_of_service->accepted++;
    return 0;
}

static int rig_on_complete(struct hw_service *service, struct hw_request *request,
                           struct hw_waiter *waiter, struct hw_str *reason)
{
    (void)service, (void)reason;
    struct rig *r = rig_of_service;
    struct model_message m = rig_next_model(r);
    HW_CHECK(m.used && !r->waiters); /* one at a time, and not before its last byte */
    HW_CHECK(request->head_len == m.head_len && request->len == m.len);
    HW_CHECK(request->http.body_length == m.http.body_length);
    HW_CHECK(memcmp(request->bytes, m.bytes, m.len) == 0);
    free(m.bytes);
    r->completed++;
    bool now = rig_path_is(&request->http, request->bytes, "/now");
    hw_request_put(&r->server.requests, request);
    if (now)
        return HW_EMISSING_SIGNATURE;
    hw_waiter_join(waiter, &r->waiters);
    return 0;
}

static int rig_on_expired(struct hw_service *service, struct hw_waiter *waiter,
                          struct hw_str *reason)
{
    (void)service, (void)waiter, (void)reason;
    return HW_EAPP_BUSY;
}

static void rig_on_sent(struct hw_service *service, struct hw_waiter *waiter)
{
    (void)service;
    HW_CHECK(rig_of_service->waiters == waiter);
    rig_of_service->drained++;
}

static void rig_on_left(struct hw_service *service, struct hw_waiter *waiter)
{
    (void)service;
    HW_CHECK(rig_of_service->waiters == waiter);
    rig_of_service->left = true;
    rig_of_service->streams = false;
}

/* The client counts as gone when its answer is sent in pieces. */
static bool rig_on_half_closed(struct hw_service *service, struct hw_waiter *waiter)
{
    (void)service, (void)waiter;
    return rig_of_service->streams;
}

static void rig_on_room(struct hw_server *server)
{
    (void)server;
}

/* ---- opening ---- */

static struct hw_config rig_config(void)
{
    return (struct hw_config){.max_header = RIG_HEADER_MAX,
                              .max_body = RIG_BODY_MAX,
                              .max_connections = 10,
                              .max_unfinished = 10,
                              .max_memory_bodies = 4 * RIG_BODY_MAX,
                              .workers = 1,
                              .idle_timeout_ms = RIG_LONG_MS,
                              .header_timeout_ms = RIG_LONG_MS,
                              .body_timeout_ms = RIG_LONG_MS,
                              .handler_timeout_ms = RIG_LONG_MS};
}

static void rig_connect(struct rig *r)
{
    int ends[2];
    struct hw_arrival arrival = {.is_unix = true, .service = &r->service, .tls = r->tls};
    arrival.peer.any.sa_family = AF_UNIX;
    HW_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    HW_CHECK(hw_crowd_enter(&r->server.crowd, &arrival.place, &arrival.peer.any) == HW_CROWD_IN);
    arrival.fd = ends[0];
    r->fd = ends[1];
    HW_CHECK(hw_connection_open(&r->server, &arrival) == 0);
}

static void rig_open_tls(struct rig *r, struct hw_tls_context *tls)
{
    static const struct hw_service_type type = {.accept = rig_on_accept,
                                                .complete = rig_on_complete,
                                                .expired = rig_on_expired,
                                                .sent = rig_on_sent,
                                                .half_closed = rig_on_half_closed,
                                                .left = rig_on_left};
    struct hw_config config = rig_config();
    *r = (struct rig){.service = {.type = &type, .patience = HW_DEADLINE_APP}, .tls = tls};
    r->sent = malloc(r->sent_cap = 1); /* never NULL */
    HW_CHECK(r->sent);
    rig_of_service = r;
    signal(SIGPIPE, SIG_IGN);
    hw_log_set(HW_LOG_OFF, false);
    HW_CHECK(uv_loop_init(&r->loop) == 0);
    r->server.loop = &r->loop;
    r->server.on_room = rig_on_room;
    hw_connections_init(&r->server, &config);
    rig_connect(r);
}

static inline void rig_open(struct rig *r)
{
    rig_open_tls(r, NULL);
}

static void rig_on_walk(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Closes everything, and checks that all of it was given back. */
static void rig_close(struct rig *r)
{
    hw_connections_close(&r->server);
    HW_CHECK(!r->waiters);
    HW_CHECK(r->accepted >= r->completed);
    if (r->fd >= 0)
        close(r->fd);
    uv_walk(&r->loop, rig_on_walk, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    HW_CHECK(r->server.connection_count == 0 && !r->server.connections);
    HW_CHECK(r->server.crowd.connections == 0 && r->server.crowd.unfinished == 0);
    HW_CHECK(r->server.requests.bytes == 0);
    HW_CHECK(uv_loop_close(&r->loop) == 0);
    hw_server_fini(&r->server);
    free(r->sent);
    free(r->got);
}

/* ---- what the client does ---- */

/* Tells the model that these bytes of requests were sent. */
static void rig_was_sent(struct rig *r, const char *bytes, size_t len)
{
    if (r->sent_len + len > r->sent_cap) {
        r->sent_cap = 2 * (r->sent_len + len);
        r->sent = realloc(r->sent, r->sent_cap);
        HW_CHECK(r->sent);
    }
    memcpy(r->sent + r->sent_len, bytes, len);
    r->sent_len += len;
}

/* Sends what the socket takes; returns how much that was. */
static inline size_t rig_send(struct rig *r, const char *bytes, size_t len)
{
    ssize_t n = r->fd < 0 ? -1 : send(r->fd, bytes, len, MSG_NOSIGNAL);
    if (n <= 0)
        return 0;
    rig_was_sent(r, bytes, (size_t)n);
    return (size_t)n;
}

/* The end of the answer at `got_at`; 0 when it is not whole. Sets the status. */
static size_t rig_answer_end(const struct rig *r, int *status)
{
    const char *at = r->got + r->got_at;
    size_t left = r->got_len - r->got_at;
    const char *end = left ? memmem(at, left, "\r\n\r\n", 4) : NULL;
    if (!end)
        return 0;
    HW_CHECK(left > 12 && memcmp(at, "HTTP/1.1 ", 9) == 0);
    *status = atoi(at + 9);
    size_t head = (size_t)(end + 4 - at), body = 0;
    if (memmem(at, head, "Transfer-Encoding: chunked", 26)) { /* its pieces hold no empty line */
        end = memmem(at + head - 2, left - head + 2, "\r\n0\r\n\r\n", 7);
        return end ? (size_t)(end + 7 - r->got) : 0;
    }
    const char *length = memmem(at, head, "Content-Length: ", 16);
    if (length)
        body = (size_t)atol(length + 16);
    return head + body <= left ? r->got_at + head + body : 0;
}

/* Counts the answers that are whole. The client never sends HEAD. */
static void rig_count_answers(struct rig *r)
{
    int status = 0;
    for (size_t end; (end = rig_answer_end(r, &status)); r->got_at = end) {
        HW_CHECK(status == 100 || (status >= 200 && status <= 599));
        if (status == 100)
            continue;
        r->answers++;
        r->last_status = status;
    }
}

/* Room for `max` bytes of answers. */
static char *rig_room(struct rig *r, size_t max)
{
    if (r->got_len + max + 1 > r->got_cap) {
        r->got_cap = 2 * (r->got_len + max + 1);
        r->got = realloc(r->got, r->got_cap);
        HW_CHECK(r->got);
    }
    return r->got + r->got_len;
}

/* `len` bytes of answers are in the room. */
static void rig_has_got(struct rig *r, size_t len)
{
    r->got_len += len;
    r->got[r->got_len] = '\0';
    rig_count_answers(r);
}

/* Reads at most `max` bytes; returns how many there were. */
static inline size_t rig_receive(struct rig *r, size_t max)
{
    if (r->fd < 0 || max == 0)
        return 0;
    ssize_t n = recv(r->fd, rig_room(r, max), max, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        r->ended = true;
    if (n <= 0)
        return 0;
    rig_has_got(r, (size_t)n);
    return (size_t)n;
}

static inline void rig_hang_up(struct rig *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
}

/* How many of the client's bytes the host has not read yet. */
static inline size_t rig_unread(const struct rig *r)
{
    int count = 0;
    return r->fd >= 0 && ioctl(r->fd, TIOCOUTQ, &count) == 0 ? (size_t)count : 0;
}

/* ---- what the host does ---- */

/* Runs one turn. In it a connection may begin HW_TURN_REQUESTS requests, and complete the head of
 * one that began before. */
static void rig_turn(struct rig *r)
{
    unsigned before = r->accepted + r->refused;
    uv_run(&r->loop, UV_RUN_NOWAIT);
    HW_CHECK(r->accepted + r->refused - before <= HW_TURN_REQUESTS + 1);
}

/* Begins an answer in pieces; then hw_pieces_send for r->waiters, and rig_finish. */
static inline void rig_begin(struct rig *r, bool chunked)
{
    r->streams = hw_pieces_begin(
        r->waiters, &(struct hw_reply){.status = 200, .fields = HW_STR("X: y\r\n")}, chunked);
}

static inline void rig_finish(struct rig *r, struct hw_str piece)
{
    struct hw_waiter *waiter = r->waiters;
    r->streams = false;
    hw_waiter_leave(waiter);
    hw_pieces_finish(waiter, piece);
}

/* One that has begun in pieces is finished. */
static inline void rig_answer(struct rig *r, int code, struct hw_str reason)
{
    struct hw_waiter *waiter = r->waiters;
    if (!waiter)
        return;
    if (r->streams) {
        rig_finish(r, HW_STR_NONE);
        return;
    }
    hw_waiter_leave(waiter);
    waiter->answer(waiter, code, reason);
}

static inline void rig_reply(struct rig *r, struct hw_str body)
{
    struct hw_waiter *waiter = r->waiters;
    if (!waiter)
        return;
    if (r->streams) {
        rig_finish(r, body);
        return;
    }
    hw_waiter_leave(waiter);
    hw_connection_reply(waiter, &(struct hw_reply){200, HW_STR("X: y\r\n"), body});
}

/* Makes all deadlines of this kind that are set pass. */
static inline void rig_pass(struct rig *r, enum hw_deadline_kind kind)
{
    uint64_t before = r->server.deadlines.durations_ms[kind];
    hw_deadlines_last(&r->server.deadlines, kind, 0);
    for (int i = 0; i < 3; i++)
        rig_turn(r);
    hw_deadlines_last(&r->server.deadlines, kind, before);
}

#endif
