/* stats.c -- see stats.h */
#include "base/stats.h"

static const char *const names[] = {
#define HW_COUNT_NAME(count, name, what) name,
    HW_COUNTS(HW_COUNT_NAME)
#undef HW_COUNT_NAME
};

void hw_stats_copy(struct hw_stats *to, const struct hw_stats *from)
{
    for (int i = 0; i < HW_COUNT_END; i++)
        atomic_init(&to->counts[i], hw_stats_get(&from->counts[i]));
    for (int i = 0; i < HW_STATS_ERRORS; i++)
        atomic_init(&to->errors[i], hw_stats_get(&from->errors[i]));
}

static uint64_t sum_errors(const struct hw_stats *stats, int first, int last)
{
    uint64_t sum = 0;
    for (int code = first; code <= last; code++)
        if (code != HW_EPAUSED)
            sum += hw_stats_get(&stats->errors[hw_stats_row(code)]);
    return sum;
}

/* The codes stand in this order in error.h: a forged signature, what a sender made wrong, what went
 * wrong here, the protocol. */
uint64_t hw_stats_failed(const struct hw_stats *stats)
{
    return sum_errors(stats, HW_EINVALID_JSON, HW_EDRAINING) +
           hw_stats_get(&stats->counts[HW_COUNT_REPLAYS_FAILED]) +
           hw_stats_get(&stats->counts[HW_COUNT_RETRIES_FAILED]);
}

uint64_t hw_stats_refused(const struct hw_stats *stats)
{
    return sum_errors(stats, HW_ERROR_BASE + 1, HW_EMALFORMED_JOB_ATTEMPT) +
           sum_errors(stats, HW_EMALFORMED_REQUEST, HW_ERELOAD_FAILED - 1);
}

const char *hw_stats_name(enum hw_count which)
{
    return names[which];
}
