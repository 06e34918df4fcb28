/* init.c -- see init.h */
#include "host/init.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/relay.h"

static const int passed_on[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};

enum { EXIT_BY_SIGNAL = 128 };

/* Reaps all children that have ended. If the host has, passes on its last messages and exits. */
static void reap(pid_t host, struct hw_relay *relay)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == host) {
            hw_relay_pass(relay, host);
            _exit(WIFSIGNALED(status) ? EXIT_BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status));
        }
}

/* Passes on what other processes send. The kernel sends a terminal's Ctrl-C (SI_KERNEL) to the host
 * too, which would take the second SIGINT as the order to end at once. */
static void pass_signals(int signals, pid_t host)
{
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL)
            kill(host, (int)info.ssi_signo);
}

static void stand_by(pid_t host, int signals, struct hw_relay *relay)
{
    struct pollfd fds[] = {{.fd = signals, .events = POLLIN}, {.fd = relay->fd, .events = POLLIN}};
    for (;;) {
        hw_relay_pass(relay, host);
        reap(host, relay);
        poll(fds, 2, -1);
        pass_signals(signals, host);
    }
}

void hw_init_split(void)
{
    sigset_t set, before;
    struct hw_relay relay;
    if (getpid() != 1)
        return;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
        sigaddset(&set, passed_on[i]);
    sigprocmask(SIG_BLOCK, &set, &before);
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    hw_relay_open(&relay);
    pid_t host = signals < 0 ? -1 : fork();
    if (host > 0)
        stand_by(host, signals, &relay);
    if (host == 0)
        hw_relay_enter(&relay);
    /* in the child, or here if the fork failed: then process 1 is the host itself */
    if (signals >= 0)
        close(signals);
    sigprocmask(SIG_SETMASK, &before, NULL);
}
