/* rehearsal.c -- see rehearsal.h */
#include "rehearsal.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

#include "config.h"
#include "host_parts.h"
#include "module.h"
#include "stages.h"

/* A userdata, so that a Lua error leaves nothing open. */
struct rehearsal {
    struct hw_config config;
    struct hw_stages stages;
    struct hw_worker worker;
    struct hw_job *job;
};

static int on_gc(lua_State *L)
{
    struct rehearsal *r = lua_touserdata(L, 1);
    if (r->job)
        hw_job_free(r->job);
    if (r->worker.shared)
        hw_worker_fini(&r->worker);
    hw_host_unload(&r->stages);
    hw_config_fini(&r->config);
    *r = (struct rehearsal){0};
    return 0;
}

static struct rehearsal *push_rehearsal(lua_State *L)
{
    struct rehearsal *r = lua_newuserdatauv(L, sizeof *r, 0);
    *r = (struct rehearsal){0};
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, on_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, on_gc);
    lua_setfield(L, -2, "__close");
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    return r;
}

void hw_rehearsal_fit(lua_State *L, void *ud)
{
    (void)ud;
    lua_pushcfunction(L, luaopen_base); /* the one way to have it again */
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

/* As the ledger's load fills in a revived one. */
static void read_row(lua_State *L, struct rehearsal *r)
{
    struct hw_job *job = r->job;
    job->body = text_of(L, job, "body");
    job->id = text_of(L, job, "id");
    job->key = text_of(L, job, "key");
    job->attempt = (uint32_t)number_of(L, "attempt");
    job->received_at = number_of(L, "received_at");
    job->known.deliveries = (uint32_t)number_of(L, "deliveries");
    struct hw_hasher *hasher = hw_hasher_new();
    if (!hasher)
        luaL_error(L, "out of memory");
    hw_hasher_digest(hasher, job->body, job->identity.digest);
    hw_hasher_free(hasher);
    if (!r->config.by_body)
        job->identity.id = job->id;
}

/* ---- running it ---- */

static int push_outcome(lua_State *L, const struct hw_job *job)
{
    int code = job->outcome.code;
    lua_pushboolean(L, code == 0);
    if (code == 0)
        return 1;
    struct hw_str text = job->outcome.reason.ptr ? job->outcome.reason : job->outcome.detail;
    if (!text.ptr)
        text = hw_str_of(hw_error_message(code));
    lua_pushstring(L, hw_error_name(code));
    lua_pushlstring(L, text.ptr, text.len);
    return 3;
}

static int fail(lua_State *L, const char *why)
{
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

/* rehearse(config, row) */
static int rehearse(lua_State *L)
{
    char why[1024];
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    const struct hw_embedded *modules = hw_module_sources(L);
    struct rehearsal *r = push_rehearsal(L);
    hw_config_read(&r->config, L, 1);
    r->config.fit = hw_rehearsal_fit;
    hw_log_set(r->config.log_level, r->config.log_json);
    if (hw_host_load(&r->config, modules, 1, &r->stages, why, sizeof why) ||
        hw_worker_init(&r->worker, &r->stages, 0, why, sizeof why))
        return fail(L, why);
    r->job = hw_job_revive((int64_t)number_of(L, "seq"), true, hw_now_ns());
    if (!r->job)
        return fail(L, "out of memory");
    read_row(L, r);
    hw_stages_run(&r->worker, r->job);
    return push_outcome(L, r->job);
}

void hw_rehearsal_push(lua_State *L)
{
    lua_pushcfunction(L, rehearse);
}
