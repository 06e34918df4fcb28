/* The ledger in a file keeps every ledger's promises, also over restarts, failures and years. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include "config.h"
#include "folder.h"
#include "ledger_cases.h"
#include "ledger_sqlite.h"
#include "log.h"
#include "wal_file.h"

static struct folder folder;
static char path[FOLDER_PATH_MAX];
static struct hw_config config;

static struct hw_ledger *open_file(void)
{
    char why[512] = "";
    struct hw_ledger *ledger = hw_ledger_sqlite_open(&config, why, sizeof why);
    if (!ledger)
        fail_msg("%s", why);
    return ledger;
}

static struct hw_ledger *open_ledger(bool by_body)
{
    config.by_body = by_body;
    return open_file();
}

static int new_file(void **state)
{
    (void)state;
    folder_open(&folder);
    folder_path(&folder, "hookward.db", path);
    config = (struct hw_config){.ledger = path};
    hw_log_set(HW_LOG_OFF, false);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    folder_close(&folder);
    return 0;
}

static void reopen(struct rig *r)
{
    char why[512];
    close_rig(r);
    r->ledger = open_file();
    r->reader = hw_ledger_reader_open(r->ledger, why, sizeof why);
    assert_non_null(r->reader);
}

/* Another program's view of the file. */
static sqlite3 *open_other(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    return db;
}

static void exec(const char *sql)
{
    sqlite3 *db = open_other();
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int64_t number(const char *sql)
{
    sqlite3 *db = open_other();
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

static void fill(const struct rig *r, int first, int count)
{
    struct hw_job *batch[HW_LEDGER_BATCH_MAX];
    for (int done = 0; done < count;) {
        size_t n = 0;
        for (; n < HW_LEDGER_BATCH_MAX && done < count; n++, done++) {
            batch[n] = numbered_notification(first + done);
            if (r->by_body) {
                batch[n]->identity.id = HW_STR_NONE;
                memcpy(batch[n]->identity.digest, &(int){first + done}, sizeof(int));
            }
        }
        assert_int_equal(hw_ledger_commit(r->ledger, batch, n), 0);
        while (n)
            hw_job_free(batch[--n]);
    }
}

static enum hw_ledger_state state_of(const struct rig *r, int n)
{
    struct hw_known known;
    struct hw_job *job = numbered_notification(n);
    if (r->by_body) {
        job->identity.id = HW_STR_NONE;
        memcpy(job->identity.digest, &n, sizeof n);
    }
    assert_int_equal(hw_ledger_look_up(r->ledger, r->reader, &job->identity, &known), 0);
    hw_job_free(job);
    return known.state;
}

/* Tends until there is nothing more to do; returns how many steps that took. */
static int tend_all(const struct rig *r)
{
    int steps = 1;
    while (r->ledger->type->tend(r->ledger, true))
        assert_true(++steps < 1000);
    return steps;
}

/* ---- over restarts ---- */

static void remembers_over_a_restart(void **state)
{
    enum { ROWS = 4001 }; /* the filter is filled in three steps */
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, ROWS);
    deliver(&r, "failed", "a", HW_EHANDLER_ERROR);
    reopen(&r);
    for (int filled = 0; filled < 2; filled++) {
        for (int i = 0; i < ROWS; i++)
            assert_int_equal(state_of(&r, i), HW_SUCCEEDED);
        assert_known(&r, "failed", "a", HW_FAILED, 1, false);
        assert_known(&r, "failed", "b", HW_NEVER_SEEN, 0, true);
        assert_int_equal(state_of(&r, ROWS), HW_NEVER_SEEN);
        tend_all(&r);
    }
    close_rig(&r);
}

/* VACUUM INTO makes a file that is not in WAL mode. */
static void goes_on_with_a_backup_of_itself(void **state)
{
    struct rig r;
    char command[2 * FOLDER_PATH_MAX + 16];
    (void)state;
    open_rig(&r, false);
    deliver(&r, "job", "a", 0);
    snprintf(command, sizeof command, "VACUUM INTO '%s.backup'", path);
    exec(command);
    close_rig(&r);
    snprintf(command, sizeof command, "mv '%s.backup' '%s'", path, path);
    assert_int_equal(system(command), 0);
    r.ledger = open_file();
    r.reader = hw_ledger_reader_open(r.ledger, command, sizeof command);
    assert_known(&r, "job", "a", HW_SUCCEEDED, 1, false);
    deliver(&r, "next", "a", 0);
    assert_known(&r, "next", "a", HW_SUCCEEDED, 1, false);
    close_rig(&r);
}

static void remembers_bodies_over_a_restart(void **state)
{
    enum { ROWS = 2000 }; /* exactly one step of the filter's */
    struct rig r;
    (void)state;
    open_rig(&r, true);
    fill(&r, 0, ROWS);
    reopen(&r);
    tend_all(&r);
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(state_of(&r, i), HW_SUCCEEDED);
    assert_int_equal(state_of(&r, ROWS), HW_NEVER_SEEN);
    close_rig(&r);
}

static void remembers_what_comes_while_the_filter_is_filled(void **state)
{
    enum { ROWS = 4100 };
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, ROWS);
    reopen(&r);
    assert_true(r.ledger->type->tend(r.ledger, true));
    fill(&r, ROWS, 10);
    tend_all(&r);
    fill(&r, ROWS + 10, 10);
    for (int i = 0; i < ROWS + 20; i++)
        assert_int_equal(state_of(&r, i), HW_SUCCEEDED);
    close_rig(&r);
}

