/* purge.c -- see sqlite.h
 *
 * How     What is removed is overwritten in the database (PRAGMA secure_delete), but the log still
 *         has the old pages. So the log is written back and truncated. A program that reads the
 *         ledger may prevent that; then it is tried again later. */
#include "base/clock.h"
#include "ledger/file.h"
#include "ledger/sqlite.h"

enum {
    HOLD_MS = 50,            /* of one transaction, since commits wait for it */
    LOG_PAUSE_MS = 60 * 1000 /* between two times that the log is emptied after retention */
};

/* The statement has removed a row, which it still shows. */
static int promote_next(struct hw_sqlite *s, sqlite3_stmt *removed)
{
    struct hw_str lane = {sqlite3_column_blob(removed, 0),
                          (size_t)sqlite3_column_bytes(removed, 0)};
    return lane.ptr ? hw_ledger_rows_promote(s, lane, (int64_t)(hw_now() * 1000)) : SQLITE_OK;
}

static int remove_row(struct hw_sqlite *s, const struct hw_ledger_row *row, size_t *removed)
{
    sqlite3_stmt *stmt = s->statements[HW_LEDGER_REMOVE];
    sqlite3_bind_int64(stmt, 1, row->seq);
    sqlite3_bind_int64(stmt, 2, row->settled_at);
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        ++*removed;
        hw_ledger_totals_move(s, sqlite3_column_int(stmt, 1), HW_NEVER_SEEN, 1);
        rc = promote_next(s, stmt);
        return rc == SQLITE_OK ? hw_ledger_writer_step(stmt) : (sqlite3_reset(stmt), rc);
    }
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int remove_rows(struct hw_sqlite *s, struct hw_purge *purge, int64_t *backlog)
{
    int64_t until = s->retention.clock.steady() + HOLD_MS;
    hw_ledger_totals_begin(s);
    int rc = hw_ledger_writer_step(s->statements[HW_LEDGER_BEGIN]);
    while (rc == SQLITE_OK && purge->looked_at < purge->count &&
           (purge->looked_at == 0 || s->retention.clock.steady() < until)) {
        rc = remove_row(s, &purge->rows[purge->looked_at++], &purge->removed);
    }
    if (rc == SQLITE_OK)
        rc = hw_ledger_backlog_write(s, 0, backlog); /* the trigger has changed it */
    return rc == SQLITE_OK ? hw_ledger_writer_step(s->statements[HW_LEDGER_END]) : rc;
}

static int empty_log(struct hw_sqlite *s, int patience_ms)
{
    s->patience_ms = patience_ms;
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    s->patience_ms = HW_LEDGER_BUSY_MS;
    s->log_tried_at = s->retention.clock.steady();
    if (rc == SQLITE_OK) {
        s->spent = false;
        s->wal_pages = 0;
    }
    return rc;
}

void hw_ledger_purge_log(struct hw_sqlite *s)
{
    if (s->spent && s->retention.clock.steady() - s->log_tried_at >= LOG_PAUSE_MS)
        empty_log(s, 0);
}

int hw_ledger_sqlite_purge(struct hw_ledger *ledger, struct hw_purge *purge)
{
    struct hw_sqlite *s = (struct hw_sqlite *)ledger;
    if (!hw_ledger_recovery_ready(s))
        return HW_ELEDGER_UNAVAILABLE;
    if (purge->count == 0) /* empty the log; if a reader prevents it, the ledger has not failed */
        return empty_log(s, HW_LEDGER_BUSY_MS) == SQLITE_OK ? 0 : HW_ELEDGER_UNAVAILABLE;
    s->spent = true;
    s->committing = true; /* outcomes wait for it */
    int64_t backlog = hw_ledger_backlog(&s->ledger);
    int rc = remove_rows(s, purge, &backlog);
    if (rc == SQLITE_OK) {
        atomic_store_explicit(&s->ledger.backlog, backlog, memory_order_relaxed);
        hw_ledger_totals_end(s);
    }
    s->committing = false;
    return hw_ledger_recovery_look(s, rc) ? 0 : HW_ELEDGER_UNAVAILABLE;
}
