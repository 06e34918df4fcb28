/* arena.c -- see arena.h */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>

enum { BLOCK = 4096 };

struct hw_arena_block {
    struct hw_arena_block *older;
    max_align_t bytes[];
};

void hw_arena_init(struct hw_arena *arena, void *first, size_t size)
{
    arena->at = first;
    arena->end = first ? (char *)first + size : NULL;
    arena->blocks = NULL;
}

void hw_arena_fini(struct hw_arena *arena)
{
    for (struct hw_arena_block *b = arena->blocks, *older; b; b = older) {
        older = b->older;
        free(b);
    }
    hw_arena_init(arena, NULL, 0);
}

static int grow(struct hw_arena *arena, size_t size)
{
    size_t room = size > BLOCK / 4 ? size : BLOCK;
    struct hw_arena_block *b = malloc(sizeof *b + room);
    if (!b)
        return -1;
    b->older = arena->blocks;
    arena->blocks = b;
    arena->at = (char *)b->bytes;
    arena->end = arena->at + room;
    return 0;
}

void *hw_arena_alloc(struct hw_arena *arena, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    size_t skip = -(uintptr_t)arena->at & (align - 1);
    if (size > SIZE_MAX / 2)
        return NULL;
    if (skip + size > (size_t)(arena->end - arena->at)) {
        if (grow(arena, size))
            return NULL;
        skip = 0;
    }
    void *p = arena->at + skip;
    arena->at += skip + size;
    return p;
}

struct hw_str hw_arena_copy(struct hw_arena *arena, struct hw_str text)
{
    char *p = hw_arena_alloc(arena, text.len + 1);
    if (!p)
        return HW_STR_NONE;
    if (text.len)
        memcpy(p, text.ptr, text.len);
    p[text.len] = '\0';
    return (struct hw_str){p, text.len};
}
