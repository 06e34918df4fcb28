/* connections.c -- see connections.h */
#include "http/connections.h"

#include <malloc.h>

#include "http/connection_state.h"
#include "http/reading.h"

enum { LOOKS = 16 /* how many connections of a list are looked at to find one to close */ };

void hw_connections_init(struct hw_server *server, const struct hw_config *config)
{
    hw_server_init(server, config, hw_connection_on_deadline, hw_connection_on_turn);
}

/* ---- the list ---- */

/* After a crowd has gone, its memory lies scattered among blocks that are still in use. The C library
 * returns it to the system only when asked to. */
static void return_memory(struct hw_server *s)
{
    if (s->connections_most < HW_CONNECTIONS_CROWD || s->connection_count > s->connections_most / 4)
        return;
    s->connections_most = s->connection_count;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void hw_connections_add(struct hw_connection *c)
{
    struct hw_server *s = c->server;
    c->next = s->connections;
    if (c->next)
        c->next->prev = c;
    s->connections = c;
    hw_stats_add(&s->stats, HW_COUNT_ACCEPTED, 1);
    hw_stats_set(&s->stats, HW_COUNT_CONNECTIONS, ++s->connection_count);
    if (s->connection_count > s->connections_most)
        s->connections_most = s->connection_count;
}

void hw_connections_remove(struct hw_connection *c)
{
    if (c->next)
        c->next->prev = c->prev;
    if (c->prev)
        c->prev->next = c->next;
    else
        c->server->connections = c->next;
    hw_stats_set(&c->server->stats, HW_COUNT_CONNECTIONS, --c->server->connection_count);
    return_memory(c->server);
}

/* ---- room for others ---- */

/* When its present deadline was set. */
static uint64_t waits_since(const struct hw_connection *c)
{
    return c->deadline.at_ms - c->server->deadlines.durations_ms[c->deadline.kind];
}

/* A connection whose next request waits in the socket is not idle. */
static bool is_idle(struct hw_connection *c)
{
    return !hw_connection_has_next(c) && !hw_reading_has_unread(c);
}

/* The connection that has waited longest for its deadline of this kind, `ms` at least. NULL when
 * there is none. */
static struct hw_connection *find_longest(struct hw_server *server, enum hw_deadline_kind kind,
                                          uint64_t ms)
{
    struct hw_deadline *ring = &server->deadlines.lists[kind];
    bool must_idle = kind <= HW_DEADLINE_HANDSHAKE;
    int looks = LOOKS;
    for (struct hw_deadline *d = ring->next; d != ring && looks > 0; d = d->next, looks--) {
        struct hw_connection *c = HW_CONNECTION_WITH(deadline, d);
        if (waits_since(c) + ms > uv_now(server->loop))
            return NULL;
        if (c->place.counted && (!must_idle || is_idle(c)))
            return c;
    }
    return NULL;
}

/* The connection that is needed least: an idle one, else one that was answered and lingers, else
 * one that does not take its answer or does not complete its request. Never one that waits for its
 * answer. */
static struct hw_connection *find_dispensable(struct hw_server *server)
{
    static const enum hw_deadline_kind stale[] = {HW_DEADLINE_WRITE, HW_DEADLINE_HANDSHAKE,
                                                  HW_DEADLINE_BODY, HW_DEADLINE_HEAD};
    struct hw_connection *c = find_longest(server, HW_DEADLINE_IDLE, 0);
    struct hw_connection *silent = find_longest(server, HW_DEADLINE_FIRST, 0);
    if (!c || (silent && waits_since(silent) <= waits_since(c)))
        c = silent;
    if (!c)
        c = find_longest(server, HW_DEADLINE_LINGER, 0);
    for (size_t i = 0; !c && i < sizeof stale / sizeof *stale; i++)
        c = find_longest(server, stale[i], HW_CONNECTIONS_STALE_MS);
    return c;
}

bool hw_connections_make_room(struct hw_server *server)
{
    struct hw_connection *c = find_dispensable(server);
    if (!c)
        return false;
    hw_stats_add(&server->stats, HW_COUNT_MADE_ROOM, 1);
    hw_connection_close(c);
    return true;
}

/* ---- draining ---- */

void hw_connections_part(struct hw_server *server)
{
    server->parting = true;
}

void hw_connections_drain(struct hw_server *server)
{
    server->parting = server->draining = true;
    for (struct hw_connection *c = server->connections; c; c = c->next)
        if (c->state == STREAM || (c->state == IDLE && !c->request && !hw_reading_has_unread(c)))
            hw_connection_close(c);
}

void hw_connections_close(struct hw_server *server)
{
    for (struct hw_connection *c = server->connections; c; c = c->next)
        hw_connection_close(c);
}
