/* descriptors.c -- see descriptors.h */
#include "base/descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- numbers ---- */

int hw_descriptors_fill(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            return -errno;
    return 0;
}

int hw_descriptors_lift(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), error = errno;
    close(fd);
    errno = error;
    return lifted;
}

int hw_descriptors_open(const char *path, int flags, mode_t mode)
{
    return hw_descriptors_lift(open(path, flags | O_CLOEXEC, mode));
}

int hw_descriptors_socket(int domain, int type, int protocol)
{
    return hw_descriptors_lift(socket(domain, type | SOCK_CLOEXEC, protocol));
}

long hw_descriptors_read(int fd, char *out, size_t size)
{
    size_t len = 0;
    ssize_t n = 1;
    while (len < size && n != 0) {
        n = read(fd, out + len, size - len);
        if (n > 0)
            len += (size_t)n;
        else if (n < 0 && errno != EINTR)
            return -1;
    }
    return (long)len;
}

/* ---- pairs of a library ---- */

enum { INHERITED_MAX = 64 }; /* sockets that a child would inherit; any program has few */

/* Unix sockets that are not closed on exec, and how many bytes wait in each. */
struct inherited {
    int count;
    struct {
        int fd, bytes;
    } sockets[INHERITED_MAX];
};

static int waiting_in(int fd)
{
    int bytes;
    return ioctl(fd, FIONREAD, &bytes) ? 0 : bytes;
}

static bool is_inherited_unix(int fd)
{
    int flags = fcntl(fd, F_GETFD), domain;
    socklen_t size = sizeof domain;
    return flags >= 0 && !(flags & FD_CLOEXEC) &&
           getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

static void list_inherited(struct inherited *all)
{
    DIR *folder = opendir("/proc/self/fd");
    all->count = 0;
    for (struct dirent *e; folder && all->count < INHERITED_MAX && (e = readdir(folder));) {
        int fd = atoi(e->d_name);
        if (fd <= STDERR_FILENO || !is_inherited_unix(fd))
            continue;
        all->sockets[all->count].fd = fd;
        all->sockets[all->count++].bytes = waiting_in(fd);
    }
    if (folder)
        closedir(folder);
}

/* Finds the socket that receives the byte of `knock`, and makes it closed on exec. Returns it, or
 * -1. */
static int seal_knocked(void (*knock)(void *ud), void *ud)
{
    struct inherited all;
    list_inherited(&all);
    if (all.count == 0)
        return -1;
    knock(ud);
    for (int i = 0; i < all.count; i++) {
        int fd = all.sockets[i].fd;
        if (waiting_in(fd) == all.sockets[i].bytes + 1)
            return fcntl(fd, F_SETFD, FD_CLOEXEC) ? -1 : fd;
    }
    return -1;
}

static void knock_from(void *fd)
{
    (void)!send(*(int *)fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void hw_descriptors_seal_pair_of(int fd)
{
    if (!is_inherited_unix(fd))
        return;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    seal_knocked(knock_from, &fd);
}

void hw_descriptors_seal_pair(void (*knock)(void *ud), void *ud)
{
    int fd = seal_knocked(knock, ud);
    if (fd >= 0)
        seal_knocked(knock_from, &fd);
}
