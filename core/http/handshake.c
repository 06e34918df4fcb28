/* handshake.c -- see handshake.h */
#include "http/handshake.h"

#include "http/connection_state.h"
#include "http/tls.h"

static void count(struct hw_connection *c, enum hw_count which)
{
    hw_stats_add(&c->server->stats, which, 1);
}

/* ---- its time ---- */

/* Called at the first bytes. The time counts from the accept, when the present deadline was set. */
static void begin(struct hw_connection *c)
{
    struct hw_deadlines *all = &c->server->deadlines;
    uint64_t now = uv_now(c->server->loop);
    uint64_t accepted = c->deadline.at_ms - all->durations_ms[HW_DEADLINE_FIRST];
    uint64_t end = accepted + all->durations_ms[HW_DEADLINE_HANDSHAKE];
    hw_deadline_set_in(all, &c->deadline, HW_DEADLINE_HANDSHAKE, end > now ? end - now : 0);
}

/* ---- how it ends ---- */

static void complete(struct hw_connection *c)
{
    hw_crowd_end(&c->server->crowd, &c->place);
    count(c, HW_COUNT_HANDSHAKES);
    if (hw_tls_is_resumed(c->tls))
        count(c, HW_COUNT_HANDSHAKES_RESUMED);
    c->waiter.client = hw_tls_client(c->tls);
    hw_deadline_set(&c->server->deadlines, &c->deadline, HW_DEADLINE_FIRST);
}

static void fail(struct hw_connection *c, struct hw_str why)
{
    char peer[HW_ADDRESS_TEXT_MAX];
    hw_refusal_log_handshake(&c->server->refusal_log, why,
                             hw_address_text(&c->peer.any, peer, sizeof peer));
    hw_tls_drop(c->tls);
    hw_crowd_end(&c->server->crowd, &c->place); /* it may linger, but is no longer unfinished */
    hw_connection_end(c);
}

bool hw_handshake_fail(struct hw_connection *c, struct hw_str why)
{
    bool is_over = c->state > BODY; /* it has failed before */
    if (!c->tls || is_over || hw_tls_is_ready(c->tls) || !hw_tls_has_begun(c->tls))
        return false;
    fail(c, why);
    return true;
}

static void answer_without_tls(struct hw_connection *c)
{
    hw_tls_free(c->tls);
    c->tls = NULL;
    hw_connection_refuse(c, HW_ETLS_REQUIRED, NULL);
}

/* ---- one step ---- */

bool hw_handshake_advance(struct hw_connection *c)
{
    if (!hw_turn_shake(&c->server->turns, &c->turn, hw_tls_has_begun(c->tls)))
        return false;
    if (c->deadline.kind == HW_DEADLINE_FIRST)
        begin(c);
    int rc = hw_tls_shake(c->tls);
    if (rc == 0)
        complete(c);
    else if (rc == UV_EAGAIN)
        hw_connection_wait_for_rest(c);
    else if (hw_tls_met_http(c->tls))
        answer_without_tls(c);
    else
        fail(c, rc == UV_EPROTO ? hw_tls_why(c->tls) : hw_str_of(uv_strerror(rc)));
    return rc == 0;
}