static void changes_from_by_job_to_by_body_and_back(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "job-1", "a", HW_EHANDLER_ERROR);
    deliver(&r, "job-2", "a", 0);
    deliver(&r, "job-3", "a", HW_EHANDLER_ERROR);
    config.by_body = r.by_body = true;
    reopen(&r);
    assert_int_equal(look(&r, "job-4", "a").state, HW_SUCCEEDED); /* the best of them */
    config.by_body = r.by_body = false;
    reopen(&r);
    assert_known(&r, "job-3", "a", HW_FAILED, 1, false);
    assert_known(&r, "job-4", "a", HW_NEVER_SEEN, 0, false);
    close_rig(&r);
}

static void refuses_a_second_host(void **state)
{
    struct rig r;
    char why[512];
    (void)state;
    open_rig(&r, false);
    assert_null(hw_ledger_sqlite_open(&config, why, sizeof why));
    assert_non_null(strstr(why, "another host of this process is serving"));
    deliver(&r, "job", "a", 0); /* the first one is none the worse for it */
    assert_known(&r, "job", "a", HW_SUCCEEDED, 1, false);
    close_rig(&r);
}

/* ---- rows and bodies ---- */

static void keeps_the_first_job_id_of_a_body(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, true);
    deliver(&r, "first", "a", HW_EHANDLER_ERROR);
    deliver(&r, "second", "a", 0);
    assert_int_equal(number("SELECT count(*) FROM notifications"), 1);
    assert_int_equal(number("SELECT count(*) FROM notifications WHERE job_id = 'first'"), 1);
    close_rig(&r);
}

static void keeps_the_body_of_what_failed_only(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "job", "a", HW_EHANDLER_ERROR);
    assert_int_equal(number("SELECT body IS NOT NULL FROM notifications"), 1);
    deliver(&r, "job", "a", 0);
    assert_int_equal(number("SELECT body IS NULL FROM notifications"), 1);
    assert_int_equal(number("SELECT error IS NULL FROM notifications"), 1);
    close_rig(&r);
}

static void keeps_every_body_when_asked_to(void **state)
{
    struct rig r;
    (void)state;
    config.keep_bodies = true;
    open_rig(&r, false);
    deliver(&r, "job", "a", 0);
    assert_int_equal(number("SELECT body = x'61' FROM notifications"), 1);
    close_rig(&r);
}

static void counts_runs_apart_from_deliveries(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver_as(&r, new_delivery(&r, "job", "a"), HW_EHANDLER_ERROR, 4);
    deliver_as(&r, new_delivery(&r, "job", "a"), 0, 2);
    deliver_as(&r, new_delivery(&r, "job", "a"), 0, 3);
    assert_int_equal(number("SELECT deliveries FROM notifications"), 9);
    assert_int_equal(number("SELECT runs FROM notifications"), 2);
    close_rig(&r);
}

