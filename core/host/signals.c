/* signals.c -- see signals.h */
#include "host/signals.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/error.h"

enum { EXIT_INTERRUPTED = 128 + SIGINT };

static const int caught[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2};
enum { CAUGHT_COUNT = sizeof caught / sizeof *caught };

static struct {
    /* guarded by m */
    pthread_mutex_t m;
    unsigned users; /* catches without a release */
    struct sigaction before[CAUGHT_COUNT];

    /* atomic */
    const struct hw_signals_target *_Atomic targets[HW_SIGNALS_TARGETS_MAX];
    atomic_bool asked_to_stop;   /* a target that is added later stops as well */
    atomic_bool asked_to_reload; /* only while no target was there */
    atomic_int interrupts;       /* SIGINTs so far */
    atomic_int inside;           /* handlers that run now */
} P = {.m = PTHREAD_MUTEX_INITIALIZER};

/* ---- the handlers ---- */

/* May run on any thread. No thread blocks signals, since the programs that a script starts would
 * inherit that, and a SIGTERM could not end them. */
static void on_signal(int number)
{
    bool reached = false;
    if (number == SIGINT && atomic_fetch_add(&P.interrupts, 1) > 0)
        _exit(EXIT_INTERRUPTED);
    *(number == SIGHUP ? &P.asked_to_reload : &P.asked_to_stop) = true;
    P.inside++;
    for (int i = 0; i < HW_SIGNALS_TARGETS_MAX; i++) {
        const struct hw_signals_target *t = P.targets[i];
        void (*act)(void *host) = !t ? NULL : number == SIGHUP ? t->reload : t->stop;
        if (act)
            act(t->host);
        reached |= t != NULL;
    }
    if (number == SIGHUP && reached)
        P.asked_to_reload = false;
    P.inside--;
}

static void on_harmless(int number)
{
    (void)number;
}

static bool is_users(int number)
{
    return number == SIGUSR1 || number == SIGUSR2;
}

/* SIGUSR1 and SIGUSR2 mean nothing to a host. Other servers reopen their log on them, so a
 * logrotate script may send one, and that must not end the process. SIGQUIT is left alone: it ends
 * the process and leaves a core dump for a debugger. */
static bool is_harmless(int number)
{
    return number == SIGPIPE || number == SIGXFSZ || is_users(number);
}

static void set(int number, void (*handler)(int), struct sigaction *before)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, before);
}

/* Not SIG_IGN, since the programs that a script starts would inherit that. */
void hw_signals_disarm(void)
{
    set(SIGPIPE, on_harmless, NULL);
    set(SIGXFSZ, on_harmless, NULL);
}

void hw_signals_catch(void)
{
    pthread_mutex_lock(&P.m);
    if (P.users++ == 0) {
        P.asked_to_stop = P.asked_to_reload = false;
        P.interrupts = 0;
        for (int i = 0; i < CAUGHT_COUNT; i++) {
            set(caught[i], is_harmless(caught[i]) ? on_harmless : on_signal, &P.before[i]);
            /* the program may have a handler of its own for these two */
            if (is_users(caught[i]) && P.before[i].sa_handler != SIG_DFL)
                sigaction(caught[i], &P.before[i], NULL);
        }
    }
    pthread_mutex_unlock(&P.m);
}

void hw_signals_release(void)
{
    pthread_mutex_lock(&P.m);
    if (--P.users == 0)
        for (int i = 0; i < CAUGHT_COUNT; i++)
            sigaction(caught[i], &P.before[i], NULL);
    pthread_mutex_unlock(&P.m);
}

bool hw_signals_was_interrupted(void)
{
    return P.interrupts > 0;
}

bool hw_signals_was_asked_to_stop(void)
{
    return P.asked_to_stop;
}

int hw_signals_add(const struct hw_signals_target *target)
{
    pthread_mutex_lock(&P.m);
    int i = 0;
    while (i < HW_SIGNALS_TARGETS_MAX && P.targets[i])
        i++;
    if (i < HW_SIGNALS_TARGETS_MAX)
        P.targets[i] = target;
    pthread_mutex_unlock(&P.m);
    if (i == HW_SIGNALS_TARGETS_MAX)
        return HW_EFAILED;
    if (atomic_exchange(&P.asked_to_reload, false) && target->reload)
        target->reload(target->host);
    if (P.asked_to_stop)
        target->stop(target->host);
    return 0;
}

void hw_signals_remove(const struct hw_signals_target *target)
{
    pthread_mutex_lock(&P.m);
    for (int i = 0; i < HW_SIGNALS_TARGETS_MAX; i++)
        if (P.targets[i] == target)
            P.targets[i] = NULL;
    pthread_mutex_unlock(&P.m);
    while (P.inside) /* a handler on another thread may have read the pointer just before */
        sched_yield();
}
