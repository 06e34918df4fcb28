/* waiting.c -- see sqlite.h
 *
 * How     A walk goes over the index of what did not succeed, from the oldest row on, and stops at
 *         the first row that waits. No row before that one waits. So the next step goes on from
 *         there, and goes back only when an outcome makes an older row wait: each row is passed
 *         once, not once a second. A step ends when its time is over, and the number stays as it
 *         was until the walk has found the next row: behind a million dead rows that may take a
 *         minute. */
#include "base/clock.h"
#include "ledger/sqlite.h"

enum {
    LOOK_MS = 1000,         /* between two steps */
    STEP_NS = 2000000,      /* the time of one; outcomes wait for it */
    ROWS_BETWEEN_LOOKS = 64 /* at the clock */
};

void hw_ledger_waiting_mark(struct hw_sqlite *s, const struct hw_notification *n)
{
    bool waits =
        (n->state == HW_FAILED || n->state == HW_QUEUED) && (n->next_run_at || n->lane.ptr);
    if (waits && n->row < s->waiting.from)
        s->waiting.from = n->row;
}

static void publish(struct hw_sqlite *s, int64_t received_ms)
{
    atomic_store_explicit(&s->ledger.oldest_waiting, received_ms, memory_order_relaxed);
}

/* Returns false at a row that does not wait. */
static bool walk(struct hw_sqlite *s, sqlite3_stmt *next)
{
    int rc = sqlite3_step(next);
    if (rc == SQLITE_DONE)
        publish(s, 0);
    if (rc != SQLITE_ROW)
        return true;
    bool waits = sqlite3_column_type(next, 1) != SQLITE_NULL;
    s->waiting.from = sqlite3_column_int64(next, 0) + !waits;
    if (waits)
        publish(s, sqlite3_column_int64(next, 1));
    return waits;
}

void hw_ledger_waiting_look(struct hw_sqlite *s)
{
    int64_t now = s->retention.clock.steady();
    sqlite3_stmt *next = s->statements[HW_LEDGER_WAITING];
    if (s->waiting.looked_at && now - s->waiting.looked_at < LOOK_MS)
        return;
    s->waiting.looked_at = now;
    uint64_t until = hw_now_ns() + STEP_NS;
    sqlite3_bind_int64(next, 1, s->waiting.from);
    for (int i = 1; !walk(s, next); i++)
        if (i % ROWS_BETWEEN_LOOKS == 0 && hw_now_ns() >= until)
            break;
    sqlite3_reset(next);
}
