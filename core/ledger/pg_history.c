/* pg_history.c -- the runs of what did not succeed at its first; see postgres.h
 *
 * How     as history.c: what succeeds at its first run has none. The rows are written in the
 *         transaction of the outcomes, and only for those whose outcome that transaction wrote:
 *         what another host has by now, or what an earlier try wrote, gets none. */
#include "ledger/file.h"
#include "ledger/history.h"
#include "ledger/postgres.h"

static int64_t ms_between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (int64_t)((to_ns - from_ns) / 1000000) : 0;
}

static bool wants(const struct hw_notification *n)
{
    return n->row && !n->outcome.from_ledger && hw_ledger_history_wants(n);
}

static void add_ints(struct hw_pg_args *args, struct hw_notification *const *batch, size_t count,
                     enum hw_pg_type type, int64_t (*of)(const struct hw_notification *n))
{
    hw_pg_array_begin(args, type);
    for (size_t i = 0; i < count; i++)
        if (wants(batch[i]))
            hw_pg_item_int(args, of(batch[i]));
    hw_pg_array_end(args);
}

static void add_texts(struct hw_pg_args *args, struct hw_notification *const *batch, size_t count,
                      struct hw_str (*of)(const struct hw_notification *n))
{
    hw_pg_array_begin(args, HW_PG_TEXT);
    for (size_t i = 0; i < count; i++)
        if (wants(batch[i]))
            hw_pg_item_text(args, of(batch[i]));
    hw_pg_array_end(args);
}

/* ---- the columns ---- */

static int64_t row_of(const struct hw_notification *n)
{
    return n->row;
}

static int64_t owner_of(const struct hw_notification *n)
{
    return n->fence.owner;
}

static int64_t claim_of(const struct hw_notification *n)
{
    return n->fence.claim;
}

static int64_t attempt_of(const struct hw_notification *n)
{
    return n->attempt;
}

static int64_t retry_of(const struct hw_notification *n)
{
    return n->retry;
}

static uint64_t taken_ns(const struct hw_notification *n)
{
    return n->outcome.taken_ns ? n->outcome.taken_ns : n->outcome.finished_ns;
}

static int64_t waited_ms(const struct hw_notification *n)
{
    return ms_between(n->cut_ns, taken_ns(n));
}

static int64_t run_ms(const struct hw_notification *n)
{
    return ms_between(taken_ns(n), n->outcome.finished_ns);
}

static int64_t is_sure(const struct hw_notification *n)
{
    return hw_ledger_history_is_sure(n);
}

static struct hw_str error_of(const struct hw_notification *n)
{
    return n->outcome.code ? hw_str_of(hw_error_name(n->outcome.code)) : HW_STR_NONE;
}

static struct hw_str reason_of(const struct hw_notification *n)
{
    struct hw_str reason = n->outcome.reason;
    if (reason.len > HW_LEDGER_ERROR_MAX)
        reason.len = HW_LEDGER_ERROR_MAX;
    return reason;
}

static struct hw_str version_of(const struct hw_notification *n)
{
    return n->outcome.ran ? hw_str_of(n->version) : HW_STR_NONE;
}

/* ---- the statements ---- */

bool hw_pg_history_is_any(struct hw_notification *const *batch, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (wants(batch[i]))
            return true;
    return false;
}

void hw_pg_history_add(struct hw_pg_args *args, struct hw_notification *const *batch, size_t count)
{
    add_ints(args, batch, count, HW_PG_INT8, row_of);
    add_ints(args, batch, count, HW_PG_INT8, owner_of);
    add_ints(args, batch, count, HW_PG_INT8, claim_of);
    add_ints(args, batch, count, HW_PG_INT4, attempt_of);
    add_ints(args, batch, count, HW_PG_INT4, retry_of);
    add_ints(args, batch, count, HW_PG_INT8, waited_ms);
    add_ints(args, batch, count, HW_PG_INT8, run_ms);
    add_texts(args, batch, count, error_of);
    add_texts(args, batch, count, reason_of);
    add_texts(args, batch, count, version_of);
    add_ints(args, batch, count, HW_PG_BOOL, is_sure);
}

static bool may_be_many(const struct hw_notification *n)
{
    return wants(n) && n->known.runs >= HW_LEDGER_RUNS_MAX;
}

size_t hw_pg_history_trim(struct hw_pg_args *args, struct hw_notification *const *batch,
                          size_t count)
{
    size_t many = 0;
    hw_pg_array_begin(args, HW_PG_INT8);
    for (size_t i = 0; i < count; i++)
        if (may_be_many(batch[i])) {
            hw_pg_item_int(args, batch[i]->row);
            many++;
        }
    hw_pg_array_end(args);
    hw_pg_arg_int(args, HW_PG_INT8, HW_LEDGER_RUNS_MAX);
    return many;
}
