/* queues.c -- see queues.h */
#include "app/queues.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { PIECES_FIRST = 4096 /* bytes */ };

/* ---- rings ---- */

#define CALL_WITH(link, at)                                                                        \
    ((struct hw_app_call *)((char *)(at)-offsetof(struct hw_app_call, link)))

static void make_ring(struct hw_app_link *ring)
{
    ring->prev = ring->next = ring;
}

/* Idempotent. */
static void append(struct hw_app_link *ring, struct hw_app_link *link)
{
    if (link->next)
        return;
    link->prev = ring->prev;
    link->next = ring;
    link->prev->next = link->next->prev = link;
}

/* Idempotent. */
static void take_out(struct hw_app_link *link)
{
    if (!link->next)
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
}

static struct hw_app_link *take_first(struct hw_app_link *ring)
{
    struct hw_app_link *first = ring->next;
    if (first == ring)
        return NULL;
    take_out(first);
    return first;
}

/* Moves all of `from` behind what is in `to`. */
static void move_all(struct hw_app_link *to, struct hw_app_link *from)
{
    for (struct hw_app_link *link; (link = take_first(from));)
        append(to, link);
}

void hw_app_queues_init(struct hw_app_queues *q)
{
    HW_CHECK(uv_mutex_init(&q->m) == 0);
    make_ring(&q->to_app);
    make_ring(&q->to_leader);
    make_ring(&q->in_hand);
}

void hw_app_queues_fini(struct hw_app_queues *q)
{
    uv_mutex_destroy(&q->m);
}

static void wake_leader_locked(struct hw_app_call *call)
{
    struct hw_app_queues *q = call->queues;
    append(&q->to_leader, &call->to_leader);
    if (!q->given_up)
        uv_async_send(&q->answered);
}

/* ---- leader ---- */

void hw_app_queues_give(struct hw_app_queues *q, struct hw_app_call *call)
{
    call->queues = q;
    uv_mutex_lock(&q->m);
    append(&q->to_app, &call->to_app);
    uv_mutex_unlock(&q->m);
    uv_async_send(&q->wake);
}

void hw_app_queues_leave(struct hw_app_call *call)
{
    struct hw_app_queues *q = call->queues;
    uv_mutex_lock(&q->m);
    bool tell = !call->returned && !call->gone;
    if (tell) {
        call->gone = true;
        append(&q->to_app, &call->to_app);
    }
    uv_mutex_unlock(&q->m);
    if (tell)
        uv_async_send(&q->wake);
}

void hw_app_queues_collect(struct hw_app_queues *q, struct hw_app_link *all)
{
    make_ring(all);
    uv_mutex_lock(&q->m);
    move_all(all, &q->to_leader);
    uv_mutex_unlock(&q->m);
}

struct hw_app_call *hw_app_queues_read(struct hw_app_queues *q, struct hw_app_link *all,
                                       struct hw_app_news *news)
{
    uv_mutex_lock(&q->m);
    struct hw_app_link *link = take_first(all);
    struct hw_app_call *call = link ? CALL_WITH(to_leader, link) : NULL;
    if (call)
        *news = (struct hw_app_news){.begun = call->begun, .returned = call->returned};
    uv_mutex_unlock(&q->m);
    return call;
}

struct hw_str hw_app_queues_take(struct hw_app_call *call)
{
    uv_mutex_lock(&call->queues->m);
    struct hw_str bytes = {call->pieces, call->pieces_len};
    call->pieces = NULL;
    call->pieces_len = call->pieces_cap = 0;
    uv_mutex_unlock(&call->queues->m);
    return bytes;
}

void hw_app_queues_sent(struct hw_app_call *call, size_t count)
{
    uv_mutex_lock(&call->queues->m);
    call->unsent -= count;
    uv_mutex_unlock(&call->queues->m);
}

struct hw_app_call *hw_app_queues_drain(struct hw_app_queues *q)
{
    struct hw_app_link *link = take_first(&q->to_leader);
    if (!link) {
        move_all(&q->in_hand, &q->to_app);
        link = take_first(&q->in_hand);
        return link ? CALL_WITH(to_app, link) : NULL;
    }
    struct hw_app_call *call = CALL_WITH(to_leader, link);
    take_out(&call->to_app);
    return call;
}

/* ---- the app's thread ---- */

void hw_app_queues_begin(struct hw_app_queues *q)
{
    uv_mutex_lock(&q->m);
    move_all(&q->in_hand, &q->to_app);
    uv_mutex_unlock(&q->m);
}

struct hw_app_call *hw_app_queues_next(struct hw_app_queues *q)
{
    uv_mutex_lock(&q->m);
    struct hw_app_link *link = take_first(&q->in_hand);
    uv_mutex_unlock(&q->m);
    return link ? CALL_WITH(to_app, link) : NULL;
}

bool hw_app_queues_is_gone(struct hw_app_call *call)
{
    uv_mutex_lock(&call->queues->m);
    bool gone = call->gone;
    uv_mutex_unlock(&call->queues->m);
    return gone;
}

void hw_app_queues_keep(struct hw_app_call *call, bool begun)
{
    uv_mutex_lock(&call->queues->m);
    call->begun = begun;
    wake_leader_locked(call);
    uv_mutex_unlock(&call->queues->m);
}

static bool reserve_locked(struct hw_app_call *call, size_t len)
{
    size_t cap = call->pieces_cap ? call->pieces_cap : PIECES_FIRST;
    while (cap < call->pieces_len + len)
        cap *= 2;
    char *bytes = cap > call->pieces_cap ? realloc(call->pieces, cap) : call->pieces;
    if (!bytes)
        return false;
    call->pieces = bytes;
    call->pieces_cap = cap;
    return true;
}

static enum hw_app_added add_locked(struct hw_app_call *call, struct hw_str piece)
{
    if (call->gone)
        return HW_APP_GONE;
    if (piece.len == 0)
        return HW_APP_ADDED;
    if (call->unsent + piece.len > HW_APP_STREAM_MAX || !reserve_locked(call, piece.len))
        return HW_APP_FULL;
    memcpy(call->pieces + call->pieces_len, piece.ptr, piece.len);
    call->pieces_len += piece.len;
    call->unsent += piece.len;
    wake_leader_locked(call);
    return HW_APP_ADDED;
}

enum hw_app_added hw_app_queues_add(struct hw_app_call *call, struct hw_str piece)
{
    uv_mutex_lock(&call->queues->m);
    enum hw_app_added added = add_locked(call, piece);
    uv_mutex_unlock(&call->queues->m);
    return added;
}

void hw_app_queues_return(struct hw_app_call *call)
{
    struct hw_app_queues *q = call->queues;
    uv_mutex_lock(&q->m);
    call->returned = true;
    take_out(&call->to_app);
    wake_leader_locked(call);
    uv_mutex_unlock(&q->m);
}
