/* state_limits.c -- see state_limits.h */
#include "state_limits.h"

#include <lauxlib.h>

#include "job.h"

static bool is_over(const struct hw_limits *l)
{
    return (l->deadline_ns && hw_now_ns() >= l->deadline_ns) ||
           (l->give_up && l->give_up(l->give_up_ud));
}

static void on_count(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    struct hw_limits *l = *(struct hw_limits **)lua_getextraspace(L);
    if (!is_over(l)) {
        if (lua_gethookcount(L) != HW_LIMITS_EVERY)
            lua_sethook(L, on_count, LUA_MASKCOUNT, HW_LIMITS_EVERY);
        return;
    }
    l->timed_out = true;
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    lua_sethook(l->L, on_count, LUA_MASKCOUNT, 1);
    luaL_where(L, 0); /* a hook is no level of its own */
    lua_pushfstring(L, l->name ? "%sit ran longer than %s (%d ms)" : "%sit ran longer than %s%d ms",
                    lua_tostring(L, -1), l->name ? l->name : "", (int)l->ms);
    lua_error(L);
}

/* Short of memory each allocation costs a full collection, so that the next count may be minutes
 * away: a loop that catches its memory errors is ended by way of this. */
static void *allocate(void *ud, void *old, size_t old_size, size_t size)
{
    struct hw_limits *l = ud;
    void *block = hw_pool_resize(&l->pool, old, old_size, size);
    if (!block && size && l->L && is_over(l))
        lua_sethook(l->L, on_count, LUA_MASKCOUNT, 1);
    return block;
}

lua_State *hw_limits_open(struct hw_limits *l, size_t memory_max)
{
    hw_pool_init(&l->pool, memory_max);
    l->L = lua_newstate(allocate, l);
    if (l->L)
        *(struct hw_limits **)lua_getextraspace(l->L) = l;
    return l->L;
}

void hw_limits_begin(struct hw_limits *l, uint64_t now_ns, uint64_t ms, const char *name)
{
    l->timed_out = false;
    l->name = name;
    l->ms = ms;
    l->deadline_ns = now_ns + ms * 1000000;
    lua_sethook(l->L, on_count, LUA_MASKCOUNT, HW_LIMITS_EVERY);
}

void hw_limits_end(struct hw_limits *l)
{
    l->deadline_ns = 0;
}

void hw_limits_close(struct hw_limits *l)
{
    if (l->L)
        lua_close(l->L);
    l->L = NULL;
    hw_pool_fini(&l->pool);
}
