/* recovery.c -- see sqlite.h */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "ledger/file.h"
#include "ledger/sqlite.h"

static void say_failing(struct hw_sqlite *s, const char *what)
{
    if (!s->failing)
        hw_log_say(HW_LOG_ERROR,
                   "ledger: %s: %s; notifications are answered 400 until it can be written again",
                   s->path, what);
    s->failing = true;
    hw_ledger_set_health(&s->ledger, HW_LEDGER_FAILED);
}

static void say_healed(struct hw_sqlite *s)
{
    if (!s->failing)
        return;
    hw_log_say(HW_LOG_INFO, "ledger: %s can be written again", s->path);
    s->failing = false;
    hw_ledger_set_health(&s->ledger, HW_LEDGER_HEALED);
}

/* After an I/O error SQLite's view of the file can't be trusted; other failures need no repair. The
 * connection is closed when it is next needed: until then it may be the only one that has a removed
 * log open. */
static void recover(struct hw_sqlite *s, int rc)
{
    say_failing(s, sqlite3_errmsg(s->db));
    if (!sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    int kind = rc & 0xff;
    s->doubtful |= kind == SQLITE_IOERR || kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB ||
                   kind == SQLITE_CANTOPEN || kind == SQLITE_READONLY;
}

/* ---- opening again ---- */

int hw_ledger_recovery_open(struct hw_sqlite *s, char *why, size_t size)
{
    int rc = hw_ledger_writer_open(s, why, size);
    if (rc)
        return rc;
    s->doubtful = false;
    if (hw_ledger_totals_read(s) != SQLITE_OK) {
        snprintf(why, size, "%s: %s", s->path, sqlite3_errmsg(s->db));
        hw_ledger_writer_close(s);
        return HW_EFAILED;
    }
    hw_ledger_place_fini(&s->place);
    if (hw_ledger_place_init(&s->place, s->db)) {
        snprintf(why, size, "%s: its files were not there after they were opened", s->path);
        hw_ledger_writer_close(s);
        return HW_EFAILED;
    }
    hw_ledger_guard_grip(&s->guard, HW_LEDGER_SHARED);
    hw_ledger_guard_hold(&s->guard, s->place.files[HW_LEDGER_MEMORY].path);
    return 0;
}

static bool has(const struct hw_sqlite *s, enum hw_ledger_part part)
{
    return hw_ledger_place_has(&s->place, part);
}

static const char *path_of(const struct hw_sqlite *s, enum hw_ledger_part part)
{
    return s->place.files[part].path;
}

static bool is_empty(const char *path)
{
    struct stat st;
    return stat(path, &st) != 0 || st.st_size == 0;
}

static const char in_use[] = "and another program has the ledger open: close that";

/* Copies what only the lost log holds into the database. Returns NULL, or what prevents it. */
static const char *save_log(struct hw_sqlite *s)
{
    int pages = -1, saved = -1;
    if (!is_empty(path_of(s, HW_LEDGER_LOG)))
        return "and another program has begun a log of its own: stop that, then restart";
    if (!has(s, HW_LEDGER_MEMORY) && hw_ledger_guard_is_used(path_of(s, HW_LEDGER_MEMORY)))
        return in_use;
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_FULL, &pages, &saved);
    return rc == SQLITE_OK && pages == saved ? NULL : "and what its log held can't be saved yet";
}

/* All connections of this process are closed, so SQLite opens the files afresh. */
static const char *open_files(struct hw_sqlite *s, bool log_lost, char *why, size_t size)
{
    const char *memory = path_of(s, HW_LEDGER_MEMORY);
    bool alone = hw_ledger_guard_grip(&s->guard, HW_LEDGER_ALONE);
    if (!alone && (log_lost || !hw_ledger_guard_is_used(memory)))
        return in_use; /* by a program that still has the lost files open */
    if (alone)
        unlink(memory); /* useless without the connections that had it open */
    if (alone && log_lost && is_empty(path_of(s, HW_LEDGER_LOG)))
        unlink(path_of(s, HW_LEDGER_LOG)); /* otherwise it may be another program's */
    hw_ledger_guard_grip(&s->guard, HW_LEDGER_LOOSE);
    return hw_ledger_recovery_open(s, why, size) ? why : NULL;
}

