/* file_rig.h -- a ledger in a file of its own for each test, and other programs that use it.
 *
 * new_file and remove_file are a test's set-up and tear-down. */
#ifndef HW_SPEC_LEDGER_FILE_RIG_H
#define HW_SPEC_LEDGER_FILE_RIG_H

#include <sqlite3.h>

#include "base/config.h"
#include "base/log.h"
#include "folder.h"
#include "ledger/rig.h"

static struct folder folder;
static char path[FOLDER_PATH_MAX];
static struct hw_config config;

static inline struct hw_ledger *open_file(void)
{
    char why[512] = "";
    struct hw_ledger *ledger = hw_ledger_sqlite_open(&config, why, sizeof why);
    if (!ledger)
        fail_msg("%s", why);
    return ledger;
}

static inline struct hw_ledger *open_ledger(bool by_body)
{
    config.by_body = by_body;
    return open_file();
}

static inline int new_file(void **state)
{
    (void)state;
    folder_open(&folder);
    folder_path(&folder, "hookward.db", path);
    config = (struct hw_config){.ledger = path};
    hw_log_set(HW_LOG_OFF, false);
    return 0;
}

static inline int remove_file(void **state)
{
    (void)state;
    folder_close(&folder);
    return 0;
}

static inline void reopen(struct rig *r)
{
    char why[512];
    close_rig(r);
    r->ledger = open_file();
    r->reader = hw_ledger_reader_open(r->ledger, why, sizeof why);
    assert_non_null(r->reader);
}

/* Opens the file as another program would. */
static inline sqlite3 *open_other(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    return db;
}

static inline void exec(const char *sql)
{
    sqlite3 *db = open_other();
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static inline int64_t number(const char *sql)
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

static inline void fill(const struct rig *r, int first, int count)
{
    struct hw_notification *batch[HW_LEDGER_BATCH_MAX];
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
            free_notification(batch[--n]);
    }
}

static inline enum hw_ledger_state state_of(const struct rig *r, int number)
{
    struct hw_known known;
    struct hw_notification *n = numbered_notification(number);
    if (r->by_body) {
        n->identity.id = HW_STR_NONE;
        memcpy(n->identity.digest, &number, sizeof number);
    }
    assert_int_equal(hw_ledger_look_up(r->ledger, r->reader, &n->identity, &known), 0);
    free_notification(n);
    return known.state;
}

/* Tends until there is nothing more to do; returns how many steps that took. */
static inline int tend_all(const struct rig *r)
{
    int steps = 1;
    while (r->ledger->type->tend(r->ledger, true))
        assert_true(++steps < 1000);
    return steps;
}

static inline int commit_one(const struct rig *r, int number)
{
    struct hw_notification *n = numbered_notification(number);
    int rc = hw_ledger_commit(r->ledger, &n, 1);
    free_notification(n);
    return rc;
}

/* Runs a shell command. Each %s is the path. */
static inline void run(const char *format)
{
    char command[3 * FOLDER_PATH_MAX];
    snprintf(command, sizeof command, format, path, path, path);
    assert_int_equal(system(command), 0);
}

#endif
