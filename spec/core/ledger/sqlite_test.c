/* The ledger in a file keeps every ledger's promises, also across restarts and failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include "ledger/cases.h"
#include "ledger/file_rig.h"

/* ---- across restarts ---- */

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
    enum { ROWS = 2000 }; /* the filter is filled in exactly one step */
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
    assert_int_equal(look(&r, "job-4", "a").state, HW_SUCCEEDED); /* the best row's state */
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
    deliver(&r, "job", "a", 0); /* the first host goes on */
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

static struct hw_notification *revive(const struct rig *r, int64_t row, int expected)
{
    struct hw_notification *n = revived_notification(row);
    assert_int_equal(hw_ledger_load(r->ledger, r->reader, n), expected);
    return n;
}

static void loads_a_row_as_the_job_that_it_was(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = new_delivery(&r, "job", "a");
    struct hw_identity identity = n->identity;
    identity.id = HW_STR("job");
    n->attempt = 3;
    n->received_at = 1700000000.125;
    n->body = HW_STR("{\"zero\":\"\0\"}");
    deliver_as(&r, n, HW_EHANDLER_ERROR, 2);

    n = revive(&r, 1, 0);
    assert_true(hw_str_eq(n->id, HW_STR("job")));
    assert_true(hw_str_eq(n->identity.id, identity.id));
    assert_memory_equal(n->identity.digest, identity.digest, HW_DIGEST_SIZE);
    assert_true(hw_str_eq(n->body, HW_STR("{\"zero\":\"\0\"}")));
    assert_true(hw_str_eq(n->key, HW_STR("test.pem")));
    assert_int_equal(n->attempt, 3);
    assert_true(n->received_at == 1700000000.125);
    assert_int_equal(n->known.state, HW_FAILED);
    assert_int_equal(n->known.deliveries, 2);
    assert_int_equal(n->known.row, 1);
    free_notification(n);
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
        struct hw_notification *n = numbered_notification(i);
        n->body = (struct hw_str){body, i ? sizeof body : 0};
        deliver_as(&r, n, HW_EHANDLER_ERROR, 1);
        n = revive(&r, i + 1, 0);
        assert_non_null(n->body.ptr);
        assert_int_equal(n->body.len, i ? sizeof body : 0);
        assert_memory_equal(n->body.ptr, body, n->body.len);
        free_notification(n);
    }
    close_rig(&r);
}

static void loads_nothing_without_a_body_or_a_row(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "job", "a", 0);
    free_notification(revive(&r, 1, HW_ENOT_FOUND));
    free_notification(revive(&r, 2, HW_ENOT_FOUND));
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
        struct hw_notification *n = numbered_notification(i);
        n->outcome.detail = (struct hw_str){detail, MAX + (size_t)i};
        deliver_as(&r, n, HW_EHANDLER_ERROR, 1);
    }
    assert_int_equal(number("SELECT max(length(detail)) FROM notifications"), MAX);
    assert_int_equal(number("SELECT min(length(detail)) FROM notifications"), MAX);
    close_rig(&r);
}

/* ---- rows that go meanwhile ---- */

static void records_anew_what_was_removed_meanwhile(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "job", "a", HW_EHANDLER_ERROR);
    struct hw_notification *n = new_delivery(&r, "job", "a");
    assert_int_equal(hw_ledger_look_up(r.ledger, r.reader, &n->identity, &n->known), 0);
    assert_true(n->known.row > 0);
    exec("DELETE FROM notifications");
    assert_int_equal(hw_ledger_commit(r.ledger, &n, 1), 0);
    free_notification(n);
    assert_known(&r, "job", "a", HW_SUCCEEDED, 1, false);
    close_rig(&r);
}

/* When the last row is removed, SQLite gives its number to the next row. */
static void leaves_a_row_alone_that_has_the_number_of_its_own(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "first", "same", HW_EHANDLER_ERROR);
    struct hw_notification *first = new_delivery(&r, "first", "same");
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
    free_notification(first);
    close_rig(&r);
}

/* ---- failures ---- */

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

/* Neither in the removed file, nor in a new one, which its readers would not read. */
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

static void fails_a_commit_while_another_program_has_the_lock(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    sqlite3 *other = open_other();
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct hw_notification *batch[] = {numbered_notification(1), numbered_notification(2)};
    assert_int_equal(hw_ledger_commit(r.ledger, batch, 2), HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(state_of(&r, 1), HW_NEVER_SEEN);
    sqlite3_close(other);
    assert_int_equal(hw_ledger_commit(r.ledger, batch, 2), 0);
    assert_int_equal(state_of(&r, 1), HW_SUCCEEDED);
    assert_int_equal(state_of(&r, 2), HW_SUCCEEDED);
    free_notification(batch[0]);
    free_notification(batch[1]);
    close_rig(&r);
}

static int sleeps;

static int count_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    sleeps++;
    return microseconds; /* as if it had slept */
}

