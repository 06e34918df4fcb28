/* sqlite.c -- the durable ledger: every outcome is on disk before its answer leaves.
 *
 * Format     See file.h. The file is locked (flock) while the host runs: a second host on it
 *            refuses to start, and other programs can still read it.
 *
 * Algorithm  One connection writes, in the ledger thread; each worker has one that only reads.
 *            commit() writes a batch of outcomes in one transaction (WAL, synchronous=FULL: one
 *            fsync for the batch) and returns when it is durable. A look-up sees what was
 *            committed; what is not is in the leader's table of jobs in flight. A job stays there
 *            until its batch is on disk, so there is no gap between the two: a copy either joins
 *            the job or finds the record.
 *
 *            A look-up first asks a filter in memory (bloom.h), which knows what was never
 *            recorded. After the start it is filled from the file, step by step between batches;
 *            until then every look-up goes to the file.
 *
 * Crashes    before the handler ran      nothing is recorded and nothing was answered: the sender's
 *                                        retry is processed as if new.
 *            between handler and commit  the same, but the handler runs a second time. This is the
 *                                        only window; the retry's attempt is over 0, hence
 *                                        job.redelivered.
 *            during the commit           SQLite rolls the unfinished transaction back when the
 *                                        file is opened next: the same window.
 *            after the commit, before    the sender got no answer and delivers again: answered 200
 *            the answer                  from the record, the handler does not run.
 *
 * Failures   A commit that fails (disk full, I/O error, locked by another program) is rolled back
 *            as a whole, and its jobs are answered 400 ledger_unavailable. From then on no handler
 *            runs: what comes is held (committer.h) and recorded as not run. When such a commit
 *            succeeds, what is held may run. The test is its own row, so that there is room for
 *            it: a smaller write might succeed where the outcome then fails, again and again.
 *            After an I/O error the connection is opened again. When the database was removed or
 *            replaced, nothing is written until it is put back or the host is restarted.
 *
 * Lost files When the log (-wal) is removed in use, it still holds what was answered and is not in
 *            the database yet. The ledger thread, which has it open, copies that into the
 *            database. Then all connections of the process are closed and opened again, which
 *            creates the log and the shared memory (-shm). When only the shared memory is lost
 *            there is nothing to save: the log is on disk. The danger is another program: it
 *            creates a log when it finds none, and it overwrites ours when it does not share our
 *            -shm. So meanwhile no other program may have the files open or open them, and a log
 *            that another program has written to is left alone (guard.h has the locks).
 *
 * Bounds     The log is written back into the database between two batches, once it is over
 *            WAL_PAGES. Rows older than `retention` are removed from the front, a few at a time,
 *            while the clock can be trusted (retention.c).
 *
 * Thread     commit, tend: the ledger thread; look_up: the reader's owner. */
#include "ledger/sqlite.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/crash.h"
#include "ledger/file.h"

/* How long to wait for another program's lock. What is held did not run, so it can be refused
 * sooner. And after a failed commit each batch would wait as long again for the same lock. */
enum { SHORT_MS = 250 };

static int patience_ms(struct hw_ledger *ledger, const struct hw_notification *first)
{
    bool short_one = first->outcome.held || hw_ledger_health(ledger) == HW_LEDGER_FAILED;
    return short_one ? SHORT_MS : HW_LEDGER_BUSY_MS;
}

/* ---- commit ---- */

static int write_batch(struct hw_sqlite *s, struct hw_notification *const *batch, size_t count)
{
    int64_t backlog = hw_ledger_backlog(&s->ledger);
    int rc = hw_ledger_writer_step(s->statements[HW_LEDGER_BEGIN]);
    HW_CRASH_POINT("after-begin");
    s->backlog_change = 0;
    hw_ledger_totals_begin(s);
    for (size_t i = 0; rc == SQLITE_OK && i < count; i++) {
        rc = hw_ledger_rows_write(s, batch[i]);
        if (i == count / 2)
            HW_CRASH_POINT("mid-batch");
    }
    if (rc == SQLITE_OK && s->backlog_change)
        rc = hw_ledger_backlog_write(s, s->backlog_change, &backlog);
    if (rc == SQLITE_OK)
        rc = hw_ledger_totals_write(s);
    if (rc == SQLITE_OK)
        rc = hw_ledger_minutes_write(s);
    HW_CRASH_POINT("before-commit");
    if (rc == SQLITE_OK)
        rc = hw_ledger_writer_step(s->statements[HW_LEDGER_END]);
    HW_CRASH_POINT("after-commit");
    HW_STOP_POINT("after-commit");
    hw_ledger_minutes_end(s, rc);
    if (rc != SQLITE_OK)
        return rc;
    atomic_store_explicit(&s->ledger.backlog, backlog, memory_order_relaxed);
    hw_ledger_totals_end(s);
    return rc;
}

