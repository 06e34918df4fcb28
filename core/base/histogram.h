/* histogram.h -- counts values in buckets with fixed bounds: durations and sizes.
 *
 * How     one thread adds, without a lock or an atomic addition. A reader sees each number as it
 *         was a moment ago; two numbers may be of different moments.
 * Thread  init: before all others; add: one; the rest: any. */
#ifndef HW_HISTOGRAM_H
#define HW_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { HW_HISTOGRAM_BOUNDS_MAX = 24 };

/* The greatest value of each bucket, ascending. Above the last bound there is one bucket more. */
struct hw_histogram_bounds {
    size_t count;
    uint64_t at[HW_HISTOGRAM_BOUNDS_MAX];
};

/* From 100 microseconds to a minute, in nanoseconds. */
extern const struct hw_histogram_bounds hw_histogram_durations;

struct hw_histogram {
    /* constant after init */
    const struct hw_histogram_bounds *bounds;

    /* atomic: one thread writes, any thread reads */
    _Atomic uint64_t counts[HW_HISTOGRAM_BOUNDS_MAX + 1]; /* of each bucket by itself */
    _Atomic uint64_t sum;
};

/* `bounds` is static. */
void hw_histogram_init(struct hw_histogram *h, const struct hw_histogram_bounds *bounds);

static inline uint64_t hw_histogram_get(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static inline void hw_histogram_raise(_Atomic uint64_t *number, uint64_t more)
{
    atomic_store_explicit(number, hw_histogram_get(number) + more, memory_order_relaxed);
}

static inline void hw_histogram_add(struct hw_histogram *h, uint64_t value)
{
    size_t i = 0;
    while (i < h->bounds->count && value > h->bounds->at[i])
        i++;
    hw_histogram_raise(&h->counts[i], 1);
    hw_histogram_raise(&h->sum, value);
}

/* How many values were added. */
uint64_t hw_histogram_count(const struct hw_histogram *h);

/* The value below which the fraction `q` (0 to 1) of all values lies. Values are assumed to be
 * spread evenly within their bucket. Returns the last bound for a value above it, 0 without
 * values. */
double hw_histogram_quantile(const struct hw_histogram *h, double q);

/* The same of plain counts, one more than there are bounds. */
double hw_histogram_quantile_of(const struct hw_histogram_bounds *bounds, const uint64_t *counts,
                                double q);

#endif
