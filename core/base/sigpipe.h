/* sigpipe.h -- turns a write to a reader that is gone into an error, without touching the process's
 * signal handlers.
 *
 * Why     SIGPIPE ends a process that has no handler for it. libuv and TLS libraries write with
 *         write(2), and a program that uses hookward as a library keeps its own handlers.
 * How     the signal goes to the thread that wrote. The thread blocks it around code that may
 *         write, and discards a pending one before it unblocks it. Where scripts run it is not
 *         blocked for good, since the programs that they start would inherit that.
 * Thread  any; each has its own mask. */
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

/* Blocks it for good, for a thread that never runs a script. SIGXFSZ too: a file at its size limit
 * then is an error of write(). */
static inline void hw_sigpipe_block_for_good(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigaddset(&set, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

#endif
