/* events.h -- what became of notifications, by the name of their event.
 *
 * Why     "which event fails" is asked before "how many fail". The names come from senders, and a
 *         metric for each of arbitrarily many names would fill memory here and in Prometheus.
 * How     the first HW_EVENTS_MAX names have a row each, for as long as the host runs. All others,
 *         and names that are too long or hold control characters, share the row HW_EVENTS_OTHER.
 *         Only an authentic notification names an event, so no stranger can use up the rows.
 *         Counting is a look-up in a hash table; memory is allocated once a name.
 * Thread  leader only. */
#ifndef HW_EVENTS_H
#define HW_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { HW_EVENTS_MAX = 100, HW_EVENTS_NAME_MAX = 128 /* bytes */, HW_EVENTS_SLOTS = 256 };

#define HW_EVENTS_OTHER "other"
#define HW_EVENTS_NONE "none" /* for what has no readable event, such as a body that is not JSON */

/* Enumerator, its name in GET /state. Those before HW_EVENT_RETRIED are the outcomes of
 * what senders delivered. */
#define HW_EVENT_COUNTS(X)                                                                         \
    X(HW_EVENT_SUCCEEDED, "succeeded")                                                             \
    X(HW_EVENT_FAILED, "failed")                                                                   \
    X(HW_EVENT_PAUSED, "paused")                                                                   \
    X(HW_EVENT_UNHANDLED, "unhandled")                                                             \
    X(HW_EVENT_DUPLICATES, "duplicates")                                                           \
    X(HW_EVENT_JOINED, "joined") /* copies of one in flight */                                     \
    X(HW_EVENT_RETRIED, "retried")                                                                 \
    X(HW_EVENT_RETRIES_FAILED, "retries_failed")                                                   \
    X(HW_EVENT_REPLAYED, "replayed")                                                               \
    X(HW_EVENT_REPLAYS_FAILED, "replays_failed")                                                   \
    X(HW_EVENT_DEAD, "dead") /* times that one became a dead letter */

enum hw_event_count {
#define HW_EVENT_ENUM(count, name) count,
    HW_EVENT_COUNTS(HW_EVENT_ENUM)
#undef HW_EVENT_ENUM
        HW_EVENT_COUNTS_END
};

struct hw_event {
    char *name; /* NULL: the row is not used */
    size_t name_len;
    uint64_t counts[HW_EVENT_COUNTS_END];
    int last_error;       /* a code; 0: none failed */
    double last_error_at; /* seconds since 1970 */
};

/* Zeroed at first. */
struct hw_events {
    struct hw_event rows[HW_EVENTS_MAX]; /* in the order of their first notification */
    size_t count;
    struct hw_event other;          /* named once it is used */
    uint8_t slots[HW_EVENTS_SLOTS]; /* 1 + the index of a row; 0: free */
    uint64_t seed;                  /* random, so that a sender can't choose its slot */
};

void hw_events_fini(struct hw_events *events);

/* The row of this event, which is its own, or HW_EVENTS_OTHER's. An empty name stands for
 * HW_EVENTS_NONE. */
struct hw_event *hw_events_find(struct hw_events *events, struct hw_str name);

/* The rows that are used, HW_EVENTS_OTHER's last; NULL past the last one. */
const struct hw_event *hw_events_at(const struct hw_events *events, size_t index);

/* The static name of a count. */
const char *hw_events_name(enum hw_event_count which);

#endif
