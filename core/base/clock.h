/* clock.h -- the time of day, and a clock that only goes forward.
 *
 * Thread  any. */
#ifndef HW_CLOCK_H
#define HW_CLOCK_H

#include <stdint.h>

/* Seconds since 1970. It leaps when the machine's clock is set. */
double hw_now(void);

/* Monotonic, in nanoseconds. */
uint64_t hw_now_ns(void);

#endif
