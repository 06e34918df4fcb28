/* power.c -- a disk that loses power: for LD_PRELOAD before a host whose ledger is hookward.db.
 *
 * What is written to the ledger or its log is on disk once it was synced. Before that it is in the
 * page cache, of which the disk has got any part by then. So for each of the two files its content
 * as of the last sync is kept here, with the sectors that were written since. At the loss each such
 * sector is what it was or what was written, by chance; where the file grew or shrank its size is
 * either; a file whose folder was not synced since it was made may not be there. Then the process
 * is killed. -shm is not looked after: it need not outlive the process.
 *
 *   HOOKWARD_POWER_AT    the write (or truncation) of the ledger's files with which the power goes
 *   HOOKWARD_POWER_SYNC  the sync that fails with EIO, and whose sectors are lost as above; the
 *                        process goes on
 *   HOOKWARD_POWER_SEED  of the chances
 *
 * Not modelled: a removal that is undone (it is the last thing that a clean end does). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SECTOR = 512, FDS_MAX = 4096, FILES = 2 };
enum { NOTHING, FOLDER = FILES + 1 }; /* what an fd is of: else 1 + the file's index */

static struct file {
    const char *end; /* of its path */
    int fd;          /* a descriptor of our own, never closed; -1: not seen yet */
    bool fresh;      /* its folder was not synced since it was made */
    char path[1024];
    char *durable; /* as of the last sync */
    off_t size;
    bool *dirty; /* by sector */
    size_t sectors;
} files[FILES] = {{.end = "/hookward.db", .fd = -1}, {.end = "/hookward.db-wal", .fd = -1}};

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; /* guards all */
static unsigned char kinds[FDS_MAX];
static long writes, syncs, lose_at, fail_at;
static unsigned seed, odds; /* of 10: how many of the sectors the disk has got */

static __attribute__((constructor)) void begin(void)
{
    static const unsigned all_odds[] = {0, 1, 5, 5, 9, 10};
    const char *at = getenv("HOOKWARD_POWER_AT"), *sync = getenv("HOOKWARD_POWER_SYNC");
    const char *chances = getenv("HOOKWARD_POWER_SEED");
    lose_at = at ? atol(at) : 0;
    fail_at = sync ? atol(sync) : 0;
    seed = chances ? (unsigned)atol(chances) : 1;
    odds = all_odds[(unsigned)rand_r(&seed) % 6];
}

static void give_up(const char *why)
{
    fprintf(stderr, "power.so: %s\n", why);
    abort();
}

/* ---- the platform's own calls ---- */

static off_t size_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) ? 0 : st.st_size;
}

static void write_whole(int fd, const char *bytes, size_t len, off_t at)
{
    while (len) {
        long n = syscall(SYS_pwrite64, fd, bytes, len, at);
        if (n <= 0)
            give_up("can't write");
        bytes += n;
        len -= (size_t)n;
        at += n;
    }
}

/* ---- what is durable, and what is not yet ---- */

static void reserve(struct file *f, off_t size)
{
    size_t sectors = ((size_t)size + SECTOR - 1) / SECTOR, more = f->sectors * 2;
    if (sectors <= f->sectors)
        return;
    sectors = sectors > more ? sectors : more;
    f->durable = realloc(f->durable, sectors * SECTOR);
    f->dirty = realloc(f->dirty, sectors);
    if (!f->durable || !f->dirty)
        give_up("out of memory");
    memset(f->durable + f->sectors * SECTOR, 0, (sectors - f->sectors) * SECTOR);
    memset(f->dirty + f->sectors, 0, sectors - f->sectors);
    f->sectors = sectors;
}

static void mark(struct file *f, off_t from, off_t to)
{
    reserve(f, to);
    for (off_t s = from / SECTOR; s * SECTOR < to; s++)
        f->dirty[s] = true;
}

/* What the file holds now is durable. */
static void settle(struct file *f)
{
    off_t size = size_of(f->fd);
    reserve(f, size);
    for (size_t s = 0; s < f->sectors; s++) {
        char *sector = f->durable + s * SECTOR;
        if (!f->dirty[s])
            continue;
        memset(sector, 0, SECTOR);
        if (syscall(SYS_pread64, f->fd, sector, SECTOR, s * SECTOR) < 0)
            give_up("can't read");
        f->dirty[s] = false;
    }
    f->size = size;
}

static bool was_written(void)
{
    return (unsigned)rand_r(&seed) % 10 < odds;
}

/* Each sector since the last sync by chance. */
static void revert(struct file *f)
{
    off_t now = size_of(f->fd), size = rand_r(&seed) % 2 ? now : f->size;
    unsigned kept = 0, lost = 0;
    if (size > now && syscall(SYS_ftruncate, f->fd, size))
        give_up("can't extend");
    for (size_t s = 0; s < f->sectors; s++) {
        off_t at = (off_t)(s * SECTOR);
        bool gone = at >= now && at < size; /* it was cut off, and the cut is lost */
        if (!(f->dirty[s] || gone) || at >= size)
            continue;
        if (!gone && was_written()) {
            kept++;
            continue;
        }
        lost++;
        write_whole(f->fd, f->durable + at, (size_t)(size - at < SECTOR ? size - at : SECTOR), at);
    }
    if (size < now && syscall(SYS_ftruncate, f->fd, size))
        give_up("can't truncate");
    fprintf(stderr, "power.so: %s: %u sectors written, %u lost, %lld bytes of %lld\n", f->end + 1,
            kept, lost, (long long)size, (long long)now);
}

