/* stats.h -- what a host has done so far, in numbers: for the library's stats(), and for metrics.
 *
 * How     only the leader counts, so no lock and no atomic addition is needed. A reader sees each
 *         number as it was a moment ago; two numbers may be of different moments.
 * Thread  add, set: leader only; get, copy: any. */
#ifndef HW_STATS_H
#define HW_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"

/* Enumerator, name, what it counts.
 * received = succeeded + unhandled + duplicates + joined + errors of jobs + jobs still in flight */
#define HW_COUNTS(X)                                                                               \
    X(HW_COUNT_RECEIVED, "received", "notifications that arrived completely, copies included")     \
    X(HW_COUNT_SUCCEEDED, "succeeded", "handled, recorded and answered 200")                       \
    X(HW_COUNT_UNHANDLED, "unhandled", "answered 200 without a handler (unhandled = accept)")      \
    X(HW_COUNT_DUPLICATES, "duplicates", "answered from the ledger")                               \
    X(HW_COUNT_JOINED, "joined", "copies of one in flight, answered with it")                      \
    X(HW_COUNT_REPLAYED, "replayed", "recorded ones that were run again, and succeeded")           \
    X(HW_COUNT_REPLAYS_FAILED, "replays_failed", "recorded ones that were run again, and failed")  \
    X(HW_COUNT_ACKED_FIRST, "acked_first", "answered 200 before they ran (ack-first)")             \
    X(HW_COUNT_RETRIED, "retried", "the host's own retries that succeeded")                        \
    X(HW_COUNT_RETRIES_FAILED, "retries_failed", "the host's own retries that failed")             \
    X(HW_COUNT_VERIFIED_LAST, "verified_last", "put last: max_failures_per_address")               \
    X(HW_COUNT_STUCK, "stuck", "handlers that did not return in time")                             \
    X(HW_COUNT_REPLACED, "replaced", "workers replaced: their handler could not be stopped")       \
    X(HW_COUNT_UNREPLACED, "unreplaced", "workers lost in that way and not replaced")              \
    X(HW_COUNT_ACCEPTED, "accepted", "connections that were accepted")                             \
    X(HW_COUNT_TURNED_AWAY, "turned_away", "connections that were closed at once: see the log")    \
    X(HW_COUNT_BAD_PROXY_HEADERS, "bad_proxy_headers", "closed: no proper PROXY protocol header")  \
    X(HW_COUNT_MADE_ROOM, "made_room", "idle connections that were closed for new ones")           \
    X(HW_COUNT_OUT_OF_FILES, "out_of_files", "times that no file or memory was left for one")      \
    X(HW_COUNT_HANDSHAKES, "handshakes", "TLS handshakes that were completed")                     \
    X(HW_COUNT_HANDSHAKES_RESUMED, "handshakes_resumed", "those of them that resumed a session")   \
    X(HW_COUNT_HANDSHAKES_FAILED, "handshakes_failed", "TLS handshakes that failed")               \
    X(HW_COUNT_CONNECTIONS, "connections", "connections that are open now")                        \
    X(HW_COUNT_IN_FLIGHT, "in_flight", "complete requests without an answer now")                  \
    X(HW_COUNT_RELOADS, "reloads", "versions that took effect since the start")                    \
    X(HW_COUNT_RELOADS_FAILED, "reloads_failed", "attempts to reload that changed nothing")

enum hw_count {
#define HW_COUNT_ENUM(count, name, what) count,
    HW_COUNTS(HW_COUNT_ENUM)
#undef HW_COUNT_ENUM
        HW_COUNT_END
};

enum { HW_STATS_ERRORS = HW_ERROR_END - HW_ERROR_BASE };

struct hw_stats {
    /* atomic: the leader writes, any thread reads */
    _Atomic uint64_t counts[HW_COUNT_END];
    _Atomic uint64_t errors[HW_STATS_ERRORS]; /* answers with an error, by hw_stats_row(code) */
};

static inline unsigned hw_stats_row(int code)
{
    return (unsigned)(code - HW_ERROR_BASE);
}

static inline uint64_t hw_stats_get(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static inline void hw_stats_set(struct hw_stats *s, enum hw_count which, uint64_t value)
{
    atomic_store_explicit(&s->counts[which], value, memory_order_relaxed);
}

static inline void hw_stats_add(struct hw_stats *s, enum hw_count which, uint64_t more)
{
    hw_stats_set(s, which, hw_stats_get(&s->counts[which]) + more);
}

static inline void hw_stats_add_error(struct hw_stats *s, int code)
{
    _Atomic uint64_t *number = &s->errors[hw_stats_row(code)];
    atomic_store_explicit(number, hw_stats_get(number) + 1, memory_order_relaxed);
}

/* Copies all numbers. No other thread uses `to`. */
void hw_stats_copy(struct hw_stats *to, const struct hw_stats *from);

/* Notifications that failed, whoever had them run; without those that wait for a pause to end. */
uint64_t hw_stats_failed(const struct hw_stats *stats);

/* Requests that were refused before anything was known to be authentic. */
uint64_t hw_stats_refused(const struct hw_stats *stats);

/* The static name of a count, as in the table that Lua gets. */
const char *hw_stats_name(enum hw_count which);

#endif
