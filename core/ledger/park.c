/* park.c -- see sqlite.h
 *
 * How     a row that falls due while its event is paused is set aside (`parked`, with no time to run
 *         at), so that the rows behind it are found without going past it again: once, however many
 *         they are. They come back when the event is resumed. Both go in steps, each in a transaction
 *         of its own, between which outcomes are committed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "ledger/file.h"
#include "ledger/sqlite.h"

/* ---- the patterns ---- */

static void say_paused(void *unused, struct hw_str pattern, int64_t since)
{
    char text[32];
    struct tm tm;
    (void)unused;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&(time_t){since / 1000}, &tm));
    hw_log_say(HW_LOG_WARN,
               "paused since %s: %.*s; nothing of it runs until `hookward resume` says so", text,
               HW_STR_ARG(pattern));
}

int hw_ledger_park_load(struct hw_sqlite *s, char *why, size_t size)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(s->db, "SELECT pattern, since FROM pauses ORDER BY since, pattern",
                                -1, &stmt, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct hw_str pattern = {sqlite3_column_blob(stmt, 0),
                                 (size_t)sqlite3_column_bytes(stmt, 0)};
        rc = hw_pauses_add(&s->ledger.pauses, pattern, sqlite3_column_int64(stmt, 1));
    }
    if (rc != SQLITE_DONE)
        snprintf(why, size, "%s: %s", s->path,
                 rc == HW_EOVERLOADED ? "more patterns are paused than there may be"
                                      : sqlite3_errmsg(s->db));
    sqlite3_finalize(stmt);
    if (rc == SQLITE_DONE)
        hw_pauses_each(&s->ledger.pauses, say_paused, NULL);
    return rc == SQLITE_DONE ? 0 : HW_EFAILED;
}

/* It is in one transaction, so it is durable when this returns 0. */
static int write(struct hw_sqlite *s, const struct hw_pause *pause)
{
    static const char insert[] = "INSERT OR IGNORE INTO pauses (pattern, since) VALUES (?1, ?2)",
                      remove[] = "DELETE FROM pauses WHERE pattern = ?1";
    sqlite3_stmt *stmt;
    if (!hw_ledger_recovery_ready(s))
        return HW_ELEDGER_UNAVAILABLE;
    int rc = sqlite3_prepare_v2(s->db, pause->resume ? remove : insert, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text64(stmt, 1, pause->pattern.ptr, pause->pattern.len, SQLITE_STATIC,
                            SQLITE_UTF8);
        if (!pause->resume)
            sqlite3_bind_int64(stmt, 2, pause->since);
        rc = hw_ledger_writer_step(stmt);
    }
    sqlite3_finalize(stmt);
    return hw_ledger_recovery_look(s, rc) ? 0 : HW_ELEDGER_UNAVAILABLE;
}

static int begin(struct hw_sqlite *s, const struct hw_pause *pause)
{
    int rc = hw_pauses_add(&s->ledger.pauses, pause->pattern, pause->since);
    if (rc == 0)
        rc = write(s, pause);
    if (rc == HW_ELEDGER_UNAVAILABLE)
        hw_pauses_remove(&s->ledger.pauses, pause->pattern);
    return rc;
}

static int end(struct hw_sqlite *s, const struct hw_pause *pause)
{
    int rc = write(s, pause);
    if (rc == 0) {
        hw_pauses_remove(&s->ledger.pauses, pause->pattern);
        s->unparking = true;
    }
    return rc;
}

int hw_ledger_sqlite_pause(struct hw_ledger *ledger, struct hw_pause *pause)
{
    struct hw_sqlite *s = (struct hw_sqlite *)ledger;
    pause->changed = hw_pauses_has(&ledger->pauses, pause->pattern) == pause->resume;
    if (!pause->changed)
        return 0;
    int rc = pause->resume ? end(s, pause) : begin(s, pause);
    if (rc == 0)
        hw_pauses_log(pause);
    return rc;
}

/* ---- the rows ---- */

