/* minutes.c -- see sqlite.h
 *
 * How     One record comes each minute. It waits in memory until a transaction is written anyway,
 *         or until there is nothing else to do; so under load it costs no fsync of its own. While
 *         the ledger can't be written, the last HW_LEDGER_MINUTES_WAIT are kept. */
#include <stdlib.h>
#include <string.h>

#include "ledger/file.h"
#include "ledger/sqlite.h"

struct hw_ledger_minute {
    struct hw_ledger_minute *next;
    int64_t minute; /* since 1970 */
    size_t len;
    char bytes[];
};

/* ---- handing over ---- */

static void free_all(struct hw_ledger_minute *m)
{
    for (struct hw_ledger_minute *next; m; m = next) {
        next = m->next;
        free(m);
    }
}

static void append_locked(struct hw_ledger_minutes *all, struct hw_ledger_minute *m)
{
    struct hw_ledger_minute **last = &all->first;
    size_t count = 1;
    for (; *last; last = &(*last)->next)
        count++;
    *last = m;
    if (count > HW_LEDGER_MINUTES_WAIT) {
        m = all->first;
        all->first = m->next;
        free(m);
    }
    atomic_store_explicit(&all->any, true, memory_order_relaxed);
}

void hw_ledger_sqlite_keep_minute(struct hw_ledger *ledger, int64_t minute, const void *bytes,
                                  size_t len)
{
    struct hw_sqlite *s = (struct hw_sqlite *)ledger;
    struct hw_ledger_minute *m = malloc(sizeof *m + len);
    if (!m)
        return; /* a gap in a plot */
    m->next = NULL;
    m->minute = minute;
    m->len = len;
    memcpy(m->bytes, bytes, len);
    pthread_mutex_lock(&s->minutes.m);
    append_locked(&s->minutes, m);
    pthread_mutex_unlock(&s->minutes.m);
}

void hw_ledger_minutes_init(struct hw_sqlite *s)
{
    pthread_mutex_init(&s->minutes.m, NULL);
}

void hw_ledger_minutes_fini(struct hw_sqlite *s)
{
    free_all(s->minutes.first);
    free_all(s->minutes.written);
    pthread_mutex_destroy(&s->minutes.m);
}

/* ---- writing ---- */

static int write_one(struct hw_sqlite *s, const struct hw_ledger_minute *m)
{
    sqlite3_stmt *keep = s->statements[HW_LEDGER_MINUTE];
    sqlite3_stmt *forget = s->statements[HW_LEDGER_MINUTE_FORGET];
    sqlite3_bind_int64(keep, 1, m->minute);
    sqlite3_bind_blob64(keep, 2, m->bytes, m->len, SQLITE_STATIC);
    int rc = hw_ledger_writer_step(keep);
    sqlite3_bind_int64(forget, 1, m->minute - HW_LEDGER_MINUTES_KEPT);
    return rc == SQLITE_OK ? hw_ledger_writer_step(forget) : rc;
}

int hw_ledger_minutes_write(struct hw_sqlite *s)
{
    if (!atomic_load_explicit(&s->minutes.any, memory_order_relaxed) || s->failing)
        return SQLITE_OK;
    pthread_mutex_lock(&s->minutes.m);
    s->minutes.written = s->minutes.first;
    s->minutes.first = NULL;
    atomic_store_explicit(&s->minutes.any, false, memory_order_relaxed);
    pthread_mutex_unlock(&s->minutes.m);
    int rc = SQLITE_OK;
    for (struct hw_ledger_minute *m = s->minutes.written; rc == SQLITE_OK && m; m = m->next)
        rc = write_one(s, m);
    bool goes_on = rc != SQLITE_OK && !sqlite3_get_autocommit(s->db);
    return goes_on ? SQLITE_OK : rc; /* no outcome fails for a plot */
}

static void put_back(struct hw_sqlite *s)
{
    struct hw_ledger_minute **last = &s->minutes.written;
    while (*last)
        last = &(*last)->next;
    pthread_mutex_lock(&s->minutes.m);
    *last = s->minutes.first;
    s->minutes.first = s->minutes.written;
    s->minutes.written = NULL;
    atomic_store_explicit(&s->minutes.any, true, memory_order_relaxed);
    pthread_mutex_unlock(&s->minutes.m);
}

void hw_ledger_minutes_end(struct hw_sqlite *s, int rc)
{
    if (!s->minutes.written)
        return;
    if (rc != SQLITE_OK) {
        put_back(s);
        return;
    }
    free_all(s->minutes.written);
    s->minutes.written = NULL;
}

/* Does not wait for another program's lock: outcomes would have to wait too. */
void hw_ledger_minutes_flush(struct hw_sqlite *s)
{
    if (!atomic_load_explicit(&s->minutes.any, memory_order_relaxed) || s->failing)
        return;
    s->patience_ms = 0;
    int rc = hw_ledger_writer_step(s->statements[HW_LEDGER_BEGIN]);
    s->patience_ms = HW_LEDGER_BUSY_MS;
    if (rc != SQLITE_OK)
        return; /* nothing has begun; the next call tries again */
    rc = hw_ledger_minutes_write(s);
    if (rc == SQLITE_OK)
        rc = hw_ledger_writer_step(s->statements[HW_LEDGER_END]);
    hw_ledger_minutes_end(s, rc);
    hw_ledger_recovery_look(s, rc);
}

/* ---- reading ---- */

int hw_ledger_sqlite_minutes(struct hw_ledger *ledger, int64_t since, hw_ledger_minute_fn *each,
                             void *ud)
{
    struct hw_sqlite *s = (struct hw_sqlite *)ledger;
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db;
    char why[512];
    if (hw_ledger_file_open(&db, s->path, HW_LEDGER_READ, why, sizeof why))
        return HW_ELEDGER_UNAVAILABLE;
    int rc = sqlite3_prepare_v2(
        db, "SELECT minute, numbers FROM minutes WHERE minute >= ?1 ORDER BY minute", -1, &stmt,
        NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 1, since);
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        each(ud, sqlite3_column_int64(stmt, 0), sqlite3_column_blob(stmt, 1),
             (size_t)sqlite3_column_bytes(stmt, 1));
    rc = sqlite3_finalize(stmt);
    sqlite3_close(db);
    return rc == SQLITE_OK ? 0 : HW_ELEDGER_UNAVAILABLE;
}
