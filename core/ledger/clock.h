/* clock.h -- may the time of day be believed, when rows are to be removed for their age?
 *
 * Why     a clock that is a month ahead for two seconds makes every row old. What is removed can't
 *         be had back; what stays an hour longer harms nobody.
 * How     the time of day is held against the clock that only ever runs forward (it runs on while
 *         the machine sleeps), and at the start, when there is nothing yet to hold it against, the
 *         newest row. When they differ it has leapt; it is believed again once both have run
 *         alike for an hour. Small steps, as a time server makes them, are none.
 * Thread  one at a time. */
#ifndef HW_LEDGER_CLOCK_H
#define HW_LEDGER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum {
    HW_LEDGER_CLOCK_STEP_MS = 60 * 1000,       /* what is no leap */
    HW_LEDGER_CLOCK_CALM_MS = 60 * 60 * 1000,  /* both clocks must have agreed for so long */
    HW_LEDGER_CLOCK_GAP_MS = 24 * 3600 * 1000, /* between the newest row and a start */
};

struct hw_ledger_clock {
    /* constant after init; a test has its own. Milliseconds */
    int64_t (*wall)(void), (*steady)(void);

    /* the caller's thread */
    bool started;
    int64_t now;                    /* the time of day, as it was looked at last */
    int64_t wall_base, steady_base; /* when they were last known to agree */
    int64_t calm_at;                /* by the steady clock: then it is believed */
};

void hw_ledger_clock_init(struct hw_ledger_clock *clock);

/* The first look: `newest` is the time of the newest row, 0 without one; rows are removed after
 * `retention_ms`. Later ones do not need them. Returns by how much it has leapt since the look
 * before, 0: it has not. */
int64_t hw_ledger_clock_look(struct hw_ledger_clock *clock, int64_t newest, int64_t retention_ms);

/* May `now` be believed? */
bool hw_ledger_clock_is_calm(const struct hw_ledger_clock *clock);

#endif
