/* arena.h -- memory that is given back all at once.
 *
 * Why     what a stage allocates for a job must die with the job, also when Lua leaves by longjmp.
 * How     a bump pointer over blocks; the first block can be the caller's own (no malloc at all
 *         for an ordinary job).
 * Thread  one owner at a time; it travels with what it belongs to. */
#ifndef HW_ARENA_H
#define HW_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct hw_arena_block;

struct hw_arena {
    char *at, *end;
    struct hw_arena_block *blocks; /* from malloc, newest first */
};

/* Starts with the caller's `first` block of `size` bytes (may be NULL, 0), which stays its own. */
void hw_arena_init(struct hw_arena *arena, void *first, size_t size);

/* Frees every block of its own. The arena is then as if initialised with (NULL, 0). */
void hw_arena_fini(struct hw_arena *arena);

/* Aligned for any type; NULL when the system has no memory left. */
void *hw_arena_alloc(struct hw_arena *arena, size_t size);

/* A copy with a zero byte behind it, which its length does not count; {NULL, 0} without memory. */
struct hw_str hw_arena_copy(struct hw_arena *arena, struct hw_str text);

#endif
