/* memory.c -- one allocation that fails, whoever asks; for LD_PRELOAD.
 *
 * HOOKWARD_MEMORY names a file of two 64-bit numbers that the spec and the process share: how many
 * allocations are left until one fails (0: none will), and how many have failed. With
 * HOOKWARD_MEMORY_TRACE set, where it failed is written to stderr. */
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FRAMES = 24 };

static struct shared {
    _Atomic int64_t left, failed;
} * shared;
static bool traces;

/* glibc's own, by the names that are not ours. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static __attribute__((constructor)) void begin(void)
{
    const char *path = getenv("HOOKWARD_MEMORY");
    void *frames[FRAMES];
    traces = getenv("HOOKWARD_MEMORY_TRACE") && backtrace(frames, FRAMES); /* loads what it needs */
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *at =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED)
        shared = at;
    if (fd >= 0)
        close(fd);
}

static bool fails(void)
{
    void *frames[FRAMES];
    if (!shared || atomic_load(&shared->left) <= 0 || atomic_fetch_sub(&shared->left, 1) != 1)
        return false;
    atomic_fetch_add(&shared->failed, 1);
    if (traces)
        backtrace_symbols_fd(frames, backtrace(frames, FRAMES), STDERR_FILENO);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    *out = fails() ? NULL : __libc_memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}
