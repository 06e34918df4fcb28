/* pg_unsettled.c -- see postgres.h
 *
 * Why     A handler has run, and PostgreSQL is away: its sender is answered 400 and asks again.
 *         With the outcome kept, the row is settled before that one comes, and the handler does not
 *         run twice.
 * How     A list, oldest first, of copies with all their texts. Of what succeeded no body is kept,
 *         unless the ledger keeps those too. */
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/seldom.h"
#include "http/kept_headers.h"
#include "ledger/postgres.h"

struct late {
    struct hw_notification n; /* first: a batch is made of these */
    struct late *next;
    size_t bytes; /* of body and headers */
    struct hw_arena arena;
};

struct hw_pg_unsettled {
    /* constant after new */
    struct hw_pg_live *live;
    size_t max_count, max_bytes;
    bool keep_bodies;

    /* guarded by m */
    pthread_mutex_t m;
    struct late *first, **last;
    size_t count, bytes;
    struct hw_seldom dropped;
};

struct hw_pg_unsettled *hw_pg_unsettled_new(struct hw_pg_live *live, size_t max_count,
                                            size_t max_bytes, bool keep_bodies)
{
    struct hw_pg_unsettled *list = calloc(1, sizeof *list);
    if (!list)
        return NULL;
    list->live = live;
    list->max_count = max_count;
    list->max_bytes = max_bytes;
    list->keep_bodies = keep_bodies;
    list->last = &list->first;
    pthread_mutex_init(&list->m, NULL);
    return list;
}

static void free_one(struct late *late)
{
    hw_arena_fini(&late->arena);
    free(late);
}

void hw_pg_unsettled_free(struct hw_pg_unsettled *list)
{
    if (!list)
        return;
    for (struct late *late = list->first, *next; late; late = next) {
        next = late->next;
        free_one(late);
    }
    pthread_mutex_destroy(&list->m);
    free(list);
}

size_t hw_pg_unsettled_count(struct hw_pg_unsettled *list)
{
    pthread_mutex_lock(&list->m);
    size_t count = list->count;
    pthread_mutex_unlock(&list->m);
    return count;
}

/* ---- copies ---- */

/* Returns false without memory. */
static bool copy(struct hw_arena *arena, struct hw_str *text)
{
    if (!text->ptr)
        return true;
    *text = hw_arena_copy(arena, *text);
    return text->ptr != NULL;
}

static bool copy_headers(struct late *late, const struct hw_request *request)
{
    char text[HW_KEPT_HEADERS_MAX];
    if (request)
        late->n.headers = (struct hw_str){text, hw_kept_headers_write(request, text)};
    return copy(&late->arena, &late->n.headers);
}

/* What is NULL in the row stays so. */
static bool copy_body(const struct hw_pg_unsettled *list, struct late *late,
                      const struct hw_notification *from)
{
    struct hw_notification *n = &late->n;
    n->request = NULL;
    if (!list->keep_bodies && (n->state == HW_SUCCEEDED || n->state == HW_UNHANDLED)) {
        n->body = n->headers = HW_STR_NONE;
        return true;
    }
    if (!copy(&late->arena, &n->body) || !copy_headers(late, from->request))
        return false;
    late->bytes = n->body.len + n->headers.len;
    return true;
}

/* Its sender was refused, and asks again. It is told what became of it then. */
static void queue_what_was_to_start(struct hw_notification *n)
{
    if (n->state != HW_STARTED)
        return;
    n->state = HW_QUEUED;
    n->next_run_at = n->settled_at;
}

