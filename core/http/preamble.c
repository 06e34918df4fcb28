/* preamble.c -- see preamble.h */
#include "http/preamble.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "http/connection_state.h"
#include "http/proxy_protocol.h"
#include "http/trouble.h"

struct hw_preamble {
    struct hw_troubles *troubles;
    struct hw_proxy_protocol header;
    char bytes[256]; /* read, and not taken yet */
};

int hw_preamble_expect(struct hw_connection *c, struct hw_troubles *troubles)
{
    c->preamble = calloc(1, sizeof *c->preamble);
    if (!c->preamble)
        return HW_ENOMEM;
    c->preamble->troubles = troubles;
    return 0;
}

void hw_preamble_end(struct hw_connection *c)
{
    free(c->preamble);
    c->preamble = NULL;
}

void hw_preamble_fail(struct hw_connection *c, const char *why)
{
    struct hw_preamble *p = c->preamble;
    hw_stats_add(&c->server->stats, HW_COUNT_BAD_PROXY_HEADERS, 1);
    hw_troubles_note(p->troubles, HW_TROUBLE_NO_HEADER, &c->peer, why);
    hw_connection_close(c);
}

/* ---- reading ---- */

/* How many bytes may be read: those of the header among the ones that wait. */
static size_t count_waiting(struct hw_connection *c)
{
    struct hw_preamble *p = c->preamble;
    struct hw_proxy_protocol trial = p->header;
    int fd;
    if (uv_fileno(&c->u.handle, &fd))
        return 1;
    ssize_t n = recv(fd, p->bytes, sizeof p->bytes, MSG_PEEK | MSG_DONTWAIT);
    return n > 0 ? hw_proxy_protocol_take(&trial, p->bytes, (size_t)n) : 1;
}

uv_buf_t hw_preamble_room(struct hw_connection *c)
{
    return uv_buf_init(c->preamble->bytes, (unsigned)count_waiting(c));
}

/* ---- what follows ---- */

/* Counts the connection for its address from now on, if it did not count before the header, which
 * was not going to be believed. Returns false when it was closed. */
static bool join_crowd(struct hw_connection *c)
{
    struct hw_server *s = c->server;
    if (!c->place.counted || c->place.origin || hw_access_is_exempt(&s->access, &c->peer))
        return true;
    enum hw_crowd_answer answer = hw_crowd_join(&s->crowd, &c->place, &c->peer.any);
    if (answer == HW_CROWD_IN)
        return true;
    hw_stats_add(&s->stats, HW_COUNT_TURNED_AWAY, 1);
    hw_troubles_note_refused(c->preamble->troubles, answer, &c->peer);
    hw_connection_close(c);
    return false;
}

static void finish(struct hw_connection *c)
{
    struct hw_address client;
    if (hw_proxy_protocol_client(&c->preamble->header, &client) &&
        hw_access_believes_header(&c->server->access, &c->peer)) {
        c->peer = client;
        c->named = true;
    }
    if (!join_crowd(c))
        return;
    hw_preamble_end(c);
    hw_deadline_set(&c->server->deadlines, &c->deadline, HW_DEADLINE_FIRST);
}

/* Load balancers connect and hang up to see whether somebody listens: that is no failure. */
static void on_end(struct hw_connection *c)
{
    if (c->preamble->header.taken)
        hw_preamble_fail(c, "it ended before its header was complete");
    else
        hw_connection_close(c);
}

void hw_preamble_on_read(struct hw_connection *c, ssize_t n)
{
    struct hw_preamble *p = c->preamble;
    if (n <= 0) {
        if (n < 0)
            on_end(c);
        return;
    }
    hw_proxy_protocol_take(&p->header, p->bytes, (size_t)n);
    if (p->header.why)
        hw_preamble_fail(c, p->header.why);
    else if (p->header.done)
        finish(c);
}