/* Without patience: while another program writes, outcomes go first. */
static int begin_step(struct hw_sqlite *s)
{
    s->patience_ms = 0;
    int rc = hw_ledger_writer_step(s->statements[HW_LEDGER_BEGIN]);
    s->patience_ms = HW_LEDGER_BUSY_MS;
    return rc;
}

/* Returns true when the step is durable. */
static bool end_step(struct hw_sqlite *s, int rc)
{
    if ((rc & 0xff) == SQLITE_BUSY && sqlite3_get_autocommit(s->db))
        return false; /* it had not begun */
    if (rc == SQLITE_OK)
        rc = hw_ledger_writer_step(s->statements[HW_LEDGER_END]);
    return hw_ledger_recovery_look(s, rc);
}

int hw_ledger_park(struct hw_sqlite *s, const int64_t *rows, size_t count)
{
    int rc = begin_step(s);
    for (size_t i = 0; rc == SQLITE_OK && i < count; i++) {
        sqlite3_bind_int64(s->statements[HW_LEDGER_PARK], 1, rows[i]);
        rc = hw_ledger_writer_step(s->statements[HW_LEDGER_PARK]);
    }
    return end_step(s, rc) ? 0 : HW_ELEDGER_UNAVAILABLE;
}

/* A walk through the events that have parked rows, in their order. */
struct walk {
    struct hw_str at; /* the event, or the text behind it */
    char *text;
    int room; /* for so many rows more in this step */
    bool begun;
};

/* Finds the next event, from walk->at on. Returns SQLITE_ROW, SQLITE_DONE or an error. */
static int next_event(struct hw_sqlite *s, struct walk *walk)
{
    sqlite3_stmt *find = s->statements[HW_LEDGER_PARKED];
    sqlite3_bind_text64(find, 1, walk->at.ptr, walk->at.len, SQLITE_STATIC, SQLITE_UTF8);
    int rc = sqlite3_step(find);
    if (rc == SQLITE_ROW) {
        struct hw_str event = {sqlite3_column_blob(find, 0), (size_t)sqlite3_column_bytes(find, 0)};
        char *text = calloc(1, event.len + 1);
        if (text && event.len)
            memcpy(text, event.ptr, event.len);
        free(walk->text);
        walk->text = text;
        walk->at = (struct hw_str){text, event.len};
        rc = text ? rc : SQLITE_NOMEM;
    }
    sqlite3_reset(find);
    return rc;
}

static int bring_back(struct hw_sqlite *s, struct walk *walk, int64_t now_ms)
{
    sqlite3_stmt *unpark = s->statements[HW_LEDGER_UNPARK];
    int rc = walk->begun ? SQLITE_OK : begin_step(s);
    if (rc != SQLITE_OK)
        return rc;
    walk->begun = true;
    sqlite3_bind_text64(unpark, 1, walk->at.ptr, walk->at.len, SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_int64(unpark, 2, now_ms);
    sqlite3_bind_int(unpark, 3, walk->room);
    rc = hw_ledger_writer_step(unpark);
    if (rc == SQLITE_OK)
        walk->room -= sqlite3_changes(s->db);
    return rc;
}

/* Returns SQLITE_DONE behind the last event, SQLITE_OK when there may be more, or an error. The text
 * behind an event is that event with a zero byte. */
static int go(struct hw_sqlite *s, struct walk *walk, int64_t now_ms)
{
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && walk->room > 0 && (rc = next_event(s, walk)) == SQLITE_ROW) {
        bool hold = hw_pauses_hold(&s->ledger.pauses, walk->at);
        rc = hold ? SQLITE_OK : bring_back(s, walk, now_ms);
        walk->at.len++;
    }
    return rc;
}

bool hw_ledger_unpark(struct hw_sqlite *s, int64_t now_ms, int max)
{
    struct walk walk = {.at = HW_STR(""), .room = max};
    int rc = go(s, &walk, now_ms);
    bool all = rc == SQLITE_DONE, failed = !all && rc != SQLITE_OK;
    free(walk.text);
    if (walk.begun || failed)
        failed = !end_step(s, all ? SQLITE_OK : rc);
    s->unparking = !all || failed;
    return !failed && (!all || walk.room < max);
}
