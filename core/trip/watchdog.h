/* watchdog.h -- the thread that watches the crew's threads.
 *
 * Why     a thread inside a handler that waits, or computes for long, holds a place among the
 *         active ones; and a handler may never come back.
 * How     Every millisecond: a thread that is inside the same job as a tick ago counts as blocked,
 *         and another one may join. A thread whose job is overdue, and that goes on computing for
 *         `spin_ms` more, is given up: a new thread takes its place, with a worker of its own.
 *         Without jobs the watchdog sleeps.
 * Thread  its own. */
#ifndef HW_WATCHDOG_H
#define HW_WATCHDOG_H

/* The thread's function; ends when the crew stops. */
void hw_watchdog_run(void *crew);

#endif
