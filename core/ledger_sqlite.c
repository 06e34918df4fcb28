/* ledger_sqlite.c -- the durable ledger: every outcome is on disk before its answer leaves.
 *
 * Format     see ledger_file.h. The file is locked (flock) for as long as the host runs: a second
 *            host on it refuses to start; reading it with other programs goes on working.
 *
 * Algorithm  One connection writes, in the ledger thread; each worker has one that only reads.
 *            commit() writes a batch of outcomes in one transaction (WAL, synchronous=FULL: one
 *            fsync for the batch) and returns when it is durable. What a look-up sees was
 *            committed; what is not committed yet is in the leader's table of jobs in flight. A
 *            job stays there until its batch is on disk, so between the two there is no gap: a
 *            copy is joined, or it finds the record.
 *
 *            Look-ups ask a filter in memory first (seen.h), which knows what was never recorded.
 * It is filled from the file after the start, bit by bit between batches; until then every look-up
 * goes to the file.
 *
 * Crashes    before the handler ran      nothing is recorded, nothing was answered: the sender's
 *                                        retry is processed as if new.
 *            between handler and commit  as before, but the handler runs a second time. This is
 *                                        the one window; the retry's attempt is over 0, hence
 *                                        job.redelivered.
 *            during the commit           SQLite rolls an unfinished transaction back when the file
 *                                        is next opened: the same window.
 *            after the commit, before    the sender saw no answer and asks again: answered 200 from
 *            the answer                  the record, the handler does not run.
 *
 * Failures   a commit that fails (disk full, I/O error, locked by another program) is rolled back
 *            whole, its jobs are answered 400 ledger_unavailable, and the next batch tries again.
 *            After an I/O error the connection is opened anew. The same when one of its files was
 *            removed or replaced, but that heals only by putting it back, or by a restart: nothing
 *            is written then, and what a log without a name holds is written back (ledger_place.h).
 *
 * Bounds     The WAL is written back into the file when it is over WAL_PAGES, between two batches.
 *            Rows older than `retention` are removed from the front, a few at a time.
 *
 * Thread     commit, tend: the ledger thread; look_up: the reader's owner. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "crash.h"
#include "job.h"
#include "ledger.h"
#include "ledger_file.h"
#include "ledger_lock.h"
#include "ledger_place.h"
#include "log.h"
#include "seen.h"

enum {
    WAL_PAGES = 4000,       /* 16 MB: then it is written back */
    WAL_PAGES_HARD = 16000, /* readers kept it from starting over: now they are waited for */
    RETENTION_STEP = 256,   /* rows looked at for removal at a time */
    FILL_STEP = 2000        /* rows read into the filter at a time */
};

struct sqlite {
    struct hw_ledger ledger;

    /* constant after open */
    const char *path; /* the configuration's */
    bool by_body, keep_bodies;
    uint64_t retention_ms;
    struct hw_ledger_lock *lock;
    struct hw_ledger_place place;

    /* ledger thread only */
    sqlite3 *db; /* NULL after an I/O error, until it could be opened anew */
    sqlite3_stmt *begin, *end, *insert, *update, *repeat, *front, *expire, *fill;
    bool failing; /* the last commit failed: said once */
    int64_t expire_from, filled_to;
    int wal_pages, wal_hard; /* over wal_hard pages readers are waited for */

    /* shared: see seen.h */
    struct hw_seen seen;
};

struct hw_ledger_reader {
    struct sqlite *ledger;
    sqlite3 *db;
    sqlite3_stmt *find, *body;
};

/* ---- the writer's connection ---- */

/* A job whose look-up failed does not know of its row: that stays what it is, and the batch does
 * not fail for it. */
static const char insert_sql[] =
    "INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries, runs,"
    " received_at, settled_at, error, reason, detail, key, place, body, version)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
    " ON CONFLICT (job_id, digest) DO UPDATE SET deliveries = deliveries + excluded.deliveries";
static const char update_sql[] =
    "UPDATE notifications SET event = ?3, state = ?4, attempt = ?5, deliveries = deliveries + ?6,"
    " runs = runs + ?7, settled_at = ?9, error = ?10, reason = ?11, detail = ?12, key = ?13,"
    " place = ?14, body = ?15, version = ?16, next_run_at = NULL"
    " WHERE seq = ?17 AND digest = ?2 AND (?1 IS NULL OR job_id = ?1)";
static const char repeat_sql[] =
    "UPDATE notifications SET deliveries = deliveries + ?1, attempt = ?2"
    " WHERE seq = ?3 AND digest = ?4 AND (?5 IS NULL OR job_id = ?5)";
