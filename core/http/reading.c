/* reading.c -- see reading.h */
#include "http/reading.h"

#include <sys/ioctl.h>

#include "http/handshake.h"
#include "http/preamble.h"
#include "http/tls.h"

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
static void pass_on(struct hw_connection *c);

/* ---- start and stop ---- */

/* While the service has a request, as much of the next one is read as fits. After the last answer
 * at most HW_LINGER_MAX bytes are read. */
static bool wants_to_read(const struct hw_connection *c)
{
    if (c->state == BUSY || c->state == STREAM || c->state == FLUSH)
        return !c->request || hw_request_room(c->request) > 0;
    return c->state != CLOSED && (c->state != LINGER || c->lingered < HW_LINGER_MAX);
}

static bool has_kept(const struct hw_connection *c)
{
    return c->tls && c->state != LINGER && hw_tls_has_bytes(c->tls);
}

static bool may_start(const struct hw_connection *c)
{
    return !c->reading && !c->eof && wants_to_read(c) && !hw_turn_is_held(&c->turn);
}

static void start(struct hw_connection *c)
{
    c->reading = uv_read_start(&c->u.stream, on_alloc, on_read) == 0;
}

void hw_reading_start(struct hw_connection *c)
{
    if (!may_start(c))
        return;
    if (has_kept(c))
        hw_turn_hold(&c->server->turns, &c->turn);
    else
        start(c);
}

/* Reading starts first: otherwise the first answer would find bytes that TLS has kept, and hold the
 * connection again. */
void hw_reading_resume(struct hw_connection *c)
{
    if (has_kept(c) && may_start(c))
        start(c);
    hw_connection_advance(c);
    if (has_kept(c) && c->reading)
        pass_on(c);
    else
        hw_reading_start(c);
}

void hw_reading_stop(struct hw_connection *c)
{
    if (c->reading)
        uv_read_stop(&c->u.stream);
    c->reading = false;
}

bool hw_reading_has_unread(struct hw_connection *c)
{
    int fd, count = 0;
    if (has_kept(c))
        return true;
    return uv_fileno(&c->u.handle, &fd) == 0 && ioctl(fd, FIONREAD, &count) == 0 && count > 0;
}

/* ---- memory to read into ---- */

/* Makes room in the request. Over max_memory_bodies the largest one is refused so that the others
 * can go on. Returns false when that is this one, or when no memory is left at all. */
static bool reserve(struct hw_connection *c)
{
    struct hw_crowd *crowd = &c->server->crowd;
    int rc;
    while ((rc = hw_request_reserve(c->request)) == HW_EOVERLOADED) {
        struct hw_place *largest = hw_crowd_largest(crowd);
        if (!largest || largest == &c->place || hw_crowd_weight(largest) <= c->request->cap)
            return false;
        hw_connection_refuse(HW_CONNECTION_WITH(place, largest), HW_EOVERLOADED,
                             "over max_memory_bodies, and it was the largest");
    }
    if (c->request->cap != hw_crowd_weight(&c->place))
        hw_crowd_weigh(crowd, &c->place, c->request->cap);
    return rc == 0;
}

static uv_buf_t buf_in(struct hw_request *r, size_t max)
{
    size_t room = hw_request_room(r);
    return uv_buf_init(r->bytes + r->len, (unsigned)(room < max ? room : max));
}

/* Bytes that are only dropped are read into one buffer that all connections share. */
static uv_buf_t scratch_for(struct hw_connection *c)
{
    size_t size = sizeof c->server->scratch, left = HW_LINGER_MAX - c->lingered;
    return uv_buf_init(c->server->scratch, (unsigned)(left < size ? left : size));
}

/* How many bytes the message is known to need, up to HW_TURN_BYTES. */
static size_t needed(const struct hw_connection *c)
{
    uint64_t left = c->state == BODY ? hw_http_left(&c->request->http) : 0;
    return left < HW_TURN_BYTES ? (size_t)left : HW_TURN_BYTES;
}

/* Room for what the message needs and a little more; none when it is not its turn, or without
 * memory. */
