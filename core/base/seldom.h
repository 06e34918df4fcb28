/* seldom.h -- for logging what may happen 100,000 times a second: once a minute, with a count.
 *
 * Thread  the caller's; no clock of its own. */
#ifndef HW_SELDOM_H
#define HW_SELDOM_H

#include <stdint.h>

enum { HW_SELDOM_MS = 60000 };

struct hw_seldom {
    uint64_t quiet_until_ms;
    uint64_t untold; /* counted, but not reported yet */
};

/* Returns how many are to be reported now, and counts them as reported; 0 when it is too early. */
static inline uint64_t hw_seldom_due(struct hw_seldom *s, uint64_t now_ms)
{
    uint64_t count = s->untold;
    if (count == 0 || now_ms < s->quiet_until_ms)
        return 0;
    s->quiet_until_ms = now_ms + HW_SELDOM_MS;
    s->untold = 0;
    return count;
}

/* Counts one more. The first is to be reported at once. Returns as hw_seldom_due. */
static inline uint64_t hw_seldom_count(struct hw_seldom *s, uint64_t now_ms)
{
    s->untold++;
    return hw_seldom_due(s, now_ms);
}

#endif
