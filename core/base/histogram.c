/* histogram.c -- see histogram.h */
#include "base/histogram.h"

#include "base/check.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

const struct hw_histogram_bounds hw_histogram_durations = {
    18,
    {100 * US, 250 * US, 500 * US, 1 * MS, 2500 * US, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS,
     250 * MS, 500 * MS, 1 * S, 2500 * MS, 5 * S, 10 * S, 30 * S, 60 * S}};

void hw_histogram_init(struct hw_histogram *h, const struct hw_histogram_bounds *bounds)
{
    HW_CHECK(bounds->count <= HW_HISTOGRAM_BOUNDS_MAX);
    *h = (struct hw_histogram){.bounds = bounds};
}

static uint64_t total(const uint64_t *counts, size_t count)
{
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++)
        all += counts[i];
    return all;
}

double hw_histogram_quantile_of(const struct hw_histogram_bounds *bounds, const uint64_t *counts,
                                double q)
{
    double rank = q * (double)total(counts, bounds->count + 1), before = 0;
    if (rank <= 0)
        return 0;
    for (size_t i = 0; i < bounds->count; i++) {
        double low = i ? (double)bounds->at[i - 1] : 0, inside = (double)counts[i];
        if (before + inside >= rank)
            return low + ((double)bounds->at[i] - low) * (rank - before) / inside;
        before += inside;
    }
    return (double)bounds->at[bounds->count - 1];
}

/* A copy, so that all is computed from the same numbers. */
static void copy(const struct hw_histogram *h, uint64_t *counts)
{
    for (size_t i = 0; i <= h->bounds->count; i++)
        counts[i] = hw_histogram_get(&h->counts[i]);
}

double hw_histogram_quantile(const struct hw_histogram *h, double q)
{
    uint64_t counts[HW_HISTOGRAM_BOUNDS_MAX + 1];
    copy(h, counts);
    return hw_histogram_quantile_of(h->bounds, counts, q);
}

uint64_t hw_histogram_count(const struct hw_histogram *h)
{
    uint64_t counts[HW_HISTOGRAM_BOUNDS_MAX + 1];
    copy(h, counts);
    return total(counts, h->bounds->count + 1);
}
