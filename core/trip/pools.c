/* pools.c -- see pools.h */
#include "trip/pools.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct hw_pool {
    struct hw_pool *next;
    size_t max, in_hand;
    bool known; /* its limit is */
    size_t len;
    char name[];
};

static struct hw_pool *find(const struct hw_pools *pools, struct hw_str name)
{
    struct hw_pool *pool = pools->first;
    while (pool && !hw_str_eq((struct hw_str){pool->name, pool->len}, name))
        pool = pool->next;
    return pool;
}

static struct hw_pool *find_or_add(struct hw_pools *pools, struct hw_str name)
{
    struct hw_pool *pool = find(pools, name);
    if (pool)
        return pool;
    pool = calloc(1, sizeof *pool + name.len);
    if (!pool)
        return NULL;
    pool->max = 1;
    pool->len = name.len;
    memcpy(pool->name, name.ptr, name.len);
    pool->next = pools->first;
    return pools->first = pool;
}

void hw_pools_fini(struct hw_pools *pools)
{
    while (pools->first) {
        struct hw_pool *pool = pools->first;
        pools->first = pool->next;
        free(pool);
    }
}

size_t hw_pools_room(const struct hw_pools *pools, struct hw_str name)
{
    const struct hw_pool *pool = find(pools, name);
    if (!pool)
        return 1;
    if (pool->known && pool->max == 0)
        return SIZE_MAX;
    return pool->in_hand < pool->max ? pool->max - pool->in_hand : 0;
}

struct hw_pool *hw_pools_enter(struct hw_pools *pools, struct hw_str name)
{
    struct hw_pool *pool = find_or_add(pools, name);
    if (pool)
        pool->in_hand++;
    return pool;
}

void hw_pools_leave(struct hw_pool *pool)
{
    HW_CHECK(pool->in_hand > 0);
    pool->in_hand--;
}

void hw_pools_learn(struct hw_pools *pools, struct hw_str name, uint32_t max)
{
    struct hw_pool *pool = find_or_add(pools, name);
    if (!pool)
        return;
    pool->max = max;
    pool->known = true;
}

struct hw_ledger_room *hw_pools_list(const struct hw_pools *pools, struct hw_arena *arena,
                                     size_t *count)
{
    size_t i = 0;
    *count = 0;
    for (const struct hw_pool *pool = pools->first; pool; pool = pool->next)
        ++*count;
    struct hw_ledger_room *rooms = *count ? hw_arena_alloc(arena, *count * sizeof *rooms) : NULL;
    if (!rooms)
        *count = 0;
    for (const struct hw_pool *pool = pools->first; rooms && pool; pool = pool->next) {
        struct hw_str name = {pool->name, pool->len};
        size_t room = hw_pools_room(pools, name);
        rooms[i++] = (struct hw_ledger_room){
            name, room > 0 && room < SIZE_MAX ? room + pool->in_hand : room};
    }
    return rooms;
}
