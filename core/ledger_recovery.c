/* ledger_recovery.c -- see ledger_sqlite.h */
#include <stdio.h>
#include <string.h>

#include "ledger_file.h"
#include "ledger_sqlite.h"
#include "log.h"

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
    if (s->failing)
        hw_log_say(HW_LOG_INFO, "ledger: %s can be written again", s->path);
    s->failing = false;
}

/* After an I/O error SQLite's view of the file can't be trusted; everything else heals by itself.
 */
static void recover(struct hw_sqlite *s, int rc)
{
    say_failing(s, sqlite3_errmsg(s->db));
    if (!sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    int kind = rc & 0xff;
    if (kind == SQLITE_IOERR || kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB ||
        kind == SQLITE_CANTOPEN || kind == SQLITE_READONLY)
        hw_ledger_writer_close(s);
}

/* A file that has lost its name is still whole for who has it open: what the log holds beyond the
 * database is saved there, as far as readers allow; the next batch tries again. */
static bool is_in_place(struct hw_sqlite *s)
{
    char what[512];
    const char *lost = hw_ledger_place_lost(&s->place);
    if (!lost)
        return true;
    snprintf(what, sizeof what, "%s was removed or replaced in use: put it back, or restart",
             strrchr(lost, '/') + 1);
    say_failing(s, what);
    if (s->db)
        sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return false;
}

bool hw_ledger_recovery_ready(struct hw_sqlite *s)
{
    char why[512];
    if (!is_in_place(s))
        return false;
    if (s->db || hw_ledger_writer_open(s, why, sizeof why) == 0)
        return true;
    say_failing(s, why);
    return false;
}

bool hw_ledger_recovery_look(struct hw_sqlite *s, int rc)
{
    if (rc != SQLITE_OK)
        recover(s, rc);
    if (rc != SQLITE_OK || !is_in_place(s))
        return false;
    say_healed(s);
    return true;
}

/* The number that is there already: a page is written, and nothing has changed. */
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
