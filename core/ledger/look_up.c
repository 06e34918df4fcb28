/* look_up.c -- recognises what was seen before: a retry of the sender, and a copy; see sqlite.h */
#include <stdio.h>
#include <stdlib.h>

#include "ledger/file.h"
#include "ledger/sqlite.h"

struct hw_ledger_reader {
    /* constant after open */
    struct hw_sqlite *ledger;

    /* guarded by the ledger's readers_m */
    struct hw_ledger_reader *next;

    /* guarded by m: the owner uses them, except while the ledger is opened again */
    pthread_mutex_t m;
    sqlite3 *db; /* NULL: to be opened */
    sqlite3_stmt *find, *body, *reason;
};

/* What read_known reads. */
#define KNOWN                                                                                      \
    "seq, state, deliveries, attempt, retries, next_run_at, error = 'given_up', accepted, runs"

static const char find_by_job[] =
    "SELECT " KNOWN " FROM notifications WHERE job_id = ?1 AND digest = ?2"
    " UNION ALL SELECT * FROM"
    " (SELECT 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM notifications WHERE job_id = ?1 LIMIT 1)";

/* The best of the rows with this body: a ledger that was once by-job may hold it under several
 * ids. */
static const char find_by_body[] = "SELECT " KNOWN " FROM notifications WHERE digest = ?2"
                                   " ORDER BY accepted DESC, state NOT IN (1, 3), seq DESC LIMIT 1";

static const char body_sql[] =
    "SELECT job_id, digest, attempt, received_at, key, body, deliveries, state, accepted,"
    " lane, pool, runs, headers"
    " FROM notifications WHERE seq = ?1";

static const char reason_sql[] = "SELECT reason FROM notifications WHERE seq = ?1";

static void close_locked(struct hw_ledger_reader *r)
{
    sqlite3_finalize(r->find);
    sqlite3_finalize(r->body);
    sqlite3_finalize(r->reason);
    sqlite3_close(r->db);
    r->find = r->body = r->reason = NULL;
    r->db = NULL;
}

static int open_locked(struct hw_ledger_reader *r, char *why, size_t size)
{
    const char *find = r->ledger->by_body ? find_by_body : find_by_job;
    if (hw_ledger_file_open(&r->db, r->ledger->path, HW_LEDGER_READ, why, size))
        return HW_EFAILED;
    sqlite3_exec(r->db, "PRAGMA cache_size = -128", NULL, NULL, NULL);
    int rc = hw_ledger_file_prepare(r->db, &r->find, find, why, size);
    if (rc == 0)
        rc = hw_ledger_file_prepare(r->db, &r->reason, reason_sql, why, size);
    return rc ? rc : hw_ledger_file_prepare(r->db, &r->body, body_sql, why, size);
}

/* After the ledger was opened again, so is this connection. */
static bool is_open_locked(struct hw_ledger_reader *r)
{
    char why[512];
    if (!r->db && !r->ledger->shut && open_locked(r, why, sizeof why))
        close_locked(r);
    return r->db != NULL;
}

/* ---- the list of readers ---- */

/* While the ledger is opened again no connection may be open: then the reader opens its own at its
 * next look-up. */
static int enlist(struct hw_ledger_reader *r, char *why, size_t size)
{
    pthread_mutex_lock(&r->ledger->readers_m);
    int rc = r->ledger->shut ? 0 : open_locked(r, why, size);
    if (rc == 0) {
        r->next = r->ledger->readers;
        r->ledger->readers = r;
    }
    pthread_mutex_unlock(&r->ledger->readers_m);
    return rc;
}

static void delist(struct hw_ledger_reader *r)
{
    pthread_mutex_lock(&r->ledger->readers_m);
    struct hw_ledger_reader **link = &r->ledger->readers;
    while (*link && *link != r)
        link = &(*link)->next;
    if (*link)
        *link = r->next;
    pthread_mutex_unlock(&r->ledger->readers_m);
}

void hw_ledger_readers_stop(struct hw_sqlite *s)
{
    pthread_mutex_lock(&s->readers_m);
    for (struct hw_ledger_reader *r = s->readers; r; r = r->next) {
        pthread_mutex_lock(&r->m);
        close_locked(r);
    }
}

void hw_ledger_readers_go(struct hw_sqlite *s)
{
    for (struct hw_ledger_reader *r = s->readers; r; r = r->next)
        pthread_mutex_unlock(&r->m);
    pthread_mutex_unlock(&s->readers_m);
}

void hw_ledger_sqlite_reader_close(struct hw_ledger_reader *r)
{
    delist(r);
    close_locked(r);
    pthread_mutex_destroy(&r->m);
    free(r);
}

struct hw_ledger_reader *hw_ledger_sqlite_reader_open(struct hw_ledger *ledger, char *why,
                                                      size_t why_size)
{
    struct hw_ledger_reader *r = calloc(1, sizeof *r);
    snprintf(why, why_size, "out of memory");
    if (!r)
        return NULL;
    r->ledger = (struct hw_sqlite *)ledger;
    pthread_mutex_init(&r->m, NULL);
    if (enlist(r, why, why_size) == 0)
        return r;
    hw_ledger_sqlite_reader_close(r);
    return NULL;
}

/* ---- looking up ---- */

