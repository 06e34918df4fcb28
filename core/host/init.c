/* init.c -- see init.h */
#include "host/init.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const int passed_on[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};

enum { EXIT_BY_SIGNAL = 128 };

/* Reaps all children that have ended; exits once the host has. */
static void reap(pid_t host)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == host)
            _exit(WIFSIGNALED(status) ? EXIT_BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status));
}

/* Passes on what other processes send. The kernel sends a terminal's Ctrl-C (SI_KERNEL) to the host
 * too, which would take the second SIGINT as the order to end at once. */
static void stand_by(pid_t host, const sigset_t *set)
{
    siginfo_t info;
    for (;;) {
        reap(host);
        if (sigwaitinfo(set, &info) < 0)
            continue;
        if (info.si_signo != SIGCHLD && info.si_code != SI_KERNEL)
            kill(host, info.si_signo);
    }
}

void hw_init_split(void)
{
    sigset_t set, before;
    if (getpid() != 1)
        return;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
        sigaddset(&set, passed_on[i]);
    sigprocmask(SIG_BLOCK, &set, &before);
    pid_t host = fork();
    if (host > 0)
        stand_by(host, &set);
    /* in the child, or here if the fork failed: then process 1 is the host itself */
    sigprocmask(SIG_SETMASK, &before, NULL);
}
