/* solo.c -- see solo.h */
#include "bindings/solo.h"

#include <lauxlib.h>

#include "base/error.h"
#include "base/log.h"
#include "host/parts.h"
#include "script/modules.h"
#include "script/owned.h"
#include "trip/claimer.h"
#include "trip/committer.h"
#include "trip/retry.h"

static int on_close(lua_State *L)
{
    struct hw_solo *s = lua_touserdata(L, 1);
    if (s->job)
        hw_job_free(s->job);
    if (s->worker.shared)
        hw_worker_fini(&s->worker);
    hw_host_unload(&s->stages);
    hw_config_fini(&s->config);
    *s = (struct hw_solo){0};
    return 0;
}

static struct hw_solo *push_solo(lua_State *L)
{
    struct hw_solo *s = lua_newuserdatauv(L, sizeof *s, 0);
    *s = (struct hw_solo){0};
    hw_owned_set(L, "hookward.solo", NULL, on_close);
    lua_toclose(L, -1);
    return s;
}

struct hw_solo *hw_solo_open(lua_State *L, int config, hw_vm_fit_fn *fit)
{
    char why[1024];
    const struct hw_modules *modules = hw_modules_of(L);
    struct hw_solo *s = push_solo(L);
    hw_config_read(&s->config, L, config);
    s->config.fit = fit;
    hw_log_set(s->config.log_level, s->config.log_json);
    if (hw_host_load(&s->config, modules, 1, &s->stages, why, sizeof why) == 0 &&
        hw_worker_init(&s->worker, &s->stages, 0, why, sizeof why) == 0)
        return s;
    lua_pushnil(L);
    lua_pushstring(L, why);
    return NULL;
}

/* ---- after a run ---- */

/* Runs it anew, with what was recorded of it. */
static void go_on(struct hw_worker *worker, struct hw_job *job)
{
    job->n.outcome = (struct hw_outcome){0};
    job->let_go = false;
    hw_stages_run(worker, job);
}

static void record_start(struct hw_worker *worker, const struct hw_config *config,
                         struct hw_job *job, int64_t now_ms)
{
    hw_retry_start(&job->n, now_ms, config->handler_timeout_ms);
    hw_commit_batch(worker->shared->ledger, job);
    if (!job->let_go)
        return;
    job->n.copies = 0; /* recorded with the start */
    go_on(worker, job);
}

void hw_solo_claim(struct hw_worker *worker, struct hw_job *job)
{
    hw_claim_batch(worker->shared->ledger, job);
    if (job->n.claim != HW_CLAIM_ELSEWHERE)
        return;
    job->n.outcome.reason = HW_STR("it runs at another host just now; try again later");
    hw_notification_fail(&job->n, HW_EOVERLOADED);
}

void hw_solo_accept(struct hw_worker *worker, const struct hw_config *config, struct hw_job *job,
                    bool behind, int64_t now_ms)
{
    job->n.accepted = true;
    if (behind) {
        hw_retry_queue(&job->n, now_ms);
        job->n.next_run_at = 0;
    } else {
        hw_retry_start(&job->n, now_ms, config->handler_timeout_ms);
    }
    hw_commit_batch(worker->shared->ledger, job);
    if (!job->n.started)
        return;
    job->n.copies = 0; /* recorded with the start */
    go_on(worker, job);
}

void hw_solo_finish(struct hw_worker *worker, const struct hw_config *config, struct hw_job *job,
                    int64_t now_ms, uint64_t random)
{
    struct hw_ledger *ledger = worker->shared->ledger;
    if (job->n.outcome.held && hw_commit_held(ledger, job) == 0)
        go_on(worker, job);
    if (job->starting)
        record_start(worker, config, job, now_ms);
    if (job->n.outcome.held || job->committed)
        return;
    if (!job->n.outcome.from_ledger)
        hw_retry_settle(&config->retries, &job->n, now_ms, random);
    hw_commit_batch(ledger, job);
}

void hw_solo_push_failure(lua_State *L, const struct hw_job *job)
{
    int code = job->n.outcome.code;
    struct hw_str text = job->n.outcome.reason.ptr ? job->n.outcome.reason : job->n.outcome.detail;
    if (code == 0) {
        lua_pushnil(L);
        lua_pushnil(L);
        return;
    }
    if (!text.ptr)
        text = hw_str_of(hw_error_message(code));
    lua_pushstring(L, hw_error_name(code));
    lua_pushlstring(L, text.ptr, text.len);
}
