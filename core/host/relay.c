/* relay.c -- see relay.h */
#include "host/relay.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptors.h"

/* The kernel chooses a name of the abstract space: unix(7), autobind. */
static int bind_own(struct hw_relay *r)
{
    int on = 1;
    struct sockaddr_un own = {.sun_family = AF_UNIX};
    socklen_t len = sizeof own.sun_family;
    if (bind(r->fd, (struct sockaddr *)&own, len) ||
        setsockopt(r->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on))
        return -1;
    len = sizeof own;
    if (getsockname(r->fd, (struct sockaddr *)&own, &len))
        return -1;
    int name = (int)(len - offsetof(struct sockaddr_un, sun_path)) - 1;
    snprintf(r->address, sizeof r->address, "@%.*s", name, own.sun_path + 1);
    return 0;
}

static void close_own(struct hw_relay *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
}

void hw_relay_open(struct hw_relay *r)
{
    const char *manager = getenv("NOTIFY_SOCKET");
    r->fd = r->manager.fd = -1;
    if (!manager || !hw_notify_reach(&r->manager, manager))
        return;
    r->fd = hw_descriptors_socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (r->fd >= 0 && bind_own(r))
        close_own(r);
}

/* What was meant for process 1 is for its host. */
static void pass_pid(const char *variable)
{
    char pid[16];
    const char *value = getenv(variable);
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    if (value && strcmp(value, "1") == 0)
        setenv(variable, pid, 1);
}

void hw_relay_enter(struct hw_relay *r)
{
    pass_pid("LISTEN_PID");
    pass_pid("WATCHDOG_PID");
    if (r->fd >= 0)
        setenv("NOTIFY_SOCKET", r->address, 1);
    close_own(r);
    hw_notify_close(&r->manager);
}

static pid_t sender_of(struct msghdr *message)
{
    struct ucred sender = {0};
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
        memcpy(&sender, CMSG_DATA(c), sizeof sender);
    return sender.pid;
}

/* Returns false when there is no more. */
static bool pass_one(struct hw_relay *r, pid_t host)
{
    char text[HW_NOTIFY_MAX], control[CMSG_SPACE(sizeof(struct ucred))];
    struct iovec bytes = {text, sizeof text - 1};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t len = recvmsg(r->fd, &message, MSG_DONTWAIT);
    if (len < 0)
        return errno == EINTR;
    text[len] = '\0';
    if (sender_of(&message) != host)
        return true;
    if (strncmp(text, "STATUS=", 7) == 0 || strncmp(text, "WATCHDOG=", 9) == 0)
        hw_notify_say(&r->manager, "%s", text);
    else
        hw_notify_say_state(&r->manager, "%s", text);
    return true;
}

void hw_relay_pass(struct hw_relay *r, pid_t host)
{
    while (r->fd >= 0 && pass_one(r, host))
        ;
}
