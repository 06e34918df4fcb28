/* replay.c -- see replay.h */
#include "bindings/replay.h"

#include <lauxlib.h>

#include "base/clock.h"
#include "bindings/rehearsal.h"
#include "bindings/solo.h"

static void run(struct hw_solo *s, struct hw_job *job)
{
    if (hw_ledger_claims(s->stages.ledger))
        hw_solo_claim(&s->worker, job);
    else
        hw_stages_run(&s->worker, job); /* loads it */
    if (job->n.outcome.code && !hw_job_is_claimed(job) && !job->n.outcome.from_ledger)
        return;
    if (job->n.outcome.code == 0 && !job->n.outcome.from_ledger)
        hw_stages_run(&s->worker, job);
    hw_solo_finish(&s->worker, &s->config, job, (int64_t)(hw_now() * 1000), hw_now_ns());
}

/* Returns whether to go on. */
static bool tell(lua_State *L, int each, const struct hw_job *job)
{
    lua_pushvalue(L, each);
    lua_pushinteger(L, job->n.from_row);
    hw_solo_push_failure(L, job);
    lua_call(L, 3, 1);
    bool ended = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
    lua_pop(L, 1);
    return !ended;
}

/* replay(config, rows, force, each, here) */
static int replay(lua_State *L)
{
    bool force = lua_toboolean(L, 3);
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 4, LUA_TFUNCTION);
    bool here = lua_toboolean(L, 5);
    lua_settop(L, 4);
    struct hw_solo *s = hw_solo_open(L, 1, here ? hw_rehearsal_fit : NULL);
    if (!s)
        return 2;
    for (lua_Integer i = 1; lua_rawgeti(L, 2, i) == LUA_TNUMBER; i++) {
        s->job = hw_job_revive(lua_tointeger(L, -1), force, hw_now_ns());
        if (!s->job) {
            lua_pushnil(L);
            lua_pushliteral(L, "out of memory");
            return 2;
        }
        lua_pop(L, 1);
        run(s, s->job);
        bool goes_on = tell(L, 4, s->job);
        hw_job_free(s->job);
        s->job = NULL;
        if (!goes_on)
            break;
    }
    lua_pushboolean(L, 1);
    return 1;
}

void hw_replay_push(lua_State *L)
{
    lua_pushcfunction(L, replay);
}
