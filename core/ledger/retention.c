/* retention.c -- see sqlite.h
 *
 * How     Rows are in the order of their arrival, so the old ones are in front. A pass starts there
 *         and goes on, step by step, until it comes to rows that are young. Rows from a time when
 *         the clock was ahead say nothing about the rows behind them, so the first pass, and then
 *         one a day, covers all rows.
 *         After a leap of the clock nothing is removed for a while (clock.h), and then only slowly
 *         until a pass is complete: if the clock is wrong after all, there is time to notice. The
 *         same holds after each start, since the newest row, which the clock is compared with
 *         then, may have been written by the same wrong clock. */
#include "base/log.h"
#include "ledger/file.h"
#include "ledger/sqlite.h"

enum {
    LONG_PASS = 64,        /* steps; after a longer pass there is a pause */
    STEP = 256,            /* rows */
    SLOW_SHARE = 100,      /* while slow: a hundredth of the rows each minute */
    SLOW_ROWS = 1000,      /* or so many, if that is more */
    MINUTE_MS = 60 * 1000, /* between two lines of the log while slow */
    HOUR_MS = 3600 * 1000, /* and otherwise */
    DAY_MS = 24 * 3600 * 1000
};

static int64_t number(struct hw_sqlite *s, const char *sql)
{
    sqlite3_stmt *stmt;
    int64_t value = 0;
    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static int64_t newest(struct hw_sqlite *s)
{
    return number(s, "SELECT max(received_at, settled_at) FROM notifications"
                     " ORDER BY seq DESC LIMIT 1");
}

/* An upper bound; counting them would cost too much. */
static int64_t rows(struct hw_sqlite *s)
{
    return number(s, "SELECT (SELECT max(seq) FROM notifications)"
                     " - (SELECT min(seq) FROM notifications) + 1");
}

static bool is_time_known(struct hw_sqlite *s)
{
    struct hw_ledger_retention *r = &s->retention;
    int64_t leap =
        hw_ledger_clock_look(&r->clock, r->clock.started ? 0 : newest(s), (int64_t)s->retention_ms);
    if (leap) {
        hw_log_say(HW_LOG_WARN,
                   "ledger: the clock is %lld seconds %s what was expected; nothing is removed for "
                   "its age until it has run evenly for an hour, and then slowly",
                   (long long)(leap < 0 ? -leap : leap) / 1000, leap < 0 ? "behind" : "ahead of");
        r->slow = true;
        r->from = 0;
    }
    return hw_ledger_clock_is_calm(&r->clock);
}

static void say_removed(struct hw_sqlite *s)
{
    struct hw_ledger_retention *r = &s->retention;
    int64_t now = r->clock.steady();
    if (r->removed == 0 || now < r->say_at)
        return;
    hw_log_say(HW_LOG_INFO, "ledger: %lld notification%s removed, older than retention",
               (long long)r->removed, r->removed == 1 ? "" : "s");
    r->removed = 0;
    r->say_at = now + (r->slow ? MINUTE_MS : HOUR_MS);
}

/* Whether the rows of a step may be removed now. */
static bool has_room(struct hw_sqlite *s)
{
    struct hw_ledger_retention *r = &s->retention;
    int64_t now = r->clock.steady();
    if (!r->slow)
        return true;
    if (now >= r->minute_at) {
        int64_t share = rows(s) / SLOW_SHARE;
        r->room = share > SLOW_ROWS ? share : SLOW_ROWS;
        r->minute_at = now + MINUTE_MS;
    }
    return r->room >= STEP;
}

/* What a step found. */
struct step {
    int64_t last; /* its last row; 0: there was none */
    bool old;     /* some rows are older than retention */
    bool young;   /* some are not, and are not from the future */
};

static struct step look(struct hw_sqlite *s, int64_t before)
{
    struct step step = {0};
    sqlite3_stmt *front = s->statements[HW_LEDGER_FRONT];
    sqlite3_bind_int64(front, 1, s->retention.from);
    sqlite3_bind_int64(front, 2, before);
    sqlite3_bind_int64(front, 3, s->retention.clock.now + HW_LEDGER_CLOCK_STEP_MS);
    sqlite3_bind_int(front, 4, STEP);
    if (sqlite3_step(front) == SQLITE_ROW) {
        step.last = sqlite3_column_int64(front, 0);
        step.old = sqlite3_column_int64(front, 1) > 0;
        step.young = sqlite3_column_int64(front, 2) > 0;
    }
    sqlite3_reset(front);
    return step;
}

/* What is dead waits for somebody to look at it. */
static int64_t dead_before(const struct hw_sqlite *s)
{
    if (!s->dead_retention_ms)
        return INT64_MIN;
    return s->retention.clock.now - (int64_t)s->dead_retention_ms;
}

/* Does not wait for another program's lock, since no outcome could be committed meanwhile. Returns
 * false when there was one. */
static bool remove_old(struct hw_sqlite *s, int64_t last, int64_t before)
{
    sqlite3_stmt *expire = s->statements[HW_LEDGER_EXPIRE];
    int rc;
    sqlite3_bind_int64(expire, 1, s->retention.from);
    sqlite3_bind_int64(expire, 2, last);
    sqlite3_bind_int64(expire, 3, before);
    sqlite3_bind_int64(expire, 4, dead_before(s));
    s->patience_ms = 0;
    hw_ledger_totals_begin(s);
    int64_t count = 0;
    for (; (rc = sqlite3_step(expire)) == SQLITE_ROW; count++)
        hw_ledger_totals_move(s, sqlite3_column_int(expire, 0), HW_NEVER_SEEN, 1);
    sqlite3_reset(expire);
    s->patience_ms = HW_LEDGER_BUSY_MS;
    if (rc != SQLITE_DONE)
        return (rc & 0xff) != SQLITE_BUSY; /* other failures are left to the next pass */
    hw_ledger_totals_end(s);
    s->spent |= count > 0;
    s->retention.removed += count;
    s->retention.room -= count;
    return true;
}

/* Ends the pass. */
static bool end(struct hw_sqlite *s, bool whole)
{
    struct hw_ledger_retention *r = &s->retention;
    if (r->steps > LONG_PASS)
        r->rest_at = r->clock.steady() + MINUTE_MS;
    r->from = r->steps = 0;
    r->slow = false; /* nothing is left to remove */
    if (whole)
        r->whole_at = r->clock.steady() + DAY_MS;
    return false;
}

/* A row that has settled again recently stays; the pass goes on behind it. */
bool hw_ledger_retention_step(struct hw_sqlite *s)
{
    struct hw_ledger_retention *r = &s->retention;
    if (!s->retention_ms || !is_time_known(s))
        return false;
    say_removed(s);
    if (!has_room(s) || r->clock.steady() < r->rest_at)
        return false;
    int64_t before = r->clock.now - (int64_t)s->retention_ms;
    struct step step = look(s, before);
    if (step.last == 0)
        return end(s, true);
    if (step.old && !remove_old(s, step.last, before))
        return false;
    if (!step.old && step.young && r->clock.steady() < r->whole_at)
        return end(s, false);
    r->from = step.last;
    r->steps++;
    return true;
}
