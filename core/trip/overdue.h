/* overdue.h -- jobs that take too long: who waits for them is answered.
 *
 * A job that no worker has is taken back, and never runs. One that is overdue in a later stage goes on.
 * Not     when that is: patience.h.
 * Thread  leader only. */
#ifndef HW_OVERDUE_H
#define HW_OVERDUE_H

#include "trip/flow.h"

/* Patience has come to its end with a job. The owner is a dispatch. */
void hw_overdue_look(void *owner, struct hw_job *job);

/* Answers those who wait, while the job goes on: their sender delivers again, and then finds it
 * recorded. */
void hw_overdue_tell(struct hw_dispatch *d, struct hw_job *job, int code);

static inline void hw_overdue_set_stuck(struct hw_dispatch *d, struct hw_job *job, bool stuck)
{
    d->stuck += (size_t)stuck - (size_t)job->stuck;
    job->stuck = stuck;
}

#endif
