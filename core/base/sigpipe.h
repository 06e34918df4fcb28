/* sigpipe.h -- a write to a reader that is gone is an error, in a process whose signals are not
 * ours.
 *
 * Why     SIGPIPE ends a process that did not arrange for it, libuv and TLS libraries write with
 *         write(2), and a program that carries a host as a library keeps its own handlers.
 * How     the signal strikes the thread that wrote: it is blocked around what may write, and taken
 *         away before it is let through again. Not for good where scripts run: what they start
 *         would inherit it.
 * Thread  each its own mask. */
#ifndef HW_SIGPIPE_H
#define HW_SIGPIPE_H

#include <errno.h>
#include <signal.h>
#include <time.h>

static inline void hw_sigpipe_block(sigset_t *before)
{
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, before);
}

static inline void hw_sigpipe_restore(const sigset_t *before)
{
    const struct timespec at_once = {0, 0};
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    if (!sigismember(before, SIGPIPE))
        while (sigtimedwait(&pipe, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* For a thread that only writes, and never runs a script: for good. A file at its size limit is an
 * error of write() then as well (SIGXFSZ). */
static inline void hw_sigpipe_block_for_good(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigaddset(&set, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

#endif