static const char expire_sql[] =
    "DELETE FROM notifications WHERE seq > ?1 AND seq <= ?2 AND received_at < ?3"
    " AND settled_at < ?3";
static const char front_sql[] =
    "SELECT max(seq), total(received_at < ?2) FROM (SELECT seq, received_at FROM notifications"
    " WHERE seq > ?1 ORDER BY seq LIMIT ?3)";

static const char fill_sql[] =
    "SELECT seq, job_id, digest FROM notifications WHERE seq > ?1 ORDER BY seq LIMIT ?2";

static void close_writer(struct sqlite *s)
{
    sqlite3_finalize(s->begin);
    sqlite3_finalize(s->end);
    sqlite3_finalize(s->fill);
    sqlite3_finalize(s->insert);
    sqlite3_finalize(s->update);
    sqlite3_finalize(s->repeat);
    sqlite3_finalize(s->front);
    sqlite3_finalize(s->expire);
    s->begin = s->end = s->insert = s->update = s->repeat = NULL;
    s->front = s->expire = s->fill = NULL;
    sqlite3_close(s->db);
    s->db = NULL;
}

static int on_wal(void *ud, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((struct sqlite *)ud)->wal_pages = pages;
    return SQLITE_OK;
}

static int prepare_writer(struct sqlite *s, char *why, size_t size)
{
    const struct {
        sqlite3_stmt **stmt;
        const char *sql;
    } all[] = {
        {&s->begin, "BEGIN IMMEDIATE"}, {&s->end, "COMMIT"},      {&s->insert, insert_sql},
        {&s->update, update_sql},       {&s->repeat, repeat_sql}, {&s->front, front_sql},
        {&s->expire, expire_sql},       {&s->fill, fill_sql},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof all / sizeof *all; i++)
        rc = hw_ledger_file_prepare(s->db, all[i].stmt, all[i].sql, why, size);
    return rc;
}

static int open_writer(struct sqlite *s, char *why, size_t size)
{
    int rc = hw_ledger_file_open(&s->db, s->path, HW_LEDGER_CREATE, why, size);
    if (rc)
        return rc;
    sqlite3_exec(s->db, "PRAGMA cache_size = -2000", NULL, NULL, NULL);
    if (s->by_body &&
        sqlite3_exec(s->db, "CREATE INDEX IF NOT EXISTS by_digest ON notifications (digest)", NULL,
                     NULL, NULL) != SQLITE_OK) {
        snprintf(why, size, "%s: %s", s->path, sqlite3_errmsg(s->db));
        rc = HW_EFAILED;
    }
    sqlite3_wal_hook(s->db, on_wal, s); /* in place of SQLite's own checkpoints */
    if (rc == 0)
        rc = prepare_writer(s, why, size);
    if (rc)
        close_writer(s);
    return rc;
}

/* ---- commit ---- */

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

