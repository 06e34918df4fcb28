/* file.c -- see file.h */
#include "ledger/file.h"

#include <stdio.h>
#include <string.h>

#include "base/crash.h"
#include "base/error.h"

/* Each step migrates the schema by one version, in one transaction. A released step is never
 * edited. */
static const char *const steps[HW_LEDGER_SCHEMA] = {
    "CREATE TABLE notifications ("
    " seq INTEGER PRIMARY KEY,"
    " job_id TEXT NOT NULL,"
    " digest BLOB NOT NULL,"
    " event TEXT NOT NULL,"
    " state INTEGER NOT NULL,"
    " attempt INTEGER NOT NULL,"
    " deliveries INTEGER NOT NULL,"
    " runs INTEGER NOT NULL,"
    " received_at INTEGER NOT NULL,"
    " settled_at INTEGER NOT NULL,"
    " next_run_at INTEGER,"
    " error TEXT, reason TEXT, detail TEXT, key TEXT, place TEXT, version TEXT,"
    " body BLOB) STRICT;"
    "CREATE UNIQUE INDEX by_identity ON notifications (job_id, digest);",
    "ALTER TABLE notifications ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE notifications ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE notifications ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE notifications ADD COLUMN parked INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE notifications ADD COLUMN lane TEXT;"
    "ALTER TABLE notifications ADD COLUMN pool TEXT;"
    "ALTER TABLE notifications ADD COLUMN headers TEXT;"
    "CREATE INDEX by_due ON notifications (next_run_at, settled_at)"
    " WHERE next_run_at IS NOT NULL AND pool IS NULL;"
    "CREATE INDEX by_pool ON notifications (pool, next_run_at, settled_at)"
    " WHERE next_run_at IS NOT NULL AND pool IS NOT NULL;"
    "CREATE INDEX by_lane ON notifications (lane, seq) WHERE lane IS NOT NULL;"
    "CREATE INDEX by_head ON notifications (lane)"
    " WHERE lane IS NOT NULL AND (next_run_at IS NOT NULL OR parked = 1);"
    "CREATE INDEX by_start ON notifications (seq) WHERE state = 6;"
    "CREATE INDEX by_park ON notifications (event, seq) WHERE parked = 1;"
    "CREATE TABLE runs ("
    " seq INTEGER NOT NULL,"
    " began_at INTEGER NOT NULL,"
    " attempt INTEGER NOT NULL,"
    " retry INTEGER NOT NULL,"
    " waited_ms INTEGER NOT NULL,"
    " ms INTEGER NOT NULL,"
    " error TEXT, reason TEXT, version TEXT) STRICT;"
    "CREATE INDEX by_notification ON runs (seq);"
    "CREATE TRIGGER forget_runs AFTER DELETE ON notifications"
    " BEGIN DELETE FROM runs WHERE seq = old.seq; END;"
    "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;"
    "INSERT INTO counters VALUES ('backlog', 0);"
    "CREATE TRIGGER leave_backlog AFTER DELETE ON notifications"
    " WHEN old.accepted = 1 AND old.state IN (2, 5, 6)"
    " BEGIN UPDATE counters SET value = value - 1 WHERE name = 'backlog'; END;"
    "CREATE TABLE pauses (pattern TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT;",
    "CREATE INDEX by_trouble ON notifications (seq, state, event) WHERE state <> 1;"
    "CREATE TABLE totals ("
    " upto INTEGER NOT NULL,"
    " rows INTEGER NOT NULL,"
    " failed INTEGER NOT NULL,"
    " unhandled INTEGER NOT NULL,"
    " dead INTEGER NOT NULL,"
    " queued INTEGER NOT NULL,"
    " running INTEGER NOT NULL) STRICT;"
    "INSERT INTO totals SELECT coalesce(max(seq), 0), count(*), count(CASE state WHEN 2 THEN 1 "
    "END),"
    " count(CASE state WHEN 3 THEN 1 END), count(CASE state WHEN 4 THEN 1 END),"
    " count(CASE state WHEN 5 THEN 1 END), count(CASE state WHEN 6 THEN 1 END) FROM notifications;"
    "CREATE TRIGGER leave_totals AFTER DELETE ON notifications"
    " BEGIN UPDATE totals SET rows = rows - (old.seq <= upto),"
    " upto = min(upto, coalesce((SELECT max(seq) FROM notifications), 0)),"
    " failed = failed - (old.state = 2), unhandled = unhandled - (old.state = 3),"
    " dead = dead - (old.state = 4), queued = queued - (old.state = 5),"
    " running = running - (old.state = 6); END;"
    "CREATE TABLE minutes (minute INTEGER PRIMARY KEY, numbers BLOB NOT NULL) STRICT;",
};

static int fail(char *why, size_t size, const char *path, const char *what)
{
    snprintf(why, size, "%s: %s", path, what);
    return HW_EFAILED;
}

/* What to do about an error, where that is known. */
static const char *advice(int code)
{
    switch (code & 0xff) {
    case SQLITE_NOTADB:
        return "; set `ledger` to another file, or put a backup in its place";
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return "; the user that runs the host must be able to write it, and its folder";
    case SQLITE_CORRUPT:
        return "; put a backup in its place (`hookward help deployment`)";
    default:
        return "";
    }
}