static const char *open_anew(struct hw_sqlite *s, bool log_lost, char *why, size_t size)
{
    hw_ledger_readers_stop(s);
    if (s->db)
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    hw_ledger_writer_close(s);
    hw_ledger_guard_drop(&s->guard);
    const char *what = open_files(s, log_lost, why, size);
    s->shut = what != NULL;
    hw_ledger_readers_go(s);
    return what;
}

/* The log or the shared memory is lost, the database is in place. No other program may open it
 * meanwhile: it would create a log. Returns NULL, or what prevents it. */
static const char *reopen(struct hw_sqlite *s, char *why, size_t size)
{
    bool log_lost = !has(s, HW_LEDGER_LOG);
    if (!hw_ledger_guard_grip(&s->guard, HW_LEDGER_CLOSED))
        return in_use;
    const char *what = log_lost && s->db ? save_log(s) : NULL;
    if (!what)
        what = open_anew(s, log_lost, why, size);
    hw_ledger_guard_grip(&s->guard, HW_LEDGER_SHARED);
    return what;
}

/* A removed database is still whole for whoever has it open, so the log is written back into it, as
 * far as readers allow. Not when the log or the shared memory were replaced too: these may be
 * another program's. */
static void say_lost(struct hw_sqlite *s, const char *file, const char *more)
{
    char what[1024];
    snprintf(what, sizeof what, "%s was removed or replaced in use%s%s", file,
             *more == ':' ? "" : ", ", more);
    say_failing(s, what);
    if (s->db && !has(s, HW_LEDGER_DATABASE) && has(s, HW_LEDGER_LOG) && has(s, HW_LEDGER_MEMORY))
        sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/* True when all files are in place, or are again. */
static bool is_in_place(struct hw_sqlite *s)
{
    char file[256], why[512];
    const char *lost = hw_ledger_place_lost(&s->place);
    if (!lost)
        return true;
    snprintf(file, sizeof file, "%s", strrchr(lost, '/') + 1);
    const char *what =
        has(s, HW_LEDGER_DATABASE) ? reopen(s, why, sizeof why) : ": put it back, or restart";
    if (!what)
        hw_log_say(HW_LOG_WARN,
                   "ledger: %s was removed or replaced in use; opened anew, nothing is lost", file);
    else
        say_lost(s, file, what);
    return !what;
}

/* ---- before and after a write ---- */

bool hw_ledger_recovery_ready(struct hw_sqlite *s)
{
    char why[512];
    if (!is_in_place(s))
        return false;
    if (s->doubtful)
        hw_ledger_writer_close(s);
    if (s->db || hw_ledger_recovery_open(s, why, sizeof why) == 0)
        return true;
    say_failing(s, why);
    return false;
}

bool hw_ledger_recovery_look(struct hw_sqlite *s, int rc)
{
    if (rc != SQLITE_OK) {
        recover(s, rc);
        return false;
    }
    /* If only the shared memory was lost, another program may have written the log meanwhile. */
    bool sure = !has(s, HW_LEDGER_LOG) || has(s, HW_LEDGER_MEMORY);
    if (!is_in_place(s) || !sure)
        return false;
    say_healed(s);
    return true;
}

/* Writes a page without changing anything: the number is there already. */
static int write_page(struct hw_sqlite *s)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", HW_LEDGER_SCHEMA);
    int rc = hw_ledger_writer_step(s->statements[HW_LEDGER_BEGIN]);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? hw_ledger_writer_step(s->statements[HW_LEDGER_END]) : rc;
}

void hw_ledger_recovery_try(struct hw_sqlite *s)
{
    if (!s->failing || !hw_ledger_recovery_ready(s))
        return;
    s->patience_ms = 0;
    hw_ledger_recovery_look(s, write_page(s));
    s->patience_ms = HW_LEDGER_BUSY_MS;
}
