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

const char *hw_stats_name(enum hw_count which)
{
    return names[which];
}
