/* pg_place.c -- see pg_place.h */
#include "ledger/pg_place.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptors.h"

enum { NUMBER_LEN = 32, BOOT_LEN = 36 };

static bool is_number(const char *text, long len)
{
    return len == NUMBER_LEN && strspn(text, "0123456789abcdef") == NUMBER_LEN;
}

static bool read_boot(char boot[BOOT_LEN + 1])
{
    int fd = hw_descriptors_open("/proc/sys/kernel/random/boot_id", O_RDONLY, 0);
    if (fd < 0)
        return false;
    long len = hw_descriptors_read(fd, boot, BOOT_LEN);
    close(fd);
    boot[len < 0 ? 0 : len] = '\0';
    return len == BOOT_LEN;
}

static bool make_number(char number[NUMBER_LEN + 1])
{
    uint64_t random[2];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return false;
    snprintf(number, NUMBER_LEN + 1, "%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
    return true;
}

/* The file at `path` is the one that is locked. */
static bool is_at(int fd, const char *path, struct stat *st)
{
    struct stat named;
    return fstat(fd, st) == 0 && stat(path, &named) == 0 && named.st_dev == st->st_dev &&
           named.st_ino == st->st_ino;
}

static bool take(struct hw_pg_place *place, const char *path)
{
    struct stat st;
    char boot[BOOT_LEN + 1], number[NUMBER_LEN + 1], before[NUMBER_LEN + 1];
    if (flock(place->fd, LOCK_EX | LOCK_NB) || !is_at(place->fd, path, &st) || !read_boot(boot) ||
        !make_number(number))
        return false;
    long len = hw_descriptors_read(place->fd, before, NUMBER_LEN);
    before[len < 0 ? 0 : len] = '\0';
    if (pwrite(place->fd, number, NUMBER_LEN, 0) != NUMBER_LEN)
        return false;
    unsigned long long device = st.st_dev, inode = st.st_ino;
    snprintf(place->name, sizeof place->name, "%s:%llx:%llx:%s", boot, device, inode, number);
    if (is_number(before, len))
        snprintf(place->before, sizeof place->before, "%s:%llx:%llx:%s", boot, device, inode,
                 before);
    return true;
}

void hw_pg_place_take(struct hw_pg_place *place, const char *control)
{
    char path[PATH_MAX];
    *place = (struct hw_pg_place){.fd = -1};
    if (!control || snprintf(path, sizeof path, "%s.lock", control) >= (int)sizeof path)
        return;
    place->fd = hw_descriptors_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (place->fd >= 0 && !take(place, path))
        hw_pg_place_leave(place);
}

void hw_pg_place_leave(struct hw_pg_place *place)
{
    if (place->fd >= 0)
        close(place->fd);
    *place = (struct hw_pg_place){.fd = -1};
}
