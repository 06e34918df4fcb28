/* move_file.c -- see move_file.h */
#include "ledger/move_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "ledger/file.h"
#include "ledger/ledger.h"
#include "ledger/lock.h"

/* The file's statements. */
enum { COUNT, ROWS, RUNS, FIND, INSERT, UPDATE, FORGET_RUNS, ADD_RUN, TOTALS, BACKLOG, STATEMENTS };

#define COLUMNS                                                                                    \
    "job_id, digest, state, attempt, deliveries, runs, retries, lost, accepted, parked,"           \
    " received_at, settled_at, next_run_at, event, error, reason, detail, key, place, version,"    \
    " lane, pool, headers, body"
#define VALUES                                                                                     \
    "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,"   \
    " ?21, ?22, ?23, ?24"

static const char *const texts[STATEMENTS] = {
    [COUNT] = "SELECT count(*) FROM notifications",
    [ROWS] = "SELECT seq, " COLUMNS " FROM notifications WHERE seq > ?1 ORDER BY seq",
    [RUNS] = "SELECT began_at, attempt, retry, waited_ms, ms, error, reason, version FROM runs"
             " WHERE seq = ?1 ORDER BY rowid",
    [FIND] = "SELECT seq, state, settled_at, accepted FROM notifications"
             " WHERE job_id = ?1 AND digest = ?2",
    [INSERT] = "INSERT INTO notifications (" COLUMNS ") VALUES (" VALUES ")",
    [UPDATE] = "UPDATE notifications SET (" COLUMNS ") = (" VALUES ") WHERE seq = ?25",
    [FORGET_RUNS] = "DELETE FROM runs WHERE seq = ?1",
    [ADD_RUN] = "INSERT INTO runs (seq, began_at, attempt, retry, waited_ms, ms, error, reason,"
                " version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [TOTALS] = "UPDATE totals SET failed = failed + ?2, unhandled = unhandled + ?3,"
               " dead = dead + ?4, queued = queued + ?5, running = running + ?6",
    [BACKLOG] = "UPDATE counters SET value = value + ?1 WHERE name = 'backlog'",
};

struct file {
    struct hw_move_place place;
    struct hw_ledger_lock *lock;
    bool is_new; /* taking the lock has made it, and nothing else is in it yet */
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    char path[];
};

static int fail(struct file *f)
{
    snprintf(f->place.why, sizeof f->place.why, "%s: %s", f->path, sqlite3_errmsg(f->db));
    return HW_EFAILED;
}

static int fail_for_memory(struct file *f)
{
    snprintf(f->place.why, sizeof f->place.why, "out of memory");
    return HW_EFAILED;
}

/* Runs a bound statement. Returns SQLite's code. */
static int step(sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);
    int ended = sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : ended;
}

/* ---- reading ---- */

static int count(struct hw_move_place *place, int64_t *rows)
{
    struct file *f = (struct file *)place;
    sqlite3_stmt *stmt = f->statements[COUNT];
    int rc = sqlite3_step(stmt);
    *rows = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW ? 0 : fail(f);
}

/* Whether there is memory. */
static bool take_text(struct hw_arena *arena, sqlite3_stmt *stmt, int i, struct hw_str *text)
{
    *text = HW_STR_NONE;
    if (sqlite3_column_type(stmt, i) == SQLITE_NULL)
        return true;
    const char *bytes = sqlite3_column_blob(stmt, i);
    *text = hw_arena_copy(
        arena, (struct hw_str){bytes ? bytes : "", (size_t)sqlite3_column_bytes(stmt, i)});
    return text->ptr;
}

static bool take_texts(struct hw_arena *arena, sqlite3_stmt *stmt, int from, int to,
                       struct hw_str *const *texts_of)
{
    bool good = true;
    for (int i = from; good && i < to; i++)
        good = take_text(arena, stmt, i, texts_of[i - from]);
    return good;
}