/* The files must be in place before the commit, since two programs that don't share a -shm
 * overwrite each other; and after it, so that the record is where the next host will look for
 * it. */
static int commit(struct hw_ledger *ledger, struct hw_notification *const *batch, size_t count)
{
    struct hw_sqlite *s = (struct hw_sqlite *)ledger;
    if (!hw_ledger_recovery_ready(s))
        return HW_ELEDGER_UNAVAILABLE;
    s->committing = true;
    s->patience_ms = patience_ms(ledger, batch[0]);
    int rc = write_batch(s, batch, count);
    s->patience_ms = HW_LEDGER_BUSY_MS;
    s->committing = false;
    if (hw_ledger_recovery_look(s, rc))
        return 0;
    for (size_t i = 0; i < count; i++)
        batch[i]->row = 0;
    return HW_ELEDGER_UNAVAILABLE;
}

/* ---- open and close ---- */

static void close_sqlite(struct hw_ledger *ledger)
{
    struct hw_sqlite *s = (struct hw_sqlite *)ledger;
    /* The last connection to close writes the log back, but not into a replaced database. */
    bool in_place = s->db && hw_ledger_recovery_ready(s);
    if (in_place)
        hw_ledger_minutes_flush(s);
    if (s->db && !in_place)
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    hw_ledger_guard_grip(&s->guard, HW_LEDGER_LOOSE);
    hw_ledger_writer_close(s);
    hw_ledger_guard_drop(&s->guard);
    hw_ledger_place_fini(&s->place);
    hw_bloom_fini(&s->seen);
    hw_ledger_minutes_fini(s);
    hw_pauses_fini(&ledger->pauses);
    pthread_mutex_destroy(&s->readers_m);
    if (s->lock)
        hw_ledger_lock_put(s->lock); /* last: closing its file drops SQLite's locks */
    free(s);
}

static const struct hw_ledger_type type = {
    .name = "sqlite",
    .waits = true,
    .reader_open = hw_ledger_sqlite_reader_open,
    .reader_close = hw_ledger_sqlite_reader_close,
    .look_up = hw_ledger_sqlite_look_up,
    .load = hw_ledger_sqlite_load,
    .load_reason = hw_ledger_sqlite_load_reason,
    .commit = commit,
    .pick = hw_ledger_sqlite_pick,
    .pause = hw_ledger_sqlite_pause,
    .purge = hw_ledger_sqlite_purge,
    .keep_minute = hw_ledger_sqlite_keep_minute,
    .minutes = hw_ledger_sqlite_minutes,
    .tend = hw_ledger_sqlite_tend,
    .close = close_sqlite,
};

struct hw_ledger *hw_ledger_sqlite_open(const struct hw_config *config, char *why, size_t why_size)
{
    struct hw_sqlite *s = calloc(1, sizeof *s);
    if (!s) {
        snprintf(why, why_size, "out of memory");
        return NULL;
    }
    hw_ledger_init(&s->ledger, &type);
    s->path = config->ledger;
    s->by_body = config->by_body;
    s->keep_bodies = config->keep_bodies;
    s->retention_ms = config->retention_ms;
    s->dead_retention_ms = config->dead_retention_ms;
    s->min_disk_free = config->min_disk_free;
    s->patience_ms = HW_LEDGER_BUSY_MS;
    s->wal_hard = HW_LEDGER_WAL_PAGES_HARD;
    hw_bloom_init(&s->seen);
    hw_ledger_minutes_init(s);
    hw_ledger_clock_init(&s->retention.clock);
    s->unparking = true;
    s->retention.slow = true;
    pthread_mutex_init(&s->readers_m, NULL);
    s->lock = hw_ledger_lock_take(s->path, why, why_size);
    hw_ledger_guard_init(&s->guard, s->lock ? hw_ledger_lock_fd(s->lock) : -1);
    if (s->lock && hw_ledger_recovery_open(s, why, why_size) == 0 &&
        hw_ledger_due_recover(s, why, why_size) == 0 && hw_ledger_park_load(s, why, why_size) == 0)
        return &s->ledger;
    close_sqlite(&s->ledger);
    return NULL;
}
