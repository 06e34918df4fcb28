/* pg_due.c -- takes what is due; see postgres.h
 *
 * How     What is found is taken in the same statement, so no other host gets it: one for what has
 *         no limit, and one for each pool with due work, behind the pool's lock, which counts what
 *         runs of it at all hosts. When one kind has filled the answer, the other has the first
 *         turn at the next.
 *         What three hosts have ended with is taken, settled as dead, and not run. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "ledger/postgres.h"

enum {
    POOLS_MAX = 16 /* for each pick; those with the longest waits */
};

/* Of one call of hw_pg_pick. */
struct pick {
    struct hw_postgres *p;
    struct hw_ledger_due *due;
    struct hw_pg_args *args, *pool_args;
    struct hw_notification *lost[HW_LEDGER_BATCH_MAX];
    size_t lost_count;
    uint64_t deadline_ns;
};

static size_t room(const struct pick *pick)
{
    size_t taken = pick->due->count + pick->lost_count;
    return taken < pick->due->max ? pick->due->max - taken : 0;
}

/* ---- the answer ---- */

/* Keeps the longest due first. */
static void add(struct hw_ledger_due *due, struct hw_notification *n)
{
    size_t i = due->count++;
    for (; i > 0 && due->rows[i - 1].next_run_at > n->known.next_run_at; i--)
        due->rows[i] = due->rows[i - 1];
    due->rows[i] = (struct hw_ledger_due_row){
        .seq = n->row,
        .next_run_at = n->known.next_run_at,
        .retry = n->retry,
        .pool = n->pool,
        .taken = n,
    };
}

/* NULL without memory, or when the row is damaged. */
static struct hw_notification *fill(const struct pick *pick, const struct hw_pg_result *result,
                                    size_t row, struct hw_fence fence)
{
    struct hw_notification *n = hw_arena_alloc(pick->due->arena, sizeof *n);
    if (!n)
        return NULL;
    *n = (struct hw_notification){.arena = pick->due->arena, .by_host = true};
    if (hw_pg_take_fill(pick->p, result, row, n->arena, n))
        return NULL;
    n->retry = n->known.retries;
    n->claim = HW_CLAIM_MINE;
    n->fence = fence;
    return n;
}

/* A row that can't be handed on is let go by the audit. */
static void read_taken(struct pick *pick, const struct hw_pg_result *result, struct hw_fence fence)
{
    size_t count = hw_pg_rows(result);
    hw_pg_live_got(pick->p->live, fence.claim, count, 0);
    for (size_t i = 0; i < count; i++) {
        struct hw_notification *n = room(pick) ? fill(pick, result, i, fence) : NULL;
        bool lost = hw_pg_take_lost(result, i) >= HW_PG_LOST_MAX;
        if (!n)
            hw_pg_live_lost(pick->p->live, fence.claim);
        else if (lost && pick->lost_count < HW_LEDGER_BATCH_MAX)
            pick->lost[pick->lost_count++] = n;
        else
            add(pick->due, n);
    }
}

/* ---- taking ---- */

static struct hw_fence new_fence(struct pick *pick)
{
    return (struct hw_fence){.owner = atomic_load(&pick->p->owner),
                             .claim = hw_pg_live_begin(pick->p->live, false)};
}

static struct hw_pg_call take_call(struct pick *pick, enum hw_pg_sql statement,
                                   struct hw_fence fence)
{
    hw_pg_args_clear(pick->args);
    hw_pg_arg_int(pick->args, HW_PG_INT8, fence.owner);
    hw_pg_arg_int(pick->args, HW_PG_INT8, fence.claim);
    hw_pg_arg_int(pick->args, HW_PG_INT8, (int64_t)room(pick));
    return (struct hw_pg_call){.statement = statement, .args = pick->args};
}

static enum hw_pg_rc run_take(struct pick *pick, struct hw_pg_call *calls, size_t count,
                              struct hw_fence fence)
{
    if (!fence.claim)
        return HW_PG_DATA;
    enum hw_pg_rc rc = hw_pg_run(pick->p->settles, calls, count, pick->deadline_ns);
    if (rc == HW_PG_OK)
        read_taken(pick, calls[count - 1].result, fence);
    else
        hw_pg_live_lost(pick->p->live, fence.claim);
    return rc;
}

/* ---- pools ---- */

static int64_t room_of(const struct hw_ledger_due *due, struct hw_str pool)
{
    for (size_t i = 0; i < due->room_count; i++)
        if (hw_str_eq(due->rooms[i].pool, pool))
            return due->rooms[i].room < INT32_MAX ? (int64_t)due->rooms[i].room : INT32_MAX;
    return 1;
}

static enum hw_pg_rc take_from_pool(struct pick *pick, struct hw_str pool, int64_t limit)
{
    struct hw_fence fence = new_fence(pick);
    struct hw_pg_call calls[2] = {{.statement = HW_PG_POOL_LOCK, .args = pick->pool_args},
                                  take_call(pick, HW_PG_DUE_POOL, fence)};
    hw_pg_arg_text(pick->args, pool);
    hw_pg_arg_int(pick->args, HW_PG_INT8, limit);
    hw_pg_args_clear(pick->pool_args);
    hw_pg_array_begin(pick->pool_args, HW_PG_TEXT);
    hw_pg_item_text(pick->pool_args, pool);
    hw_pg_array_end(pick->pool_args);
    enum hw_pg_rc rc = run_take(pick, calls, 2, fence);
    hw_pg_result_free(calls[0].result);
    hw_pg_result_free(calls[1].result);
    return rc;
}

