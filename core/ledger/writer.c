/* writer.c -- see sqlite.h */
#include <stdio.h>

#include "ledger/file.h"
#include "ledger/sqlite.h"

enum { SLOW_MS = 15 /* a commit that has waited longer for a lock keeps handlers from running */ };

/* INSERT meets an existing row when the look-up failed: the row keeps its state, and the batch does
 * not fail. If that was the sender's last attempt, the host runs what failed again. */
static const char *const texts[HW_LEDGER_STATEMENTS] = {
    [HW_LEDGER_BEGIN] = "BEGIN IMMEDIATE",
    [HW_LEDGER_END] = "COMMIT",
    [HW_LEDGER_FIND] = "SELECT seq FROM notifications WHERE job_id = ?1 AND digest = ?2",
    [HW_LEDGER_INSERT] =
        "INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries, runs,"
        " received_at, settled_at, error, reason, detail, key, place, body, version, next_run_at,"
        " retries, accepted, lane, pool, headers)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?18, ?19,"
        " ?20, ?21, ?22, ?23)"
        " ON CONFLICT (job_id, digest) DO UPDATE SET deliveries ="
        " deliveries + excluded.deliveries, attempt = max(attempt, excluded.attempt),"
        " next_run_at = CASE state WHEN 2 THEN coalesce(next_run_at, excluded.next_run_at)"
        " ELSE next_run_at END",
    [HW_LEDGER_UPDATE] =
        "UPDATE notifications SET event = ?3, state = ?4, attempt = max(attempt, ?5),"
        " deliveries = deliveries + ?6, runs = runs + ?7, settled_at = ?9, error = ?10,"
        " reason = ?11, detail = ?12, key = ?13, place = ?14, body = ?15, version = ?16,"
        " next_run_at = ?18, retries = ?19, accepted = max(accepted, ?20), lane = ?21, pool = ?22,"
        " headers = ?23, lost = CASE ?4 WHEN 6 THEN lost ELSE 0 END, parked = 0"
        " WHERE seq = ?17 AND digest = ?2 AND (?1 IS NULL OR job_id = ?1)",
    [HW_LEDGER_BEFORE] = "SELECT accepted, state, lane FROM notifications"
                         " WHERE seq = ?1 AND digest = ?2 AND (?3 IS NULL OR job_id = ?3)",
    [HW_LEDGER_REPEAT] = "UPDATE notifications SET deliveries = deliveries + ?1,"
                         " attempt = max(attempt, ?2)"
                         " WHERE seq = ?3 AND digest = ?4 AND (?5 IS NULL OR job_id = ?5)",
    [HW_LEDGER_TOUCH] = "UPDATE notifications SET settled_at = max(settled_at, ?1)"
                        " WHERE seq = ?2 AND digest = ?3 AND (?4 IS NULL OR job_id = ?4)",
    [HW_LEDGER_RUN] =
        "INSERT INTO runs (seq, began_at, attempt, retry, waited_ms, ms, error, reason, version)"
        " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9"
        " WHERE ?10 OR EXISTS (SELECT 1 FROM runs WHERE seq = ?1)",
    [HW_LEDGER_RUN_TRIM] =
        "DELETE FROM runs WHERE seq = ?1 AND rowid <= (SELECT rowid FROM runs WHERE seq = ?1"
        " ORDER BY rowid DESC LIMIT 1 OFFSET ?2)",
    [HW_LEDGER_FRONT] =
        "SELECT max(seq), sum(received_at < ?2), sum(received_at BETWEEN ?2 AND ?3) FROM"
        " (SELECT seq, received_at FROM notifications WHERE seq > ?1 ORDER BY seq LIMIT ?4)",
    [HW_LEDGER_EXPIRE] =
        "DELETE FROM notifications WHERE seq > ?1 AND seq <= ?2 AND received_at < ?3"
        " AND settled_at < ?3 AND next_run_at IS NULL AND lane IS NULL AND parked = 0"
        " AND state <> 5 AND (state <> 4 OR settled_at < ?4) RETURNING state",
    [HW_LEDGER_COUNT] = "UPDATE counters SET value = value + ?1 WHERE name = 'backlog'"
                        " RETURNING value",
    [HW_LEDGER_TOTALS] = "SELECT (SELECT count(*) FROM notifications WHERE seq > upto), rows,"
                         " failed, unhandled, dead, queued, running FROM totals",
    [HW_LEDGER_TOTALS_CHANGE] =
        "UPDATE totals SET failed = failed + ?2, unhandled = unhandled + ?3, dead = dead + ?4,"
        " queued = queued + ?5, running = running + ?6",
    [HW_LEDGER_TOTALS_UPTO] =
        "UPDATE totals SET rows = rows + (SELECT count(*) FROM notifications WHERE seq > upto),"
        " upto = coalesce((SELECT max(seq) FROM notifications), 0)",
    [HW_LEDGER_DATA_VERSION] = "PRAGMA data_version",
    [HW_LEDGER_WAITING] =
        "SELECT seq, CASE WHEN state IN (2, 5) AND (next_run_at IS NOT NULL OR lane IS NOT NULL"
        " OR parked = 1) THEN received_at END FROM notifications INDEXED BY by_trouble"
        " WHERE state <> 1 AND seq >= ?1 ORDER BY seq",
    [HW_LEDGER_MINUTE] = "INSERT OR REPLACE INTO minutes (minute, numbers) VALUES (?1, ?2)",
    [HW_LEDGER_MINUTE_FORGET] = "DELETE FROM minutes WHERE minute <= ?1",
    [HW_LEDGER_LANE] = "SELECT 1 FROM notifications WHERE lane = ?1 LIMIT 1",
    [HW_LEDGER_PROMOTE] = HW_LEDGER_PROMOTE_SQL,
    [HW_LEDGER_REMOVE] = "DELETE FROM notifications WHERE seq = ?1 AND settled_at = ?2"
                         " RETURNING lane, state",
    [HW_LEDGER_PICK] = "SELECT seq, next_run_at, retries, event FROM notifications"
                       " WHERE next_run_at <= ?1 AND pool IS NULL AND body IS NOT NULL ORDER BY "
                       "next_run_at LIMIT ?2",
    [HW_LEDGER_PICK_POOL] =
        "SELECT seq, next_run_at, retries, event FROM notifications"
        " WHERE pool = ?3 AND next_run_at <= ?1 AND body IS NOT NULL ORDER BY next_run_at LIMIT ?2",
    [HW_LEDGER_NEXT_POOL] = "SELECT pool FROM notifications WHERE pool > ?1"
                            " AND next_run_at IS NOT NULL ORDER BY pool LIMIT 1",
    [HW_LEDGER_PARK] = "UPDATE notifications SET parked = 1, next_run_at = NULL WHERE seq = ?1",
    [HW_LEDGER_PARKED] = "SELECT event FROM notifications WHERE parked = 1 AND event >= ?1"
                         " ORDER BY event LIMIT 1",
    [HW_LEDGER_UNPARK] =
        "UPDATE notifications SET parked = 0, next_run_at = min(settled_at, ?2)"
        " WHERE seq IN (SELECT seq FROM notifications WHERE parked = 1 AND event = ?1"
        " ORDER BY seq LIMIT ?3)",
    [HW_LEDGER_FILL] =
        "SELECT seq, job_id, digest FROM notifications WHERE seq > ?1 ORDER BY seq LIMIT ?2",
};

