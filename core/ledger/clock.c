/* clock.c -- see clock.h */
#include "ledger/clock.h"

#include <stdlib.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t wall(void)
{
    return read_ms(CLOCK_REALTIME);
}

static int64_t steady(void)
{
    return read_ms(CLOCK_BOOTTIME);
}

void hw_ledger_clock_init(struct hw_ledger_clock *clock)
{
    *clock = (struct hw_ledger_clock){.wall = wall, .steady = steady};
}

/* With a short retention even a short gap is dangerous. */
static int64_t gap_max(int64_t retention_ms)
{
    int64_t half = retention_ms / 2;
    if (half > HW_LEDGER_CLOCK_GAP_MS)
        return HW_LEDGER_CLOCK_GAP_MS;
    return half < HW_LEDGER_CLOCK_STEP_MS ? HW_LEDGER_CLOCK_STEP_MS : half;
}

static int64_t first_leap(int64_t now, int64_t newest, int64_t retention_ms)
{
    bool behind = newest - now > HW_LEDGER_CLOCK_STEP_MS;
    bool ahead = now - newest > gap_max(retention_ms);
    return newest && (behind || ahead) ? now - newest : 0;
}

static int64_t later_leap(const struct hw_ledger_clock *clock, int64_t steady_now)
{
    int64_t apart = clock->now - clock->wall_base - (steady_now - clock->steady_base);
    return llabs(apart) > HW_LEDGER_CLOCK_STEP_MS ? apart : 0;
}

int64_t hw_ledger_clock_look(struct hw_ledger_clock *clock, int64_t newest, int64_t retention_ms)
{
    int64_t steady_now = clock->steady();
    clock->now = clock->wall();
    int64_t leap = clock->started ? later_leap(clock, steady_now)
                                  : first_leap(clock->now, newest, retention_ms);
    if (leap)
        clock->calm_at = steady_now + HW_LEDGER_CLOCK_CALM_MS;
    else if (!clock->started)
        clock->calm_at = steady_now;
    /* Two good clocks drift apart as well, a little each hour. */
    if (leap || !clock->started || steady_now - clock->steady_base >= HW_LEDGER_CLOCK_CALM_MS) {
        clock->wall_base = clock->now;
        clock->steady_base = steady_now;
    }
    clock->started = true;
    return leap;
}

bool hw_ledger_clock_is_calm(const struct hw_ledger_clock *clock)
{
    return clock->started && clock->steady() >= clock->calm_at;
}