static void bind_outcome(const struct sqlite *s, sqlite3_stmt *stmt, const struct hw_job *job)
{
    const struct hw_outcome *o = &job->outcome;
    enum hw_ledger_state state = hw_job_state(job);
    bool keep = s->keep_bodies || (state != HW_SUCCEEDED && state != HW_UNHANDLED);
    sqlite3_bind_text64(stmt, 3, job->event.ptr ? job->event.ptr : "", job->event.len,
                        SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_int(stmt, 4, state);
    sqlite3_bind_int64(stmt, 5, hw_job_last_attempt(job));
    sqlite3_bind_int64(stmt, 6, job->copies);
    sqlite3_bind_int(stmt, 7, o->ran);
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

static int step(sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int write_repeat(struct sqlite *s, const struct hw_job *job)
{
    sqlite3_bind_int64(s->repeat, 1, job->copies);
    sqlite3_bind_int64(s->repeat, 2, hw_job_last_attempt(job));
    sqlite3_bind_int64(s->repeat, 3, job->known.row);
    sqlite3_bind_blob(s->repeat, 4, job->identity.digest, HW_DIGEST_SIZE, SQLITE_STATIC);
    bind_text(s->repeat, 5, job->identity.id);
    return step(s->repeat);
}

static int write_update(struct sqlite *s, const struct hw_job *job)
{
    bind_outcome(s, s->update, job);
    bind_text(s->update, 1, job->identity.id);
    sqlite3_bind_blob(s->update, 2, job->identity.digest, HW_DIGEST_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(s->update, 17, job->known.row);
    return step(s->update);
}

/* What a look-up starts from: the job id, or the digest when that alone is the identity. */
static struct hw_str filter_key(const struct hw_identity *identity)
{
    if (identity->id.len)
        return identity->id;
    return (struct hw_str){(const char *)identity->digest, HW_DIGEST_SIZE};
}

static int write_insert(struct sqlite *s, const struct hw_job *job)
{
    hw_seen_add(&s->seen, filter_key(&job->identity));
    sqlite3_bind_text64(s->insert, 1, job->id.ptr, job->id.len, SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_blob(s->insert, 2, job->identity.digest, HW_DIGEST_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(s->insert, 8, (int64_t)(job->received_at * 1000));
    bind_outcome(s, s->insert, job);
    return step(s->insert);
}

/* A row that was known may have been removed since (retention, purge), and its number given to
 * another: then it is new again. */
static int write_job(struct sqlite *s, const struct hw_job *job)
{
    if (job->outcome.from_ledger)
        return write_repeat(s, job);
    if (job->known.row) {
        int rc = write_update(s, job);
        if (rc != SQLITE_OK || sqlite3_changes(s->db) > 0)
            return rc;
    }
    return write_insert(s, job);
}

static int write_batch(struct sqlite *s, struct hw_job *const *jobs, size_t count)
{
    int rc = step(s->begin);
    HW_CRASH_POINT("after-begin");
    for (size_t i = 0; rc == SQLITE_OK && i < count; i++) {
        rc = write_job(s, jobs[i]);
        if (i == count / 2)
            HW_CRASH_POINT("mid-batch");
    }
    HW_CRASH_POINT("before-commit");
    if (rc == SQLITE_OK)
        rc = step(s->end);
    HW_CRASH_POINT("after-commit");
    HW_STOP_POINT("after-commit");
    return rc;
}

static void say_failing(struct sqlite *s, const char *what)
{
    if (!s->failing)
        hw_log_say(HW_LOG_ERROR,
                   "ledger: %s: %s; notifications are answered 400 until it can be written again",
                   s->path, what);
    s->failing = true;
}

static void say_healed(struct sqlite *s)
{
    if (s->failing)
        hw_log_say(HW_LOG_INFO, "ledger: %s can be written again", s->path);
    s->failing = false;
}

/* After an I/O error SQLite's view of the file can't be trusted; everything else heals by itself.
 */
static void recover(struct sqlite *s, int rc)
{
    say_failing(s, sqlite3_errmsg(s->db));
    if (!sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    int kind = rc & 0xff;
    if (kind == SQLITE_IOERR || kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB ||
        kind == SQLITE_CANTOPEN || kind == SQLITE_READONLY)
        close_writer(s);
}

/* A file that has lost its name is still whole for who has it open: what the log holds beyond the
 * database is saved there, as far as readers allow; the next batch tries again. */
static bool is_in_place(struct sqlite *s)
{
    char what[512];
    const char *lost = hw_ledger_place_lost(&s->place);
    if (!lost)
        return true;
    snprintf(what, sizeof what, "%s was removed or replaced in use: put it back, or restart",
             strrchr(lost, '/') + 1);
    say_failing(s, what);
    if (s->db)
        sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return false;
}

/* In place before, since two programs that share no -shm would overwrite each other; and after,
 * since then the record is where the next host will look for it. */
static int commit(struct hw_ledger *ledger, struct hw_job *const *jobs, size_t count)
{
    struct sqlite *s = (struct sqlite *)ledger;
    char why[512];
    if (!is_in_place(s))
        return HW_ELEDGER_UNAVAILABLE;
    if (!s->db && open_writer(s, why, sizeof why)) {
        say_failing(s, why);
        return HW_ELEDGER_UNAVAILABLE;
    }
    int rc = write_batch(s, jobs, count);
    if (rc != SQLITE_OK) {
        recover(s, rc);
        return HW_ELEDGER_UNAVAILABLE;
    }
    if (!is_in_place(s))
        return HW_ELEDGER_UNAVAILABLE;
    say_healed(s);
    return 0;
}

/* ---- tending: what is done between batches ---- */

/* A reader that stays (a backup, somebody's open shell) is not waited for after every batch, but
 * when the log has become twice as long. */
static void write_back(struct sqlite *s)
{
    if (s->wal_pages <= WAL_PAGES_HARD)
        s->wal_hard = WAL_PAGES_HARD;
    bool wait = s->wal_pages > s->wal_hard;
    int mode = wait ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, mode, NULL, NULL);
    if (wait && rc != SQLITE_OK)
        s->wal_hard = s->wal_pages * 2;
    s->wal_pages = 0; /* until the next commit says otherwise */
}

/* The last of the next few rows behind `from`, if any of them came before `before`; else 0. Rows
 * are in order of arrival: behind a few that are young nobody needs to look. */
static int64_t old_front(struct sqlite *s, int64_t from, int64_t before)
{
    int64_t last = 0;
    sqlite3_bind_int64(s->front, 1, from);
    sqlite3_bind_int64(s->front, 2, before);
    sqlite3_bind_int(s->front, 3, RETENTION_STEP);
    if (sqlite3_step(s->front) == SQLITE_ROW && sqlite3_column_double(s->front, 1) > 0)
        last = sqlite3_column_int64(s->front, 0);
    sqlite3_reset(s->front);
    return last;
}

/* Returns true when there may be more to remove. A row that was settled anew stays for now: the
 * next step goes on behind it, and starts from the front when there is nothing more. */
static bool expire(struct sqlite *s)
{
    int64_t before = (int64_t)(hw_now() * 1000) - (int64_t)s->retention_ms;
    int64_t from = s->expire_from;
    s->expire_from = old_front(s, from, before);
    if (s->expire_from == 0)
        return false;
    sqlite3_bind_int64(s->expire, 1, from);
    sqlite3_bind_int64(s->expire, 2, s->expire_from);
    sqlite3_bind_int64(s->expire, 3, before);
    sqlite3_step(s->expire);
    sqlite3_reset(s->expire);
    return true;
}

/* A row that is recorded meanwhile is added by its own commit. */
static void fill(struct sqlite *s)
{
    int rows = 0, column = s->by_body ? 2 : 1;
    sqlite3_bind_int64(s->fill, 1, s->filled_to);
    sqlite3_bind_int(s->fill, 2, FILL_STEP);
    int rc;
    while ((rc = sqlite3_step(s->fill)) == SQLITE_ROW) {
        s->filled_to = sqlite3_column_int64(s->fill, 0);
        hw_seen_add(&s->seen, (struct hw_str){sqlite3_column_blob(s->fill, column),
                                              (size_t)sqlite3_column_bytes(s->fill, column)});
        rows++;
    }
    sqlite3_reset(s->fill);
    if (rc == SQLITE_DONE && rows < FILL_STEP)
        hw_seen_complete(&s->seen);
}

static bool tend(struct hw_ledger *ledger, bool idle)
{
    struct sqlite *s = (struct sqlite *)ledger;
    if (!s->db)
        return false;
    if (s->wal_pages > WAL_PAGES)
        write_back(s);
    if (!idle)
        return false;
    if (!s->seen.complete && !s->seen.full) {
        fill(s);
        return true;
    }
    return s->retention_ms && expire(s);
}

/* ---- look-ups ---- */

static const char find_by_job[] =
    "SELECT seq, state, deliveries FROM notifications WHERE job_id = ?1 AND digest = ?2"
    " UNION ALL SELECT * FROM"
    " (SELECT 0, 0, 0 FROM notifications WHERE job_id = ?1 LIMIT 1)";

/* The best of the rows with this body: rows of a by-job time may hold it under several ids. */
static const char find_by_body[] =
    "SELECT seq, state, deliveries FROM notifications WHERE digest = ?2"
    " ORDER BY state NOT IN (1, 3), seq DESC LIMIT 1";

static const char body_sql[] =
    "SELECT job_id, digest, attempt, received_at, key, body, deliveries, state"
    " FROM notifications WHERE seq = ?1";

static void reader_close(struct hw_ledger_reader *r)
{
    sqlite3_finalize(r->find);
    sqlite3_finalize(r->body);
    sqlite3_close(r->db);
    free(r);
}

static int open_reader(struct hw_ledger_reader *r, char *why, size_t size)
{
    const char *find = r->ledger->by_body ? find_by_body : find_by_job;
    if (hw_ledger_file_open(&r->db, r->ledger->path, HW_LEDGER_READ, why, size))
        return HW_EFAILED;
    sqlite3_exec(r->db, "PRAGMA cache_size = -128", NULL, NULL, NULL);
    int rc = hw_ledger_file_prepare(r->db, &r->find, find, why, size);
    return rc ? rc : hw_ledger_file_prepare(r->db, &r->body, body_sql, why, size);
}

static struct hw_ledger_reader *reader_open(struct hw_ledger *ledger, char *why, size_t why_size)
{
    struct hw_ledger_reader *r = calloc(1, sizeof *r);
    snprintf(why, why_size, "out of memory");
    if (!r)
        return NULL;
    r->ledger = (struct sqlite *)ledger;
    if (open_reader(r, why, why_size) == 0)
        return r;
    reader_close(r);
    return NULL;
}

static int look_up(struct hw_ledger_reader *r, const struct hw_identity *identity,
                   struct hw_known *known)
{
    *known = (struct hw_known){0};
    if (!hw_seen_may_hold(&r->ledger->seen, filter_key(identity)))
        return 0;
    sqlite3_bind_text64(r->find, 1, identity->id.ptr, identity->id.len, SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_blob(r->find, 2, identity->digest, HW_DIGEST_SIZE, SQLITE_STATIC);
    int rc = sqlite3_step(r->find);
    if (rc == SQLITE_ROW) {
        known->row = sqlite3_column_int64(r->find, 0);
        known->other_body = known->row == 0;
        known->state = (enum hw_ledger_state)sqlite3_column_int(r->find, 1);
        known->deliveries = (uint32_t)sqlite3_column_int64(r->find, 2);
    }
    sqlite3_reset(r->find);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : HW_ELEDGER_UNAVAILABLE;
}

static struct hw_str copy_column(struct hw_job *job, sqlite3_stmt *stmt, int column)
{
    struct hw_str value = {sqlite3_column_blob(stmt, column),
                           (size_t)sqlite3_column_bytes(stmt, column)};
    return hw_arena_copy(&job->arena, value);
}

static int read_row(struct hw_ledger_reader *r, struct hw_job *job)
{
    sqlite3_stmt *row = r->body;
    if (sqlite3_column_type(row, 5) == SQLITE_NULL ||
        sqlite3_column_bytes(row, 1) != HW_DIGEST_SIZE)
        return HW_ENOT_FOUND;
    job->id = copy_column(job, row, 0);
    job->has_id = true;
    memcpy(job->identity.digest, sqlite3_column_blob(row, 1), HW_DIGEST_SIZE);
    if (!r->ledger->by_body)
        job->identity.id = job->id;
    job->attempt = (uint32_t)sqlite3_column_int64(row, 2);
    job->received_at = (double)sqlite3_column_int64(row, 3) / 1000;
    job->key = copy_column(job, row, 4);
    job->body = copy_column(job, row, 5);
    job->known.deliveries = (uint32_t)sqlite3_column_int64(row, 6);
    job->known.state = (enum hw_ledger_state)sqlite3_column_int(row, 7);
    job->known.row = job->from_row;
    return job->id.ptr && job->key.ptr && job->body.ptr ? 0 : HW_ENOMEM;
}

static int load(struct hw_ledger_reader *r, struct hw_job *job)
{
    sqlite3_bind_int64(r->body, 1, job->from_row);
    int rc = sqlite3_step(r->body);
    rc = rc == SQLITE_ROW    ? read_row(r, job)
         : rc == SQLITE_DONE ? HW_ENOT_FOUND
                             : HW_ELEDGER_UNAVAILABLE;
    sqlite3_reset(r->body);
    return rc;
}

/* ---- open and close ---- */

static void close_sqlite(struct hw_ledger *ledger)
{
    struct sqlite *s = (struct sqlite *)ledger;
    close_writer(s);
    hw_ledger_place_fini(&s->place);
    hw_seen_fini(&s->seen);
    if (s->lock)
        hw_ledger_lock_put(s->lock); /* last: it takes SQLite's locks away */
    free(s);
}

static const struct hw_ledger_type type = {
    .name = "sqlite",
    .waits = true,
    .reader_open = reader_open,
    .reader_close = reader_close,
    .look_up = look_up,
    .load = load,
    .commit = commit,
    .tend = tend,
    .close = close_sqlite,
};

static int find_files(struct sqlite *s, char *why, size_t size)
{
    int rc = hw_ledger_place_init(&s->place, s->db);
    if (rc)
        snprintf(why, size, "%s: its files were not there after they were opened", s->path);
    return rc;
}

struct hw_ledger *hw_ledger_sqlite_open(const struct hw_config *config, char *why, size_t why_size)
{
    struct sqlite *s = calloc(1, sizeof *s);
    if (!s) {
        snprintf(why, why_size, "out of memory");
        return NULL;
    }
    s->ledger.type = &type;
    s->path = config->ledger;
    s->by_body = config->by_body;
    s->keep_bodies = config->keep_bodies;
    s->retention_ms = config->retention_ms;
    s->wal_hard = WAL_PAGES_HARD;
    hw_seen_init(&s->seen);
    s->lock = hw_ledger_lock_take(s->path, why, why_size);
    if (s->lock && open_writer(s, why, why_size) == 0 && find_files(s, why, why_size) == 0)
        return &s->ledger;
    close_sqlite(&s->ledger);
    return NULL;
}