static struct hw_job *revive(const struct rig *r, int64_t row, int expected)
{
    struct hw_job *job = hw_job_revive(row, false, 0);
    assert_int_equal(hw_ledger_load(r->ledger, r->reader, job), expected);
    return job;
}

static void loads_a_row_as_the_job_that_it_was(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_job *job = new_delivery(&r, "job", "a");
    struct hw_identity identity = job->identity;
    identity.id = HW_STR("job");
    job->attempt = 3;
    job->received_at = 1700000000.125;
    job->body = HW_STR("{\"zero\":\"\0\"}");
    deliver_as(&r, job, HW_EHANDLER_ERROR, 2);

    job = revive(&r, 1, 0);
    assert_true(hw_str_eq(job->id, HW_STR("job")));
    assert_true(hw_str_eq(job->identity.id, identity.id));
    assert_memory_equal(job->identity.digest, identity.digest, HW_DIGEST_SIZE);
    assert_true(hw_str_eq(job->body, HW_STR("{\"zero\":\"\0\"}")));
    assert_true(hw_str_eq(job->key, HW_STR("test.pem")));
    assert_int_equal(job->attempt, 3);
    assert_true(job->received_at == 1700000000.125);
    assert_int_equal(job->known.state, HW_FAILED);
    assert_int_equal(job->known.deliveries, 2);
    assert_int_equal(job->known.row, 1);
    hw_job_free(job);
    close_rig(&r);
}

static void loads_bodies_of_any_size(void **state)
{
    static char body[1 << 20];
    struct rig r;
    (void)state;
    memset(body, 'x', sizeof body);
    open_rig(&r, false);
    for (int i = 0; i < 2; i++) {
        struct hw_job *job = numbered_notification(i);
        job->body = (struct hw_str){body, i ? sizeof body : 0};
        deliver_as(&r, job, HW_EHANDLER_ERROR, 1);
        job = revive(&r, i + 1, 0);
        assert_non_null(job->body.ptr);
        assert_int_equal(job->body.len, i ? sizeof body : 0);
        assert_memory_equal(job->body.ptr, body, job->body.len);
        hw_job_free(job);
    }
    close_rig(&r);
}

static void loads_nothing_without_a_body_or_a_row(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "job", "a", 0);
    hw_job_free(revive(&r, 1, HW_ENOT_FOUND));
    hw_job_free(revive(&r, 2, HW_ENOT_FOUND));
    close_rig(&r);
}

static void cuts_a_long_detail(void **state)
{
    enum { MAX = 64 * 1024 };
    static char detail[MAX + 1];
    struct rig r;
    (void)state;
    memset(detail, 'x', sizeof detail);
    open_rig(&r, false);
    for (int i = 0; i < 2; i++) {
        struct hw_job *job = numbered_notification(i);
        job->outcome.detail = (struct hw_str){detail, MAX + (size_t)i};
        deliver_as(&r, job, HW_EHANDLER_ERROR, 1);
    }
    assert_int_equal(number("SELECT max(length(detail)) FROM notifications"), MAX);
    assert_int_equal(number("SELECT min(length(detail)) FROM notifications"), MAX);
    close_rig(&r);
}

/* ---- retention ---- */

#define DAY_MS "86400000"

static void removes_what_is_older_than_the_retention(void **state)
{
    enum { OLD = 1000, FRESH = 10 };
    struct rig r;
    (void)state;
    config.retention_ms = 30ull * 86400000;
    open_rig(&r, false);
    fill(&r, 0, OLD);
    exec("UPDATE notifications SET received_at = received_at - 31 * " DAY_MS
         ", settled_at = settled_at - 31 * " DAY_MS);
    fill(&r, OLD, FRESH);
    assert_true(tend_all(&r) > 3); /* in small steps */
    assert_int_equal(number("SELECT count(*) FROM notifications"), FRESH);
    assert_int_equal(state_of(&r, 0), HW_NEVER_SEEN);
    assert_int_equal(state_of(&r, OLD - 1), HW_NEVER_SEEN);
    assert_int_equal(state_of(&r, OLD), HW_SUCCEEDED);
    close_rig(&r);
}

