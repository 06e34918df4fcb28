/* A ledger file is created, recognised, or refused with one line that says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <sys/wait.h>

#include "base/error.h"
#include "folder.h"
#include "ledger/file.h"

static struct folder folder;
static char path[FOLDER_PATH_MAX], why[512];

static int open_folder(void **state)
{
    (void)state;
    folder_open(&folder);
    folder_path(&folder, "hookward.db", path);
    return 0;
}

static int close_folder(void **state)
{
    (void)state;
    folder_close(&folder);
    return 0;
}

static sqlite3 *open_as(enum hw_ledger_access access)
{
    sqlite3 *db = NULL;
    if (hw_ledger_file_open(&db, path, access, why, sizeof why))
        fail_msg("%s", why);
    assert_non_null(db);
    return db;
}

static void assert_refused(enum hw_ledger_access access, const char *expected)
{
    sqlite3 *db = (sqlite3 *)&db;
    assert_int_equal(hw_ledger_file_open(&db, path, access, why, sizeof why), HW_EFAILED);
    assert_null(db);
    assert_ptr_equal(strstr(why, path), why); /* it names the file */
    if (!strstr(why, expected))
        fail_msg("\"%s\" is not in \"%s\"", expected, why);
}

/* Opens the file as any program would. */
static void exec_plainly(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    assert_int_equal(hw_ledger_file_prepare(db, &stmt, sql, why, sizeof why), 0);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static void makes_a_ledger_that_every_access_opens(void **state)
{
    (void)state;
    sqlite3 *db = open_as(HW_LEDGER_CREATE);
    assert_int_equal(number(db, "PRAGMA user_version"), HW_LEDGER_SCHEMA);
    assert_int_equal(number(db, "PRAGMA application_id"), HW_LEDGER_APPLICATION_ID);
    assert_int_equal(number(db, "SELECT count(*) FROM notifications"), 0);
    assert_int_equal(number(db, "SELECT 'wal' = journal_mode FROM pragma_journal_mode"), 1);
    assert_int_equal(number(db, "PRAGMA synchronous"), 2);
    sqlite3_close(db);
    for (int access = HW_LEDGER_CREATE; access <= HW_LEDGER_READ; access++)
        sqlite3_close(open_as((enum hw_ledger_access)access));
}

static void keeps_the_rows_when_it_is_opened_again(void **state)
{
    (void)state;
    sqlite3_close(open_as(HW_LEDGER_CREATE));
    exec_plainly(
        "INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries, runs,"
        " received_at, settled_at) VALUES ('a', x'00', '', 1, 0, 1, 1, 0, 0)");
    sqlite3 *db = open_as(HW_LEDGER_CREATE);
    assert_int_equal(number(db, "SELECT count(*) FROM notifications"), 1);
    sqlite3_close(db);
}

static void writes_nothing_when_it_only_reads(void **state)
{
    (void)state;
    sqlite3_close(open_as(HW_LEDGER_CREATE));
    sqlite3 *db = open_as(HW_LEDGER_READ);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM notifications", NULL, NULL, NULL) & 0xff,
                     SQLITE_READONLY);
    sqlite3_close(db);
}

static void refuses_a_file_that_is_not_there(void **state)
{
    char missing[FOLDER_PATH_MAX];
    (void)state;
    assert_refused(HW_LEDGER_READ, "unable to open database file");
    assert_refused(HW_LEDGER_WRITE, "unable to open database file");
    assert_int_equal(access(path, F_OK), -1); /* it has not been created */
    folder_path(&folder, "missing/hookward.db", missing);
    strcpy(path, missing);
    assert_refused(HW_LEDGER_CREATE, "unable to open database file");
}

static void refuses_what_is_no_database(void **state)
{
    (void)state;
    folder_write(&folder, "hookward.db", "a text that somebody keeps here, of more than 16 bytes");
    assert_refused(HW_LEDGER_CREATE, "not a database");
    assert_refused(HW_LEDGER_READ, "not a database");
}

static void refuses_another_programs_database(void **state)
{
    (void)state;
    exec_plainly("CREATE TABLE theirs (a)");
    for (int access = HW_LEDGER_CREATE; access <= HW_LEDGER_READ; access++)
        assert_refused((enum hw_ledger_access)access, "this database is not a hookward ledger");
    exec_plainly("PRAGMA user_version = 1");
    assert_refused(HW_LEDGER_CREATE, "this database is not a hookward ledger");
    exec_plainly("DROP TABLE theirs; PRAGMA application_id = 1");
    assert_refused(HW_LEDGER_CREATE, "this database is not a hookward ledger");
}