static struct hw_ledger *watched;
static int slow_sleeps;

static int watch_sleep(sqlite3_vfs *vfs, int microseconds)
{
    slow_sleeps += hw_ledger_health(watched) == HW_LEDGER_SLOW;
    return count_sleep(vfs, microseconds);
}

static int purge_one(const struct rig *r)
{
    struct hw_purge *purge = calloc(1, sizeof *purge + sizeof(struct hw_ledger_row));
    purge->count = 1;
    int rc = r->ledger->type->purge(r->ledger, purge);
    free(purge);
    return rc;
}

/* From then on no handler is started: its outcome could not be recorded either. */
static void assert_says_that_it_waits(bool purges)
{
    struct rig r;
    open_rig(&r, false);
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int (*before)(sqlite3_vfs *, int) = vfs->xSleep;
    watched = r.ledger;
    vfs->xSleep = watch_sleep;
    sleeps = slow_sleeps = 0;
    sqlite3 *other = open_other();
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(purges ? purge_one(&r) : commit_one(&r, 1), HW_ELEDGER_UNAVAILABLE);
    assert_in_range(sleeps - slow_sleeps, 1, 5);
    assert_true(slow_sleeps > 10);
    r.ledger->type->tend(r.ledger, true);
    assert_int_equal(hw_ledger_health(r.ledger), HW_LEDGER_FAILED);
    vfs->xSleep = before;
    sqlite3_close(other);
    r.ledger->type->tend(r.ledger, true);
    assert_int_equal(hw_ledger_health(r.ledger), HW_LEDGER_HEALED);
    close_rig(&r);
}

static void says_that_a_commit_waits_for_another_program(void **state)
{
    (void)state;
    assert_says_that_it_waits(false);
}

static void says_that_a_purge_waits_for_another_program(void **state)
{
    (void)state;
    assert_says_that_it_waits(true);
}

/* Otherwise each batch would wait as long for the same lock, and all new jobs behind it. */
static void waits_shortly_once_a_commit_has_failed(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int (*before)(sqlite3_vfs *, int) = vfs->xSleep;
    vfs->xSleep = count_sleep;
    sqlite3 *other = open_other();
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    sleeps = 0;
    assert_int_equal(commit_one(&r, 1), HW_ELEDGER_UNAVAILABLE);
    int first = sleeps;
    sleeps = 0;
    assert_int_equal(commit_one(&r, 2), HW_ELEDGER_UNAVAILABLE);
    assert_in_range(sleeps, 1, first / 2);
    vfs->xSleep = before;
    sqlite3_close(other);
    close_rig(&r);
}

/* A held job is recorded as received and not run. An earlier failure keeps its row as it was. */
static void records_what_is_held_as_not_run(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "known", "a", HW_EHANDLER_ERROR);
    struct hw_notification *batch[] = {notification("known", "a"), notification("new", "b")};
    batch[0]->known = look(&r, "known", "a");
    for (int i = 0; i < 2; i++) {
        batch[i]->copies = 0;
        batch[i]->outcome = (struct hw_outcome){.authentic = true, .held = true};
        sample_end(batch[i], HW_ELEDGER_UNAVAILABLE);
    }
    assert_int_equal(hw_ledger_commit(r.ledger, batch, 2), 0);
    assert_known(&r, "known", "a", HW_FAILED, 1, false);
    assert_known(&r, "new", "b", HW_FAILED, 0, false);
    assert_int_equal(number("SELECT error = 'handler_error' AND runs = 1 FROM notifications"
                            " WHERE job_id = 'known'"),
                     1);
    assert_int_equal(number("SELECT error = 'ledger_unavailable' AND runs = 0 AND body = x'62'"
                            " FROM notifications WHERE job_id = 'new'"),
                     1);
    free_notification(batch[0]);
    free_notification(batch[1]);
    close_rig(&r);
}

