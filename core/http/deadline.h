/* deadline.h -- many deadlines, few durations, one timer.
 *
 * Why     a connection gets a new deadline with every request; a timer in a heap for each would be
 *         work on the hot path.
 * How     a list a kind. All deadlines of a kind last equally long, but for those from before a
 *         change of it, so each list is in order nearly by itself: setting and clearing are pointer
 *         moves, and only the first of each is looked at.
 * Pauses  the process may not have run for a while: it was stopped, its machine slept, or the loop
 *         was held up. The loop's timers come first then, before its sockets and before what other
 *         threads have finished; and each deadline would pass although all that it waits for is
 *         there. So when the timer fires nothing passes yet. The loop looks at everything twice,
 *         without sleeping, and its owner settles what is done in between. And after a pause that
 *         can be seen, all have HW_DEADLINE_GRACE_MS more, once.
 * Thread  leader only. */
#ifndef HW_DEADLINE_H
#define HW_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum {
    HW_DEADLINE_LATE_MS = 250, /* the timer later than this: there was a pause */
    HW_DEADLINE_GRACE_MS = 500
};

enum hw_deadline_kind {
    HW_DEADLINE_FIRST,  /* the first byte must come */
    HW_DEADLINE_IDLE,   /* the next request must begin */
    HW_DEADLINE_HEAD,   /* the head must be complete */
    HW_DEADLINE_BODY,   /* the body must be complete */
    HW_DEADLINE_ANSWER, /* the job must have its outcome */
    HW_DEADLINE_APP,    /* the app must have answered */
    HW_DEADLINE_WRITE,  /* the client must take the answer */
    HW_DEADLINE_LINGER, /* the client must close */

    /* of jobs: see patience.c */
    HW_DEADLINE_LOOK,   /* how far is it? */
    HW_DEADLINE_QUEUED, /* it must have a worker */
    HW_DEADLINE_STAGE,  /* what the worker does must be done */
    HW_DEADLINE_LATE,   /* that was missed: the last look */
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
    uv_check_t check; /* the loop has looked at everything */
    uv_idle_t idle;   /* keeps it from sleeping before that */
    uint64_t due_ms;  /* when the timer was to fire; then when the loop last looked */
    unsigned looks;   /* that are still to be taken before anything passes; 0: it has not fired */
    bool excused;     /* there was a pause, and the timer runs for the grace */
    struct hw_deadline lists[HW_DEADLINE_KINDS]; /* rings around these */
    uint64_t durations_ms[HW_DEADLINE_KINDS];    /* see hw_deadlines_last */
    hw_deadline_fn *expired;
};

/* `expired` is called with each deadline that has passed, already cleared. */
void hw_deadlines_init(struct hw_deadlines *all, uv_loop_t *loop, hw_deadline_fn *expired);

/* Deadlines of this kind last so long from now on. One that is set already passes no later than if
 * it were set now, but for HW_DEADLINE_ANSWER: a job has the time that it began with. */
void hw_deadlines_last(struct hw_deadlines *all, enum hw_deadline_kind kind, uint64_t duration_ms);

/* Sets (or sets anew) the deadline to the duration of its kind from now on. */
void hw_deadline_set(struct hw_deadlines *all, struct hw_deadline *deadline,
                     enum hw_deadline_kind kind);
/* The same, to `in_ms` from now on: those of one kind should come nearly in order. */
void hw_deadline_set_in(struct hw_deadlines *all, struct hw_deadline *deadline,
                        enum hw_deadline_kind kind, uint64_t in_ms);

/* It passes `ms` from now on instead; to be called within `expired`, for little, but not
 * for 0. */
void hw_deadline_postpone(struct hw_deadlines *all, struct hw_deadline *deadline, uint64_t ms);
void hw_deadline_clear(struct hw_deadline *deadline);

#endif