static void read_known(struct hw_known *known, sqlite3_stmt *row)
{
    known->row = sqlite3_column_int64(row, 0);
    known->other_body = known->row == 0;
    known->state = (enum hw_ledger_state)sqlite3_column_int(row, 1);
    known->deliveries = (uint32_t)sqlite3_column_int64(row, 2);
    known->attempt = (uint32_t)sqlite3_column_int64(row, 3);
    known->retries = (uint32_t)sqlite3_column_int64(row, 4);
    known->next_run_at = sqlite3_column_int64(row, 5);
    known->given_up = known->state == HW_DEAD && sqlite3_column_int(row, 6) == 1;
    known->accepted = sqlite3_column_int(row, 7) == 1;
    known->runs = (uint32_t)sqlite3_column_int64(row, 8);
}

static int find_locked(struct hw_ledger_reader *r, const struct hw_identity *identity,
                       struct hw_known *known)
{
    if (!is_open_locked(r))
        return HW_ELEDGER_UNAVAILABLE;
    sqlite3_bind_text64(r->find, 1, identity->id.ptr, identity->id.len, SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_blob(r->find, 2, identity->digest, HW_DIGEST_SIZE, SQLITE_STATIC);
    int rc = sqlite3_step(r->find);
    if (rc == SQLITE_ROW)
        read_known(known, r->find);
    sqlite3_reset(r->find);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : HW_ELEDGER_UNAVAILABLE;
}

int hw_ledger_sqlite_look_up(struct hw_ledger_reader *r, const struct hw_identity *identity,
                             struct hw_known *known)
{
    *known = (struct hw_known){0};
    if (!hw_bloom_may_hold(&r->ledger->seen, hw_ledger_filter_key(identity)))
        return 0;
    pthread_mutex_lock(&r->m);
    int rc = find_locked(r, identity, known);
    pthread_mutex_unlock(&r->m);
    return rc;
}

static struct hw_str copy_column(struct hw_notification *n, sqlite3_stmt *stmt, int column)
{
    struct hw_str value = {sqlite3_column_blob(stmt, column),
                           (size_t)sqlite3_column_bytes(stmt, column)};
    return hw_arena_copy(n->arena, value);
}

/* A text that may be NULL. Returns false without memory. */
static bool copy_text(struct hw_notification *n, sqlite3_stmt *stmt, int column, struct hw_str *to)
{
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL)
        return true;
    *to = copy_column(n, stmt, column);
    return to->ptr != NULL;
}

static int read_row(struct hw_ledger_reader *r, struct hw_notification *n)
{
    sqlite3_stmt *row = r->body;
    if (sqlite3_column_type(row, 5) == SQLITE_NULL ||
        sqlite3_column_bytes(row, 1) != HW_DIGEST_SIZE)
        return HW_ENOT_FOUND;
    n->id = copy_column(n, row, 0);
    n->has_id = true;
    memcpy(n->identity.digest, sqlite3_column_blob(row, 1), HW_DIGEST_SIZE);
    if (!r->ledger->by_body)
        n->identity.id = n->id;
    n->attempt = (uint32_t)sqlite3_column_int64(row, 2);
    n->received_at = (double)sqlite3_column_int64(row, 3) / 1000;
    n->key = copy_column(n, row, 4);
    n->body = copy_column(n, row, 5);
    n->known.deliveries = (uint32_t)sqlite3_column_int64(row, 6);
    n->known.state = (enum hw_ledger_state)sqlite3_column_int(row, 7);
    n->known.accepted = n->accepted = sqlite3_column_int(row, 8) == 1;
    bool copied = copy_text(n, row, 9, &n->lane) && copy_text(n, row, 10, &n->pool) &&
                  copy_text(n, row, 12, &n->headers);
    n->known.runs = (uint32_t)sqlite3_column_int64(row, 11);
    n->known.attempt = n->attempt;
    n->known.row = n->from_row;
    return copied && n->id.ptr && n->key.ptr && n->body.ptr ? 0 : HW_ENOMEM;
}

static int load_locked(struct hw_ledger_reader *r, struct hw_notification *n)
{
    if (!is_open_locked(r))
        return HW_ELEDGER_UNAVAILABLE;
    sqlite3_bind_int64(r->body, 1, n->from_row);
    int rc = sqlite3_step(r->body);
    rc = rc == SQLITE_ROW    ? read_row(r, n)
         : rc == SQLITE_DONE ? HW_ENOT_FOUND
                             : HW_ELEDGER_UNAVAILABLE;
    sqlite3_reset(r->body);
    return rc;
}

int hw_ledger_sqlite_load(struct hw_ledger_reader *r, struct hw_notification *n)
{
    pthread_mutex_lock(&r->m);
    int rc = load_locked(r, n);
    pthread_mutex_unlock(&r->m);
    return rc;
}

static int load_reason_locked(struct hw_ledger_reader *r, struct hw_notification *n)
{
    if (!is_open_locked(r))
        return HW_ELEDGER_UNAVAILABLE;
    sqlite3_bind_int64(r->reason, 1, n->known.row);
    int rc = sqlite3_step(r->reason);
    bool has_one = rc == SQLITE_ROW && sqlite3_column_type(r->reason, 0) != SQLITE_NULL;
    if (has_one)
        n->outcome.reason = copy_column(n, r->reason, 0);
    sqlite3_reset(r->reason);
    if (has_one && !n->outcome.reason.ptr)
        return HW_ENOMEM;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : HW_ELEDGER_UNAVAILABLE;
}

int hw_ledger_sqlite_load_reason(struct hw_ledger_reader *r, struct hw_notification *n)
{
    pthread_mutex_lock(&r->m);
    int rc = load_reason_locked(r, n);
    pthread_mutex_unlock(&r->m);
    return rc;
}
