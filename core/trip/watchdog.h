/* watchdog.h -- the thread that watches the crew's threads.
 *
 * Why     A handler that waits or computes for long takes up one of the active threads, and it may
 *         never return.
 * How     Every millisecond it looks at each thread. One that is inside the same job as a
 *         millisecond ago counts as blocked, so another one may become active. One whose job is
 *         overdue and that has used `spin_ms` of CPU time since then is given up: a new thread
 *         replaces it, with a worker of its own. A thread that waits for something is never given
 *         up. While there are no jobs the watchdog sleeps.
 * Thread  its own. */
#ifndef HW_WATCHDOG_H
#define HW_WATCHDOG_H

/* The thread's function; ends when the crew stops. */
void hw_watchdog_run(void *crew);

#endif