/* Not even its journal mode is changed. */
static void leaves_another_programs_database_as_it_was(void **state)
{
    (void)state;
    exec_plainly("CREATE TABLE theirs (a)");
    assert_refused(HW_LEDGER_CREATE, "this database is not a hookward ledger");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        number(db, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 0);
    sqlite3_close(db);
}

/* Root may write any file, so a child process tries it as another user. */
static void refuses_to_serve_with_what_it_can_only_read(void **state)
{
    int status;
    (void)state;
    sqlite3_close(open_as(HW_LEDGER_CREATE));
    assert_int_equal(chmod(path, 0444) | chmod(folder.path, 0777), 0);
    pid_t pid = fork();
    if (pid == 0) {
        sqlite3 *db = NULL;
        bool other = getuid() != 0 || setuid(65534) == 0;
        _exit(other && hw_ledger_file_open(&db, path, HW_LEDGER_CREATE, why, sizeof why) &&
                      strstr(why, "can be read, not written")
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void refuses_a_newer_hookwards(void **state)
{
    char sql[64];
    (void)state;
    sqlite3_close(open_as(HW_LEDGER_CREATE));
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", HW_LEDGER_SCHEMA + 1);
    exec_plainly(sql);
    for (int access = HW_LEDGER_CREATE; access <= HW_LEDGER_READ; access++)
        assert_refused((enum hw_ledger_access)access, "written by a newer hookward");
}

static void leaves_an_older_ones_update_to_the_host(void **state)
{
    (void)state;
    sqlite3_close(open_as(HW_LEDGER_CREATE));
    exec_plainly("PRAGMA user_version = 0");
    assert_refused(HW_LEDGER_READ, "`hookward serve` updates it");
    assert_refused(HW_LEDGER_WRITE, "`hookward serve` updates it");
}

static void leaves_a_failed_update_undone(void **state)
{
    (void)state;
    sqlite3_close(open_as(HW_LEDGER_CREATE));
    exec_plainly("DROP INDEX by_identity; PRAGMA user_version = 0"); /* fails: the table exists */
    assert_refused(HW_LEDGER_CREATE, "already exists");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(number(db, "PRAGMA user_version"), 0);
    assert_int_equal(number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'by_identity'"),
                     0);
    sqlite3_close(db);
}

static void makes_an_empty_file_a_ledger_only_for_the_host(void **state)
{
    (void)state;
    folder_write(&folder, "hookward.db", "");
    assert_refused(HW_LEDGER_READ, "this ledger is empty");
    assert_refused(HW_LEDGER_WRITE, "this ledger is empty");
    sqlite3_close(open_as(HW_LEDGER_CREATE));
    sqlite3_close(open_as(HW_LEDGER_READ));
}

static void tells_of_a_statement_that_does_not_fit(void **state)
{
    sqlite3_stmt *stmt;
    (void)state;
    sqlite3 *db = open_as(HW_LEDGER_CREATE);
    assert_int_equal(hw_ledger_file_prepare(db, &stmt, "SELECT absent", why, sizeof why),
                     HW_EFAILED);
    assert_string_equal(why, "ledger: no such column: absent");
    sqlite3_close(db);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, open_folder, close_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(makes_a_ledger_that_every_access_opens),
        IN_A_FOLDER(keeps_the_rows_when_it_is_opened_again),
        IN_A_FOLDER(writes_nothing_when_it_only_reads),
        IN_A_FOLDER(refuses_a_file_that_is_not_there),
        IN_A_FOLDER(refuses_what_is_no_database),
        IN_A_FOLDER(refuses_another_programs_database),
        IN_A_FOLDER(leaves_another_programs_database_as_it_was),
        IN_A_FOLDER(refuses_to_serve_with_what_it_can_only_read),
        IN_A_FOLDER(refuses_a_newer_hookwards),
        IN_A_FOLDER(leaves_an_older_ones_update_to_the_host),
        IN_A_FOLDER(leaves_a_failed_update_undone),
        IN_A_FOLDER(makes_an_empty_file_a_ledger_only_for_the_host),
        IN_A_FOLDER(tells_of_a_statement_that_does_not_fit),
    };
    return cmocka_run_group_tests_name("ledger_file", tests, NULL, NULL);
}
