/* What is due, and what was under way when a host ended, is found in the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "ledger/file_rig.h"

enum { MINUTE = 60000, HOUR = 60 * MINUTE };

static const struct hw_retries retries = {.count = 2, .delays_ms = {MINUTE, HOUR}};

static int64_t now_ms(void)
{
    return (int64_t)(hw_now() * 1000);
}

/* The sender's last attempt of `id`, which failed at that time. */
static void give_up(const struct rig *r, const char *id, int64_t at)
{
    struct hw_notification *n = new_delivery(r, id, "a");
    n->attempt = HW_ATTEMPT_LAST;
    n->outcome.code = HW_EHANDLER_ERROR;
    hw_retry_settle(&retries, n, at, 0); /* after a minute */
    assert_int_equal(n->next_run_at, at + MINUTE);
    assert_int_equal(hw_ledger_commit(r->ledger, &n, 1), 0);
    free_notification(n);
}

/* The start of a run, from its first delivery on. */
static struct hw_notification *start(const struct rig *r, const char *id)
{
    struct hw_notification *n = new_delivery(r, id, "a");
    n->attempt = HW_ATTEMPT_LAST;
    n->outcome.ran = false;
    assert_int_equal(hw_ledger_look_up(r->ledger, r->reader, &n->identity, &n->known), 0);
    hw_retry_start(n, now_ms(), 30000);
    assert_int_equal(hw_ledger_commit(r->ledger, &n, 1), 0);
    n->started = true;
    return n;
}

/* The pools of the rows are not kept. */
static size_t pick_from(const struct rig *r, int64_t at, size_t max,
                        const struct hw_ledger_room *rooms, size_t room_count,
                        struct hw_ledger_due_row *rows)
{
    struct hw_arena arena;
    struct hw_ledger_due *due = calloc(1, sizeof *due + max * sizeof *due->rows);
    assert_non_null(due);
    hw_arena_init(&arena, NULL, 0);
    *due = (struct hw_ledger_due){
        .now_ms = at, .max = max, .rooms = rooms, .room_count = room_count, .arena = &arena};
    assert_int_equal(r->ledger->type->pick(r->ledger, due), 0);
    size_t count = due->count;
    for (size_t i = 0; i < count; i++)
        rows[i] = due->rows[i];
    hw_arena_fini(&arena);
    free(due);
    return count;
}

static size_t pick(const struct rig *r, int64_t at, size_t max, struct hw_ledger_due_row *rows)
{
    return pick_from(r, at, max, NULL, 0, rows);
}

static void finds_what_is_due_the_longest_due_first(void **state)
{
    struct rig r;
    struct hw_ledger_due_row rows[8];
    int64_t now = now_ms();
    (void)state;
    open_rig(&r, false);
    give_up(&r, "third", now);
    give_up(&r, "first", now - 2);
    give_up(&r, "second", now - 1);
    deliver(&r, "done", "a", 0);
    deliver(&r, "failed", "a", HW_EHANDLER_ERROR);
    assert_int_equal(pick(&r, now + MINUTE - 3, 8, rows), 0);
    assert_int_equal(pick(&r, now + MINUTE - 1, 8, rows), 2);
    assert_int_equal(rows[0].seq, 2);
    assert_int_equal(rows[0].next_run_at, now - 2 + MINUTE);
    assert_int_equal(rows[0].retry, 1);
    assert_int_equal(rows[1].seq, 3);
    assert_int_equal(pick(&r, now + HOUR, 2, rows), 2);
    assert_int_equal(rows[1].seq, 3);
    assert_int_equal(pick(&r, now + HOUR, 3, rows), 3);
    assert_int_equal(rows[2].seq, 1);
    close_rig(&r);
}

static void finds_nothing_without_a_body(void **state)
{
    struct rig r;
    struct hw_ledger_due_row rows[2];
    int64_t now = now_ms();
    (void)state;
    open_rig(&r, false);
    give_up(&r, "job", now);
    exec("UPDATE notifications SET body = NULL");
    assert_int_equal(pick(&r, now + HOUR, 2, rows), 0);
    close_rig(&r);
}

