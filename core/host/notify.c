/* notify.c -- see notify.h */
#include "host/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/log.h"

/* ---- the environment ---- */

/* The variables that systemd sets for one process: sd_notify(3), sd_watchdog_enabled(3),
 * sd_listen_fds(3). */
static const char *const variables[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
                                        "LISTEN_PID",    "LISTEN_FDS",    "LISTEN_FDNAMES",
                                        "LISTEN_PIDFDID"};

static void clear_environment(void)
{
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
}

static uint64_t read_watchdog(void)
{
    const char *pid = getenv("WATCHDOG_PID"), *us = getenv("WATCHDOG_USEC");
    bool ours = !pid || atol(pid) == (long)getpid();
    return ours && us ? strtoull(us, NULL, 10) : 0;
}

/* Returns false when it names no socket that can be used here. */
static bool read_address(struct hw_notify *n, const char *text)
{
    size_t len = strlen(text);
    if ((text[0] != '/' && text[0] != '@') || !text[1] || len >= sizeof n->to.sun_path)
        return false;
    n->to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(n->to.sun_path, text, len);
    n->to_len = (unsigned)(offsetof(struct sockaddr_un, sun_path) + len);
    if (text[0] == '@')
        n->to.sun_path[0] = '\0'; /* a name of the abstract space has no zero at its end */
    else
        n->to_len++;
    return true;
}

/* ---- sending ---- */

/* The socket is not connected: the manager may open its own again. Returns false if it is to be
 * tried again later. */
static bool send_text(const struct hw_notify *n, const char *text)
{
    ssize_t sent;
    do
        sent = sendto(n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
                      (const struct sockaddr *)&n->to, n->to_len);
    while (sent < 0 && errno == EINTR);
    return sent >= 0 || (errno != EAGAIN && errno != ENOBUFS);
}

void hw_notify_again(struct hw_notify *n)
{
    if (n->fd >= 0 && n->state[0] && send_text(n, n->state))
        n->state[0] = '\0';
}

void hw_notify_say(struct hw_notify *n, const char *format, ...)
{
    char text[HW_NOTIFY_MAX];
    va_list args;
    if (n->fd < 0)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    hw_notify_again(n);
    if (!n->state[0])
        send_text(n, text);
}

void hw_notify_say_state(struct hw_notify *n, const char *format, ...)
{
    va_list args;
    if (n->fd < 0)
        return;
    hw_notify_again(n);
    va_start(args, format);
    vsnprintf(n->state, sizeof n->state, format, args);
    va_end(args);
    hw_notify_again(n);
}

/* ---- open and close ---- */

bool hw_notify_reach(struct hw_notify *n, const char *address)
{
    *n = (struct hw_notify){.fd = -1};
    if (read_address(n, address))
        n->fd = hw_descriptors_socket(AF_UNIX, SOCK_DGRAM, 0);
    return n->fd >= 0;
}

void hw_notify_open(struct hw_notify *n)
{
    const char *text = getenv("NOTIFY_SOCKET");
    *n = (struct hw_notify){.fd = -1};
    if (text && text[0] && !hw_notify_reach(n, text)) /* an empty one is none */
        hw_log_say(HW_LOG_WARN,
                   "NOTIFY_SOCKET=%.120s can't be used, so the service manager gets no messages "
                   "from this host",
                   text);
    n->watchdog_us = read_watchdog();
    clear_environment();
}

void hw_notify_close(struct hw_notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}
