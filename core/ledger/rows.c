/* rows.c -- see sqlite.h */
#include "ledger/file.h"
#include "ledger/sqlite.h"
#include "trip/job.h"

static void bind_text(sqlite3_stmt *stmt, int index, struct hw_str text)
{
    if (text.ptr)
        sqlite3_bind_text64(stmt, index, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_null(stmt, index);
}

static struct hw_str cut(struct hw_str text)
{
    if (text.len > HW_LEDGER_ERROR_MAX)
        text.len = HW_LEDGER_ERROR_MAX;
    return text;
}

static void bind_outcome(const struct hw_sqlite *s, sqlite3_stmt *stmt, const struct hw_job *job)
{
    const struct hw_outcome *o = &job->outcome;
    enum hw_ledger_state state = hw_job_state(job);
    bool keep = s->keep_bodies || (state != HW_SUCCEEDED && state != HW_UNHANDLED);
    sqlite3_bind_text64(stmt, 3, job->event.ptr ? job->event.ptr : "", job->event.len,
                        SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_int(stmt, 4, state);
    sqlite3_bind_int64(stmt, 5, hw_job_last_attempt(job));
    sqlite3_bind_int64(stmt, 6, job->copies);
    sqlite3_bind_int(stmt, 7, o->ran && !job->lost); /* its stand-in's run is this one */
    sqlite3_bind_int64(stmt, 9, (int64_t)(hw_now() * 1000));
    bind_text(stmt, 10, o->code ? hw_str_of(hw_error_name(o->code)) : HW_STR_NONE);
    bind_text(stmt, 11, cut(o->reason));
    bind_text(stmt, 12, cut(o->detail));
    bind_text(stmt, 13, job->key);
    bind_text(stmt, 14, o->place);
    bind_text(stmt, 16, o->ran ? hw_str_of(job->version) : HW_STR_NONE);
    if (keep)
        sqlite3_bind_blob64(stmt, 15, job->body.ptr, job->body.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(stmt, 15);
}

static int write_repeat(struct hw_sqlite *s, const struct hw_job *job)
{
    sqlite3_bind_int64(s->statements[HW_LEDGER_REPEAT], 1, job->copies);
    sqlite3_bind_int64(s->statements[HW_LEDGER_REPEAT], 2, hw_job_last_attempt(job));
    sqlite3_bind_int64(s->statements[HW_LEDGER_REPEAT], 3, job->known.row);
    sqlite3_bind_blob(s->statements[HW_LEDGER_REPEAT], 4, job->identity.digest, HW_DIGEST_SIZE,
                      SQLITE_STATIC);
    bind_text(s->statements[HW_LEDGER_REPEAT], 5, job->identity.id);
    return hw_ledger_writer_step(s->statements[HW_LEDGER_REPEAT]);
}

static int write_update(struct hw_sqlite *s, const struct hw_job *job, int64_t row)
{
    bind_outcome(s, s->statements[HW_LEDGER_UPDATE], job);
    bind_text(s->statements[HW_LEDGER_UPDATE], 1, job->identity.id);
    sqlite3_bind_blob(s->statements[HW_LEDGER_UPDATE], 2, job->identity.digest, HW_DIGEST_SIZE,
                      SQLITE_STATIC);
    sqlite3_bind_int64(s->statements[HW_LEDGER_UPDATE], 17, row);
    return hw_ledger_writer_step(s->statements[HW_LEDGER_UPDATE]);
}

static int write_insert(struct hw_sqlite *s, const struct hw_job *job)
{
    hw_seen_add(&s->seen, hw_ledger_filter_key(&job->identity));
    sqlite3_bind_text64(s->statements[HW_LEDGER_INSERT], 1, job->id.ptr, job->id.len, SQLITE_STATIC,
                        SQLITE_UTF8);
    sqlite3_bind_blob(s->statements[HW_LEDGER_INSERT], 2, job->identity.digest, HW_DIGEST_SIZE,
                      SQLITE_STATIC);
    sqlite3_bind_int64(s->statements[HW_LEDGER_INSERT], 8, (int64_t)(job->received_at * 1000));
    bind_outcome(s, s->statements[HW_LEDGER_INSERT], job);
    return hw_ledger_writer_step(s->statements[HW_LEDGER_INSERT]);
}

/* Not run yet: what is known of it stays, but for the time. */
static int write_held(struct hw_sqlite *s, const struct hw_job *job)
{
    sqlite3_stmt *touch = s->statements[HW_LEDGER_TOUCH];
    sqlite3_bind_int64(touch, 1, (int64_t)(hw_now() * 1000));
    sqlite3_bind_int64(touch, 2, job->known.row);
    sqlite3_bind_blob(touch, 3, job->identity.digest, HW_DIGEST_SIZE, SQLITE_STATIC);
    bind_text(touch, 4, job->identity.id);
    return hw_ledger_writer_step(touch);
}

/* The row of a job that came back from a thread that was given up: new when it was looked up, and
 * written for its stand-in since. 0: there is none. */
static int64_t find_row(struct hw_sqlite *s, const struct hw_job *job)
{
    sqlite3_stmt *find = s->statements[HW_LEDGER_FIND];
    bind_text(find, 1, job->id);
    sqlite3_bind_blob(find, 2, job->identity.digest, HW_DIGEST_SIZE, SQLITE_STATIC);
    int64_t row = sqlite3_step(find) == SQLITE_ROW ? sqlite3_column_int64(find, 0) : 0;
    sqlite3_reset(find);
    return row;
}

/* A row that was known may have been removed since (retention, purge), and its number given to
 * another: then it is new again. */
int hw_ledger_rows_write(struct hw_sqlite *s, const struct hw_job *job)
{
    if (job->outcome.from_ledger)
        return write_repeat(s, job);
    int64_t row = job->lost && !job->known.row ? find_row(s, job) : job->known.row;
    if (row) {
        int rc = job->hold ? write_held(s, job) : write_update(s, job, row);
        if (rc != SQLITE_OK || sqlite3_changes(s->db) > 0)
            return rc;
    }
    return write_insert(s, job);
}