/* Rows 1 to 6: 1 and 4 in pool a, 2, 5 and 6 in b, 3 in none; each due later than the one before. */
static void finds_of_a_pool_what_it_has_room_for(void **state)
{
    struct rig r;
    struct hw_ledger_due_row rows[8];
    const struct hw_ledger_room rooms[] = {{HW_STR("a"), 0}, {HW_STR("b"), 2}};
    char name[] = "job0";
    int64_t now = now_ms();
    (void)state;
    open_rig(&r, false);
    for (int i = 1; i <= 6; i++) {
        name[3] = (char)('0' + i);
        give_up(&r, name, now + i);
    }
    exec("UPDATE notifications SET pool = 'a' WHERE seq IN (1, 4);"
         "UPDATE notifications SET pool = 'b' WHERE seq IN (2, 5, 6)");
    assert_int_equal(pick_from(&r, now + HOUR, 8, rooms, 2, rows), 3);
    assert_int_equal(rows[0].seq, 2);
    assert_int_equal(rows[1].seq, 3);
    assert_int_equal(rows[2].seq, 5);
    assert_int_equal(pick_from(&r, now + HOUR, 2, rooms, 2, rows), 2); /* the longest due of all */
    assert_int_equal(rows[0].seq, 2);
    assert_int_equal(rows[1].seq, 3);
    assert_int_equal(pick(&r, now + HOUR, 8, rows), 3); /* of unknown pools one each */
    assert_int_equal(rows[0].seq, 1);
    assert_int_equal(rows[1].seq, 2);
    assert_int_equal(rows[2].seq, 3);
    close_rig(&r);
}

static void records_a_start_and_what_comes_of_it_in_one_row(void **state)
{
    struct rig r;
    struct hw_ledger_due_row row;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = start(&r, "job");
    assert_known(&r, "job", "a", HW_STARTED, 1, false);
    assert_int_equal(number("SELECT runs = 1 AND body IS NOT NULL AND version IS NULL"
                            " FROM notifications"),
                     1);
    assert_int_equal(pick(&r, now_ms() + MINUTE, 1, &row), 0); /* it may be running yet */
    assert_int_equal(pick(&r, now_ms() + HOUR, 1, &row), 1);
    n->outcome.ran = true;
    n->outcome.code = HW_EHANDLER_REFUSED;
    n->copies = 0;
    hw_retry_settle(&retries, n, now_ms(), 0);
    assert_int_equal(hw_ledger_commit(r.ledger, &n, 1), 0);
    assert_known(&r, "job", "a", HW_FAILED, 1, false);
    assert_int_equal(look(&r, "job", "a").retries, 1);
    assert_int_equal(number("SELECT runs FROM notifications"), 1);
    assert_int_equal(number("SELECT count(*) FROM notifications"), 1);
    free_notification(n);
    close_rig(&r);
}

/* Held after its start, since the ledger failed meanwhile: it has not run, and is under way. */
static void leaves_a_started_one_that_is_held_as_it_is(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = start(&r, "job");
    n->outcome.held = true;
    n->outcome.code = HW_ELEDGER_UNAVAILABLE;
    hw_retry_settle(&retries, n, now_ms(), 0);
    assert_int_equal(hw_ledger_commit(r.ledger, &n, 1), 0);
    assert_known(&r, "job", "a", HW_STARTED, 1, false);
    free_notification(n);
    close_rig(&r);
}

/* Without a look-up nobody knew that there was a row. */
static void has_the_host_run_what_failed_when_its_last_look_up_did(void **state)
{
    struct rig r;
    struct hw_ledger_due_row row;
    int64_t now = now_ms();
    (void)state;
    open_rig(&r, false);
    deliver(&r, "failed", "a", HW_EHANDLER_ERROR);
    deliver(&r, "done", "a", 0);
    give_up(&r, "failed", now);
    give_up(&r, "failed", now + HOUR); /* it has its time */
    give_up(&r, "done", now);
    assert_known(&r, "done", "a", HW_SUCCEEDED, 2, false);
    assert_known(&r, "failed", "a", HW_FAILED, 3, false);
    assert_int_equal(pick(&r, now + HOUR, 1, &row), 1);
    assert_int_equal(row.seq, 1);
    assert_int_equal(row.next_run_at, now + MINUTE);
    assert_int_equal(number("SELECT count(*) FROM notifications WHERE next_run_at IS NOT NULL"), 1);
    close_rig(&r);
}

