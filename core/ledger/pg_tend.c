/* pg_tend.c -- see postgres.h
 *
 * How     Retention: rows are in the order of their arrival, so the old ones are in front. A pass
 *         starts there and goes on, step by step, until it comes to rows that are young; the first,
 *         and then one a day, covers all rows. One host at a time takes a step, by a lock of the
 *         transaction. A row is old when it is by the database's clock and by this machine's; after
 *         a leap of the latter nothing is removed for a while (clock.h).
 *         Numbers of rows: what did not succeed is in an index; what runs is above the least
 *         low_seq, or in the index of what is due. All others succeeded; of few rows these are
 *         counted, of many estimated. */
#include "base/clock.h"
#include "base/log.h"
#include "ledger/postgres.h"

enum {
    MINUTE_MS = 60 * 1000, /* between two passes */
    HOUR_MS = 3600 * 1000, /* between two lines of the log */
    DAY_MS = 24 * 3600 * 1000
};

static uint64_t deadline(void)
{
    return hw_now_ns() + HW_PG_STATEMENT_MS * UINT64_C(1000000);
}

/* ---- retention ---- */

static void say_removed(struct hw_pg_retention *r)
{
    int64_t now = r->clock.steady();
    if (r->removed == 0 || now < r->say_at)
        return;
    hw_log_say(HW_LOG_INFO, "ledger: %lld notification%s removed, older than retention",
               (long long)r->removed, r->removed == 1 ? "" : "s");
    r->removed = 0;
    r->say_at = now + HOUR_MS;
}

static bool is_time_known(struct hw_postgres *p)
{
    struct hw_pg_retention *r = &p->retention;
    int64_t leap = hw_ledger_clock_look(&r->clock, 0, (int64_t)p->retention_ms);
    if (leap)
        hw_log_say(HW_LOG_WARN,
                   "ledger: the clock is %lld seconds %s what was expected; nothing is removed for "
                   "its age until it has run evenly for an hour",
                   (long long)(leap < 0 ? -leap : leap) / 1000, leap < 0 ? "behind" : "ahead of");
    return hw_ledger_clock_is_calm(&r->clock);
}

/* What a step found. */
struct step {
    bool mine;     /* no other host is at it */
    int64_t last;  /* its last row; 0: there was none */
    int64_t old;   /* rows that are older than retention */
    int64_t young; /* rows that are not, and are not from the future */
};

static enum hw_pg_rc take_step(struct hw_postgres *p, struct step *step)
{
    struct hw_pg_retention *r = &p->retention;
    struct hw_pg_args *args = p->settle_args;
    hw_pg_args_clear(args);
    hw_pg_arg_int(args, HW_PG_INT8, r->from);
    hw_pg_arg_int(args, HW_PG_INT8, (int64_t)p->retention_ms);
    hw_pg_arg_int(args, HW_PG_INT8, p->dead_retention_ms ? (int64_t)p->dead_retention_ms : -1);
    hw_pg_arg_int(args, HW_PG_INT8, r->clock.now);
    struct hw_pg_call call = {.statement = HW_PG_EXPIRE, .args = args};
    enum hw_pg_rc rc = hw_pg_run(p->settles, &call, 1, deadline());
    if (rc == HW_PG_OK) {
        step->mine = hw_pg_int(call.result, 0, 0);
        step->last = hw_pg_int(call.result, 0, 1);
        r->removed += hw_pg_int(call.result, 0, 2);
        step->old = hw_pg_int(call.result, 0, 3);
        step->young = hw_pg_int(call.result, 0, 4);
    }
    hw_pg_result_free(call.result);
    return rc;
}

/* Ends the pass. */
static bool end(struct hw_pg_retention *r, bool whole)
{
    r->from = 0;
    r->rest_at = r->clock.steady() + MINUTE_MS;
    if (whole)
        r->whole_at = r->clock.steady() + DAY_MS;
    return false;
}

/* Returns true when there may be more. A row that has settled again recently stays; the pass goes
 * on behind it. */
static bool expire(struct hw_postgres *p)
{
    struct hw_pg_retention *r = &p->retention;
    struct step step = {0};
    if (!p->retention_ms || !is_time_known(p))
        return false;
    say_removed(r);
    if (r->clock.steady() < r->rest_at || take_step(p, &step) != HW_PG_OK)
        return false;
    if (!step.mine || step.last == 0)
        return end(r, step.mine);
    if (!step.old && step.young && r->clock.steady() < r->whole_at)
        return end(r, false);
    r->from = step.last;
    return true;
}

/* ---- between batches ---- */

bool hw_pg_tend(struct hw_ledger *ledger, bool idle)
{
    struct hw_postgres *p = (struct hw_postgres *)ledger;
    if (!idle || hw_pg_is_away(p))
        return false;
    hw_pg_minutes_flush(p);
    return expire(p);
}

/* ---- numbers of rows ---- */

static void set(struct hw_postgres *p, int state, int64_t count)
{
    atomic_store_explicit(&p->ledger.rows[state], count, memory_order_relaxed);
}

enum hw_pg_rc hw_pg_rows_read(struct hw_postgres *p, struct hw_pg *pg)
{
    static const int order[] = {HW_FAILED, HW_UNHANDLED, HW_DEAD, HW_QUEUED, HW_STARTED};
    enum { STATES = sizeof order / sizeof *order };
    struct hw_pg_call call = {.statement = HW_PG_ROWS};
    enum hw_pg_rc rc = hw_pg_run(pg, &call, 1, deadline());
    if (rc == HW_PG_OK) {
        int64_t rest = hw_pg_int(call.result, 0, STATES + 2);
        for (size_t i = 0; i < STATES; i++) {
            set(p, order[i], hw_pg_int(call.result, 0, i));
            rest -= hw_pg_int(call.result, 0, i);
        }
        set(p, HW_SUCCEEDED, rest > 0 ? rest : 0);
        atomic_store_explicit(&p->ledger.backlog, hw_pg_int(call.result, 0, STATES),
                              memory_order_relaxed);
        atomic_store_explicit(&p->ledger.oldest_waiting, hw_pg_int(call.result, 0, STATES + 1),
                              memory_order_relaxed);
    }
    hw_pg_result_free(call.result);
    return rc;
}
