/* crowd.c -- see crowd.h */
#include "http/crowd.h"

#include <stdlib.h>
#include <sys/random.h>
#include <uv.h>

#include "http/origin.h"

enum { FIRST_BUCKETS = 64 };

struct hw_origin {
    struct hw_origin *next;
    uint64_t address; /* see origin.h */
    size_t connections, unfinished;
};

void hw_crowd_init(struct hw_crowd *crowd)
{
    *crowd = (struct hw_crowd){0};
    crowd->ring.prev = crowd->ring.next = &crowd->ring;
    if (getrandom(&crowd->seed, sizeof crowd->seed, 0) != sizeof crowd->seed)
        crowd->seed = uv_hrtime();
}

void hw_crowd_fini(struct hw_crowd *crowd)
{
    for (size_t i = 0; i < crowd->bucket_count; i++)
        for (struct hw_origin *o = crowd->buckets[i], *next; o; o = next) {
            next = o->next;
            free(o);
        }
    free(crowd->buckets);
    *crowd = (struct hw_crowd){0};
}

/* ---- origins ---- */

static struct hw_origin **bucket_of(const struct hw_crowd *crowd, uint64_t address)
{
    return &crowd->buckets[hw_origin_hash(address, crowd->seed) & (crowd->bucket_count - 1)];
}

/* Doubles the buckets. Without memory the table stays as it is. */
static void grow(struct hw_crowd *crowd)
{
    struct hw_crowd bigger = *crowd;
    bigger.bucket_count = crowd->bucket_count ? crowd->bucket_count * 2 : FIRST_BUCKETS;
    bigger.buckets = calloc(bigger.bucket_count, sizeof *bigger.buckets);
    if (!bigger.buckets)
        return;
    for (size_t i = 0; i < crowd->bucket_count; i++)
        for (struct hw_origin *o = crowd->buckets[i], *next; o; o = next) {
            struct hw_origin **bucket = bucket_of(&bigger, o->address);
            next = o->next;
            o->next = *bucket;
            *bucket = o;
        }
    free(crowd->buckets);
    *crowd = bigger;
}

/* Finds the origin or creates it. Returns NULL without memory. */
static struct hw_origin *take_origin(struct hw_crowd *crowd, uint64_t address)
{
    if (crowd->origin_count >= crowd->bucket_count)
        grow(crowd);
    if (!crowd->bucket_count)
        return NULL;
    struct hw_origin **bucket = bucket_of(crowd, address);
    for (struct hw_origin *o = *bucket; o; o = o->next)
        if (o->address == address)
            return o;
    struct hw_origin *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->address = address;
    o->next = *bucket;
    *bucket = o;
    crowd->origin_count++;
    return o;
}

static void forget_if_empty(struct hw_crowd *crowd, struct hw_origin *origin)
{
    if (origin->connections)
        return;
    struct hw_origin **link = bucket_of(crowd, origin->address);
    while (*link != origin)
        link = &(*link)->next;
    *link = origin->next;
    crowd->origin_count--;
    free(origin);
}

/* ---- limits ---- */

size_t hw_crowd_part(size_t whole, double part)
{
    size_t count = part < 1 ? (size_t)((double)whole * part) : whole;
    size_t least = whole < HW_CROWD_LEAST ? whole : HW_CROWD_LEAST;
    return count > least ? count : least;
}

/* ---- connections ---- */

enum hw_crowd_answer hw_crowd_join(struct hw_crowd *crowd, struct hw_place *place,
                                   const struct sockaddr *peer)
{
    uint64_t address;
    if (!hw_origin_of(peer, &address))
        return HW_CROWD_IN;
    struct hw_origin *origin = take_origin(crowd, address);
    if (!origin)
        return HW_CROWD_NO_MEMORY;
    if (origin->connections >= crowd->limits.per_address) {
        forget_if_empty(crowd, origin);
        return HW_CROWD_ADDRESS_FULL;
    }
    origin->connections++;
    place->origin = origin;
    return HW_CROWD_IN;
}

enum hw_crowd_answer hw_crowd_enter(struct hw_crowd *crowd, struct hw_place *place,
                                    const struct sockaddr *peer)
{
    *place = (struct hw_place){0};
    enum hw_crowd_answer answer = peer ? hw_crowd_join(crowd, place, peer) : HW_CROWD_IN;
    if (answer != HW_CROWD_IN)
        return answer;
    crowd->connections++;
    place->counted = true;
    return HW_CROWD_IN;
}

void hw_crowd_leave(struct hw_crowd *crowd, struct hw_place *place)
{
    if (!place->counted)
        return;
    hw_crowd_end(crowd, place);
    crowd->connections--;
    if (place->origin) {
        place->origin->connections--;
        forget_if_empty(crowd, place->origin);
    }
    *place = (struct hw_place){0};
}

/* ---- unfinished requests ---- */

/* An origin's share of `unfinished`: the same fraction as per_address is of the connections. */
static size_t share(const struct hw_crowd_limits *limits)
{
    double part = (double)limits->per_address / (double)limits->connections;
    return hw_crowd_part(limits->unfinished, part);
}

bool hw_crowd_begin(struct hw_crowd *crowd, struct hw_place *place)
{
    if (!place->counted || place->unfinished)
        return true;
    place->unfinished = true;
    place->next = &crowd->ring;
    place->prev = crowd->ring.prev;
    place->prev->next = place->next->prev = place;
    crowd->unfinished++;
    hw_heap_put(&crowd->largest, &place->node);
    if (!place->origin)
        return true;
    size_t most = share(&crowd->limits);
    return ++place->origin->unfinished <= most || most >= crowd->limits.unfinished;
}

void hw_crowd_end(struct hw_crowd *crowd, struct hw_place *place)
{
    if (!place->unfinished)
        return;
    place->unfinished = false;
    place->prev->next = place->next;
    place->next->prev = place->prev;
    hw_heap_take(&crowd->largest, &place->node);
    crowd->unfinished--;
    if (place->origin)
        place->origin->unfinished--;
}

void hw_crowd_weigh(struct hw_crowd *crowd, struct hw_place *place, size_t bytes)
{
    if (place->unfinished)
        hw_heap_take(&crowd->largest, &place->node);
    place->node.key = bytes;
    if (place->unfinished)
        hw_heap_put(&crowd->largest, &place->node);
}

struct hw_place *hw_crowd_oldest(const struct hw_crowd *crowd)
{
    return crowd->unfinished ? crowd->ring.next : NULL;
}

struct hw_place *hw_crowd_largest(const struct hw_crowd *crowd)
{
    char *node = (char *)crowd->largest;
    return node ? (struct hw_place *)(node - offsetof(struct hw_place, node)) : NULL;
}