/* `pools` has their names, and how many of each run now, at all hosts. */
static enum hw_pg_rc take_from_pools(struct pick *pick, const struct hw_pg_result *pools)
{
    enum hw_pg_rc rc = HW_PG_OK;
    for (size_t i = 0; rc == HW_PG_OK && i < hw_pg_rows(pools) && room(pick); i++) {
        struct hw_str pool = hw_pg_text(pools, i, 0);
        int64_t limit = room_of(pick->due, pool);
        if (hw_pg_int(pools, i, 1) < limit)
            rc = take_from_pool(pick, pool, limit);
    }
    return rc;
}

/* ---- the order ---- */

static struct hw_pg_call pools_call(struct pick *pick)
{
    hw_pg_args_clear(pick->pool_args);
    hw_pg_arg_int(pick->pool_args, HW_PG_INT8, POOLS_MAX);
    return (struct hw_pg_call){.statement = HW_PG_NEXT_POOL, .args = pick->pool_args};
}

static enum hw_pg_rc take_without_limit(struct pick *pick, struct hw_pg_result **pools)
{
    struct hw_fence fence = new_fence(pick);
    struct hw_pg_call calls[2] = {pools_call(pick), take_call(pick, HW_PG_DUE, fence)};
    enum hw_pg_rc rc =
        pools ? run_take(pick, calls, 2, fence) : run_take(pick, calls + 1, 1, fence);
    hw_pg_result_free(calls[1].result);
    if (pools)
        *pools = calls[0].result;
    return rc;
}

/* What has no limit comes first, and the pools get what is left; while nothing is, they take
 * turns. */
static enum hw_pg_rc take_all(struct pick *pick)
{
    struct hw_pg_result *pools = NULL;
    struct hw_pg_call call = pools_call(pick);
    bool pools_first = pick->p->pools_first;
    enum hw_pg_rc rc = pools_first ? hw_pg_run(pick->p->settles, &call, 1, pick->deadline_ns)
                                   : take_without_limit(pick, &pools);
    if (pools_first)
        pools = call.result;
    pick->p->pools_first = !pools_first && pools && hw_pg_rows(pools) > 0 && room(pick) == 0;
    if (rc == HW_PG_OK && pools)
        rc = take_from_pools(pick, pools);
    hw_pg_result_free(pools);
    if (rc == HW_PG_OK && pools_first && room(pick))
        rc = take_without_limit(pick, NULL);
    return rc;
}

/* ---- what is not run any more ---- */

static void bury(struct hw_notification *n)
{
    n->state = HW_DEAD;
    n->retries = n->known.retries;
    n->outcome = (struct hw_outcome){
        .code = HW_EHOST_LOST,
        .authentic = true,
        .reason = HW_STR("the host ended three times in a row while it ran"),
    };
}

static void end_claims(struct pick *pick)
{
    for (size_t i = 0; i < pick->lost_count; i++)
        hw_pg_live_end(pick->p->live, pick->lost[i]->fence.claim);
}

/* Those that can't be recorded now are let go by the audit, and taken again. */
static void bury_lost(struct pick *pick)
{
    size_t count = pick->lost_count;
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        bury(pick->lost[i]);
    enum hw_pg_rc rc =
        hw_pg_settle(pick->p, pick->p->settles, pick->p->settle_args, pick->lost, count);
    end_claims(pick);
    if (rc == HW_PG_OK)
        hw_log_say(HW_LOG_ERROR,
                   "ledger: %zu notification%s under way at the end of the last three hosts, and "
                   "will not run again; see `hookward jobs list --state dead`",
                   count, count == 1 ? " was" : "s were");
}

/* ---- the interface ---- */

static bool may_take(struct hw_postgres *p)
{
    return !hw_pg_is_away(p) && atomic_load(&p->owner) &&
           hw_pg_boot_ns() < atomic_load(&p->lease_until_ns);
}

/* A connection that broke is opened anew at the next pick. */
static void look_at(struct hw_postgres *p, enum hw_pg_rc rc)
{
    if (rc == HW_PG_LATE || rc == HW_PG_AWAY || rc == HW_PG_REFUSED)
        hw_pg_pulse_fail(p, p->settles);
}

/* What was taken before something failed is handed on all the same. */
int hw_pg_pick(struct hw_ledger *ledger, struct hw_ledger_due *due)
{
    struct hw_postgres *p = (struct hw_postgres *)ledger;
    struct pick pick = {
        .p = p, .due = due, .args = hw_pg_args_new(), .pool_args = hw_pg_args_new()};
    due->count = 0;
    due->again = false;
    pick.deadline_ns = hw_now_ns() + HW_PG_STATEMENT_MS * UINT64_C(1000000);
    enum hw_pg_rc rc = HW_PG_DATA;
    if (due->max && pick.args && pick.pool_args && may_take(p))
        rc = hw_pg_park(p, &due->again, pick.deadline_ns);
    if (rc == HW_PG_OK && !due->again)
        rc = take_all(&pick);
    bury_lost(&pick);
    due->again |=
        pick.lost_count > 0 || (rc == HW_PG_OK && atomic_load(&p->unparking) && room(&pick));
    look_at(p, rc);
    hw_pg_args_free(pick.args);
    hw_pg_args_free(pick.pool_args);
    return rc == HW_PG_OK || due->count ? 0 : HW_ELEDGER_UNAVAILABLE;
}