static void lose_power(void)
{
    fprintf(stderr, "power.so: the power goes at write %ld\n", writes);
    for (int i = 0; i < FILES; i++) {
        struct file *f = &files[i];
        if (f->fd < 0)
            continue;
        revert(f);
        if (f->fresh && rand_r(&seed) % 2)
            syscall(SYS_unlinkat, AT_FDCWD, f->path, 0);
    }
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static void count_write(void)
{
    if (++writes == lose_at)
        lose_power();
}

/* ---- which file is it? ---- */

static struct file *file_of(int fd)
{
    unsigned kind = fd >= 0 && fd < FDS_MAX ? kinds[fd] : NOTHING;
    return kind == NOTHING || kind == FOLDER ? NULL : &files[kind - 1];
}

static bool ends_with(const char *path, const char *end)
{
    size_t len = strlen(path), end_len = strlen(end);
    return len >= end_len && strcmp(path + len - end_len, end) == 0;
}

static void see(struct file *f, const char *path, bool existed)
{
    snprintf(f->path, sizeof f->path, "%s", path);
    f->fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (f->fd < 0)
        give_up("can't open");
    f->fresh = !existed;
    f->size = 0;
    mark(f, 0, size_of(f->fd));
    settle(f);
}

static void note_open(int fd, const char *path, bool existed)
{
    struct stat st;
    if (fd < 0 || fd >= FDS_MAX || fstat(fd, &st))
        return;
    kinds[fd] = S_ISDIR(st.st_mode) ? FOLDER : NOTHING;
    for (int i = 0; i < FILES; i++)
        if (S_ISREG(st.st_mode) && ends_with(path, files[i].end)) {
            kinds[fd] = (unsigned char)(1 + i);
            if (files[i].fd < 0)
                see(&files[i], path, existed);
        }
}

/* ---- in libc's place ---- */

static int open_noted(const char *path, int flags, mode_t mode)
{
    pthread_mutex_lock(&m);
    bool existed = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode), error = errno;
    note_open(fd, path, existed);
    pthread_mutex_unlock(&m);
    errno = error;
    return fd;
}

static mode_t mode_of(int flags, va_list list)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = mode_of(flags, list);
    va_end(list);
    return open_noted(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = mode_of(flags, list);
    va_end(list);
    return open_noted(path, flags, mode);
}

int close(int fd)
{
    pthread_mutex_lock(&m);
    if (fd >= 0 && fd < FDS_MAX)
        kinds[fd] = NOTHING;
    int rc = (int)syscall(SYS_close, fd);
    pthread_mutex_unlock(&m);
    return rc;
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    pthread_mutex_lock(&m);
    struct file *f = file_of(fd);
    ssize_t n = syscall(SYS_pwrite64, fd, bytes, len, at);
    int error = errno;
    if (f && n > 0) {
        mark(f, at, at + n);
        count_write();
    }
    pthread_mutex_unlock(&m);
    errno = error;
    return n;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return pwrite64(fd, bytes, len, at);
}

int ftruncate64(int fd, off64_t size)
{
    pthread_mutex_lock(&m);
    struct file *f = file_of(fd);
    int rc = (int)syscall(SYS_ftruncate, fd, size), error = errno;
    if (f && rc == 0) {
        if (size < f->size)
            mark(f, size, f->size);
        count_write();
    }
    pthread_mutex_unlock(&m);
    errno = error;
    return rc;
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

static int sync_file(struct file *f)
{
    if (++syncs == fail_at) {
        fprintf(stderr, "power.so: sync %ld fails\n", syncs);
        revert(f);
        settle(f);
        errno = EIO;
        return -1;
    }
    settle(f);
    return 0;
}

/* A process that is killed keeps its page cache: nothing needs to reach a real disk. */
int fsync(int fd)
{
    int rc = 0;
    pthread_mutex_lock(&m);
    struct file *f = file_of(fd);
    if (f)
        rc = sync_file(f);
    else if (fd >= 0 && fd < FDS_MAX && kinds[fd] == FOLDER)
        files[0].fresh = files[1].fresh = false;
    pthread_mutex_unlock(&m);
    return rc;
}

int fdatasync(int fd)
{
    return fsync(fd);
}

int unlink(const char *path)
{
    pthread_mutex_lock(&m);
    int rc = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0), error = errno;
    for (int i = 0; rc == 0 && i < FILES; i++)
        if (ends_with(path, files[i].end))
            files[i].fd = -1;
    pthread_mutex_unlock(&m);
    errno = error;
    return rc;
}
