/* failures.h -- the addresses that fail to be authentic too often: max_failures_per_address.
 *
 * Why     a verification costs far more than a forgery. Whoever sends many of them should not delay
 *         those who sign.
 * How     requests that were not authentic are counted for each origin (origin.h) by a sliding
 *         window: those of the present minute, and those of the minute before, in proportion to how
 *         much of it is less than a minute ago. An origin is over the limit while that is more than
 *         the limit. What follows from it is the caller's business.
 * Memory  a table of HW_FAILURES_ORIGINS, in sets of HW_FAILURES_WAYS; the seed that decides the
 *         set of an origin is random. A new origin takes the place of the one with the fewest
 *         failures in its set. One that is forgotten in this way is treated like everybody.
 * Log     an origin that goes over the limit: at once, then once a minute with a count.
 * Thread  leader only. */
#ifndef HW_FAILURES_H
#define HW_FAILURES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/seldom.h"
#include "http/address.h"

enum { HW_FAILURES_ORIGINS = 8192, HW_FAILURES_WAYS = 8, HW_FAILURES_MINUTE_MS = 60000 };

struct hw_failing {
    uint64_t origin;
    uint32_t minute; /* the number of the minute that `now` counts */
    uint32_t now, before;
};

/* Zeroed, it is off. */
struct hw_failures {
    unsigned limit;           /* of failures within a minute; 0: off */
    struct hw_failing *table; /* NULL while it is off */
    uint64_t seed;
    struct hw_seldom over; /* origins that went over the limit */
};

/* Sets the limit, also while it is in use; 0 turns it off and forgets all. Returns 0; or HW_ENOMEM,
 * and then it is off. */
int hw_failures_limit(struct hw_failures *f, unsigned limit);
void hw_failures_fini(struct hw_failures *f);

/* Counts a request of this address that was not authentic. `now_ms` is monotonic. */
void hw_failures_note(struct hw_failures *f, const struct sockaddr *address, uint64_t now_ms);

/* For hw_failures_is_over, when it is on. */
bool hw_failures_look_up(const struct hw_failures *f, const struct sockaddr *address,
                         uint64_t now_ms);

static inline bool hw_failures_is_over(const struct hw_failures *f, const struct sockaddr *address,
                                       uint64_t now_ms)
{
    return f->limit && hw_failures_look_up(f, address, now_ms);
}

#endif
