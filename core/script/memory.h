/* memory.h -- the memory of one Lua state: its limit, and its small blocks.
 *
 * Why     Lua allocates and frees some dozens of small blocks for each notification; malloc's
 *         bookkeeping for them took a fifteenth of the host's time.
 * How     each size class has a list of free blocks, which are cut from chunks. Lua passes a
 *         block's size when it frees it, so no size is stored with the block. Larger blocks come
 *         from malloc. Chunks are freed with the pool and not before: a state keeps what it once
 *         needed.
 * Thread  one at a time, as the state that it belongs to. */
#ifndef HW_MEMORY_H
#define HW_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

enum {
    HW_MEMORY_STEP = 16,       /* bytes from one size class to the next */
    HW_MEMORY_SMALL_MAX = 512, /* bytes of the largest block that is cut from a chunk */
    HW_MEMORY_CHUNK = 16 * 1024
};

struct hw_memory {
    size_t used, max; /* bytes that Lua has allocated and not freed; their limit */
    void *free[HW_MEMORY_SMALL_MAX / HW_MEMORY_STEP];
    char *next, *end; /* the part of the newest chunk that is not cut yet */
    struct hw_memory_chunk *chunks;
    bool starved; /* the last allocation that failed was within `max`: malloc failed */
};

void hw_memory_init(struct hw_memory *pool, size_t max);

/* Frees all chunks. Larger blocks that are still in use are not freed. */
void hw_memory_fini(struct hw_memory *pool);

/* As a lua_Alloc (Lua's manual, 4.6): `old_size` is the size that `old` was last allocated with,
 * and is ignored if `old` is NULL. A `size` of 0 frees the block and returns NULL. Also returns
 * NULL, with the old block unchanged, if `max` would be exceeded or malloc fails. Blocks are
 * aligned to 16 bytes. */
void *hw_memory_resize(struct hw_memory *pool, void *old, size_t old_size, size_t size);

#endif