static void keeps_everything_without_a_retention(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, 10);
    exec("UPDATE notifications SET received_at = 0, settled_at = 0");
    tend_all(&r);
    assert_int_equal(number("SELECT count(*) FROM notifications"), 10);
    close_rig(&r);
}

/* An old one that was run again lately is kept; however many those are, what is behind them goes.
 */
static void keeps_what_was_settled_lately_and_goes_on_behind_it(void **state)
{
    enum { REPLAYED = 700, OLD = 300, FRESH = 10 };
    struct rig r;
    (void)state;
    config.retention_ms = 30ull * 86400000;
    open_rig(&r, false);
    fill(&r, 0, REPLAYED);
    exec("UPDATE notifications SET received_at = received_at - 31 * " DAY_MS);
    fill(&r, REPLAYED, OLD);
    exec("UPDATE notifications SET received_at = received_at - 31 * " DAY_MS
         ", settled_at = settled_at - 31 * " DAY_MS " WHERE seq > 700");
    fill(&r, REPLAYED + OLD, FRESH);
    tend_all(&r);
    assert_int_equal(number("SELECT count(*) FROM notifications"), REPLAYED + FRESH);
    assert_int_equal(state_of(&r, 0), HW_SUCCEEDED);
    assert_int_equal(state_of(&r, REPLAYED), HW_NEVER_SEEN);
    close_rig(&r);
}

static void records_anew_what_was_removed_meanwhile(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "job", "a", HW_EHANDLER_ERROR);
    struct hw_job *job = new_delivery(&r, "job", "a");
    assert_int_equal(hw_ledger_look_up(r.ledger, r.reader, &job->identity, &job->known), 0);
    assert_true(job->known.row > 0);
    exec("DELETE FROM notifications");
    assert_int_equal(hw_ledger_commit(r.ledger, &job, 1), 0);
    hw_job_free(job);
    assert_known(&r, "job", "a", HW_SUCCEEDED, 1, false);
    close_rig(&r);
}

/* The number of a row that was the last one is given to the next. */
static void leaves_a_row_alone_that_has_the_number_of_its_own(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "first", "same", HW_EHANDLER_ERROR);
    struct hw_job *first = new_delivery(&r, "first", "same");
    assert_int_equal(hw_ledger_look_up(r.ledger, r.reader, &first->identity, &first->known), 0);
    exec("DELETE FROM notifications");
    deliver(&r, "second", "same", HW_EHANDLER_ERROR);
    assert_int_equal(look(&r, "second", "same").row, first->known.row);
    assert_int_equal(hw_ledger_commit(r.ledger, &first, 1), 0);
    assert_known(&r, "first", "same", HW_SUCCEEDED, 1, false);
    assert_known(&r, "second", "same", HW_FAILED, 1, false);
    first->outcome.from_ledger = true;
    assert_int_equal(hw_ledger_commit(r.ledger, &first, 1), 0);
    assert_known(&r, "second", "same", HW_FAILED, 1, false);
    hw_job_free(first);
    close_rig(&r);
}

/* ---- failures ---- */

static int commit_one(const struct rig *r, int n)
{
    struct hw_job *job = numbered_notification(n);
    int rc = hw_ledger_commit(r->ledger, &job, 1);
    hw_job_free(job);
    return rc;
}

