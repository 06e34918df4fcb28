/* clock.h -- the time of day, and a clock that only goes forward.
 *
 * Thread  any. */
#ifndef HW_CLOCK_H
#define HW_CLOCK_H

#include <stdint.h>

/* Seconds since 1970. It leaps when the machine's clock is set. */
double hw_now(void);

/* The time of day in milliseconds since 1970, but for leaps backwards: then it goes on evenly from
 * where it was, so that what waits does not wait longer. Zeroed at first. Thread: one at a time. */
struct hw_forward_clock {
    int64_t ms;
    uint64_t at_ns; /* since the machine's start, its sleep included */
};
int64_t hw_forward_clock_ms(struct hw_forward_clock *clock);

/* Monotonic, in nanoseconds. */
uint64_t hw_now_ns(void);

#endif
