/* pauses.h -- the events that are paused: accepted if they can be, and not run.
 *
 * Why     somebody repairs a database, or looks at what a handler does wrong. Meanwhile nothing of
 *         that event should run, and nothing of it be lost.
 * How     a few patterns, as those of hook.on, in memory for every notification to be compared
 *         with. While there are none that costs one atomic read. The durable ledger keeps them in its
 *         file too (park.c).
 * Thread  change: one at a time, the one that writes to the ledger; hold, each: any. */
#ifndef HW_PAUSES_H
#define HW_PAUSES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
    HW_PAUSES_MAX = 256,        /* patterns; each is compared with every notification */
    HW_PAUSES_PATTERN_MAX = 256 /* bytes */
};

struct hw_pauses {
    /* guarded by m */
    pthread_mutex_t m;
    struct hw_paused {
        struct hw_paused *next; /* in the order of their time */
        int64_t since;          /* milliseconds since 1970 */
        struct hw_str pattern;
    } * first;
    size_t count;

    /* atomic */
    atomic_bool any; /* count > 0 */
};

/* What somebody wants changed. */
struct hw_pause {
    bool resume;
    bool changed;  /* set by the ledger: false: it was so before */
    int64_t since; /* of a pause: now */
    struct hw_str pattern;
};

void hw_pauses_init(struct hw_pauses *pauses);
void hw_pauses_fini(struct hw_pauses *pauses);

/* Whether it is a pattern as hook.on takes them ("A.B", "A.*", "*.B", "*"), not too long, UTF-8 and
 * without control characters. */
bool hw_pauses_is_pattern(struct hw_str pattern);
bool hw_pauses_matches(struct hw_str pattern, struct hw_str event);

/* Whether anything is paused at all. */
static inline bool hw_pauses_are_any(const struct hw_pauses *pauses)
{
    return atomic_load_explicit(&pauses->any, memory_order_acquire);
}

/* Whether nothing of this event may run. `compare` is for hold alone. */
bool hw_pauses_compare(struct hw_pauses *pauses, struct hw_str event);
static inline bool hw_pauses_hold(struct hw_pauses *pauses, struct hw_str event)
{
    return hw_pauses_are_any(pauses) && hw_pauses_compare(pauses, event);
}

size_t hw_pauses_count(struct hw_pauses *pauses);

/* Whether this very pattern is paused. */
bool hw_pauses_has(struct hw_pauses *pauses, struct hw_str pattern);

/* Adds or takes away a pattern. Returns 0, HW_EOVERLOADED (as many as there may be) or HW_ENOMEM. */
int hw_pauses_add(struct hw_pauses *pauses, struct hw_str pattern, int64_t since);
void hw_pauses_remove(struct hw_pauses *pauses, struct hw_str pattern);

/* Says in the log what was changed. */
void hw_pauses_log(const struct hw_pause *pause);

/* Calls `each` for each pattern, the oldest first, with the lock held. */
void hw_pauses_each(struct hw_pauses *pauses,
                    void (*each)(void *ud, struct hw_str pattern, int64_t since), void *ud);

#endif
