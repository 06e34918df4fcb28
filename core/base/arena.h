/* arena.h -- memory that is freed all at once.
 *
 * Why     what is allocated for a job must be freed with it, also when a Lua error leaves a
 *         function by longjmp.
 * How     a bump pointer over blocks. The first block can be the caller's own, so an ordinary job
 *         needs no malloc.
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

/* Starts with the caller's block `first` of `size` bytes, which stays the caller's; may be NULL,
 * 0. */
void hw_arena_init(struct hw_arena *arena, void *first, size_t size);

/* Frees the arena's own blocks. It is then as after init with NULL, 0. */
void hw_arena_fini(struct hw_arena *arena);

/* Returns memory aligned for any type; NULL when the system has none left. */
void *hw_arena_alloc(struct hw_arena *arena, size_t size);

/* Copies `text` and a zero byte after it, which the length does not count. Returns {NULL, 0}
 * without memory. */
struct hw_str hw_arena_copy(struct hw_arena *arena, struct hw_str text);

#endif