/* Its thread was given up, and a stand-in was recorded; then the job came back. */
static void records_what_a_lost_job_came_to_after_all(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = notification("job", "a"), *stand_in = notification("job", "a");
    sample_end(stand_in, HW_EHANDLER_TIMEOUT);
    stand_in->outcome.ran = n->outcome.ran = true;
    stand_in->copies = 1;
    n->copies = 0;
    n->has_stand_in = true;
    assert_int_equal(hw_ledger_commit(r.ledger, &stand_in, 1), 0);
    assert_known(&r, "job", "a", HW_FAILED, 1, false);
    assert_int_equal(hw_ledger_commit(r.ledger, &n, 1), 0);
    assert_known(&r, "job", "a", HW_SUCCEEDED, 1, false);
    assert_int_equal(number("SELECT error IS NULL AND body IS NULL AND runs = 1"
                            " FROM notifications"),
                     1);
    free_notification(n);
    free_notification(stand_in);
    close_rig(&r);
}

/* A commit that adds over 4 MB to the log, and the tending after each commit. */
static void commit_4mb(const struct rig *r, int number)
{
    static char body[4 << 20];
    struct hw_notification *n = numbered_notification(number);
    sample_end(n, HW_EHANDLER_ERROR);
    n->body = (struct hw_str){body, sizeof body};
    assert_int_equal(hw_ledger_commit(r->ledger, &n, 1), 0);
    free_notification(n);
    r->ledger->type->tend(r->ledger, false);
}

/* A program in a long read keeps the log from starting over. The ledger waits for it when the log
 * has 64 MB, and not again before it has twice as much. */
static void waits_for_a_reader_now_and_then_only(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int (*before)(sqlite3_vfs *, int) = vfs->xSleep;
    vfs->xSleep = watch_sleep;
    watched = r.ledger;
    sleeps = slow_sleeps = 0;
    sqlite3 *other = open_other();
    assert_int_equal(
        sqlite3_exec(other, "BEGIN; SELECT count(*) FROM notifications", NULL, NULL, NULL),
        SQLITE_OK);
    int commits = 0;
    while (sleeps == 0 && commits < 100)
        commit_4mb(&r, commits++);
    assert_in_range(commits, 15, 17);
    assert_in_range(sleeps - slow_sleeps, 1, 5); /* then no handler is started */
    assert_true(slow_sleeps > 10);
    assert_int_equal(hw_ledger_health(r.ledger), HW_LEDGER_WELL);
    sleeps = 0;
    for (int i = 0; i < 3; i++)
        commit_4mb(&r, commits++);
    assert_int_equal(sleeps, 0);
    vfs->xSleep = before;
    sqlite3_close(other);
    close_rig(&r);
}

/* A limit on the size of files stands for a full disk. */
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
    struct hw_notification *batch[] = {numbered_notification(1), numbered_notification(2)};
    sample_end(batch[1], HW_EHANDLER_ERROR);
    batch[1]->body = (struct hw_str){body, sizeof body};
    int first = hw_ledger_commit(r.ledger, batch, 2);
    int second = hw_ledger_commit(r.ledger, batch, 2);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(first, HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(second, HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(state_of(&r, 1), HW_NEVER_SEEN);
    assert_known(&r, "before", "a", HW_SUCCEEDED, 1, false);
    assert_int_equal(hw_ledger_commit(r.ledger, batch, 2), 0);
    assert_int_equal(state_of(&r, 1), HW_SUCCEEDED);
    assert_int_equal(state_of(&r, 2), HW_FAILED);
    free_notification(batch[0]);
    free_notification(batch[1]);
    close_rig(&r);
}

/* A job whose look-up failed does not know its existing row. */
static void commits_a_batch_with_a_failed_look_up(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "known", "a", 0);
    struct hw_notification *batch[] = {notification("known", "a"), notification("other", "b")};
    sample_end(batch[0], HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(hw_ledger_commit(r.ledger, batch, 2), 0);
    assert_known(&r, "known", "a", HW_SUCCEEDED, 2, false);
    assert_known(&r, "other", "b", HW_SUCCEEDED, 1, false);
    free_notification(batch[0]);
    free_notification(batch[1]);
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
        cmocka_unit_test(records_anew_what_was_removed_meanwhile),
        cmocka_unit_test(leaves_a_row_alone_that_has_the_number_of_its_own),
        cmocka_unit_test(records_nothing_while_its_database_is_elsewhere),
        cmocka_unit_test(records_nothing_in_place_of_a_file_that_is_gone),
        cmocka_unit_test(fails_a_commit_while_another_program_has_the_lock),
        cmocka_unit_test(says_that_a_commit_waits_for_another_program),
        cmocka_unit_test(waits_shortly_once_a_commit_has_failed),
        cmocka_unit_test(says_that_a_purge_waits_for_another_program),
        cmocka_unit_test(records_what_is_held_as_not_run),
        cmocka_unit_test(records_what_a_lost_job_came_to_after_all),
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
