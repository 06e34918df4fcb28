/* replay.c -- see replay.h */
#include "replay.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#include "committer.h"
#include "config.h"
#include "host_parts.h"
#include "job.h"
#include "module.h"
#include "rehearsal.h"
#include "stages.h"

/* A userdata, so that a Lua error from `each` leaves nothing open. */
struct replay {
    struct hw_config config;
    struct hw_stages stages;
    struct hw_worker worker;
    struct hw_job *job;
};

static int on_gc(lua_State *L)
{
    struct replay *r = lua_touserdata(L, 1);
    if (r->job)
        hw_job_free(r->job);
    if (r->worker.shared)
        hw_worker_fini(&r->worker);
    hw_host_unload(&r->stages);
    hw_config_fini(&r->config);
    *r = (struct replay){0};
    return 0;
}

static struct replay *push_replay(lua_State *L)
{
    struct replay *r = lua_newuserdatauv(L, sizeof *r, 0);
    *r = (struct replay){0};
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, on_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, on_gc);
    lua_setfield(L, -2, "__close");
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    return r;
}

static int fail(lua_State *L, const char *why)
{
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

static void run(struct replay *r, struct hw_job *job)
{
    hw_stages_run(&r->worker, job); /* loads it */
    if (job->outcome.code)
        return;
    hw_stages_run(&r->worker, job);
    hw_commit_batch(r->stages.ledger, &job, 1);
}

static void tell(lua_State *L, int each, const struct hw_job *job)
{
    int code = job->outcome.code;
    struct hw_str text = job->outcome.reason.ptr ? job->outcome.reason : job->outcome.detail;
    lua_pushvalue(L, each);
    lua_pushinteger(L, job->from_row);
    if (code) {
        if (!text.ptr)
            text = hw_str_of(hw_error_message(code));
        lua_pushstring(L, hw_error_name(code));
        lua_pushlstring(L, text.ptr, text.len);
    } else {
        lua_pushnil(L);
        lua_pushnil(L);
    }
    lua_call(L, 3, 0);
}

/* replay(config, rows, force, each, here) */
static int replay(lua_State *L)
{
    char why[1024];
    bool force = lua_toboolean(L, 3);
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 4, LUA_TFUNCTION);
    bool here = lua_toboolean(L, 5);
    lua_settop(L, 4);
    const struct hw_embedded *modules = hw_module_sources(L);
    struct replay *r = push_replay(L);
    hw_config_read(&r->config, L, 1);
    r->config.fit = here ? hw_rehearsal_fit : NULL;
    hw_log_set(r->config.log_level, r->config.log_json);
    if (hw_host_load(&r->config, modules, 1, &r->stages, why, sizeof why))
        return fail(L, why);
    if (hw_worker_init(&r->worker, &r->stages, 0, why, sizeof why))
        return fail(L, why);
    for (lua_Integer i = 1; lua_rawgeti(L, 2, i) == LUA_TNUMBER; i++) {
        r->job = hw_job_revive(lua_tointeger(L, -1), force, hw_now_ns());
        if (!r->job)
            return fail(L, "out of memory");
        lua_pop(L, 1);
        run(r, r->job);
        tell(L, 4, r->job);
        hw_job_free(r->job);
        r->job = NULL;
    }
    lua_pushboolean(L, 1);
    return 1;
}

void hw_replay_push(lua_State *L)
{
    lua_pushcfunction(L, replay);
}