static uv_buf_t room_for(struct hw_connection *c)
{
    size_t need = needed(c), want = need + HW_REQUEST_FIRST;
    size_t turn = hw_turn_room(&c->server->turns, &c->turn, need);
    if (turn && c->state == LINGER)
        return scratch_for(c);
    if (turn && !c->request)
        c->request = hw_request_take(&c->server->requests);
    if (!turn || !c->request || !reserve(c))
        return uv_buf_init(NULL, 0); /* libuv reports UV_ENOBUFS */
    return buf_in(c->request, want < turn ? want : turn);
}

/* ---- what a read has brought ---- */

static void on_bytes(struct hw_connection *c, size_t n)
{
    if (c->state == LINGER) {
        c->lingered += n;
    } else {
        c->request->len += n;
        hw_connection_advance(c);
    }
    if (!wants_to_read(c))
        hw_reading_stop(c);
}

/* `n`: how many plain bytes were put into the room that was given for them; 0: none; or an
 * error. */
static void take(struct hw_connection *c, ssize_t n)
{
    if (n > 0) {
        on_bytes(c, (size_t)n);
        return;
    }
    if (n == UV_ENOBUFS && hw_turn_room(&c->server->turns, &c->turn, needed(c)) == 0) {
        hw_reading_stop(c); /* otherwise the loop would ask again at once */
        hw_turn_hold(&c->server->turns, &c->turn);
        return;
    }
    if (c->state != LINGER && c->request && c->request->len == 0)
        hw_connection_drop_request(c); /* it was made for bytes that did not come */
    if (n < 0)
        hw_connection_on_end(c, (int)n);
}

/* ---- TLS ---- */

/* Room for encrypted bytes: as many as plain ones are needed, and a few more. */
static uv_buf_t room_for_tls(struct hw_connection *c)
{
    size_t need = needed(c), want = need + HW_REQUEST_FIRST;
    size_t turn = hw_turn_room(&c->server->turns, &c->turn, need);
    if (want > turn)
        want = turn;
    return uv_buf_init(c->server->tls->in, (unsigned)(want < HW_TLS_IN ? want : HW_TLS_IN));
}

/* Takes one step of the handshake, or reads plain bytes once. Returns false when nothing more can
 * be done with the bytes at hand. */
static bool pass_on_once(struct hw_connection *c)
{
    if (!hw_tls_is_ready(c->tls))
        return hw_handshake_advance(c);
    uv_buf_t room = room_for(c);
    ssize_t n = room.len ? hw_tls_read(c->tls, room.base, room.len) : UV_ENOBUFS;
    take(c, n == UV_EAGAIN ? 0 : n);
    return n > 0;
}

/* Decrypts what was fed or kept as long as the connection has a use for plain bytes, and keeps the
 * rest. */
static void pass_on(struct hw_connection *c)
{
    while (c->reading && !hw_turn_is_held(&c->turn) && has_kept(c) && pass_on_once(c))
        ;
    if (!c->tls)
        return;
    if (c->eof || c->state == LINGER || c->state == CLOSED)
        hw_tls_drop(c->tls);
    else if (hw_tls_keep(c->tls))
        hw_connection_close(c);
    if (has_kept(c))
        hw_reading_stop(c);
}

static void take_for_tls(struct hw_connection *c, size_t n)
{
    hw_tls_feed(c->tls, c->server->tls->in, n);
    pass_on(c);
    hw_turn_read(&c->server->turns, &c->turn, n);
}

/* ---- callbacks ---- */

/* After the last answer, bytes are dropped without being decrypted. */
static bool goes_through_tls(const struct hw_connection *c)
{
    return c->tls && c->state != LINGER;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct hw_connection *c = handle->data;
    (void)suggested;
    if (c->preamble)
        *buf = hw_preamble_room(c);
    else
        *buf = goes_through_tls(c) ? room_for_tls(c) : room_for(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    struct hw_connection *c = stream->data;
    if (c->preamble) {
        hw_preamble_on_read(c, n);
        return;
    }
    if (n > 0 && goes_through_tls(c)) {
        take_for_tls(c, (size_t)n);
        return;
    }
    if (n > 0)
        hw_turn_read(&c->server->turns, &c->turn, (size_t)n);
    take(c, n);
}
