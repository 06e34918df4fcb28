/* history.c -- see sqlite.h
 *
 * How     What succeeds at its first run has no history: it costs no row and no statement. Of
 *         anything else each run has a row, written in the transaction of its outcome. A trigger
 *         (file.c) removes the rows with their notification, whoever removes that: its number may
 *         be used again. */
#include "ledger/history.h"

#include "ledger/file.h"
#include "ledger/sqlite.h"

/* The host stood in its way, or it waits for a handler to be added. Such a one may be put off again
 * and again, and none of that is a run. */
static bool was_put_off(const struct hw_notification *n)
{
    uint32_t before = n->from_row ? n->retry : n->known.retries;
    if (n->outcome.ran)
        return false;
    return n->outcome.held || n->outcome.code == HW_EPAUSED ||
           n->outcome.code == HW_ELEDGER_UNAVAILABLE || (n->next_run_at && n->retries == before);
}

bool hw_ledger_history_is_sure(const struct hw_notification *n)
{
    return n->outcome.code || n->has_stand_in || n->known.runs > 0;
}

bool hw_ledger_history_wants(const struct hw_notification *n)
{
    if (n->state == HW_STARTED || n->state == HW_QUEUED || was_put_off(n))
        return false;
    return hw_ledger_history_is_sure(n) || n->known.state == HW_FAILED || n->known.state == HW_DEAD;
}

static int trim(struct hw_sqlite *s, int64_t row)
{
    sqlite3_bind_int64(s->statements[HW_LEDGER_RUN_TRIM], 1, row);
    sqlite3_bind_int(s->statements[HW_LEDGER_RUN_TRIM], 2, HW_LEDGER_RUNS_MAX);
    return hw_ledger_writer_step(s->statements[HW_LEDGER_RUN_TRIM]);
}

static int64_t ms_between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (int64_t)((to_ns - from_ns) / 1000000) : 0;
}

int hw_ledger_history_add(struct hw_sqlite *s, const struct hw_notification *n, int64_t row)
{
    sqlite3_stmt *add = s->statements[HW_LEDGER_RUN];
    const struct hw_outcome *o = &n->outcome;
    uint64_t taken_ns = o->taken_ns ? o->taken_ns : o->finished_ns;
    int64_t ms = ms_between(taken_ns, o->finished_ns);
    sqlite3_bind_int64(add, 1, row);
    sqlite3_bind_int64(add, 2, n->settled_at - ms);
    sqlite3_bind_int64(add, 3, n->attempt);
    sqlite3_bind_int64(add, 4, n->retry);
    sqlite3_bind_int64(add, 5, ms_between(n->cut_ns, taken_ns));
    sqlite3_bind_int64(add, 6, ms);
    hw_ledger_rows_bind(add, 7, o->code ? hw_str_of(hw_error_name(o->code)) : HW_STR_NONE);
    hw_ledger_rows_bind(add, 8, hw_ledger_rows_cut(o->reason));
    hw_ledger_rows_bind(add, 9, o->ran ? hw_str_of(n->version) : HW_STR_NONE);
    sqlite3_bind_int(add, 10, hw_ledger_history_is_sure(n));
    int rc = hw_ledger_writer_step(add);
    return rc == SQLITE_OK ? trim(s, row) : rc;
}

/* 6: HW_STARTED. The version is not known: it is recorded with the outcome. */
int hw_ledger_history_add_lost(struct hw_sqlite *s)
{
    return sqlite3_exec(s->db,
                        "INSERT INTO runs (seq, began_at, attempt, retry, waited_ms, ms, error)"
                        " SELECT seq, settled_at, attempt, retries, 0, 0, 'host_lost'"
                        " FROM notifications WHERE state = 6",
                        NULL, NULL, NULL);
}
