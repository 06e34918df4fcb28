/* inherited.c -- see inherited.h */
#include "http/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/error.h"
#include "base/log.h"

enum { FIRST = 3, COUNT_MAX = 1024, NAME_MAX_LEN = 255 };

struct inherited {
    char name[NAME_MAX_LEN + 1];
    const char *fault; /* why nobody can listen at it; NULL: it is fine */
    bool taken;
};

static struct {
    /* guarded by m */
    pthread_mutex_t m;
    pid_t pid; /* of the process that listed them; 0: none has */
    size_t count;
    struct inherited *sockets; /* in the order of their descriptors */
} P = {.m = PTHREAD_MUTEX_INITIALIZER};

/* ---- the list ---- */

static size_t read_count(void)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    int count = fds ? atoi(fds) : 0;
    if (!pid || atol(pid) != (long)getpid() || count < 0)
        return 0;
    return count < COUNT_MAX ? (size_t)count : COUNT_MAX;
}

/* Copies the next name of a list with colons between the names; returns the rest of the list. */
static const char *read_name(const char *names, char *name)
{
    size_t len = strcspn(names, ":");
    snprintf(name, NAME_MAX_LEN + 1, "%.*s", (int)(len < NAME_MAX_LEN ? len : NAME_MAX_LEN), names);
    return names[len] ? names + len + 1 : "";
}

static int get(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &len) ? -1 : value;
}

/* Why nobody can listen at it, or NULL. */
static const char *find_fault(int fd)
{
    int type = get(fd, SO_TYPE), domain = get(fd, SO_DOMAIN);
    if (type < 0)
        return uv_strerror(-errno);
    if (type != SOCK_STREAM || (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX))
        return "it is not a stream socket; the .socket unit needs ListenStream=";
    if (get(fd, SO_ACCEPTCONN) != 1)
        return "it does not listen; the .socket unit needs Accept=no";
    return NULL;
}

/* A socket without a name is "unknown", as for sd_listen_fds_with_names. Faults are found now,
 * before this process gives the number of a descriptor that is missing to one of its own. */
static void list_locked(void)
{
    const char *names = getenv("LISTEN_FDNAMES");
    if (P.pid == getpid())
        return;
    free(P.sockets); /* a process that was forked has none */
    P.pid = getpid();
    P.count = read_count();
    P.sockets = calloc(P.count + 1, sizeof *P.sockets);
    if (!P.sockets)
        P.count = 0;
    names = names ? names : "";
    for (size_t i = 0; i < P.count; i++) {
        names = read_name(names, P.sockets[i].name);
        if (!P.sockets[i].name[0])
            strcpy(P.sockets[i].name, "unknown");
        fcntl(FIRST + (int)i, F_SETFD, FD_CLOEXEC);
        P.sockets[i].fault = find_fault(FIRST + (int)i);
    }
}

size_t hw_inherited_count(void)
{
    pthread_mutex_lock(&P.m);
    list_locked();
    size_t count = P.count;
    pthread_mutex_unlock(&P.m);
    return count;
}

/* ---- who gets which ---- */

/* The name of "systemd:NAME"; NULL: any. */
static const char *name_in(const char *address)
{
    return address[7] ? address + 8 : NULL;
}

bool hw_inherited_is_meant(const char *address)
{
    return strncmp(address, "systemd", 7) == 0 && (!address[7] || address[7] == ':');
}

static bool names(const char *address, const char *name)
{
    return hw_inherited_is_meant(address) && name_in(address) && !strcmp(name_in(address), name);
}

bool hw_inherited_is_for(size_t index, const struct hw_listen *listen, size_t count, size_t which)
{
    const char *name = P.sockets[index].name; /* constant once they are listed */
    if (!hw_inherited_is_meant(listen[which].address))
        return false;
    if (name_in(listen[which].address))
        return names(listen[which].address, name);
    for (size_t i = 0; i < count; i++)
        if (names(listen[i].address, name))
            return false;
    return true;
}

static bool is_wanted(size_t index, const struct hw_listen *listen, size_t count)
{
    for (size_t which = 0; which < count; which++)
        if (hw_inherited_is_for(index, listen, count, which))
            return true;
    return false;
}

/* Without a fault there is a socket, and clients may be connected to it. */
void hw_inherited_warn(const struct hw_listen *listen, size_t count)
{
    for (size_t i = 0; i < hw_inherited_count(); i++)
        if (!P.sockets[i].fault && !is_wanted(i, listen, count))
            hw_log_say(HW_LOG_WARN,
                       "no listener takes a socket that was handed over, so its clients wait in "
                       "vain: add systemd:%s to `listen` (fd %zu)",
                       P.sockets[i].name, FIRST + i);
}

/* ---- what is wrong with it ---- */

static int fail_socket(char *why, size_t size, size_t index, const char *what)
{
    char address[NAME_MAX_LEN + 32];
    snprintf(address, sizeof address, "systemd: fd %zu (%s)", FIRST + index, P.sockets[index].name);
    return hw_bind_fail(why, size, address, what);
}

/* No socket has the name that was asked for: says which names there are. */
static int fail_name(char *why, size_t size, const char *address)
{
    char what[512];
    int len = snprintf(what, sizeof what, "no socket of that name was handed over; there %s ",
                       P.count == 1 ? "is" : "are");
    for (size_t i = 0; i < P.count && len < (int)sizeof what; i++)
        len += snprintf(what + len, sizeof what - (size_t)len, "%s\"systemd:%s\"", i ? ", " : "",
                        P.sockets[i].name);
    return hw_bind_fail(why, size, address, what);
}

static int fail_none(char *why, size_t size, const char *address)
{
    return hw_bind_fail(
        why, size, address,
        "no socket was handed over: systemd does so for a service with a .socket unit, as in "
        "`hookward help deployment`; without systemd use --listen 127.0.0.1:8080");
}

static int check_locked(size_t index, char *why, size_t size)
{
    const char *what = P.sockets[index].taken ? "another host of this process uses it already"
                                              : P.sockets[index].fault;
    return what ? fail_socket(why, size, index, what) : 0;
}

int hw_inherited_check(const struct hw_listen *listen, size_t count, size_t which, char *why,
                       size_t size)
{
    const char *address = listen[which].address;
    size_t found = 0;
    int rc = 0;
    if (!hw_inherited_is_meant(address))
        return 0;
    if (hw_inherited_count() == 0)
        return fail_none(why, size, address);
    for (size_t i = 0; rc == 0 && i < P.count; i++)
        if (hw_inherited_is_for(i, listen, count, which)) {
            found++;
            pthread_mutex_lock(&P.m);
            rc = check_locked(i, why, size);
            pthread_mutex_unlock(&P.m);
        }
    return rc == 0 && found == 0 && name_in(address) ? fail_name(why, size, address) : rc;
}

int hw_inherited_take(struct hw_bound *bound, size_t index, char *why, size_t size)
{
    int fd = FIRST + (int)index;
    *bound = (struct hw_bound){.fd = -1};
    pthread_mutex_lock(&P.m);
    int rc = check_locked(index, why, size);
    P.sockets[index].taken |= rc == 0;
    pthread_mutex_unlock(&P.m);
    if (rc)
        return rc;
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
        return fail_socket(why, size, index, uv_strerror(-errno));
    *bound = (struct hw_bound){.fd = fd, .is_unix = get(fd, SO_DOMAIN) == AF_UNIX};
    return 0;
}