static int fail_sqlite(char *why, size_t size, const char *path, sqlite3 *db)
{
    char text[320];
    if (!db)
        return fail(why, size, path, "out of memory");
    int code = sqlite3_errcode(db), number = sqlite3_system_errno(db);
    bool by_system = number && (code & 0xff) == SQLITE_CANTOPEN;
    snprintf(text, sizeof text, "%s%s%s%s", sqlite3_errmsg(db), by_system ? ": " : "",
             by_system ? strerror(number) : "", advice(code));
    return fail(why, size, path, text);
}

static int exec(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* A pragma's number, or -1. */
static int pragma(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    int value = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static const char read_only[] = "this file can be read, not written; the user that runs the host "
                                "must be able to write it, and its folder";

static int migrate(sqlite3 *db, int from, const char *path, char *why, size_t size)
{
    char end[96];
    snprintf(end, sizeof end, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
             HW_LEDGER_APPLICATION_ID, HW_LEDGER_SCHEMA);
    int rc = exec(db, "BEGIN IMMEDIATE");
    for (int i = from; rc == SQLITE_OK && i < HW_LEDGER_SCHEMA; i++)
        rc = exec(db, steps[i]);
    if (rc == SQLITE_OK)
        rc = exec(db, end);
    if (rc == SQLITE_OK)
        return 0;
    fail_sqlite(why, size, path, db); /* before the rollback sets another error */
    if (!sqlite3_get_autocommit(db))
        exec(db, "ROLLBACK");
    return HW_EFAILED;
}

/* Whether the file may be used, and its schema's version. Changes nothing, since it may be another
 * program's. */
static int check_schema(sqlite3 *db, const char *path, enum hw_ledger_access access, int *version,
                        char *why, size_t size)
{
    *version = pragma(db, "PRAGMA user_version");
    if (*version < 0)
        return fail_sqlite(why, size, path, db);
    bool fresh = *version == 0 && pragma(db, "SELECT count(*) FROM sqlite_schema") == 0;
    if (!fresh && pragma(db, "PRAGMA application_id") != HW_LEDGER_APPLICATION_ID)
        return fail(why, size, path,
                    "this database is not a hookward ledger; set `ledger` to another file");
    if (*version > HW_LEDGER_SCHEMA)
        return fail(why, size, path,
                    "this ledger was written by a newer hookward; update this one");
    if (*version < HW_LEDGER_SCHEMA && access != HW_LEDGER_CREATE)
        return fail(why, size, path,
                    fresh ? "this ledger is empty"
                          : "this ledger is of an older version; `hookward serve` updates it");
    return 0;
}

static int set_up(sqlite3 *db, const char *path, enum hw_ledger_access access, char *why,
                  size_t size)
{
    int version;
    sqlite3_busy_timeout(db, HW_LEDGER_BUSY_MS);
    sqlite3_extended_result_codes(db, 1);
    if (exec(db, "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON") != SQLITE_OK ||
        (HW_CRASH_SWITCH("HOOKWARD_NO_SYNC") && exec(db, "PRAGMA synchronous = OFF") != SQLITE_OK))
        return fail_sqlite(why, size, path, db);
    int rc = check_schema(db, path, access, &version, why, size);
    if (rc || access != HW_LEDGER_CREATE)
        return rc;
    /* The first read creates the log, also for a copy that was made without one. */
    if (exec(db, "PRAGMA journal_mode = WAL; SELECT 1 FROM sqlite_schema") != SQLITE_OK)
        return fail_sqlite(why, size, path, db);
    /* SQLite opens a file that can't be written as read-only, and only the first commit would
     * fail. */
    if (sqlite3_db_readonly(db, "main"))
        return fail(why, size, path, read_only);
    return version < HW_LEDGER_SCHEMA ? migrate(db, version, path, why, size) : 0;
}

int hw_ledger_file_open(sqlite3 **db, const char *path, enum hw_ledger_access access, char *why,
                        size_t why_size)
{
    static const int flags[] = {
        [HW_LEDGER_CREATE] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
        [HW_LEDGER_WRITE] = SQLITE_OPEN_READWRITE,
        [HW_LEDGER_READ] = SQLITE_OPEN_READONLY,
    };
    int rc = sqlite3_open_v2(path, db, flags[access] | SQLITE_OPEN_NOMUTEX, NULL);
    rc = rc == SQLITE_OK ? set_up(*db, path, access, why, why_size)
                         : fail_sqlite(why, why_size, path, *db);
    if (rc) {
        sqlite3_close(*db);
        *db = NULL;
    }
    return rc;
}

/* A host also begins with a write. If another program is writing just now, that does no harm. */
static int try_to_write(sqlite3 *db, const char *path, char *why, size_t size)
{
    if (sqlite3_db_readonly(db, "main"))
        return fail(why, size, path, read_only);
    int rc = exec(db, "BEGIN IMMEDIATE; ROLLBACK");
    return rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY ? 0 : fail_sqlite(why, size, path, db);
}

int hw_ledger_file_try(const char *path, char *why, size_t why_size)
{
    sqlite3 *db;
    int version;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    rc = rc == SQLITE_OK ? check_schema(db, path, HW_LEDGER_CREATE, &version, why, why_size)
                         : fail_sqlite(why, why_size, path, db);
    if (rc == 0)
        rc = try_to_write(db, path, why, why_size);
    sqlite3_close(db);
    return rc;
}

int hw_ledger_file_prepare(sqlite3 *db, sqlite3_stmt **stmt, const char *sql, char *why,
                           size_t why_size)
{
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL) == SQLITE_OK)
        return 0;
    snprintf(why, why_size, "ledger: %s", sqlite3_errmsg(db));
    return HW_EFAILED;
}
