/* clock.h -- whether the time of day can be trusted, before old rows are removed.
 *
 * Why     A clock that is a month ahead for two seconds makes every row old. What was removed is
 *         lost; what stays an hour longer does no harm.
 * How     The time of day is compared with a clock that only runs forward, also while the machine
 *         sleeps. At the start it is compared with the newest row. When they differ the time of
 *         day has leapt; it is trusted again once both clocks have agreed for an hour. Small
 *         steps, such as a time server makes, don't count as leaps.
 * Thread  one at a time. */
#ifndef HW_LEDGER_CLOCK_H
#define HW_LEDGER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum {
    HW_LEDGER_CLOCK_STEP_MS = 60 * 1000,       /* a smaller difference is no leap */
    HW_LEDGER_CLOCK_CALM_MS = 60 * 60 * 1000,  /* how long both clocks must have agreed */
    HW_LEDGER_CLOCK_GAP_MS = 24 * 3600 * 1000, /* at most, between the newest row and a start */
};

struct hw_ledger_clock {
    /* constant after init; a test sets its own. Milliseconds */
    int64_t (*wall)(void), (*steady)(void);

    /* the caller's thread */
    bool started;
    int64_t now;                    /* the time of day when it was last read */
    int64_t wall_base, steady_base; /* when they were last known to agree */
    int64_t calm_at;                /* by the steady clock: from then on it is trusted */
};

void hw_ledger_clock_init(struct hw_ledger_clock *clock);

/* Compares the clocks. The first call needs the time of the newest row (0: there is none) and after
 * how long rows are removed; later calls ignore both. Returns by how many milliseconds the time of
 * day has leapt since the last call, 0 for not at all. */
int64_t hw_ledger_clock_look(struct hw_ledger_clock *clock, int64_t newest, int64_t retention_ms);

/* Whether `now` can be trusted. */
bool hw_ledger_clock_is_calm(const struct hw_ledger_clock *clock);

#endif
