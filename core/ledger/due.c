/* due.c -- see sqlite.h
 *
 * How     a partial index holds the rows that the host is to run again, by their time; another one
 *         those that were started and have no outcome. So neither a look at what is due nor a start
 *         becomes slower with the ledger. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "ledger/file.h"
#include "ledger/sqlite.h"

/* While there is work, it is enough to bring back more than is picked next. */
enum { FEW = 100 };

/* Puts a row in its place; of more than due->max the one that is due last is left out. */
static void offer(struct hw_ledger_due *due, const struct hw_ledger_due_row *row)
{
    size_t i = due->count;
    if (i == due->max && due->rows[i - 1].next_run_at <= row->next_run_at)
        return;
    i -= i == due->max;
    for (; i > 0 && due->rows[i - 1].next_run_at > row->next_run_at; i--)
        due->rows[i] = due->rows[i - 1];
    due->rows[i] = *row;
    due->count += due->count < due->max;
}

/* Rows that are due, and whose event is paused. */
struct paused {
    int64_t rows[HW_LEDGER_PARK_STEP];
    size_t count;
};

/* Takes the row that `pick` is at, or sets it aside. Without pauses there is nothing to compare.
 * Returns whether it was taken. */
static bool take(struct hw_sqlite *s, sqlite3_stmt *pick, struct hw_ledger_due *due,
                 struct hw_str pool, struct paused *paused)
{
    struct hw_ledger_due_row row = {.seq = sqlite3_column_int64(pick, 0),
                                    .next_run_at = sqlite3_column_int64(pick, 1),
                                    .retry = (uint32_t)sqlite3_column_int64(pick, 2),
                                    .pool = pool};
    struct hw_str event = {sqlite3_column_blob(pick, 3), (size_t)sqlite3_column_bytes(pick, 3)};
    if (hw_pauses_hold(&s->ledger.pauses, event)) {
        if (paused->count < HW_LEDGER_PARK_STEP)
            paused->rows[paused->count++] = row.seq;
        return false;
    }
    offer(due, &row);
    return true;
}

/* Finds at most `most` rows of one pool, or of none. While something is paused it looks further,
 * past the rows to set aside. Returns SQLite's code. */
static int find(struct hw_sqlite *s, struct hw_ledger_due *due, sqlite3_stmt *pick, size_t most,
                struct hw_str pool, struct paused *paused)
{
    size_t limit = hw_pauses_are_any(&s->ledger.pauses) ? HW_LEDGER_PARK_STEP : most;
    size_t seen = 0, taken = 0;
    sqlite3_bind_int64(pick, 1, due->now_ms);
    sqlite3_bind_int64(pick, 2, (int64_t)limit);
    if (pool.ptr)
        sqlite3_bind_text64(pick, 3, pool.ptr, pool.len, SQLITE_STATIC, SQLITE_UTF8);
    int rc = SQLITE_DONE;
    for (; taken < most && seen < limit && (rc = sqlite3_step(pick)) == SQLITE_ROW; seen++)
        taken += take(s, pick, due, pool, paused);
    sqlite3_reset(pick);
    return rc == SQLITE_ROW ? SQLITE_DONE : rc;
}

static size_t room_of(const struct hw_ledger_due *due, struct hw_str pool)
{
    for (size_t i = 0; i < due->room_count; i++)
        if (hw_str_eq(due->rooms[i].pool, pool))
            return due->rooms[i].room < due->max ? due->rooms[i].room : due->max;
    return 1;
}

/* Finds the pool that comes after *pool. Returns SQLITE_ROW, SQLITE_DONE after the last, or an
 * error. */
