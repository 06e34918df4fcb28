/* rows.c -- see sqlite.h */
#include "base/clock.h"
#include "http/kept_headers.h"
#include "ledger/file.h"
#include "ledger/history.h"
#include "ledger/sqlite.h"

void hw_ledger_rows_bind(sqlite3_stmt *stmt, int index, struct hw_str text)
{
    if (text.ptr)
        sqlite3_bind_text64(stmt, index, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_null(stmt, index);
}

struct hw_str hw_ledger_rows_cut(struct hw_str text)
{
    if (text.len > HW_LEDGER_ERROR_MAX)
        text.len = HW_LEDGER_ERROR_MAX;
    return text;
}

/* A run that is recorded before it begins is counted then, and the run of one that has a stand-in
 * with that. */
static bool counts_run(const struct hw_notification *n)
{
    if (n->state == HW_STARTED)
        return true;
    return n->outcome.ran && !n->started && !n->has_stand_in;
}

/* It has an outcome that nothing follows by itself, so that its lane goes on. */
static bool is_done(const struct hw_notification *n)
{
    return n->state != HW_QUEUED && n->state != HW_STARTED && n->next_run_at == 0;
}

static void bind_headers(sqlite3_stmt *stmt, const struct hw_notification *n, bool keep)
{
    char text[HW_KEPT_HEADERS_MAX];
    if (keep && n->request)
        sqlite3_bind_text64(stmt, 23, text, hw_kept_headers_write(n->request, text),
                            SQLITE_TRANSIENT, SQLITE_UTF8);
    else
        hw_ledger_rows_bind(stmt, 23, keep ? n->headers : HW_STR_NONE);
}

static void bind_outcome(const struct hw_sqlite *s, sqlite3_stmt *stmt,
                         const struct hw_notification *n)
{
    const struct hw_outcome *o = &n->outcome;
    bool keep = s->keep_bodies || (n->state != HW_SUCCEEDED && n->state != HW_UNHANDLED);
    sqlite3_bind_text64(stmt, 3, n->event.ptr ? n->event.ptr : "", n->event.len, SQLITE_STATIC,
                        SQLITE_UTF8);
    sqlite3_bind_int(stmt, 4, n->state);
    sqlite3_bind_int64(stmt, 5, hw_notification_last_attempt(n));
    sqlite3_bind_int64(stmt, 6, n->copies);
    sqlite3_bind_int(stmt, 7, counts_run(n));
    sqlite3_bind_int64(stmt, 9, n->next_run_at ? n->settled_at : (int64_t)(hw_now() * 1000));
    hw_ledger_rows_bind(stmt, 10, o->code ? hw_str_of(hw_error_name(o->code)) : HW_STR_NONE);
    hw_ledger_rows_bind(stmt, 11, hw_ledger_rows_cut(o->reason));
    hw_ledger_rows_bind(stmt, 12, hw_ledger_rows_cut(o->detail));
    hw_ledger_rows_bind(stmt, 13, n->key);
    hw_ledger_rows_bind(stmt, 14, o->place);
    hw_ledger_rows_bind(stmt, 16, o->ran ? hw_str_of(n->version) : HW_STR_NONE);
    if (n->next_run_at)
        sqlite3_bind_int64(stmt, 18, n->next_run_at);
    else
        sqlite3_bind_null(stmt, 18);
    sqlite3_bind_int64(stmt, 19, n->retries);
    sqlite3_bind_int(stmt, 20, n->accepted);
    hw_ledger_rows_bind(stmt, 21, is_done(n) ? HW_STR_NONE : n->lane);
    hw_ledger_rows_bind(stmt, 22, n->pool);
    if (keep)
        sqlite3_bind_blob64(stmt, 15, n->body.ptr, n->body.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(stmt, 15);
    bind_headers(stmt, n, keep);
}

/* ---- lanes ---- */

static bool is_being_accepted(const struct hw_notification *n)
{
    return n->accepted && n->from_row == 0 && !n->started &&
           (n->state == HW_QUEUED || n->state == HW_STARTED);
}

/* Of a lane only the first one is due. */
static int line_up(struct hw_sqlite *s, struct hw_notification *n)
{
    sqlite3_stmt *others = s->statements[HW_LEDGER_LANE];
    if (!n->lane.ptr || !is_being_accepted(n))
        return SQLITE_OK;
    hw_ledger_rows_bind(others, 1, n->lane);
    int rc = sqlite3_step(others);
    sqlite3_reset(others);
    if (rc == SQLITE_ROW) {
        n->state = HW_QUEUED;
        n->next_run_at = 0;
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int hw_ledger_rows_promote(struct hw_sqlite *s, struct hw_str lane, int64_t now_ms)
{
    sqlite3_stmt *promote = s->statements[HW_LEDGER_PROMOTE];
    hw_ledger_rows_bind(promote, 1, lane);
    sqlite3_bind_int64(promote, 2, now_ms);
    return hw_ledger_writer_step(promote);
}

/* ---- the kinds of writes ---- */

static int write_update(struct hw_sqlite *s, const struct hw_notification *n, int64_t row)
{
    bind_outcome(s, s->statements[HW_LEDGER_UPDATE], n);
    hw_ledger_rows_bind(s->statements[HW_LEDGER_UPDATE], 1, n->identity.id);
    sqlite3_bind_blob(s->statements[HW_LEDGER_UPDATE], 2, n->identity.digest, HW_DIGEST_SIZE,
                      SQLITE_STATIC);
    sqlite3_bind_int64(s->statements[HW_LEDGER_UPDATE], 17, row);
    return hw_ledger_writer_step(s->statements[HW_LEDGER_UPDATE]);
}

/* n->row stays 0 when it meets an existing row. */
static int write_insert(struct hw_sqlite *s, struct hw_notification *n)
{
    hw_bloom_add(&s->seen, hw_ledger_filter_key(&n->identity));
    sqlite3_bind_text64(s->statements[HW_LEDGER_INSERT], 1, n->id.ptr, n->id.len, SQLITE_STATIC,
                        SQLITE_UTF8);
    sqlite3_bind_blob(s->statements[HW_LEDGER_INSERT], 2, n->identity.digest, HW_DIGEST_SIZE,
                      SQLITE_STATIC);
    sqlite3_bind_int64(s->statements[HW_LEDGER_INSERT], 8, (int64_t)(n->received_at * 1000));
    bind_outcome(s, s->statements[HW_LEDGER_INSERT], n);
    sqlite3_set_last_insert_rowid(s->db, 0);
    int rc = hw_ledger_writer_step(s->statements[HW_LEDGER_INSERT]);
    n->row = sqlite3_last_insert_rowid(s->db);
    if (rc == SQLITE_OK && n->row)
        hw_ledger_totals_move(s, HW_NEVER_SEEN, n->state, 1);
    return rc;
}

/* It has not run yet: only the time of its row changes. */
static int write_held(struct hw_sqlite *s, const struct hw_notification *n, int64_t row)
{
    sqlite3_stmt *touch = s->statements[HW_LEDGER_TOUCH];
    sqlite3_bind_int64(touch, 1, (int64_t)(hw_now() * 1000));
    sqlite3_bind_int64(touch, 2, row);
    sqlite3_bind_blob(touch, 3, n->identity.digest, HW_DIGEST_SIZE, SQLITE_STATIC);
    hw_ledger_rows_bind(touch, 4, n->identity.id);
    return hw_ledger_writer_step(touch);
}

/* The row of one that had none when it was looked up and was recorded since: its start, its
 * stand-in, or what it is a copy of. 0: there is none. */
static int64_t find_row(struct hw_sqlite *s, const struct hw_notification *n)
{
    sqlite3_stmt *find = s->statements[HW_LEDGER_FIND];
    hw_ledger_rows_bind(find, 1, n->id);
    sqlite3_bind_blob(find, 2, n->identity.digest, HW_DIGEST_SIZE, SQLITE_STATIC);
    int64_t row = sqlite3_step(find) == SQLITE_ROW ? sqlite3_column_int64(find, 0) : 0;
    sqlite3_reset(find);
    return row;
}

static int write_repeat(struct hw_sqlite *s, struct hw_notification *n)
{
    int64_t row = n->known.row ? n->known.row : find_row(s, n);
    n->row = row;
    sqlite3_bind_int64(s->statements[HW_LEDGER_REPEAT], 1, n->copies);
    sqlite3_bind_int64(s->statements[HW_LEDGER_REPEAT], 2, hw_notification_last_attempt(n));
    sqlite3_bind_int64(s->statements[HW_LEDGER_REPEAT], 3, row);
    sqlite3_bind_blob(s->statements[HW_LEDGER_REPEAT], 4, n->identity.digest, HW_DIGEST_SIZE,
                      SQLITE_STATIC);
    hw_ledger_rows_bind(s->statements[HW_LEDGER_REPEAT], 5, n->identity.id);
    int rc = hw_ledger_writer_step(s->statements[HW_LEDGER_REPEAT]);
    n->row = rc == SQLITE_OK && sqlite3_changes(s->db) > 0 ? row : 0;
    return rc;
}

/* An ordinary notification has no lane, and does not count as backlog. */
static bool may_have_waited(const struct hw_notification *n)
{
    return n->accepted || n->known.accepted || n->from_row;
}

/* Reads what its row holds by now, into *waited and *state. Another run of it, or a purge, may have
 * changed it since it was looked up. */
static int read_before(struct hw_sqlite *s, struct hw_notification *n, int64_t row, bool *waited,
                       int *state)
{
    sqlite3_stmt *before = s->statements[HW_LEDGER_BEFORE];
    sqlite3_bind_int64(before, 1, row);
    sqlite3_bind_blob(before, 2, n->identity.digest, HW_DIGEST_SIZE, SQLITE_STATIC);
    hw_ledger_rows_bind(before, 3, n->identity.id);
    int rc = sqlite3_step(before);
    if (rc == SQLITE_ROW)
        *state = sqlite3_column_int(before, 1);
    if (rc == SQLITE_ROW && may_have_waited(n)) {
        struct hw_str lane = {sqlite3_column_blob(before, 2),
                              (size_t)sqlite3_column_bytes(before, 2)};
        bool accepted = sqlite3_column_int(before, 0) == 1;
        n->accepted |= accepted;
        *waited = hw_ledger_backlog_has(accepted, (enum hw_ledger_state) * state);
        if (lane.ptr && !n->lane.ptr && !(n->lane = hw_arena_copy(n->arena, lane)).ptr)
            rc = SQLITE_NOMEM;
    }
    sqlite3_reset(before);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int write_again(struct hw_sqlite *s, struct hw_notification *n, int64_t row)
{
    bool waited = false;
    int state = HW_NEVER_SEEN;
    int rc = read_before(s, n, row, &waited, &state);
    if (rc == SQLITE_OK)
        rc = write_update(s, n, row);
    if (rc == SQLITE_OK && sqlite3_changes(s->db) > 0) {
        s->backlog_change += hw_ledger_backlog_change(n, waited);
        hw_ledger_totals_move(s, state, n->state, 1);
    }
    return rc;
}

/* *done: there was such a row. */
static int write_over(struct hw_sqlite *s, struct hw_notification *n, int64_t row, bool *done)
{
    if (!row)
        return SQLITE_OK;
    int rc = n->outcome.held ? write_held(s, n, row) : write_again(s, n, row);
    *done = rc == SQLITE_OK && sqlite3_changes(s->db) > 0;
    return rc;
}

/* A known row may have been removed since (retention, purge), and its number reused: then this is a
 * new one again. */
static int write_outcome(struct hw_sqlite *s, struct hw_notification *n)
{
    bool written = n->has_stand_in || n->started, done = false;
    n->row = n->known.row;
    int rc = write_over(s, n, n->row, &done);
    if (rc == SQLITE_OK && !done && written) {
        n->row = find_row(s, n);
        rc = write_over(s, n, n->row, &done);
    }
    if (rc != SQLITE_OK || done)
        return rc;
    s->backlog_change += hw_ledger_backlog_change(n, false);
    rc = write_insert(s, n);
    if (rc == SQLITE_OK && n->row == 0)
        n->row = find_row(s, n);
    return rc;
}

/* What else is to be written with an outcome. */
static int follow_up(struct hw_sqlite *s, const struct hw_notification *n)
{
    int rc = SQLITE_OK;
    if (hw_ledger_history_wants(n))
        rc = hw_ledger_history_add(s, n, n->row);
    if (rc == SQLITE_OK && n->lane.ptr && is_done(n) && !n->outcome.held)
        rc = hw_ledger_rows_promote(s, n->lane, n->settled_at);
    return rc;
}

int hw_ledger_rows_write(struct hw_sqlite *s, struct hw_notification *n)
{
    if (n->outcome.from_ledger)
        return write_repeat(s, n);
    int rc = line_up(s, n);
    if (rc == SQLITE_OK)
        rc = write_outcome(s, n);
    if (rc != SQLITE_OK)
        return rc;
    hw_ledger_waiting_mark(s, n);
    return follow_up(s, n);
}
