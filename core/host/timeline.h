/* timeline.h -- the last week by the minute, for the plots of the admin page: GET /timeline.
 *
 * Why     numbers since the start do not show when something began to fail, and not everybody has a
 *         Prometheus that would.
 * How     At the end of each minute of the wall clock the leader notes how much each count has grown
 *         since the last time. A ring has a place for each minute of a week; a minute that was noted
 *         before, since the clock was set back, gets both. So a clock that leaps moves what is
 *         noted, and neither loses nor doubles it. The ring is there only with an admin listener.
 *         Each minute is also saved with the ledger, and read back at the next start: a restart
 *         loses at most the minute that had begun.
 * Thread  leader only; start: whoever has the loop. */
#ifndef HW_TIMELINE_H
#define HW_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/str.h"
#include "trip/dispatch.h"

enum {
    HW_TIMELINE_MINUTES = 7 * 24 * 60,
    HW_TIMELINE_POINTS_MAX = 300, /* of an answer */
    HW_TIMELINE_DURATIONS = 19    /* buckets of hw_histogram_durations */
};

/* What is counted; the order is that of saved minutes. */
#define HW_TIMELINE_COUNTS(X)                                                                      \
    X(HW_TIMELINE_SUCCEEDED, "succeeded") /* by a handler, whoever had it run */                   \
    X(HW_TIMELINE_FAILED, "failed")                                                                \
    X(HW_TIMELINE_UNHANDLED, "unhandled")                                                          \
    X(HW_TIMELINE_DUPLICATES, "duplicates")                                                        \
    X(HW_TIMELINE_REFUSED, "refused") /* of strangers */

enum hw_timeline_count {
#define HW_TIMELINE_ENUM(count, name) count,
    HW_TIMELINE_COUNTS(HW_TIMELINE_ENUM)
#undef HW_TIMELINE_ENUM
        HW_TIMELINE_COUNTS_END
};

/* A minute; or all that was counted until now. */
struct hw_timeline_numbers {
    uint64_t counts[HW_TIMELINE_COUNTS_END];
    uint64_t durations[HW_TIMELINE_DURATIONS]; /* handlers' times */
    uint64_t backlog;                          /* waiting at the end: no count */
};

struct hw_timeline_minute {
    int64_t at; /* minutes since 1970; 0: nothing was noted here */
    uint32_t counts[HW_TIMELINE_COUNTS_END];
    uint32_t durations[HW_TIMELINE_DURATIONS];
    uint32_t backlog;
};

enum hw_timeline_range {
    HW_TIMELINE_HOUR,
    HW_TIMELINE_DAY,
    HW_TIMELINE_WEEK,
    HW_TIMELINE_RANGES_END
};

/* Zeroed at first. */
struct hw_timeline {
    /* constant after start */
    const struct hw_dispatch *dispatch;

    /* leader only */
    struct hw_timeline_minute *minutes; /* NULL: there is no timeline */
    struct hw_timeline_numbers last;    /* when a minute was last noted */
    uv_timer_t timer;
};

/* Reads what was saved, and begins. The loop's owner closes the timer; then comes fini. Returns 0 or
 * HW_ENOMEM. */
int hw_timeline_start(struct hw_timeline *timeline, uv_loop_t *loop,
                      const struct hw_dispatch *dispatch);
void hw_timeline_fini(struct hw_timeline *timeline);

/* "hour", "day" or "week"; HW_TIMELINE_RANGES_END: none of them. */
enum hw_timeline_range hw_timeline_range_of(struct hw_str name);

/* The answer to GET /timeline, in JSON, the caller's (free); NULL without memory or a timeline:
 *     {"step":60,"start":1790000000,"points":[{"t":1790000000,"succeeded":1,…,"p50":0.01,"p95":0.01,
 *      "p99":0.01,"backlog":0},…]}
 * Seconds; the last point has what has been counted of the present minute. What is not known is
 * left out: quantiles when no handler ran, backlog when no host did. */
char *hw_timeline_write(const struct hw_timeline *timeline, enum hw_timeline_range range,
                        size_t *len);

/* ---- as it is saved ---- */

enum {
    HW_TIMELINE_SAVED_NUMBERS = HW_TIMELINE_COUNTS_END + 1 + HW_TIMELINE_DURATIONS,
    HW_TIMELINE_SAVED_MAX = 1 + 5 * HW_TIMELINE_SAVED_NUMBERS /* bytes */
};

/* Writes a version, and each number in bytes of seven bits, the lowest first; all but the last have
 * the highest bit set. Returns the length. */
size_t hw_timeline_encode(const struct hw_timeline_minute *minute,
                          uint8_t bytes[HW_TIMELINE_SAVED_MAX]);

/* Fills in all but `at`. Returns false for bytes of another version, or broken ones. */
bool hw_timeline_decode(struct hw_timeline_minute *minute, const void *bytes, size_t len);

/* ---- for tests: the same, with the numbers and the time (milliseconds since 1970) given ---- */

int hw_timeline_init(struct hw_timeline *timeline);
const struct hw_timeline_minute *hw_timeline_note(struct hw_timeline *timeline,
                                                  const struct hw_timeline_numbers *now,
                                                  int64_t now_ms); /* returns what was noted */
char *hw_timeline_write_at(const struct hw_timeline *timeline, enum hw_timeline_range range,
                           const struct hw_timeline_numbers *now, int64_t now_ms, size_t *len);

/* How long to wait for the end of the minute. */
uint64_t hw_timeline_wait_ms(int64_t now_ms);

#endif
