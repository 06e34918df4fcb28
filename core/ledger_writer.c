/* ledger_writer.c -- see ledger_sqlite.h */
#include <stdio.h>

#include "ledger_file.h"
#include "ledger_sqlite.h"

/* A job whose look-up failed does not know of its row: that stays what it is, and the batch does
 * not fail for it. */
static const char *const texts[HW_LEDGER_STATEMENTS] = {
    [HW_LEDGER_BEGIN] = "BEGIN IMMEDIATE",
    [HW_LEDGER_END] = "COMMIT",
    [HW_LEDGER_INSERT] =
        "INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries, runs,"
        " received_at, settled_at, error, reason, detail, key, place, body, version)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
        " ON CONFLICT (job_id, digest) DO UPDATE SET deliveries ="
        " deliveries + excluded.deliveries",
    [HW_LEDGER_UPDATE] =
        "UPDATE notifications SET event = ?3, state = ?4, attempt = ?5, deliveries ="
        " deliveries + ?6, runs = runs + ?7, settled_at = ?9, error = ?10, reason = ?11, detail = "
        "?12, key = ?13,"
        " place = ?14, body = ?15, version = ?16, next_run_at = NULL"
        " WHERE seq = ?17 AND digest = ?2 AND (?1 IS NULL OR job_id = ?1)",
    [HW_LEDGER_REPEAT] = "UPDATE notifications SET deliveries = deliveries + ?1, attempt = ?2"
                         " WHERE seq = ?3 AND digest = ?4 AND (?5 IS NULL OR job_id = ?5)",
    [HW_LEDGER_FRONT] =
        "SELECT max(seq), total(received_at < ?2) FROM (SELECT seq, received_at FROM notifications"
        " WHERE seq > ?1 ORDER BY seq LIMIT ?3)",
    [HW_LEDGER_EXPIRE] =
        "DELETE FROM notifications WHERE seq > ?1 AND seq <= ?2 AND received_at < ?3"
        " AND settled_at < ?3",
    [HW_LEDGER_FILL] =
        "SELECT seq, job_id, digest FROM notifications WHERE seq > ?1 ORDER BY seq LIMIT ?2",
};

int hw_ledger_writer_step(sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

void hw_ledger_writer_close(struct hw_sqlite *s)
{
    for (int i = 0; i < HW_LEDGER_STATEMENTS; i++) {
        sqlite3_finalize(s->statements[i]);
        s->statements[i] = NULL;
    }
    sqlite3_close(s->db);
    s->db = NULL;
}

static int on_wal(void *ud, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((struct hw_sqlite *)ud)->wal_pages = pages;
    return SQLITE_OK;
}

static int prepare(struct hw_sqlite *s, char *why, size_t size)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < HW_LEDGER_STATEMENTS; i++)
        rc = hw_ledger_file_prepare(s->db, &s->statements[i], texts[i], why, size);
    return rc;
}

int hw_ledger_writer_open(struct hw_sqlite *s, char *why, size_t size)
{
    int rc = hw_ledger_file_open(&s->db, s->path, HW_LEDGER_CREATE, why, size);
    if (rc)
        return rc;
    sqlite3_exec(s->db, "PRAGMA cache_size = -2000", NULL, NULL, NULL);
    if (s->by_body &&
        sqlite3_exec(s->db, "CREATE INDEX IF NOT EXISTS by_digest ON notifications (digest)", NULL,
                     NULL, NULL) != SQLITE_OK) {
        snprintf(why, size, "%s: %s", s->path, sqlite3_errmsg(s->db));
        rc = HW_EFAILED;
    }
    sqlite3_wal_hook(s->db, on_wal, s); /* in place of SQLite's own checkpoints */
    if (rc == 0)
        rc = prepare(s, why, size);
    if (rc)
        hw_ledger_writer_close(s);
    return rc;
}
