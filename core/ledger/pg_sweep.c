/* pg_sweep.c -- see postgres.h
 *
 * Why     Copies of what a host left behind take it over by themselves. What nobody asks for again
 *         must become visible all the same, and run again where the host has to run it.
 * How     Sweep: any host does it, for each host that is gone: what was accepted is due at once; of
 *         the rest the sender asks again, or, after its last attempt, this side does, as `retries`
 *         says. A host counts as swept once nothing was found some time after its end, since one of
 *         its statements may still have been under way.
 *         Audit: what runs at this host as the database has it is compared with the claims that it
 *         knows (pg_live.c). A row that nobody knows is let go: an answer was lost, or a failover
 *         forgot an outcome.
 *         Either changes the fence, so that an outcome that comes late is known to be late. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "ledger/postgres.h"

static uint64_t deadline(void)
{
    return hw_now_ns() + HW_PG_STATEMENT_MS * UINT64_C(1000000);
}

/* ---- sweep ---- */

/* Of one host, a few hundred rows. */
struct swept {
    int64_t host; /* 0: there is none any more */
    int64_t found, let_go, dead;
};

static enum hw_pg_rc sweep_some(struct hw_postgres *p, int64_t after, struct swept *swept)
{
    struct hw_pg_args *args = p->pulse_args;
    hw_pg_args_clear(args);
    hw_pg_arg_int(args, HW_PG_INT8, p->first_retry_ms);
    hw_pg_arg_int(args, HW_PG_INT8, after);
    struct hw_pg_call call = {.statement = HW_PG_SWEEP, .args = args};
    enum hw_pg_rc rc = hw_pg_run(p->pulse, &call, 1, deadline());
    *swept = (struct swept){0};
    if (rc == HW_PG_OK)
        *swept = (struct swept){.host = hw_pg_int(call.result, 0, 0),
                                .found = hw_pg_int(call.result, 0, 1),
                                .let_go = hw_pg_int(call.result, 0, 2),
                                .dead = hw_pg_int(call.result, 0, 3)};
    hw_pg_result_free(call.result);
    return rc;
}

static void say_swept(int64_t let_go, int64_t dead)
{
    if (let_go > 0)
        hw_log_say(
            HW_LOG_WARN,
            "ledger: %lld notification%s under way at a host that is gone; what the host has "
            "to run again is due",
            (long long)let_go, let_go == 1 ? " was" : "s were");
    if (dead > 0)
        hw_log_say(HW_LOG_ERROR,
                   "ledger: %lld of them will not run again; see `hookward jobs list --state dead`",
                   (long long)dead);
}

/* Rows that others have locked just now are left to the next time. */
enum hw_pg_rc hw_pg_sweep(struct hw_postgres *p)
{
    struct swept swept;
    int64_t after = 0, let_go = 0, dead = 0;
    enum hw_pg_rc rc;
    while ((rc = sweep_some(p, after, &swept)) == HW_PG_OK && swept.host) {
        if (swept.let_go == 0 || swept.let_go == swept.found)
            after = swept.host;
        let_go += swept.let_go;
        dead += swept.dead;
    }
    say_swept(let_go, dead);
    return rc;
}

/* ---- audit ---- */

enum { RELEASE_MAX = 500 /* rows at a time */ };

static enum hw_pg_rc find_ours(struct hw_postgres *p, struct hw_pg_result **result)
{
    struct hw_pg_args *args = p->pulse_args;
    hw_pg_args_clear(args);
    hw_pg_arg_int(args, HW_PG_INT8, atomic_load(&p->owner));
    hw_pg_arg_int(args, HW_PG_INT8, hw_pg_live_low_seq(p->live));
    struct hw_pg_call call = {.statement = HW_PG_AUDIT, .args = args};
    enum hw_pg_rc rc = hw_pg_run(p->pulse, &call, 1, deadline());
    *result = call.result;
    return rc;
}

struct unknown {
    size_t count;
    int64_t seqs[RELEASE_MAX], claims[RELEASE_MAX];
};

/* From row *at of the result on. */
static void find_unknown(struct hw_postgres *p, const struct hw_pg_result *ours, size_t *at,
                         struct unknown *unknown)
{
    unknown->count = 0;
    for (; *at < hw_pg_rows(ours) && unknown->count < RELEASE_MAX; ++*at) {
        int64_t claim = hw_pg_int(ours, *at, 1);
        if (hw_pg_live_has(p->live, claim))
            continue;
        unknown->seqs[unknown->count] = hw_pg_int(ours, *at, 0);
        unknown->claims[unknown->count++] = claim;
    }
}

static void add_numbers(struct hw_pg_args *args, const int64_t *numbers, size_t count)
{
    hw_pg_array_begin(args, HW_PG_INT8);
    for (size_t i = 0; i < count; i++)
        hw_pg_item_int(args, numbers[i]);
    hw_pg_array_end(args);
}

static enum hw_pg_rc release(struct hw_postgres *p, const struct unknown *unknown,
                             int64_t *released)
{
    struct hw_pg_args *args = p->pulse_args;
    hw_pg_args_clear(args);
    hw_pg_arg_int(args, HW_PG_INT8, atomic_load(&p->owner));
    hw_pg_arg_int(args, HW_PG_INT8, p->first_retry_ms);
    add_numbers(args, unknown->seqs, unknown->count);
    add_numbers(args, unknown->claims, unknown->count);
    struct hw_pg_call call = {.statement = HW_PG_RELEASE, .args = args};
    enum hw_pg_rc rc = hw_pg_run(p->pulse, &call, 1, deadline());
    if (rc == HW_PG_OK)
        *released += hw_pg_int(call.result, 0, 0);
    hw_pg_result_free(call.result);
    return rc;
}

/* A claim is known before it is sent, so a row of a claim that is under way is never let go. */
enum hw_pg_rc hw_pg_audit(struct hw_postgres *p)
{
    struct hw_pg_result *ours;
    struct unknown unknown;
    uint64_t began_ns = hw_now_ns();
    int64_t released = 0;
    size_t at = 0;
    enum hw_pg_rc rc = find_ours(p, &ours);
    while (rc == HW_PG_OK && at < hw_pg_rows(ours)) {
        find_unknown(p, ours, &at, &unknown);
        if (unknown.count > 0)
            rc = release(p, &unknown, &released);
    }
    hw_pg_result_free(ours);
    if (rc == HW_PG_OK)
        hw_pg_live_audited(p->live, began_ns);
    if (released > 0)
        hw_log_say(HW_LOG_WARN,
                   "ledger: %lld notification%s said to run at this host, and did not; let go",
                   (long long)released, released == 1 ? " was" : "s were");
    return rc;
}
