/* memory.c -- see memory.h
 *
 * With AddressSanitizer, memory that is free or not cut yet is poisoned, and so are the bytes
 * between a block's size and its class. So the pool hides no error of its users. */
#include "script/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HW_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HW_ASAN 1
#endif
#endif

#ifdef HW_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

struct hw_memory_chunk {
    struct hw_memory_chunk *next;
    max_align_t blocks[];
};

enum { CHUNK_BLOCKS = HW_MEMORY_CHUNK - sizeof(struct hw_memory_chunk) };
_Static_assert(CHUNK_BLOCKS % HW_MEMORY_STEP == 0, "what is left of a chunk is a whole block");

void hw_memory_init(struct hw_memory *pool, size_t max)
{
    *pool = (struct hw_memory){.max = max};
}

void hw_memory_fini(struct hw_memory *pool)
{
    while (pool->chunks) {
        struct hw_memory_chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        ASAN_UNPOISON_MEMORY_REGION(chunk, HW_MEMORY_CHUNK);
        free(chunk);
    }
    hw_memory_init(pool, pool->max);
}

static size_t class_of(size_t size)
{
    return (size - 1) / HW_MEMORY_STEP;
}

static size_t room_of(size_t size)
{
    return (class_of(size) + 1) * HW_MEMORY_STEP;
}

static void put(struct hw_memory *pool, void *block, size_t size)
{
    void **list = &pool->free[class_of(size)];
    ASAN_UNPOISON_MEMORY_REGION(block, sizeof *list);
    *(void **)block = *list;
    *list = block;
    ASAN_POISON_MEMORY_REGION(block, room_of(size));
}

/* The rest of the last chunk becomes a free block: it is smaller than the largest size class. */
static int add_chunk(struct hw_memory *pool)
{
    struct hw_memory_chunk *chunk = malloc(HW_MEMORY_CHUNK);
    if (!chunk)
        return -1;
    if (pool->next < pool->end)
        put(pool, pool->next, (size_t)(pool->end - pool->next));
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    pool->next = (char *)chunk->blocks;
    pool->end = (char *)chunk + HW_MEMORY_CHUNK;
    ASAN_POISON_MEMORY_REGION(pool->next, CHUNK_BLOCKS);
    return 0;
}

static void *take(struct hw_memory *pool, size_t size)
{
    void **list = &pool->free[class_of(size)];
    char *block = *list;
    if (block) {
        ASAN_UNPOISON_MEMORY_REGION(block, size < sizeof *list ? sizeof *list : size);
        *list = *(void **)block;
        ASAN_POISON_MEMORY_REGION(block + size, room_of(size) - size);
        return block;
    }
    if ((size_t)(pool->end - pool->next) < room_of(size) && add_chunk(pool))
        return NULL;
    block = pool->next;
    pool->next += room_of(size);
    ASAN_UNPOISON_MEMORY_REGION(block, size);
    return block;
}

static void *move(struct hw_memory *pool, void *old, size_t old_size, size_t size)
{
    void *block = size <= HW_MEMORY_SMALL_MAX ? take(pool, size) : malloc(size);
    if (!block)
        return NULL;
    memcpy(block, old, old_size < size ? old_size : size);
    if (old_size <= HW_MEMORY_SMALL_MAX)
        put(pool, old, old_size);
    else
        free(old);
    return block;
}

static void *resize_small(void *old, size_t old_size, size_t size)
{
    ASAN_UNPOISON_MEMORY_REGION(old, size);
    if (size < old_size)
        ASAN_POISON_MEMORY_REGION((char *)old + size, room_of(size) - size);
    return old;
}

static void give_back(struct hw_memory *pool, void *old, size_t old_size)
{
    if (old && old_size <= HW_MEMORY_SMALL_MAX)
        put(pool, old, old_size);
    else
        free(old);
}

static void *resize(struct hw_memory *pool, void *old, size_t old_size, size_t size)
{
    bool was_small = old_size <= HW_MEMORY_SMALL_MAX, is_small = size <= HW_MEMORY_SMALL_MAX;
    if (!old)
        return is_small ? take(pool, size) : malloc(size);
    if (!was_small && !is_small)
        return realloc(old, size);
    if (was_small && is_small && class_of(old_size) == class_of(size))
        return resize_small(old, old_size, size);
    return move(pool, old, old_size, size);
}

void *hw_memory_resize(struct hw_memory *pool, void *old, size_t old_size, size_t size)
{
    if (!old)
        old_size = 0; /* here Lua passes the type of the new object */
    if (size > old_size && size - old_size > pool->max - pool->used) {
        pool->starved = false;
        return NULL;
    }
    if (size == 0)
        give_back(pool, old, old_size);
    void *block = size ? resize(pool, old, old_size, size) : NULL;
    if (block || size == 0)
        pool->used += size - old_size;
    else
        pool->starved = true;
    return block;
}
