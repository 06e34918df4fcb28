/* hang.c -- calls that do not return, as on a disk that is gone; for LD_PRELOAD.
 *
 * HOOKWARD_HANG names a folder: as long as it has a file `sync` or `accept`, the calls of that name
 * wait. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

typedef int sync_fn(int fd);
typedef int accept_fn(int fd, struct sockaddr *address, socklen_t *len, int flags);

static void hang(const char *name)
{
    char path[PATH_MAX];
    const char *folder = getenv("HOOKWARD_HANG");
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "", name);
    while (folder && access(path, F_OK) == 0)
        usleep(2000);
}

int fsync(int fd)
{
    sync_fn *next = (sync_fn *)dlsym(RTLD_NEXT, "fsync");
    hang("sync");
    return next(fd);
}

int fdatasync(int fd)
{
    sync_fn *next = (sync_fn *)dlsym(RTLD_NEXT, "fdatasync");
    hang("sync");
    return next(fd);
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    accept_fn *next = (accept_fn *)dlsym(RTLD_NEXT, "accept4");
    hang("accept");
    return next(fd, address, len, flags);
}
