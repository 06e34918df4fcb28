/* guard.c -- see guard.h */
#include "ledger/guard.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/descriptors.h"

/* Where SQLite's locks are: part of its file format, the same in all versions. */
enum {
    PENDING_AT = 0x40000000, /* taken first by whoever wants a lock on the database */
    SHARED_AT = PENDING_AT + 2,
    SHARED_SIZE = 510,
    END_AT = SHARED_AT + SHARED_SIZE,
    SHM_ALIVE_AT = 128 /* in the shared memory: locked by whoever has it open */
};

static bool set(int fd, short type, off_t at, off_t size)
{
    struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = size};
    return fcntl(fd, F_OFD_SETLK, &range) == 0;
}

void hw_ledger_guard_init(struct hw_ledger_guard *guard, int fd)
{
    *guard = (struct hw_ledger_guard){.fd = fd, .shm = -1};
}

bool hw_ledger_guard_grip(struct hw_ledger_guard *guard, enum hw_ledger_grip grip)
{
    switch (grip) {
    case HW_LEDGER_LOOSE:
        return set(guard->fd, F_UNLCK, PENDING_AT, END_AT - PENDING_AT);
    case HW_LEDGER_SHARED:
        return set(guard->fd, F_RDLCK, SHARED_AT, SHARED_SIZE) &&
               set(guard->fd, F_UNLCK, PENDING_AT, 1);
    case HW_LEDGER_CLOSED:
        return set(guard->fd, F_WRLCK, PENDING_AT, 1);
    case HW_LEDGER_ALONE:
        return set(guard->fd, F_WRLCK, PENDING_AT, END_AT - PENDING_AT);
    }
    return false;
}

void hw_ledger_guard_hold(struct hw_ledger_guard *guard, const char *shm)
{
    if (guard->shm >= 0)
        return;
    guard->shm = hw_descriptors_open(shm, O_RDWR, 0);
    if (guard->shm >= 0)
        set(guard->shm, F_RDLCK, SHM_ALIVE_AT, 1);
}

void hw_ledger_guard_drop(struct hw_ledger_guard *guard)
{
    if (guard->shm >= 0)
        close(guard->shm);
    guard->shm = -1;
}

bool hw_ledger_guard_is_used(const char *shm)
{
    struct flock range = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = SHM_ALIVE_AT, .l_len = 1};
    int fd = hw_descriptors_open(shm, O_RDWR, 0);
    if (fd < 0)
        return false;
    bool used = fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
    close(fd);
    return used;
}