static int next_pool(struct hw_sqlite *s, struct hw_ledger_due *due, struct hw_str *pool)
{
    sqlite3_stmt *next = s->statements[HW_LEDGER_NEXT_POOL];
    sqlite3_bind_text64(next, 1, pool->ptr, pool->len, SQLITE_STATIC, SQLITE_UTF8);
    int rc = sqlite3_step(next);
    if (rc == SQLITE_ROW) {
        *pool = hw_arena_copy(due->arena, (struct hw_str){sqlite3_column_blob(next, 0),
                                                          (size_t)sqlite3_column_bytes(next, 0)});
        rc = pool->ptr ? rc : SQLITE_NOMEM;
    }
    sqlite3_reset(next);
    return rc;
}

static int find_in_pools(struct hw_sqlite *s, struct hw_ledger_due *due, struct paused *paused)
{
    struct hw_str pool = HW_STR("");
    int rc;
    while ((rc = next_pool(s, due, &pool)) == SQLITE_ROW) {
        size_t room = room_of(due, pool);
        if (room > 0)
            rc = find(s, due, s->statements[HW_LEDGER_PICK_POOL], room, pool, paused);
        if (room > 0 && rc != SQLITE_DONE)
            return rc;
    }
    return rc;
}

int hw_ledger_sqlite_pick(struct hw_ledger *ledger, struct hw_ledger_due *due)
{
    struct hw_sqlite *s = (struct hw_sqlite *)ledger;
    struct paused paused;
    paused.count = due->count = 0;
    if (!hw_ledger_recovery_ready(s))
        return HW_ELEDGER_UNAVAILABLE;
    int rc = find(s, due, s->statements[HW_LEDGER_PICK], due->max, HW_STR_NONE, &paused);
    if (rc == SQLITE_DONE)
        rc = find_in_pools(s, due, &paused);
    bool full = due->count == due->max;
    due->again = false;
    if (rc == SQLITE_DONE && paused.count > 0 && hw_ledger_park(s, paused.rows, paused.count) == 0)
        due->again = !full;
    if (rc == SQLITE_DONE && s->unparking)
        due->again |= hw_ledger_unpark(s, due->now_ms, full ? FEW : HW_LEDGER_PARK_STEP);
    return rc == SQLITE_DONE ? 0 : HW_ELEDGER_UNAVAILABLE;
}

/* ---- at the start ---- */

static int run(struct hw_sqlite *s, const char *sql, int64_t number, int *changes)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(stmt, 1, number);
        rc = hw_ledger_writer_step(stmt);
    }
    sqlite3_finalize(stmt);
    *changes = sqlite3_changes(s->db);
    return rc;
}

/* What waits must not wait longer than its own delay, by a clock that was set back since. The index
 * has all that this reads, and what is due already is not read: a backlog may be long. */
static int follow_clock(struct hw_sqlite *s, int64_t now)
{
    static const char sql[] =
        "UPDATE notifications SET next_run_at = next_run_at - settled_at + ?1, settled_at = ?1"
        " WHERE next_run_at > ?1 AND pool IS NULL AND settled_at > ?1";
    static const char pool_sql[] =
        "WITH RECURSIVE each(pool) AS (SELECT min(pool) FROM notifications WHERE pool >= ''"
        " AND next_run_at IS NOT NULL UNION ALL SELECT (SELECT min(pool) FROM notifications"
        " WHERE pool > each.pool AND next_run_at IS NOT NULL) FROM each WHERE pool IS NOT NULL)"
        " UPDATE notifications SET next_run_at = next_run_at - settled_at + ?1, settled_at = ?1"
        " WHERE pool IN (SELECT pool FROM each) AND next_run_at > ?1 AND settled_at > ?1";
    int changes, rc = run(s, sql, now, &changes);
    return rc == SQLITE_OK ? run(s, pool_sql, now, &changes) : rc;
}

