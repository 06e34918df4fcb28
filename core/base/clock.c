/* clock.c -- see clock.h */
#include "base/clock.h"

#include <stdbool.h>
#include <time.h>

double hw_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

uint64_t hw_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- the forward clock ---- */

enum { LEAP_MS = 2000 /* less is how clocks are kept right */ };

static uint64_t since_start_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t hw_forward_clock_ms(struct hw_forward_clock *clock)
{
    int64_t by_day = (int64_t)(hw_now() * 1000);
    uint64_t now_ns = since_start_ns();
    int64_t evenly = clock->ms + (int64_t)((now_ns - clock->at_ns) / 1000000);
    bool went_back = clock->ms && by_day < evenly - LEAP_MS;
    clock->ms = went_back ? evenly : by_day;
    clock->at_ns = now_ns;
    return clock->ms;
}