/* A copy has an id of its own. */
static const char find_by_body[] = "SELECT seq FROM notifications WHERE digest = ?2"
                                   " ORDER BY job_id = ?1 DESC, seq DESC LIMIT 1";

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

/* Like SQLite's own, and sets the ledger's health when a commit has to wait, so that no handler
 * runs meanwhile. */
static int on_busy(void *ud, int count)
{
    static const int delays_ms[] = {1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100};
    enum { LAST = sizeof delays_ms / sizeof *delays_ms - 1 };
    struct hw_sqlite *s = ud;
    int waited_ms = 0;
    for (int i = 0; i < count; i++)
        waited_ms += delays_ms[i < LAST ? i : LAST];
    if (waited_ms >= s->patience_ms)
        return 0;
    if (s->committing && waited_ms >= SLOW_MS && hw_ledger_health(&s->ledger) == HW_LEDGER_WELL)
        hw_ledger_set_health(&s->ledger, HW_LEDGER_SLOW);
    sqlite3_sleep(delays_ms[count < LAST ? count : LAST]);
    return 1;
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
    for (int i = 0; rc == 0 && i < HW_LEDGER_STATEMENTS; i++) {
        bool by_body = i == HW_LEDGER_FIND && s->by_body;
        rc = hw_ledger_file_prepare(s->db, &s->statements[i], by_body ? find_by_body : texts[i],
                                    why, size);
    }
    return rc;
}

int hw_ledger_writer_open(struct hw_sqlite *s, char *why, size_t size)
{
    int rc = hw_ledger_file_open(&s->db, s->path, HW_LEDGER_CREATE, why, size);
    if (rc)
        return rc;
    sqlite3_busy_handler(s->db, on_busy, s);
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