static void records_nothing_while_its_database_is_elsewhere(void **state)
{
    char aside[FOLDER_PATH_MAX + 8];
    struct rig r;
    (void)state;
    snprintf(aside, sizeof aside, "%s.aside", path);
    open_rig(&r, false);
    assert_int_equal(commit_one(&r, 0), 0);
    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(commit_one(&r, 1), HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(state_of(&r, 1), HW_NEVER_SEEN);
    folder_write(&folder, path + strlen(folder.path) + 1, ""); /* another in its place */
    assert_int_equal(commit_one(&r, 1), HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(rename(aside, path), 0);
    assert_int_equal(commit_one(&r, 2), 0);
    reopen(&r);
    for (int i = 0; i < 3; i++)
        assert_int_equal(state_of(&r, i), i % 3 == 1 ? HW_NEVER_SEEN : HW_SUCCEEDED);
    close_rig(&r);
}

/* ---- its log and its shared memory, lost in use ---- */

static void run(const char *format)
{
    char command[3 * FOLDER_PATH_MAX];
    snprintf(command, sizeof command, format, path, path, path);
    assert_int_equal(system(command), 0);
}

static void assert_sound(void)
{
    run("sqlite3 '%s' 'PRAGMA integrity_check' | grep -qx ok");
}

static void opens_anew_what_it_has_lost(void **state)
{
    static const char *const losses[] = {
        "rm '%s-wal'",
        "rm '%s-shm'",
        "rm '%s-wal' '%s-shm'",
        "mv '%s-wal' '%s-wal.aside'",
        "mv '%s-shm' '%s-shm.aside'",
        "rm '%s-wal' && : >'%s-wal'",
        "rm '%s-shm' && : >'%s-shm'",
    };
    enum { LOSSES = sizeof losses / sizeof *losses, ROWS = 300 };
    struct rig r;
    (void)state;
    open_rig(&r, false);
    for (int i = 0; i < LOSSES; i++) {
        fill(&r, i * ROWS, ROWS);
        run(losses[i]);
        if (i % 2)
            assert_int_equal(commit_one(&r, 1000000 + i), 0);
        else
            tend_all(&r);
        assert_null(hw_ledger_place_lost(&((struct hw_sqlite *)r.ledger)->place));
        assert_int_equal(state_of(&r, i * ROWS), HW_SUCCEEDED);
        assert_sound();
    }
    for (int again = 0; again < 2; again++) {
        for (int i = 0; i < LOSSES * ROWS; i++)
            assert_int_equal(state_of(&r, i), HW_SUCCEEDED);
        reopen(&r);
    }
    close_rig(&r);
}

static void saves_at_its_end_what_it_has_lost(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, 200);
    run("rm '%s-wal' '%s-shm'");
    reopen(&r);
    for (int i = 0; i < 200; i++)
        assert_int_equal(state_of(&r, i), HW_SUCCEEDED);
    close_rig(&r);
}

/* POSIX takes all locks of a process on a file away with the first descriptor of it that is closed.
 */
static void keeps_its_files_when_a_script_has_read_them(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char file[FOLDER_PATH_MAX + 8];
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, 200);
    for (int i = 0; i < 3; i++) {
        snprintf(file, sizeof file, "%s%s", path, ends[i]);
        FILE *read = fopen(file, "r");
        assert_non_null(read);
        fclose(read);
    }
    run("sqlite3 '%s' 'SELECT count(*) FROM notifications' >/dev/null");
    assert_null(hw_ledger_place_lost(&((struct hw_sqlite *)r.ledger)->place));
    assert_int_equal(commit_one(&r, 200), 0);
    for (int i = 0; i < 201; i++)
        assert_int_equal(state_of(&r, i), HW_SUCCEEDED);
    close_rig(&r);
}

/* Rows are due, another program writes by a shared memory of its own: what the host believes of the
 * log is wrong from here on. */
static void removes_nothing_by_a_lost_shared_memory(void **state)
{
    struct rig r;
    (void)state;
    config.retention_ms = 30ull * 86400000;
    open_rig(&r, false);
    fill(&r, 0, 2000);
    run("sqlite3 '%s' 'UPDATE notifications SET received_at = 1, settled_at = 1"
        " WHERE seq < 1500'");
    assert_true(r.ledger->type->tend(r.ledger, true)); /* it has begun */
    run("rm '%s-shm' && sqlite3 '%s' \"UPDATE notifications SET detail = 'other' WHERE seq > 900;"
        " PRAGMA wal_checkpoint(TRUNCATE); UPDATE notifications SET detail = 'again'\" >/dev/null");
    tend_all(&r);
    assert_sound();
    assert_int_equal(commit_one(&r, 5000), 0);
    assert_sound();
    assert_int_equal(number("SELECT count(*) FROM notifications WHERE detail = 'again'"), 501);
    close_rig(&r);
    assert_sound();
}

