/* reading.c -- see reading.h */
#include "http/reading.h"

#include <sys/ioctl.h>

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

/* ---- start and stop ---- */

/* While the service has a request, as much of the next one is read as fits. After the last answer
 * at most HW_LINGER_MAX bytes are read. */
static bool wants_to_read(const struct hw_connection *c)
{
    if (c->state == BUSY || c->state == FLUSH)
        return !c->request || hw_request_room(c->request) > 0;
    return c->state != CLOSED && (c->state != LINGER || c->lingered < HW_LINGER_MAX);
}

void hw_reading_start(struct hw_connection *c)
{
    if (!c->reading && !c->eof && wants_to_read(c) && !hw_turn_is_held(&c->turn) &&
        uv_read_start(&c->u.stream, on_alloc, on_read) == 0)
        c->reading = true;
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

/* ---- callbacks ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    *buf = room_for(handle->data);
}

static void on_bytes(struct hw_connection *c, size_t n)
{
    hw_turn_read(&c->server->turns, &c->turn, n);
    if (c->state == LINGER) {
        c->lingered += n;
    } else {
        c->request->len += n;
        hw_connection_advance(c);
    }
    if (!wants_to_read(c))
        hw_reading_stop(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    struct hw_connection *c = stream->data;
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
        hw_connection_drop_request(c); /* it was taken for bytes that did not come */
    if (n < 0)
        hw_connection_on_end(c, (int)n);
}
