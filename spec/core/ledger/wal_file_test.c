/* wal_file_test.c -- a commit reaches the log whole, in few writes, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/check.h"
#include "ledger/wal_file.h"

struct rig {
    char folder[64], path[96], log[112];
    sqlite3 *db;
};

static void run(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
}

static long long number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    long long value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static sqlite3 *open_with(const char *path, const char *vfs)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs),
                     SQLITE_OK);
    run(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_spill = OFF;"
            "PRAGMA wal_autocheckpoint = 0");
    return db;
}

static long long log_size(const struct rig *r)
{
    struct stat st;
    return stat(r->log, &st) ? -1 : (long long)st.st_size;
}

/* Calls of write(2) and its kin by this process so far: proc(5), /proc/PID/io. */
static long long writes_so_far(void)
{
    char line[64];
    long long count = -1;
    FILE *file = fopen("/proc/self/io", "r");
    HW_CHECK(file);
    while (fgets(line, sizeof line, file))
        sscanf(line, "syscw: %lld", &count);
    fclose(file);
    return count;
}

static void fill(sqlite3 *db, int rows, int bytes)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO t SELECT randomblob(%d) FROM n",
             rows, bytes);
    run(db, sql);
}

static int set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    snprintf(r->folder, sizeof r->folder, "/tmp/hookward-wal-XXXXXX");
    if (!r || !mkdtemp(r->folder))
        return -1;
    snprintf(r->path, sizeof r->path, "%s/db", r->folder);
    snprintf(r->log, sizeof r->log, "%s-wal", r->path);
    r->db = open_with(r->path, hw_wal_vfs());
    run(r->db, "CREATE TABLE t (x BLOB)");
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    char command[100];
    int rc = sqlite3_close(r->db);
    snprintf(command, sizeof command, "rm -rf '%s'", r->folder);
    rc = system(command) || rc;
    free(r);
    return rc;
}

static void writes_a_commit_with_few_calls(void **state)
{
    struct rig *r = *state;
    run(r->db, "BEGIN");
    fill(r->db, 20, 3000); /* 20 pages or so, each a header and a page */
    long long before = writes_so_far();
    run(r->db, "COMMIT");
    assert_in_range(writes_so_far() - before, 1, 4);
}

static void holds_nothing_of_a_commit_back(void **state)
{
    struct rig *r = *state;
    for (int i = 1; i <= 50; i++) {
        fill(r->db, 1, i * 100);
        sqlite3 *other = open_with(r->path, NULL);
        assert_int_equal(number(other, "SELECT count(*) FROM t"), i);
        sqlite3_close(other);
    }
}

/* Below, at and over the buffer, where each piece of it ends. */
static void writes_commits_of_any_size(void **state)
{
    struct rig *r = *state;
    int rows = 0;
    for (int bytes = HW_WAL_BUFFER - 12000; bytes < HW_WAL_BUFFER + 12000; bytes += 1111, rows++)
        fill(r->db, 1, bytes);
    fill(r->db, 1, 5 * HW_WAL_BUFFER);
    fill(r->db, 300, 3500);
    sqlite3 *other = open_with(r->path, NULL);
    assert_int_equal(number(other, "SELECT count(*) FROM t"), rows + 301);
    assert_int_equal(number(other, "SELECT count(*) FROM pragma_integrity_check WHERE "
                                   "integrity_check = 'ok'"),
                     1);
    sqlite3_close(other);
}

/* What another program writes behind it stays. */
static void leaves_nothing_behind_a_rollback(void **state)
{
    struct rig *r = *state;
    fill(r->db, 1, 10);
    sqlite3 *other = open_with(r->path, NULL);
    for (int i = 0; i < 20; i++) {
        long long before = log_size(r);
        run(r->db, "BEGIN");
        fill(r->db, 30, 2000);
        assert_int_equal(log_size(r), before);
        run(r->db, "ROLLBACK");
        fill(other, 1, 100);
        fill(r->db, 1, 100);
        assert_int_equal(number(other, "SELECT count(*) FROM t"), 3 + 2 * i);
    }
    assert_int_equal(number(other, "SELECT count(*) FROM pragma_integrity_check WHERE "
                                   "integrity_check = 'ok'"),
                     1);
    sqlite3_close(other);
}

/* The file as it is after kill -9: a copy of database and log, opened anew. */
static void is_whole_on_disk_after_each_commit(void **state)
{
    struct rig *r = *state;
    char command[600], path[112];
    snprintf(path, sizeof path, "%s/copy", r->folder);
    for (int i = 1; i <= 10; i++) {
        fill(r->db, 1, 20000);
        snprintf(command, sizeof command, "cp '%s' '%s' && cp '%s' '%s-wal'", r->path, path, r->log,
                 path);
        assert_int_equal(system(command), 0);
        sqlite3 *copy = open_with(path, NULL);
        assert_int_equal(number(copy, "SELECT count(*) FROM t"), i);
        sqlite3_close(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_a_commit_with_few_calls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(holds_nothing_of_a_commit_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writes_commits_of_any_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leaves_nothing_behind_a_rollback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(is_whole_on_disk_after_each_commit, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