static bool take_row(struct hw_move_batch *batch, sqlite3_stmt *stmt)
{
    struct hw_move_row *row = &batch->rows[batch->row_count++];
    struct hw_str *const ids[] = {&row->job_id, &row->digest};
    struct hw_str *const others[] = {&row->event, &row->error,   &row->reason,  &row->detail,
                                     &row->key,   &row->place,   &row->version, &row->lane,
                                     &row->pool,  &row->headers, &row->body};
    *row = (struct hw_move_row){
        .seq = sqlite3_column_int64(stmt, 0),
        .state = sqlite3_column_int(stmt, 3),
        .attempt = sqlite3_column_int(stmt, 4),
        .deliveries = sqlite3_column_int(stmt, 5),
        .runs = sqlite3_column_int(stmt, 6),
        .retries = sqlite3_column_int(stmt, 7),
        .lost = sqlite3_column_int(stmt, 8),
        .accepted = sqlite3_column_int(stmt, 9),
        .parked = sqlite3_column_int(stmt, 10),
        .received_at = sqlite3_column_int64(stmt, 11),
        .settled_at = sqlite3_column_int64(stmt, 12),
        .next_run_at = sqlite3_column_int64(stmt, 13),
    };
    batch->last = row->seq;
    return take_texts(&batch->arena, stmt, 1, 3, ids) &&
           take_texts(&batch->arena, stmt, 14, 25, others);
}

static int read_runs(struct file *f, struct hw_move_batch *batch, size_t row)
{
    sqlite3_stmt *stmt = f->statements[RUNS];
    int rc;
    bool good = true;
    sqlite3_bind_int64(stmt, 1, batch->rows[row].seq);
    while (good && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct hw_move_run *run = hw_move_batch_add_run(batch);
        good = run;
        if (!run)
            break;
        struct hw_str *const of[] = {&run->error, &run->reason, &run->version};
        run->row = row;
        run->began_at = sqlite3_column_int64(stmt, 0);
        run->attempt = sqlite3_column_int(stmt, 1);
        run->retry = sqlite3_column_int(stmt, 2);
        run->waited_ms = sqlite3_column_int64(stmt, 3);
        run->ms = sqlite3_column_int64(stmt, 4);
        good = take_texts(&batch->arena, stmt, 5, 8, of);
    }
    sqlite3_reset(stmt);
    if (!good)
        return fail_for_memory(f);
    return rc == SQLITE_DONE ? 0 : fail(f);
}

