/* seldom.h -- what may happen 100,000 times a second is said once a minute, with a count.
 *
 * Thread  the caller's; no clock of its own. */
#ifndef HW_SELDOM_H
#define HW_SELDOM_H

#include <stdint.h>

enum { HW_SELDOM_MS = 60000 };

struct hw_seldom {
    uint64_t quiet_until_ms;
    uint64_t untold;
};

/* How many it is time to tell of, which are told with that; 0: none now. */
static inline uint64_t hw_seldom_due(struct hw_seldom *s, uint64_t now_ms)
{
    uint64_t count = s->untold;
    if (count == 0 || now_ms < s->quiet_until_ms)
        return 0;
    s->quiet_until_ms = now_ms + HW_SELDOM_MS;
    s->untold = 0;
    return count;
}

/* One more. The first one is told at once. Returns as above. */
static inline uint64_t hw_seldom_count(struct hw_seldom *s, uint64_t now_ms)
{
    s->untold++;
    return hw_seldom_due(s, now_ms);
}

#endif
