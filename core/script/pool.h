/* pool.h -- the memory of one Lua state: its limit, and its small blocks.
 *
 * Why     Lua allocates and frees some dozens of small blocks for each notification; malloc's
 *         bookkeeping for them took a fifteenth of the host's time.
 * How     one list of free blocks for each size class, cut from chunks; Lua says a block's size
 *         when it gives it back, so that nothing is stored beside it. Larger blocks are malloc's.
 *         A chunk goes back to the system with the pool: what a state once needed it keeps.
 * Thread  one at a time, as the state that it belongs to. */
#ifndef HW_POOL_H
#define HW_POOL_H

#include <stdbool.h>
#include <stddef.h>

enum {
    HW_POOL_STEP = 16,       /* bytes between two size classes */
    HW_POOL_SMALL_MAX = 512, /* bytes of the largest block that is cut from a chunk */
    HW_POOL_CHUNK = 16 * 1024
};

struct hw_pool {
    size_t used, max; /* bytes that Lua asked for and has not given back; at most so many */
    void *free[HW_POOL_SMALL_MAX / HW_POOL_STEP];
    char *next, *end; /* what is not cut yet of the newest chunk */
    struct hw_pool_chunk *chunks;
    bool starved; /* what could not be had last was malloc's to give, and not over `max` */
};

void hw_pool_init(struct hw_pool *pool, size_t max);

/* Gives all chunks back. Larger blocks that are still in use are not the pool's to free. */
void hw_pool_fini(struct hw_pool *pool);

/* As a lua_Alloc (the manual, 4.6): `old_size` is what `old` was last asked for with, whatever it
 * is when that is NULL; `size` 0 frees and returns NULL. Returns NULL, and leaves the old block as
 * it is, over `max` and without memory. Blocks are aligned to 16 bytes. */
void *hw_pool_resize(struct hw_pool *pool, void *old, size_t old_size, size_t size);

#endif