static int read_batch(struct hw_move_place *place, int64_t after, struct hw_move_batch *batch)
{
    struct file *f = (struct file *)place;
    sqlite3_stmt *stmt = f->statements[ROWS];
    size_t bytes = 0;
    int rc = SQLITE_DONE;
    bool good = true;
    sqlite3_bind_int64(stmt, 1, after);
    while (good && batch->row_count < HW_MOVE_ROWS && bytes < HW_MOVE_BYTES &&
           (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        good = take_row(batch, stmt);
        bytes += batch->rows[batch->row_count - 1].body.len;
    }
    sqlite3_reset(stmt);
    if (!good)
        return fail_for_memory(f);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return fail(f);
    int failed = 0;
    for (size_t i = 0; failed == 0 && i < batch->row_count; i++)
        failed = read_runs(f, batch, i);
    return failed;
}

static int read_pauses(struct hw_move_place *place, struct hw_move_batch *batch)
{
    struct file *f = (struct file *)place;
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(f->db, "SELECT pattern, since FROM pauses", -1, &stmt, NULL);
    bool good = true;
    while (rc == SQLITE_OK && good && batch->pause_count < HW_PAUSES_MAX &&
           sqlite3_step(stmt) == SQLITE_ROW) {
        struct hw_move_pause *pause = &batch->pauses[batch->pause_count++];
        good = take_text(&batch->arena, stmt, 0, &pause->pattern);
        pause->since = sqlite3_column_int64(stmt, 1);
    }
    if (sqlite3_finalize(stmt) != SQLITE_OK || rc != SQLITE_OK)
        return fail(f);
    return good ? 0 : fail_for_memory(f);
}

/* ---- writing ---- */

/* What a transaction changes in the numbers that the file keeps. */
struct numbers {
    int64_t states[HW_LEDGER_STATE_END];
    int64_t backlog;
};

static bool is_backlog(bool accepted, int state)
{
    return accepted && (state == HW_FAILED || state == HW_QUEUED || state == HW_STARTED);
}

static void note(struct numbers *numbers, int state, bool accepted, int change)
{
    if (state > HW_NEVER_SEEN && state < HW_LEDGER_STATE_END)
        numbers->states[state] += change;
    numbers->backlog += is_backlog(accepted, state) ? change : 0;
}

static void bind_text(sqlite3_stmt *stmt, int at, struct hw_str text)
{
    if (text.ptr)
        sqlite3_bind_text64(stmt, at, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_null(stmt, at);
}

static void bind_blob(sqlite3_stmt *stmt, int at, struct hw_str bytes)
{
    if (bytes.ptr)
        sqlite3_bind_blob64(stmt, at, bytes.ptr, bytes.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(stmt, at);
}

static void bind_row(sqlite3_stmt *stmt, const struct hw_move_row *row)
{
    const struct hw_str others[] = {row->error,   row->reason, row->detail, row->key,    row->place,
                                    row->version, row->lane,   row->pool,   row->headers};
    const int numbers[] = {row->state,   row->attempt, row->deliveries, row->runs,
                           row->retries, row->lost,    row->accepted,   row->parked};
    bind_text(stmt, 1, row->job_id);
    bind_blob(stmt, 2, row->digest);
    for (int i = 0; i < 8; i++)
        sqlite3_bind_int(stmt, 3 + i, numbers[i]);
    sqlite3_bind_int64(stmt, 11, row->received_at);
    sqlite3_bind_int64(stmt, 12, row->settled_at ? row->settled_at : row->received_at);
    if (row->next_run_at)
        sqlite3_bind_int64(stmt, 13, row->next_run_at);
    else
        sqlite3_bind_null(stmt, 13);
    bind_text(stmt, 14, row->event.ptr ? row->event : HW_STR(""));
    for (int i = 0; i < 9; i++)
        bind_text(stmt, 15 + i, others[i]);
    bind_blob(stmt, 24, row->body);
}

/* Finds the row that may be there already. */
struct before {
    int64_t seq, settled_at; /* 0: there is none */
    int state;
    bool accepted;
};

static int find(struct file *f, const struct hw_move_row *row, struct before *before)
{
    sqlite3_stmt *stmt = f->statements[FIND];
    bind_text(stmt, 1, row->job_id);
    bind_blob(stmt, 2, row->digest);
    int rc = sqlite3_step(stmt);
    *before = (struct before){0};
    if (rc == SQLITE_ROW)
        *before = (struct before){.seq = sqlite3_column_int64(stmt, 0),
                                  .state = sqlite3_column_int(stmt, 1),
                                  .settled_at = sqlite3_column_int64(stmt, 2),
                                  .accepted = sqlite3_column_int(stmt, 3)};
    int ended = sqlite3_reset(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : ended;
}

static int write_runs(struct file *f, const struct hw_move_batch *batch, size_t row, int64_t seq,
                      size_t *at)
{
    sqlite3_stmt *stmt = f->statements[ADD_RUN];
    int rc = SQLITE_OK;
    for (; rc == SQLITE_OK && *at < batch->run_count && batch->runs[*at].row == row; ++*at) {
        const struct hw_move_run *run = &batch->runs[*at];
        sqlite3_bind_int64(stmt, 1, seq);
        sqlite3_bind_int64(stmt, 2, run->began_at);
        sqlite3_bind_int(stmt, 3, run->attempt);
        sqlite3_bind_int(stmt, 4, run->retry);
        sqlite3_bind_int64(stmt, 5, run->waited_ms);
        sqlite3_bind_int64(stmt, 6, run->ms);
        bind_text(stmt, 7, run->error);
        bind_text(stmt, 8, run->reason);
        bind_text(stmt, 9, run->version);
        rc = step(stmt);
    }
    return rc;
}

/* Puts the row at *seq; 0: there is none yet. */
static int put_row(struct file *f, const struct hw_move_row *row, int64_t *seq)
{
    sqlite3_stmt *stmt = f->statements[*seq ? UPDATE : INSERT];
    bind_row(stmt, row);
    if (*seq)
        sqlite3_bind_int64(stmt, 25, *seq);
    int rc = step(stmt);
    if (*seq && rc == SQLITE_OK) {
        sqlite3_bind_int64(f->statements[FORGET_RUNS], 1, *seq);
        rc = step(f->statements[FORGET_RUNS]);
    }
    if (!*seq)
        *seq = sqlite3_last_insert_rowid(f->db);
    return rc;
}

static int write_row(struct file *f, const struct hw_move_batch *batch, size_t i, size_t *run,
                     struct numbers *numbers, struct hw_move_written *written)
{
    const struct hw_move_row *row = &batch->rows[i];
    struct before before;
    int rc = find(f, row, &before);
    if (rc != SQLITE_OK || (before.seq && before.settled_at >= row->settled_at)) {
        while (*run < batch->run_count && batch->runs[*run].row == i)
            ++*run;
        return rc;
    }
    int64_t seq = before.seq;
    rc = put_row(f, row, &seq);
    if (rc == SQLITE_OK)
        rc = write_runs(f, batch, i, seq, run);
    if (before.seq)
        note(numbers, before.state, before.accepted, -1);
    note(numbers, row->state, row->accepted, 1);
    written->added += !before.seq;
    written->changed += before.seq != 0;
    return rc;
}

static int write_numbers(struct file *f, const struct numbers *numbers)
{
    for (int state = HW_FAILED; state <= HW_STARTED; state++)
        sqlite3_bind_int64(f->statements[TOTALS], state, numbers->states[state]);
    sqlite3_bind_int64(f->statements[BACKLOG], 1, numbers->backlog);
    int rc = step(f->statements[TOTALS]);
    return rc == SQLITE_OK ? step(f->statements[BACKLOG]) : rc;
}

static int write_batch(struct hw_move_place *place, const struct hw_move_batch *batch,
                       struct hw_move_written *written)
{
    struct file *f = (struct file *)place;
    struct numbers numbers = {{0}, 0};
    size_t run = 0;
    int rc = sqlite3_exec(f->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (size_t i = 0; rc == SQLITE_OK && i < batch->row_count; i++)
        rc = write_row(f, batch, i, &run, &numbers, written);
    if (rc == SQLITE_OK)
        rc = write_numbers(f, &numbers);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(f->db, "COMMIT", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return 0;
    fail(f);
    if (!sqlite3_get_autocommit(f->db))
        sqlite3_exec(f->db, "ROLLBACK", NULL, NULL, NULL);
    return HW_EFAILED;
}

static int write_pauses(struct hw_move_place *place, const struct hw_move_batch *batch)
{
    struct file *f = (struct file *)place;
    sqlite3_stmt *stmt;
    int rc =
        sqlite3_prepare_v2(f->db, "INSERT OR IGNORE INTO pauses VALUES (?1, ?2)", -1, &stmt, NULL);
    for (size_t i = 0; rc == SQLITE_OK && i < batch->pause_count; i++) {
        bind_text(stmt, 1, batch->pauses[i].pattern);
        sqlite3_bind_int64(stmt, 2, batch->pauses[i].since);
        rc = step(stmt);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? 0 : fail(f);
}

/* The rows are counted, as a host does that has none left to count. */
static int finish(struct hw_move_place *place)
{
    struct file *f = (struct file *)place;
    static const char sql[] =
        "UPDATE totals SET rows = rows + (SELECT count(*) FROM notifications WHERE seq > upto),"
        " upto = coalesce((SELECT max(seq) FROM notifications), 0)";
    return sqlite3_exec(f->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(f);
}

/* ---- opening and closing ---- */

static void close_file(struct hw_move_place *place)
{
    struct file *f = (struct file *)place;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(f->statements[i]);
    sqlite3_close(f->db);
    if (f->is_new && !f->db)
        unlink(f->path);
    if (f->lock)
        hw_ledger_lock_put(f->lock);
    free(f);
}

static const struct hw_move_type type = {
    .count = count,
    .read = read_batch,
    .read_pauses = read_pauses,
    .write = write_batch,
    .write_pauses = write_pauses,
    .finish = finish,
    .close = close_file,
};

static int open_file(struct file *f, bool writes, char *why, size_t why_size)
{
    f->is_new = access(f->path, F_OK) != 0;
    if (f->is_new && !writes) {
        f->is_new = false;
        snprintf(why, why_size, "%s: there is no such ledger", f->path);
        return HW_EFAILED;
    }
    f->lock = hw_ledger_lock_take(f->path, why, why_size);
    if (!f->lock) {
        f->is_new = false;
        return HW_EFAILED;
    }
    int rc = hw_ledger_file_open(&f->db, f->path, writes ? HW_LEDGER_CREATE : HW_LEDGER_READ, why,
                                 why_size);
    for (int i = 0; rc == 0 && i < STATEMENTS; i++)
        rc = hw_ledger_file_prepare(f->db, &f->statements[i], texts[i], why, why_size);
    return rc;
}

struct hw_move_place *hw_move_file_open(const char *path, bool writes, char *why, size_t why_size)
{
    size_t size = strlen(path) + 1;
    struct file *f = calloc(1, sizeof *f + size);
    if (!f) {
        snprintf(why, why_size, "out of memory");
        return NULL;
    }
    f->place.type = &type;
    memcpy(f->path, path, size);
    if (open_file(f, writes, why, why_size) == 0)
        return &f->place;
    close_file(&f->place);
    return NULL;
}
