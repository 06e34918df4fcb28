/* guard.h -- puts a parser's input where reading one byte too many crashes.
 *
 * The input's last byte is the last byte before a page that nobody may touch. */
#ifndef HW_SPEC_GUARD_H
#define HW_SPEC_GUARD_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
    char *map;
    size_t size; /* bytes that can be used, in front of the guard page */
};

/* Makes room for inputs of up to `max` bytes. Aborts when there is no memory. */
static inline void guard_open(struct guard *g, size_t max)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    g->size = (max / page + 1) * page;
    g->map = mmap(NULL, g->size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g->map == MAP_FAILED || mprotect(g->map + g->size, page, PROT_NONE) != 0)
        abort();
}

static inline void guard_close(struct guard *g)
{
    munmap(g->map, g->size + (size_t)sysconf(_SC_PAGESIZE));
    g->map = NULL;
}

/* Copies the input to the edge; valid until the next call for the same guard. */
static inline char *guard_place(struct guard *g, const char *bytes, size_t len)
{
    char *place = g->map + g->size - len;
    if (len > g->size)
        abort();
    if (len)
        memcpy(place, bytes, len);
    return place;
}

/* Overwrites what was placed, so that a pointer kept into it is noticed. */
static inline void guard_spoil(struct guard *g, size_t len)
{
    memset(g->map + g->size - len, 0x7f, len);
}

#endif
