/* tend.c -- see sqlite.h */
#include "ledger/sqlite.h"

enum {
    WAL_PAGES = 4000, /* 16 MB: then it is written back */
    FILL_STEP = 2000  /* rows read into the filter at a time */
};

/* A program that goes on reading (a backup, an open shell) is not waited for after every batch,
 * only each time the log has doubled. No outcome can be recorded meanwhile, so no handler starts,
 * as with a commit that waits. */
static void write_back(struct hw_sqlite *s)
{
    if (s->wal_pages <= HW_LEDGER_WAL_PAGES_HARD)
        s->wal_hard = HW_LEDGER_WAL_PAGES_HARD;
    bool wait = s->wal_pages > s->wal_hard;
    int mode = wait ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
    s->committing = true;
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, mode, NULL, NULL);
    s->committing = false;
    if (hw_ledger_health(&s->ledger) == HW_LEDGER_SLOW)
        hw_ledger_set_health(&s->ledger, HW_LEDGER_WELL);
    if (wait && rc != SQLITE_OK)
        s->wal_hard = s->wal_pages * 2;
    s->wal_pages = 0; /* until the next commit tells */
}

/* Rows that are recorded meanwhile are added by their own commits. */
static void fill(struct hw_sqlite *s)
{
    int rows = 0, column = s->by_body ? 2 : 1;
    sqlite3_bind_int64(s->statements[HW_LEDGER_FILL], 1, s->filled_to);
    sqlite3_bind_int(s->statements[HW_LEDGER_FILL], 2, FILL_STEP);
    int rc;
    while ((rc = sqlite3_step(s->statements[HW_LEDGER_FILL])) == SQLITE_ROW) {
        s->filled_to = sqlite3_column_int64(s->statements[HW_LEDGER_FILL], 0);
        hw_bloom_add(
            &s->seen,
            (struct hw_str){sqlite3_column_blob(s->statements[HW_LEDGER_FILL], column),
                            (size_t)sqlite3_column_bytes(s->statements[HW_LEDGER_FILL], column)});
        rows++;
    }
    sqlite3_reset(s->statements[HW_LEDGER_FILL]);
    if (rc == SQLITE_DONE && rows < FILL_STEP)
        hw_bloom_complete(&s->seen);
}

bool hw_ledger_sqlite_tend(struct hw_ledger *ledger, bool idle)
{
    struct hw_sqlite *s = (struct hw_sqlite *)ledger;
    hw_ledger_backlog_look_at_disk(s);
    if (idle)
        hw_ledger_recovery_try(s);
    if (!idle && s->wal_pages <= WAL_PAGES)
        return false;
    if (s->failing || !hw_ledger_recovery_ready(s))
        return false;
    if (s->wal_pages > WAL_PAGES)
        write_back(s);
    if (!idle)
        return false;
    hw_ledger_purge_log(s);
    hw_ledger_totals_look(s);
    hw_ledger_waiting_look(s);
    hw_ledger_minutes_flush(s);
    if (!s->seen.complete && !s->seen.full) {
        fill(s);
        return true;
    }
    return hw_ledger_retention_step(s);
}
