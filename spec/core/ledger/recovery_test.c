/* The log or the shared memory is lost in use: no recorded row is lost, and no file is damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <uv.h>

#include "ledger/file_rig.h"
#include "ledger/sqlite.h"

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

static atomic_bool over;

static void on_look_up(void *arg)
{
    while (!atomic_load(&over))
        HW_CHECK(state_of(arg, 0) == HW_SUCCEEDED);
}

/* A look-up waits until the files are open again, and then finds its row. */
static void opens_anew_under_those_that_look_up(void **state)
{
    enum { LOSSES = 20 };
    struct rig r;
    uv_thread_t reader;
    (void)state;
    open_rig(&r, false);
    assert_int_equal(commit_one(&r, 0), 0);
    atomic_store(&over, false);
    assert_int_equal(uv_thread_create(&reader, on_look_up, &r), 0);
    for (int i = 1; i <= LOSSES; i++) {
        run(i % 2 ? "rm '%s-wal' '%s-shm'" : "rm '%s-shm'");
        assert_int_equal(commit_one(&r, i), 0);
    }
    atomic_store(&over, true);
    uv_thread_join(&reader);
    for (int i = 0; i <= LOSSES; i++)
        assert_int_equal(state_of(&r, i), HW_SUCCEEDED);
    assert_sound();
    close_rig(&r);
}

/* When a process closes any descriptor of a file, it loses all its POSIX locks on that file. */
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

/* Rows are due for removal, and another program writes through a new shared memory: what the host
 * knows of the log is wrong from then on. */
static void removes_nothing_by_a_lost_shared_memory(void **state)
{
    struct rig r;
    (void)state;
    config.retention_ms = 30ull * 86400000;
    open_rig(&r, false);
    fill(&r, 0, 1000);
    run("sqlite3 '%s' 'UPDATE notifications SET received_at = 1, settled_at = 1"
        " WHERE seq < 700'");
    assert_true(r.ledger->type->tend(r.ledger, true)); /* removal has begun */
    run("rm '%s-shm' && sqlite3 '%s' \"UPDATE notifications SET detail = 'other' WHERE seq > 400;"
        " PRAGMA wal_checkpoint(TRUNCATE); UPDATE notifications SET detail = 'again'\" >/dev/null");
    tend_all(&r);
    assert_sound();
    assert_int_equal(commit_one(&r, 5000), 0);
    assert_sound();
    assert_int_equal(number("SELECT count(*) FROM notifications WHERE detail = 'again'"), 301);
    close_rig(&r);
    assert_sound();
}

/* What the other program wrote may contradict our log, so nothing is written to either. */
static void leaves_another_programs_log_alone(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, 100);
    run("rm '%s-wal' '%s-shm'");
    tend_all(&r); /* saves what the log held */
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

/* The copy is what kill -9 would leave: the log is gone, and what it held is in the database. */
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

/* A worker may be replaced while the files can't be opened: the new reader opens them later. */
static void lets_no_reader_in_before_its_time(void **state)
{
    char why[512];
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_sqlite *s = (struct hw_sqlite *)r.ledger;
    struct hw_ledger_reader *first = r.reader;
    fill(&r, 0, 1);
    hw_ledger_readers_stop(s);
    s->shut = true;
    hw_ledger_readers_go(s);
    r.reader = hw_ledger_reader_open(r.ledger, why, sizeof why);
    assert_non_null(r.reader);
    struct hw_notification *n = numbered_notification(0);
    struct hw_known known;
    assert_int_equal(hw_ledger_look_up(r.ledger, r.reader, &n->identity, &known),
                     HW_ELEDGER_UNAVAILABLE);
    free_notification(n);
    hw_ledger_readers_stop(s);
    s->shut = false;
    hw_ledger_readers_go(s);
    assert_int_equal(state_of(&r, 0), HW_SUCCEEDED);
    r.ledger->type->reader_close(first);
    close_rig(&r);
}

/* The readers keep their connections, so closing the descriptor would drop their locks. */
static void keeps_its_hold_when_only_the_writer_is_opened_anew(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, 1);
    struct hw_sqlite *s = (struct hw_sqlite *)r.ledger;
    int shm = s->guard.shm;
    assert_int_equal(lseek(shm, 7, SEEK_SET), 7); /* marks this open file */
    s->doubtful = true;
    assert_int_equal(commit_one(&r, 1), 0);
    assert_false(s->doubtful);
    assert_int_equal(s->guard.shm, shm);
    assert_int_equal(lseek(shm, 0, SEEK_CUR), 7);
    close_rig(&r);
}

int main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_anew_what_it_has_lost),
        cmocka_unit_test(opens_anew_under_those_that_look_up),
        cmocka_unit_test(saves_at_its_end_what_it_has_lost),
        cmocka_unit_test(keeps_its_files_when_a_script_has_read_them),
        cmocka_unit_test(removes_nothing_by_a_lost_shared_memory),
        cmocka_unit_test(leaves_another_programs_log_alone),
        cmocka_unit_test(saves_what_a_removed_log_held),
        cmocka_unit_test(lets_no_reader_in_before_its_time),
        cmocka_unit_test(keeps_its_hold_when_only_the_writer_is_opened_anew),
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        tests[i].setup_func = new_file; /* a file for each */
        tests[i].teardown_func = remove_file;
    }
    return cmocka_run_group_tests_name("ledger_recovery", tests, NULL, NULL);
}
