/* crowd.h -- limits on connections and on unfinished requests, in total and for each address.
 *
 * Why     a connection costs a stranger nothing. Without limits one address could take all of them,
 *         and nobody else would be served.
 * How     connections and unfinished requests are counted in total and for each origin (origin.h),
 *         which is remembered while it has connections. Some count in total only: those without an
 *         origin, those that are exempt (access.h), and those whose client is not known yet. A
 *         connection that no limit concerns (the control socket's) is not entered.
 * Victims over max_unfinished the oldest request is refused, over max_memory_bodies the largest.
 *         Any client can cause a refusal with each connection that it opens, so finding the request
 *         must be cheap: the oldest is the first of a ring, the largest is the top of a heap.
 * Thread  leader only. */
#ifndef HW_CROWD_H
#define HW_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/heap.h"

/* An origin's share is never smaller, unless the whole is: no ordinary sender is affected. */
enum { HW_CROWD_LEAST = 16 };
#define HW_CROWD_USUAL_PART 0.25

struct hw_origin;

struct hw_crowd_limits {
    size_t connections;
    size_t per_address; /* connections */
    size_t unfinished;  /* requests that have begun and are not complete; an origin has the same
                         * share of these as of the connections */
};

/* A connection's part. Zeroed, it is not counted. It must not move in memory while it has an
 * unfinished request. */
struct hw_place {
    struct hw_origin *origin; /* NULL: it counts in total only */
    bool counted, unfinished;
    struct hw_place *prev, *next; /* among the unfinished ones */
    struct hw_heap_node node;     /* the same; the key is its request's memory in bytes */
};

struct hw_crowd {
    struct hw_crowd_limits limits; /* may change; that closes no connection */
    size_t connections, unfinished;
    struct hw_place ring;         /* of the unfinished ones, oldest first */
    struct hw_heap_node *largest; /* the top of the same ones' heap */
    struct hw_origin **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t origin_count;
    uint64_t seed; /* random, so that a client can't choose its bucket */
};

enum hw_crowd_answer {
    HW_CROWD_IN,
    HW_CROWD_ADDRESS_FULL, /* its address already has per_address connections */
    HW_CROWD_NO_MEMORY
};

/* An origin's share of `whole`: `part` of it (1: all), but at least HW_CROWD_LEAST, or `whole` if
 * that is smaller. */
size_t hw_crowd_part(size_t whole, double part);

void hw_crowd_init(struct hw_crowd *crowd);
void hw_crowd_fini(struct hw_crowd *crowd);

/* Whether one more connection would be over the limit. */
static inline bool hw_crowd_is_full(const struct hw_crowd *crowd)
{
    return crowd->connections >= crowd->limits.connections;
}

/* Counts a connection; the caller has checked hw_crowd_is_full. `peer` NULL: in total only. On
 * HW_CROWD_IN `place` is filled in, and hw_crowd_leave must be called with it later. */
enum hw_crowd_answer hw_crowd_enter(struct hw_crowd *crowd, struct hw_place *place,
                                    const struct sockaddr *peer);

/* From now on a connection that counted in total only counts for its peer's origin as well. Unless
 * it returns HW_CROWD_IN, nothing has changed. Not while it has an unfinished request. */
enum hw_crowd_answer hw_crowd_join(struct hw_crowd *crowd, struct hw_place *place,
                                   const struct sockaddr *peer);

/* Stops counting a connection, and its unfinished request. Idempotent. */
void hw_crowd_leave(struct hw_crowd *crowd, struct hw_place *place);

/* Its request has begun and is incomplete. Returns false when its origin now has more than its
 * share of unfinished requests; never when that share is all of them. Idempotent. */
bool hw_crowd_begin(struct hw_crowd *crowd, struct hw_place *place);

/* Its request is complete, or given up. Idempotent. */
void hw_crowd_end(struct hw_crowd *crowd, struct hw_place *place);

/* Its request now has `bytes` of memory. */
void hw_crowd_weigh(struct hw_crowd *crowd, struct hw_place *place, size_t bytes);

static inline size_t hw_crowd_weight(const struct hw_place *place)
{
    return (size_t)place->node.key;
}

/* The unfinished request that began first; NULL when there is none. */
struct hw_place *hw_crowd_oldest(const struct hw_crowd *crowd);

/* The unfinished request with the most memory; NULL when there is none. */
struct hw_place *hw_crowd_largest(const struct hw_crowd *crowd);

/* Whether there are more unfinished requests than the limit allows. */
static inline bool hw_crowd_has_too_many_unfinished(const struct hw_crowd *crowd)
{
    return crowd->unfinished > crowd->limits.unfinished;
}

#endif
