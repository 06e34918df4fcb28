/* deadline.h -- many deadlines, few durations, one timer.
 *
 * Why     a connection gets a new deadline with every request. A timer in a heap for each would
 *         cost time on the hot path.
 * How     a list for each kind. All deadlines of a kind have the same duration, except those set
 *         before it was changed, so a list is nearly sorted by itself. Setting and clearing are
 *         pointer moves, and only the first of each list is looked at.
 * Pauses  the process may not have run for a while: it was stopped, the machine slept, or something
 *         blocked the loop. libuv then runs its timers before it reads its sockets and before it
 *         hears from other threads, so deadlines would pass although what they wait for has
 *         arrived. So when the timer fires, nothing expires yet. First the loop polls twice without
 *         sleeping, and its owner deals with what has arrived. And after a pause that is noticed,
 *         all deadlines get HW_DEADLINE_GRACE_MS more, once.
 * Thread  leader only. */
#ifndef HW_DEADLINE_H
#define HW_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum {
    HW_DEADLINE_LATE_MS = 250, /* a timer that fires later than this shows a pause */
    HW_DEADLINE_GRACE_MS = 500
};

enum hw_deadline_kind {
    HW_DEADLINE_FIRST,     /* the first byte must come */
    HW_DEADLINE_IDLE,      /* the next request must begin */
    HW_DEADLINE_HANDSHAKE, /* the TLS handshake that began must be complete */
    HW_DEADLINE_HEAD,      /* the head must be complete */
    HW_DEADLINE_BODY,      /* the body must be complete */
    HW_DEADLINE_ANSWER,    /* the job must have its outcome */
    HW_DEADLINE_APP,       /* the app must have answered */
    HW_DEADLINE_WRITE,     /* the client must take the answer */
    HW_DEADLINE_LINGER,    /* the client must close */

    /* of jobs: see patience.c */
    HW_DEADLINE_LOOK,   /* its progress is to be looked at */
    HW_DEADLINE_QUEUED, /* a worker must have taken it */
    HW_DEADLINE_STAGE,  /* the worker's present stage must have ended */
    HW_DEADLINE_LATE,   /* the stage did not end in time: the last look */
    HW_DEADLINE_KINDS
};

struct hw_deadline {
    struct hw_deadline *prev, *next; /* NULL when it is not set */
    uint64_t at_ms;                  /* by the loop's clock */
    enum hw_deadline_kind kind;
};

struct hw_deadlines;
typedef void hw_deadline_fn(struct hw_deadlines *all, struct hw_deadline *deadline);

struct hw_deadlines {
    uv_timer_t timer;
    uv_check_t check; /* the loop has polled */
    uv_idle_t idle;   /* keeps the loop from sleeping before that */
    uint64_t due_ms;  /* when the timer is due; after it fired, when the loop last polled */
    unsigned looks;   /* polls still to come before anything expires; 0: the timer has not fired */
    bool excused;     /* there was a pause, and the timer runs for the grace period */
    struct hw_deadline lists[HW_DEADLINE_KINDS]; /* each is the head of a ring */
    uint64_t durations_ms[HW_DEADLINE_KINDS];    /* see hw_deadlines_last */
    hw_deadline_fn *expired;
};

/* `expired` is called with each deadline that has passed; it is cleared by then. */
void hw_deadlines_init(struct hw_deadlines *all, uv_loop_t *loop, hw_deadline_fn *expired);

/* Sets the duration of a kind. A deadline that is already set passes no later than if it were set
 * now. HW_DEADLINE_ANSWER is the exception: a job keeps the time that it began with. */
void hw_deadlines_last(struct hw_deadlines *all, enum hw_deadline_kind kind, uint64_t duration_ms);

/* Sets or resets the deadline to the duration of its kind from now. */
void hw_deadline_set(struct hw_deadlines *all, struct hw_deadline *deadline,
                     enum hw_deadline_kind kind);

/* The same, to `in_ms` from now. Deadlines of one kind should be set nearly in order. */
void hw_deadline_set_in(struct hw_deadlines *all, struct hw_deadline *deadline,
                        enum hw_deadline_kind kind, uint64_t in_ms);

/* Within `expired`: the deadline passes `ms` from now instead. Meant for a few milliseconds, not
 * 0. */
void hw_deadline_postpone(struct hw_deadlines *all, struct hw_deadline *deadline, uint64_t ms);

void hw_deadline_clear(struct hw_deadline *deadline);

#endif
