/* lock.c -- see lock.h */
#include "ledger/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptors.h"

struct hw_ledger_lock {
    /* constant after take */
    int fd;
    dev_t device;
    ino_t inode;

    /* guarded by m */
    struct hw_ledger_lock *next;
};

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static struct hw_ledger_lock *taken; /* guarded by m */

static bool is_ours_locked(const struct stat *st)
{
    for (struct hw_ledger_lock *l = taken; l; l = l->next)
        if (l->device == st->st_dev && l->inode == st->st_ino)
            return true;
    return false;
}

/* A probe holds the lock for a moment, so one failure proves nothing. */
enum { LOCK_TRIES = 10, LOCK_PAUSE_US = 5000 };

static int lock(int fd)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        usleep(LOCK_PAUSE_US);
    }
    return -1;
}

static int fail(char *why, size_t size, const char *path, const char *what)
{
    snprintf(why, size, "%s: %s", path, what);
    return -1;
}

static const char held[] = "another hookward is serving with this ledger; stop it, or set `ledger` "
                           "to another file";

static int fail_open(char *why, size_t size, const char *path)
{
    char text[160];
    int error = errno;
    if (error == ENOENT)
        return fail(why, size, path, "its folder is not there; make it with `mkdir -p`");
    bool ours = error == EACCES || error == EPERM || error == EROFS;
    snprintf(text, sizeof text, "%s%s", strerror(error),
             ours ? "; the user that runs the host must be able to write it" : "");
    return fail(why, size, path, text);
}

static int open_locked(struct hw_ledger_lock *l, const char *path, char *why, size_t size)
{
    struct stat st, named;
    if (stat(path, &st) == 0 && is_ours_locked(&st))
        return fail(why, size, path, "another host of this process is serving with this ledger");
    l->fd = hw_descriptors_open(path, O_RDWR | O_CREAT, 0600);
    if (l->fd < 0)
        return fail_open(why, size, path);
    if (lock(l->fd) || fstat(l->fd, &st)) {
        close(l->fd);
        return fail(why, size, path, held);
    }
    if (stat(path, &named) || named.st_dev != st.st_dev || named.st_ino != st.st_ino) {
        close(l->fd);
        return fail(why, size, path, "it was replaced just now; try again");
    }
    l->device = st.st_dev;
    l->inode = st.st_ino;
    l->next = taken;
    taken = l;
    return 0;
}

struct hw_ledger_lock *hw_ledger_lock_take(const char *path, char *why, size_t why_size)
{
    struct hw_ledger_lock *l = calloc(1, sizeof *l);
    if (!l) {
        snprintf(why, why_size, "out of memory");
        return NULL;
    }
    pthread_mutex_lock(&m);
    int rc = open_locked(l, path, why, why_size);
    pthread_mutex_unlock(&m);
    if (rc == 0)
        return l;
    free(l);
    return NULL;
}

static int probe_locked(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && is_ours_locked(&st))
        return 1;
    int fd = hw_descriptors_open(path, O_RDONLY, 0);
    if (fd < 0)
        return -errno;
    int rc = flock(fd, LOCK_SH | LOCK_NB) == 0 ? 0 : errno == EWOULDBLOCK ? 1 : -errno;
    close(fd);
    return rc;
}

int hw_ledger_lock_probe(const char *path)
{
    pthread_mutex_lock(&m);
    int rc = probe_locked(path);
    pthread_mutex_unlock(&m);
    return rc;
}

int hw_ledger_lock_fd(const struct hw_ledger_lock *lock)
{
    return lock->fd;
}

int hw_ledger_lock_try(const char *path, char *why, size_t why_size)
{
    int fd = hw_descriptors_open(path, O_RDWR, 0);
    if (fd < 0)
        return fail_open(why, why_size, path);
    close(fd);
    return hw_ledger_lock_probe(path) == 0 ? 0 : fail(why, why_size, path, held);
}

void hw_ledger_lock_put(struct hw_ledger_lock *lock)
{
    pthread_mutex_lock(&m);
    struct hw_ledger_lock **link = &taken;
    while (*link != lock)
        link = &(*link)->next;
    *link = lock->next;
    close(lock->fd);
    pthread_mutex_unlock(&m);
    free(lock);
}
