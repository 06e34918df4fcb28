/* totals.c -- see sqlite.h
 *
 * Why     The number of rows in each state is asked for often, and is needed at the start. Counting
 *         them all would take too long for either.
 * How     The file keeps the numbers in one row (`totals`). Those of what did not succeed change in
 *         the transaction that changes the rows, so they are exact after a crash. Most rows
 *         succeed, and counting each of them there would cost every commit a page. So what
 *         succeeded is the rest of all rows. Of all rows, the file counts those up to the row
 *         `upto`; the host counts the later ones when it opens the file, and moves `upto` on every
 *         FRESH_MAX rows. A trigger subtracts what is removed, whoever removes it. It also keeps
 *         `upto` from going beyond the last row, since the numbers of removed rows are used again.
 *         Once a second the host looks whether another program has written (data_version); if so,
 *         it reads the numbers again. */
#include <string.h>

#include "ledger/sqlite.h"

enum {
    FRESH_MAX = 4096, /* rows after `upto`: what a start has to count */
    LOOK_MS = 1000    /* between two looks for what another program has written */
};

static void set(struct hw_ledger *ledger, int state, int64_t count)
{
    atomic_store_explicit(&ledger->rows[state], count, memory_order_relaxed);
}

static int64_t data_version(struct hw_sqlite *s)
{
    sqlite3_stmt *stmt = s->statements[HW_LEDGER_DATA_VERSION];
    int64_t version = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
    sqlite3_reset(stmt);
    return version;
}

int hw_ledger_totals_read(struct hw_sqlite *s)
{
    static const int order[] = {HW_FAILED, HW_UNHANDLED, HW_DEAD, HW_QUEUED, HW_STARTED};
    sqlite3_stmt *stmt = s->statements[HW_LEDGER_TOTALS];
    s->totals.data_version = data_version(s);
    s->totals.looked_at = s->retention.clock.steady();
    s->waiting.from = 0; /* another program may have changed any row */
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        int64_t fresh = sqlite3_column_int64(stmt, 0);
        int64_t rest = sqlite3_column_int64(stmt, 1) + fresh;
        for (int i = 0; i < (int)(sizeof order / sizeof *order); i++) {
            int64_t count = sqlite3_column_int64(stmt, i + 2);
            set(&s->ledger, order[i], count);
            rest -= count;
        }
        set(&s->ledger, HW_SUCCEEDED, rest);
        s->totals.fresh = fresh;
    }
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
}

void hw_ledger_totals_look(struct hw_sqlite *s)
{
    int64_t now = s->retention.clock.steady();
    if (now - s->totals.looked_at < LOOK_MS)
        return;
    s->totals.looked_at = now;
    if (data_version(s) != s->totals.data_version)
        hw_ledger_totals_read(s);
}

/* ---- changes ---- */

void hw_ledger_totals_begin(struct hw_sqlite *s)
{
    memset(s->totals.change, 0, sizeof s->totals.change);
    s->totals.added = 0;
}

void hw_ledger_totals_move(struct hw_sqlite *s, int from, int to, int64_t count)
{
    s->totals.change[from] -= count;
    s->totals.change[to] += count;
    if (from == HW_NEVER_SEEN)
        s->totals.added += count;
}

static int move_on(struct hw_sqlite *s)
{
    int rc = hw_ledger_writer_step(s->statements[HW_LEDGER_TOTALS_UPTO]);
    if (rc == SQLITE_OK)
        s->totals.fresh = -s->totals.added; /* they are counted in the file by now */
    return rc;
}

int hw_ledger_totals_write(struct hw_sqlite *s)
{
    const int64_t *change = s->totals.change;
    sqlite3_stmt *stmt = s->statements[HW_LEDGER_TOTALS_CHANGE];
    int rc = SQLITE_OK;
    if (change[HW_FAILED] || change[HW_UNHANDLED] || change[HW_DEAD] || change[HW_QUEUED] ||
        change[HW_STARTED]) {
        for (int state = HW_FAILED; state <= HW_STARTED; state++)
            sqlite3_bind_int64(stmt, state, change[state]);
        rc = hw_ledger_writer_step(stmt);
    }
    if (rc == SQLITE_OK && s->totals.fresh + s->totals.added >= FRESH_MAX)
        rc = move_on(s);
    return rc;
}

void hw_ledger_totals_end(struct hw_sqlite *s)
{
    for (int state = HW_SUCCEEDED; state < HW_LEDGER_STATE_END; state++)
        if (s->totals.change[state])
            set(&s->ledger, state, hw_ledger_rows(&s->ledger, state) + s->totals.change[state]);
    s->totals.fresh += s->totals.added;
    hw_ledger_totals_begin(s);
}