/* 6: HW_STARTED, 4: HW_DEAD; 2 = HW_LEDGER_LOST_MAX - 1 */
static int give_up_lost(struct hw_sqlite *s, int64_t now, int *given_up)
{
    static const char count_sql[] =
        "UPDATE counters SET value = value - (SELECT count(*) FROM notifications"
        " WHERE state = 6 AND lost >= 2 AND accepted = 1) WHERE name = 'backlog' AND ?1 > 0";
    static const char sql[] =
        "UPDATE notifications SET state = 4, next_run_at = NULL, lost = lost + 1, settled_at = ?1,"
        " lane = NULL,"
        " error = 'host_lost', detail = NULL,"
        " reason = 'the host ended three times in a row while it ran'"
        " WHERE state = 6 AND lost >= 2";
    int changes, rc = run(s, count_sql, now, &changes);
    if (rc == SQLITE_OK)
        rc = run(s, sql, now, &changes);
    *given_up = rc == SQLITE_OK ? changes : 0;
    if (*given_up > 0)
        hw_log_say(
            HW_LOG_ERROR,
            "ledger: %d notification%s under way at the end of the last three hosts, and will "
            "not run again; see `hookward jobs list --state dead`",
            changes, changes == 1 ? " was" : "s were");
    return rc;
}

/* 6: HW_STARTED, 2: HW_FAILED */
static int find_started(struct hw_sqlite *s, int64_t now, int *found)
{
    static const char sql[] =
        "UPDATE notifications SET state = 2, next_run_at = ?1, lost = lost + 1, settled_at = ?1,"
        " error = 'host_lost', detail = NULL, reason = 'the host ended while it ran'"
        " WHERE state = 6";
    int changes, rc = run(s, sql, now, &changes);
    *found = rc == SQLITE_OK ? changes : 0;
    if (*found > 0)
        hw_log_say(HW_LOG_WARN,
                   "ledger: %d notification%s under way when the last host ended; %s run again",
                   changes, changes == 1 ? " was" : "s were", changes == 1 ? "it is" : "they are");
    return rc;
}

/* Behind one that was just given up, the lane goes on. This reads all that waits in lanes, so it is
 * done for such a one only. */
static int promote_lanes(struct hw_sqlite *s, int64_t now)
{
    static const char sql[] =
        "UPDATE notifications SET next_run_at = min(?1, settled_at), settled_at = ?1 WHERE seq IN"
        " (SELECT min(seq) FROM notifications AS n WHERE lane IS NOT NULL GROUP BY lane"
        " HAVING NOT EXISTS (SELECT 1 FROM notifications WHERE lane = n.lane"
        " AND (next_run_at IS NOT NULL OR parked = 1)))";
    int changes;
    return run(s, sql, now, &changes);
}

int hw_ledger_due_recover(struct hw_sqlite *s, char *why, size_t size)
{
    int given_up = 0, found = 0;
    int64_t now = (int64_t)(hw_now() * 1000);
    int rc = hw_ledger_writer_step(s->statements[HW_LEDGER_BEGIN]);
    if (rc == SQLITE_OK)
        rc = follow_clock(s, now);
    if (rc == SQLITE_OK)
        rc = hw_ledger_history_add_lost(s);
    if (rc == SQLITE_OK)
        rc = give_up_lost(s, now, &given_up);
    if (rc == SQLITE_OK)
        rc = find_started(s, now, &found);
    if (rc == SQLITE_OK && given_up > 0)
        rc = promote_lanes(s, now);
    hw_ledger_totals_begin(s);
    hw_ledger_totals_move(s, HW_STARTED, HW_DEAD, given_up);
    hw_ledger_totals_move(s, HW_STARTED, HW_FAILED, found);
    if (rc == SQLITE_OK)
        rc = hw_ledger_totals_write(s);
    int64_t backlog = 0;
    if (rc == SQLITE_OK)
        rc = hw_ledger_backlog_write(s, 0, &backlog);
    if (rc == SQLITE_OK)
        rc = hw_ledger_writer_step(s->statements[HW_LEDGER_END]);
    atomic_store_explicit(&s->ledger.backlog, backlog, memory_order_relaxed);
    if (rc == SQLITE_OK) {
        hw_ledger_totals_end(s);
        return 0;
    }
    snprintf(why, size, "%s: %s", s->path, sqlite3_errmsg(s->db));
    return HW_EFAILED;
}