/* What it wrote may stand in contradiction to what ours holds: nothing is written into either. */
static void leaves_another_programs_log_alone(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, 100);
    run("rm '%s-wal' '%s-shm'");
    tend_all(&r); /* saved */
    fill(&r, 100, 100);
    run("rm '%s-wal' '%s-shm' && sqlite3 '%s' \"UPDATE notifications SET detail = 'other'\"");
    assert_int_equal(commit_one(&r, 500), HW_ELEDGER_UNAVAILABLE);
    tend_all(&r);
    reopen(&r);
    assert_sound();
    assert_int_equal(number("SELECT count(*) FROM notifications WHERE detail = 'other'"), 100);
    assert_int_equal(commit_one(&r, 500), 0);
    close_rig(&r);
}

/* Neither in it, nor in a new one that its readers would not look into. */
static void records_nothing_in_place_of_a_file_that_is_gone(void **state)
{
    struct rig r;
    struct rlimit before;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, 200);
    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {.rlim_cur = 100, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int first = commit_one(&r, 1000); /* an I/O error: its connection is opened anew */
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(first, HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(commit_one(&r, 1000), HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(access(path, F_OK), -1);
    close_rig(&r);
}

/* As after kill -9: nothing of the log is left, and what it held is in the database. */
static void saves_what_a_removed_log_held(void **state)
{
    char file[FOLDER_PATH_MAX + 8];
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, 200);
    snprintf(file, sizeof file, "%s-wal", path);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(commit_one(&r, 1000), 0);
    char command[2 * FOLDER_PATH_MAX + 16];
    snprintf(command, sizeof command, "cp '%s' '%s.copy'", path, path);
    assert_int_equal(system(command), 0);
    sqlite3 *copy;
    snprintf(file, sizeof file, "%s.copy", path);
    assert_int_equal(sqlite3_open(file, &copy), SQLITE_OK);
    sqlite3_stmt *stmt;
    assert_int_equal(
        sqlite3_prepare_v2(copy, "SELECT count(*) FROM notifications", -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(stmt, 0), 200);
    sqlite3_finalize(stmt);
    sqlite3_close(copy);
    close_rig(&r);
}

static void fails_a_commit_while_another_program_has_the_lock(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    sqlite3 *other = open_other();
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct hw_job *jobs[] = {numbered_notification(1), numbered_notification(2)};
    assert_int_equal(hw_ledger_commit(r.ledger, jobs, 2), HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(state_of(&r, 1), HW_NEVER_SEEN);
    sqlite3_close(other);
    assert_int_equal(hw_ledger_commit(r.ledger, jobs, 2), 0);
    assert_int_equal(state_of(&r, 1), HW_SUCCEEDED);
    assert_int_equal(state_of(&r, 2), HW_SUCCEEDED);
    hw_job_free(jobs[0]);
    hw_job_free(jobs[1]);
    close_rig(&r);
}

static int sleeps;

static int count_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    sleeps++;
    return microseconds; /* it was waited for */
}

static struct hw_ledger *watched;
static int slow_sleeps;

static int watch_sleep(sqlite3_vfs *vfs, int microseconds)
{
    slow_sleeps += hw_ledger_health(watched) == HW_LEDGER_SLOW;
    return count_sleep(vfs, microseconds);
}

/* From then on handlers stand back: what they come to could not be recorded either. */
static void says_that_a_commit_waits_for_another_program(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    sqlite3_vfs *vfs = sqlite3_vfs_find(hw_wal_vfs());
    int (*before)(sqlite3_vfs *, int) = vfs->xSleep;
    watched = r.ledger;
    vfs->xSleep = watch_sleep;
    sleeps = slow_sleeps = 0;
    sqlite3 *other = open_other();
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(commit_one(&r, 1), HW_ELEDGER_UNAVAILABLE);
    assert_in_range(sleeps - slow_sleeps, 1, 5);
    assert_true(slow_sleeps > 10);
    assert_int_equal(hw_ledger_health(r.ledger), HW_LEDGER_FAILED);
    vfs->xSleep = before;
    sqlite3_close(other);
    close_rig(&r);
}

/* What is held is recorded as one that came and did not run; an earlier failure stays what it was.
 */
static void records_what_is_held_as_not_run(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "known", "a", HW_EHANDLER_ERROR);
    struct hw_job *jobs[] = {notification("known", "a"), notification("new", "b")};
    jobs[0]->known = look(&r, "known", "a");
    for (int i = 0; i < 2; i++) {
        jobs[i]->hold = HW_HELD;
        jobs[i]->copies = 0;
        jobs[i]->outcome = (struct hw_outcome){.authentic = true, .code = HW_ELEDGER_UNAVAILABLE};
    }
    assert_int_equal(hw_ledger_commit(r.ledger, jobs, 2), 0);
    assert_known(&r, "known", "a", HW_FAILED, 1, false);
    assert_known(&r, "new", "b", HW_FAILED, 0, false);
    assert_int_equal(number("SELECT error = 'handler_error' AND runs = 1 FROM notifications"
                            " WHERE job_id = 'known'"),
                     1);
    assert_int_equal(number("SELECT error = 'ledger_unavailable' AND runs = 0 AND body = x'62'"
                            " FROM notifications WHERE job_id = 'new'"),
                     1);
    hw_job_free(jobs[0]);
    hw_job_free(jobs[1]);
    close_rig(&r);
}

/* A commit that makes the log longer by over 4 MB, and what follows each commit. */
static void commit_4mb(const struct rig *r, int n)
{
    static char body[4 << 20];
    struct hw_job *job = numbered_notification(n);
    job->outcome.code = HW_EHANDLER_ERROR;
    job->body = (struct hw_str){body, sizeof body};
    assert_int_equal(hw_ledger_commit(r->ledger, &job, 1), 0);
    hw_job_free(job);
    r->ledger->type->tend(r->ledger, false);
}

/* A program that goes on reading keeps the log from starting over: it is waited for when the log
 * has 64 MB, and then not before it has twice as much. */
static void waits_for_a_reader_now_and_then_only(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    sqlite3_vfs *vfs = sqlite3_vfs_find(hw_wal_vfs());
    int (*before)(sqlite3_vfs *, int) = vfs->xSleep;
    vfs->xSleep = count_sleep;
    sleeps = 0;
    sqlite3 *other = open_other();
    assert_int_equal(
        sqlite3_exec(other, "BEGIN; SELECT count(*) FROM notifications", NULL, NULL, NULL),
        SQLITE_OK);
    int commits = 0;
    while (sleeps == 0 && commits < 100)
        commit_4mb(&r, commits++);
    assert_in_range(commits, 15, 17);
    sleeps = 0;
    for (int i = 0; i < 3; i++)
        commit_4mb(&r, commits++);
    assert_int_equal(sleeps, 0);
    vfs->xSleep = before;
    sqlite3_close(other);
    close_rig(&r);
}

/* A file that may not grow stands for a disk that is full. */
static void records_all_of_a_batch_or_nothing_and_heals(void **state)
{
    struct rig r;
    struct rlimit before;
    static char body[1 << 20];
    (void)state;
    memset(body, 'x', sizeof body);
    open_rig(&r, false);
    deliver(&r, "before", "a", 0);
    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {.rlim_cur = 200000, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct hw_job *jobs[] = {numbered_notification(1), numbered_notification(2)};
    jobs[1]->outcome.code = HW_EHANDLER_ERROR;
    jobs[1]->body = (struct hw_str){body, sizeof body};
    int first = hw_ledger_commit(r.ledger, jobs, 2);
    int second = hw_ledger_commit(r.ledger, jobs, 2);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(first, HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(second, HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(state_of(&r, 1), HW_NEVER_SEEN);
    assert_known(&r, "before", "a", HW_SUCCEEDED, 1, false);
    assert_int_equal(hw_ledger_commit(r.ledger, jobs, 2), 0);
    assert_int_equal(state_of(&r, 1), HW_SUCCEEDED);
    assert_int_equal(state_of(&r, 2), HW_FAILED);
    hw_job_free(jobs[0]);
    hw_job_free(jobs[1]);
    close_rig(&r);
}

/* Its job was not told of the row that is there. */
static void commits_a_batch_with_a_failed_look_up(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "known", "a", 0);
    struct hw_job *jobs[] = {notification("known", "a"), notification("other", "b")};
    jobs[0]->outcome.code = HW_ELEDGER_UNAVAILABLE;
    assert_int_equal(hw_ledger_commit(r.ledger, jobs, 2), 0);
    assert_known(&r, "known", "a", HW_SUCCEEDED, 2, false);
    assert_known(&r, "other", "b", HW_SUCCEEDED, 1, false);
    hw_job_free(jobs[0]);
    hw_job_free(jobs[1]);
    close_rig(&r);
}

static void tells_why_it_can_not_be_opened(void **state)
{
    char why[512] = "";
    (void)state;
    config.ledger = "/nonexistent/hookward.db";
    assert_null(hw_ledger_sqlite_open(&config, why, sizeof why));
    assert_string_equal(
        why, "/nonexistent/hookward.db: its folder is not there; make it with `mkdir -p`");
    config.ledger = path;
    folder_write(&folder, "hookward.db", "this is no database, although it has some text in it");
    assert_null(hw_ledger_sqlite_open(&config, why, sizeof why));
    assert_non_null(strstr(why, path));
    assert_non_null(strstr(why, "not a database"));
}

int main(void)
{
    struct CMUnitTest tests[] = {
        LEDGER_CASES,
        cmocka_unit_test(remembers_over_a_restart),
        cmocka_unit_test(goes_on_with_a_backup_of_itself),
        cmocka_unit_test(remembers_bodies_over_a_restart),
        cmocka_unit_test(remembers_what_comes_while_the_filter_is_filled),
        cmocka_unit_test(changes_from_by_job_to_by_body_and_back),
        cmocka_unit_test(refuses_a_second_host),
        cmocka_unit_test(keeps_the_first_job_id_of_a_body),
        cmocka_unit_test(keeps_the_body_of_what_failed_only),
        cmocka_unit_test(keeps_every_body_when_asked_to),
        cmocka_unit_test(counts_runs_apart_from_deliveries),
        cmocka_unit_test(loads_a_row_as_the_job_that_it_was),
        cmocka_unit_test(loads_bodies_of_any_size),
        cmocka_unit_test(loads_nothing_without_a_body_or_a_row),
        cmocka_unit_test(cuts_a_long_detail),
        cmocka_unit_test(removes_what_is_older_than_the_retention),
        cmocka_unit_test(keeps_everything_without_a_retention),
        cmocka_unit_test(keeps_what_was_settled_lately_and_goes_on_behind_it),
        cmocka_unit_test(records_anew_what_was_removed_meanwhile),
        cmocka_unit_test(leaves_a_row_alone_that_has_the_number_of_its_own),
        cmocka_unit_test(records_nothing_while_its_database_is_elsewhere),
        cmocka_unit_test(opens_anew_what_it_has_lost),
        cmocka_unit_test(saves_at_its_end_what_it_has_lost),
        cmocka_unit_test(keeps_its_files_when_a_script_has_read_them),
        cmocka_unit_test(removes_nothing_by_a_lost_shared_memory),
        cmocka_unit_test(leaves_another_programs_log_alone),
        cmocka_unit_test(records_nothing_in_place_of_a_file_that_is_gone),
        cmocka_unit_test(saves_what_a_removed_log_held),
        cmocka_unit_test(fails_a_commit_while_another_program_has_the_lock),
        cmocka_unit_test(says_that_a_commit_waits_for_another_program),
        cmocka_unit_test(records_what_is_held_as_not_run),
        cmocka_unit_test(waits_for_a_reader_now_and_then_only),
        cmocka_unit_test(records_all_of_a_batch_or_nothing_and_heals),
        cmocka_unit_test(commits_a_batch_with_a_failed_look_up),
        cmocka_unit_test(tells_why_it_can_not_be_opened),
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        tests[i].setup_func = new_file; /* a file for each */
        tests[i].teardown_func = remove_file;
    }
    return cmocka_run_group_tests_name("ledger_sqlite", tests, NULL, NULL);
}