static void finds_at_its_next_start_what_was_under_way(void **state)
{
    struct rig r;
    struct hw_ledger_due_row row;
    (void)state;
    open_rig(&r, false);
    free_notification(start(&r, "job"));
    for (int lost = 1; lost <= 3; lost++) {
        bool last = lost == 3;
        reopen(&r);
        assert_known(&r, "job", "a", last ? HW_DEAD : HW_FAILED, 1, false);
        assert_int_equal(number("SELECT lost FROM notifications"), lost);
        assert_int_equal(number("SELECT count(*) FROM notifications WHERE error = 'host_lost'"), 1);
        assert_int_equal(pick(&r, now_ms(), 1, &row), !last);
        exec("UPDATE notifications SET state = 6"); /* it runs again */
    }
    exec("UPDATE notifications SET state = 2, lost = 1");
    free_notification(start(&r, "job"));
    assert_int_equal(number("SELECT lost FROM notifications"), 1);
    deliver(&r, "job", "a", HW_EHANDLER_ERROR);
    assert_int_equal(number("SELECT lost FROM notifications"), 0); /* three times in a row */
    close_rig(&r);
}

static void keeps_a_delay_that_a_clock_behind_would_make_longer(void **state)
{
    struct rig r;
    struct hw_ledger_due_row rows[3];
    int64_t now = now_ms();
    (void)state;
    open_rig(&r, false);
    give_up(&r, "ahead", now + 5 * HOUR); /* by the clock of that time */
    give_up(&r, "evenly", now - 1000);
    give_up(&r, "pooled", now + 5 * HOUR);
    exec("UPDATE notifications SET pool = 'a' WHERE seq = 3");
    reopen(&r);
    assert_int_equal(number("SELECT next_run_at - settled_at FROM notifications WHERE seq = 1"),
                     MINUTE);
    assert_true(number("SELECT next_run_at FROM notifications WHERE seq = 3") <= now_ms() + MINUTE);
    assert_int_equal(pick(&r, now_ms() + MINUTE, 3, rows), 3);
    assert_int_equal(number("SELECT next_run_at FROM notifications WHERE seq = 2"),
                     now - 1000 + MINUTE);
    close_rig(&r);
}

/* However long the ledger is: neither statement reads it all. */
static void looks_only_where_something_may_be(void **state)
{
    struct rig r;
    static const char *const plans[] = {
        "EXPLAIN QUERY PLAN SELECT seq FROM notifications WHERE next_run_at <= 1"
        " AND pool IS NULL AND body IS NOT NULL ORDER BY next_run_at LIMIT 1",
        "EXPLAIN QUERY PLAN UPDATE notifications SET settled_at = 1"
        " WHERE next_run_at > 1 AND pool IS NULL AND settled_at > 1",
        "EXPLAIN QUERY PLAN UPDATE notifications SET state = 2 WHERE state = 6"};
    (void)state;
    open_rig(&r, false);
    for (int i = 0; i < 3; i++) {
        sqlite3 *db = open_other();
        sqlite3_stmt *stmt;
        assert_int_equal(sqlite3_prepare_v2(db, plans[i], -1, &stmt, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        const char *detail = (const char *)sqlite3_column_text(stmt, 3);
        assert_non_null(strstr(detail, i < 2 ? "by_due (next_run_at" : "by_start"));
        assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
        sqlite3_finalize(stmt);
        sqlite3_close(db);
    }
    close_rig(&r);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, new_file, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(finds_what_is_due_the_longest_due_first),
        CASE(finds_nothing_without_a_body),
        CASE(finds_of_a_pool_what_it_has_room_for),
        CASE(records_a_start_and_what_comes_of_it_in_one_row),
        CASE(leaves_a_started_one_that_is_held_as_it_is),
        CASE(has_the_host_run_what_failed_when_its_last_look_up_did),
        CASE(finds_at_its_next_start_what_was_under_way),
        CASE(keeps_a_delay_that_a_clock_behind_would_make_longer),
        CASE(looks_only_where_something_may_be),
    };
    return cmocka_run_group_tests_name("due", tests, NULL, NULL);
}
