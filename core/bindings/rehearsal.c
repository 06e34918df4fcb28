/* rehearsal.c -- see rehearsal.h */
#include "bindings/rehearsal.h"

#include <lauxlib.h>
#include <lualib.h>

#include "bindings/solo.h"

void hw_rehearsal_fit(lua_State *L, void *ud)
{
    (void)ud;
    lua_pushcfunction(L, luaopen_base); /* the only way to get Lua's print back */
    lua_pushliteral(L, LUA_GNAME);
    lua_call(L, 1, 0);
}

/* ---- the job ---- */

static struct hw_str text_of(lua_State *L, struct hw_job *job, const char *field)
{
    struct hw_str text = HW_STR_NONE;
    lua_getfield(L, 2, field);
    const char *bytes = lua_tolstring(L, -1, &text.len);
    text.ptr = bytes;
    text = bytes ? hw_arena_copy(&job->arena, text) : HW_STR("");
    lua_pop(L, 1);
    if (!text.ptr)
        luaL_error(L, "out of memory");
    return text;
}

static lua_Number number_of(lua_State *L, const char *field)
{
    lua_getfield(L, 2, field);
    lua_Number number = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return number;
}

/* Fills in the job as the ledger's load does for a revived one. */
static void read_row(lua_State *L, struct hw_solo *s)
{
    struct hw_job *job = s->job;
    job->n.body = text_of(L, job, "body");
    job->n.id = text_of(L, job, "id");
    job->n.key = text_of(L, job, "key");
    job->n.headers = text_of(L, job, "headers");
    job->n.attempt = (uint32_t)number_of(L, "attempt");
    job->n.received_at = number_of(L, "received_at");
    job->n.known.deliveries = (uint32_t)number_of(L, "deliveries");
    struct hw_hasher *hasher = hw_hasher_new();
    if (!hasher)
        luaL_error(L, "out of memory");
    int rc = hw_hasher_digest(hasher, job->n.body, job->n.identity.digest);
    hw_hasher_free(hasher);
    if (rc)
        luaL_error(L, "out of memory");
    if (!s->config.by_body)
        job->n.identity.id = job->n.id;
}

/* ---- running it ---- */

/* rehearse(config, row) */
static int rehearse(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    struct hw_solo *s = hw_solo_open(L, 1, hw_rehearsal_fit);
    if (!s)
        return 2;
    s->job = hw_job_revive((int64_t)number_of(L, "seq"), true, hw_now_ns());
    if (!s->job) {
        lua_pushnil(L);
        lua_pushliteral(L, "out of memory");
        return 2;
    }
    read_row(L, s);
    s->job->n.started = true; /* there is nothing to record before it begins */
    hw_stages_run(&s->worker, s->job);
    lua_pushboolean(L, s->job->n.outcome.code == 0);
    hw_solo_push_failure(L, s->job);
    return 3;
}

void hw_rehearsal_push(lua_State *L)
{
    lua_pushcfunction(L, rehearse);
}