static struct late *copy_of(const struct hw_pg_unsettled *list, const struct hw_notification *from)
{
    struct late *late = malloc(sizeof *late);
    if (!late)
        return NULL;
    late->n = *from;
    late->next = NULL;
    late->bytes = 0;
    hw_arena_init(&late->arena, NULL, 0);
    struct hw_notification *n = &late->n;
    struct hw_outcome *o = &n->outcome;
    n->arena = &late->arena;
    n->signature = n->client = HW_STR_NONE;
    queue_what_was_to_start(n);
    struct hw_str *const texts[] = {&n->id,   &n->identity.id, &n->key,    &n->event, &n->pool,
                                    &n->lane, &o->reason,      &o->detail, &o->place};
    bool copied = copy_body(list, late, from);
    for (size_t i = 0; copied && i < sizeof texts / sizeof *texts; i++)
        copied = copy(&late->arena, texts[i]);
    if (copied)
        return late;
    free_one(late);
    return NULL;
}

/* ---- the list ---- */

static struct late *take_first_locked(struct hw_pg_unsettled *list)
{
    struct late *late = list->first;
    list->first = late->next;
    if (!list->first)
        list->last = &list->first;
    list->count--;
    list->bytes -= late->bytes;
    return late;
}

/* Makes room. Returns what has to go; *dropped: how many the log is to be told of. */
static struct late *drop_locked(struct hw_pg_unsettled *list, uint64_t *dropped)
{
    uint64_t now_ms = hw_now_ns() / 1000000;
    struct late *gone = NULL;
    while (list->count > 0 && (list->count > list->max_count || list->bytes > list->max_bytes)) {
        struct late *late = take_first_locked(list);
        late->next = gone;
        gone = late;
        list->dropped.untold++;
    }
    *dropped = hw_seldom_due(&list->dropped, now_ms);
    return gone;
}

static void end_dropped(struct hw_pg_unsettled *list, struct late *gone, uint64_t dropped)
{
    if (dropped)
        hw_log_say(HW_LOG_ERROR,
                   "ledger: %llu outcome%s dropped, since too many wait to be recorded late; what "
                   "they are of may run again",
                   (unsigned long long)dropped, dropped == 1 ? " was" : "s were");
    for (struct late *next; gone; gone = next) {
        next = gone->next;
        hw_pg_live_lost(list->live, gone->n.fence.claim);
        free_one(gone);
    }
}

bool hw_pg_unsettled_keep(struct hw_pg_unsettled *list, const struct hw_notification *n)
{
    uint64_t dropped;
    struct late *late = copy_of(list, n);
    if (!late) {
        hw_pg_live_lost(list->live, n->fence.claim);
        return false;
    }
    pthread_mutex_lock(&list->m);
    *list->last = late;
    list->last = &late->next;
    list->count++;
    list->bytes += late->bytes;
    struct late *gone = drop_locked(list, &dropped);
    pthread_mutex_unlock(&list->m);
    end_dropped(list, gone, dropped);
    return true;
}

size_t hw_pg_unsettled_take(struct hw_pg_unsettled *list, struct hw_notification **batch,
                            size_t max)
{
    size_t count = 0;
    pthread_mutex_lock(&list->m);
    while (list->first && count < max)
        batch[count++] = &take_first_locked(list)->n;
    pthread_mutex_unlock(&list->m);
    return count;
}

void hw_pg_unsettled_done(struct hw_pg_unsettled *list, struct hw_notification **batch,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hw_pg_live_end(list->live, batch[i]->fence.claim);
        free_one((struct late *)batch[i]);
    }
}

void hw_pg_unsettled_drop(struct hw_pg_unsettled *list, struct hw_notification *n)
{
    hw_pg_live_lost(list->live, n->fence.claim);
    free_one((struct late *)n);
}

void hw_pg_unsettled_put_back(struct hw_pg_unsettled *list, struct hw_notification **batch,
                              size_t count)
{
    uint64_t dropped;
    pthread_mutex_lock(&list->m);
    for (size_t i = count; i > 0; i--) {
        struct late *late = (struct late *)batch[i - 1];
        late->next = list->first;
        if (!list->first)
            list->last = &late->next;
        list->first = late;
        list->count++;
        list->bytes += late->bytes;
    }
    struct late *gone = drop_locked(list, &dropped);
    pthread_mutex_unlock(&list->m);
    end_dropped(list, gone, dropped);
}
