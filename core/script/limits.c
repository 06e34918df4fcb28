/* limits.c -- see limits.h */
#include "script/limits.h"

#include <lauxlib.h>

#include "base/clock.h"
#include "script/forked.h"

static bool is_over(const struct hw_limits *l)
{
    return (l->deadline_ns && hw_now_ns() >= l->deadline_ns) ||
           (l->give_up && l->give_up(l->give_up_ud));
}

static const char why_key; /* in the registry: the real reason of the last stop */

static struct hw_limits *limits_of(lua_State *L)
{
    return *(struct hw_limits **)lua_getextraspace(L);
}

static void keep_why(lua_State *L, const struct hw_limits *l)
{
    lua_pushboolean(L, false);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &why_key); /* stays if there is no memory for the text */
    luaL_where(L, 0); /* level 0 is the interrupted function: a hook has no level */
    const char *text = lua_pushfstring(
        L, l->name ? "%sit ran longer than %s (%d ms)" : "%sit ran longer than %s%d ms",
        lua_tostring(L, -1), l->name ? l->name : "", (int)l->ms);
    luaL_traceback(L, L, text, 0);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &why_key);
}

/* The text is the one that Lua keeps for memory errors: lua_error recognises it, and raises
 * LUA_ERRMEM without calling a message handler. */
static void stop(lua_State *L, struct hw_limits *l, lua_Hook hook)
{
    bool first = !l->timed_out;
    l->timed_out = true;
    lua_sethook(L, hook, LUA_MASKCOUNT, 1);
    lua_sethook(l->L, hook, LUA_MASKCOUNT, 1);
    if (first)
        keep_why(L, l);
    lua_pushliteral(L, "not enough memory");
    lua_error(L);
}

static void on_count(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    struct hw_limits *l = limits_of(L);
    hw_forked_check(l->forks);
    if (is_over(l))
        stop(L, l, on_count);
    else if (lua_gethookcount(L) != HW_LIMITS_EVERY)
        lua_sethook(L, on_count, LUA_MASKCOUNT, HW_LIMITS_EVERY);
}

bool hw_limits_are_starved(const struct hw_limits *l, int status)
{
    return status == LUA_ERRMEM && !l->timed_out && l->pool.starved;
}

bool hw_limits_are_over(lua_State *L)
{
    return is_over(limits_of(L));
}

void hw_limits_check(lua_State *L)
{
    struct hw_limits *l = limits_of(L);
    if (is_over(l))
        stop(L, l, on_count);
}

void hw_limits_put_why(struct hw_limits *l)
{
    lua_settop(l->L, lua_gettop(l->L) - 1);
    lua_rawgetp(l->L, LUA_REGISTRYINDEX, &why_key);
}

/* When memory is short, each allocation costs a full collection, so the next call of the hook may
 * be minutes away. This stops a loop that catches its memory errors. */
static void *allocate(void *ud, void *old, size_t old_size, size_t size)
{
    struct hw_limits *l = ud;
    void *block = hw_memory_resize(&l->pool, old, old_size, size);
    if (!block && size && l->L && is_over(l))
        lua_sethook(l->L, on_count, LUA_MASKCOUNT, 1);
    return block;
}

lua_State *hw_limits_open(struct hw_limits *l, size_t memory_max)
{
    hw_memory_init(&l->pool, memory_max);
    l->forks = hw_forked_watch();
    l->L = lua_newstate(allocate, l);
    if (!l->L)
        return NULL;
    *(struct hw_limits **)lua_getextraspace(l->L) = l;
    lua_sethook(l->L, on_count, LUA_MASKCOUNT, HW_LIMITS_EVERY); /* every coroutine inherits it */
    return l->L;
}

void hw_limits_begin(struct hw_limits *l, uint64_t now_ns, uint64_t ms, const char *name)
{
    l->timed_out = false;
    l->name = name;
    l->ms = ms;
    l->deadline_ns = now_ns + ms * 1000000;
}

void hw_limits_end(struct hw_limits *l)
{
    hw_forked_check(l->forks);
    l->deadline_ns = 0;
}

void hw_limits_close(struct hw_limits *l)
{
    if (l->L)
        lua_close(l->L);
    l->L = NULL;
    hw_memory_fini(&l->pool);
}
