/* crowd.h -- how many may be in the house: in all, from one address, and with a request half told.
 *
 * Why     a connection costs a stranger nothing. Without bounds one address takes all places, and
 *         whoever has something to say is not heard.
 * How     two numbers for the house, and the same two for each origin: an IPv4 address, or the /64
 *         of an IPv6 one, which is what one subscriber has. An origin is remembered while it has
 *         connections. A Unix socket has none: who may open it is a matter of its file's mode.
 *         Who is outside of all this (the control socket) is not entered.
 * Thread  leader only. */
#ifndef HW_CROWD_H
#define HW_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* What one origin may have in any case, unless the house has less: no ordinary sender is hurt. */
enum { HW_CROWD_LEAST = 16 };
#define HW_CROWD_USUAL_PART 0.25

struct hw_origin;

struct hw_crowd_limits {
    size_t connections;
    size_t per_address; /* connections */
    size_t unfinished;  /* requests that have begun and are not whole; an origin has the same share
                         * of these as of the connections */
};

/* A connection's part. All zero: it is not counted. From its first unfinished request on it stays
 * where it is in memory. */
struct hw_place {
    struct hw_origin *origin; /* NULL: a Unix socket's */
    bool counted, unfinished;
    struct hw_place *prev, *next; /* among the unfinished ones */
    size_t bytes;                 /* that its request takes: the connection's to say */
};

struct hw_crowd {
    struct hw_crowd_limits limits; /* may change; who is in stays in */
    size_t connections, unfinished;
    struct hw_place ring; /* around it the unfinished ones, the one under way longest first */
    struct hw_origin **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t origin_count;
    uint64_t seed; /* a stranger must not be able to choose his bucket */
};

enum hw_crowd_answer {
    HW_CROWD_IN,
    HW_CROWD_ADDRESS_FULL, /* its address has per_address connections */
    HW_CROWD_NO_MEMORY
};

/* The part of the whole (1: all of it) that one origin may have; see HW_CROWD_LEAST. */
size_t hw_crowd_part(size_t whole, double part);

void hw_crowd_init(struct hw_crowd *crowd);
void hw_crowd_fini(struct hw_crowd *crowd);

/* Whether one more would be over `connections`. */
static inline bool hw_crowd_is_full(const struct hw_crowd *crowd)
{
    return crowd->connections >= crowd->limits.connections;
}

/* Lets one in; whether the house is full is the caller's to ask. Fills `place` in for HW_CROWD_IN,
 * which must be left again. */
enum hw_crowd_answer hw_crowd_enter(struct hw_crowd *crowd, struct hw_place *place,
                                    const struct sockaddr *peer);

/* Twice is once. */
void hw_crowd_leave(struct hw_crowd *crowd, struct hw_place *place);

/* Its request has begun, and more of it must come. Returns false when its origin has more than its
 * share of these, itself included; never where its share is all of them. Twice is once. */
bool hw_crowd_begin(struct hw_crowd *crowd, struct hw_place *place);

/* Of the unfinished ones; NULL: there is none. The second one looks at all. */
struct hw_place *hw_crowd_longest(struct hw_crowd *crowd);
struct hw_place *hw_crowd_largest(struct hw_crowd *crowd);

/* It is whole, or nothing will come of it. Twice is once. */
void hw_crowd_end(struct hw_crowd *crowd, struct hw_place *place);

/* Whether there are more of these than there may be. */
static inline bool hw_crowd_has_too_many_unfinished(const struct hw_crowd *crowd)
{
    return crowd->unfinished > crowd->limits.unfinished;
}

#endif
