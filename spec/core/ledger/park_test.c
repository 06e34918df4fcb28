/* What is due of a paused event is set aside and found no more, until it is resumed; neither loses a
 * row, in whatever steps, and whenever the host ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/clock.h"
#include "ledger/file.h"
#include "ledger/file_rig.h"

enum { MAX = 4, MANY = 2500 };

static int change(const struct rig *r, const char *pattern, bool resume, bool *changed)
{
    struct hw_pause pause = {.resume = resume, .since = 1000, .pattern = hw_str_of(pattern)};
    int rc = r->ledger->type->pause(r->ledger, &pause);
    *changed = pause.changed;
    return rc;
}

static void set(const struct rig *r, const char *pattern, bool resume)
{
    bool changed;
    assert_int_equal(change(r, pattern, resume, &changed), 0);
    assert_true(changed);
}

/* Rows that are due: `count` of an event, from `first` on, the lower the earlier. */
static void add(const char *event, int first, int count)
{
    char sql[640];
    snprintf(
        sql, sizeof sql,
        "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
        " INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries, runs,"
        " received_at, settled_at, next_run_at, body, retries) SELECT i,"
        " CAST(printf('%%032d', i) AS BLOB), '%s', 2, 5, 1, 1, i, i, i + 10, x'7b7d', 1 FROM n",
        first, first + count - 1, event);
    exec(sql);
}

static struct hw_ledger_due *pick(const struct rig *r)
{
    static struct {
        struct hw_ledger_due due;
        struct hw_ledger_due_row rows[MAX];
    } found;
    found.due = (struct hw_ledger_due){.now_ms = 1000000, .max = MAX};
    assert_int_equal(r->ledger->type->pick(r->ledger, &found.due), 0);
    return &found.due;
}

static int64_t parked(void)
{
    return number("SELECT count(*) FROM notifications WHERE parked = 1 AND next_run_at IS NULL");
}

static int64_t due_rows(void)
{
    return number(
        "SELECT count(*) FROM notifications WHERE parked = 0 AND next_run_at IS NOT NULL");
}

static void sets_aside_what_is_due_and_finds_what_is_behind(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    add("A.A", 1, MANY);
    add("B.B", MANY + 1, 2);
    set(&r, "A.*", false);
    int picks = 0;
    const struct hw_ledger_due *due;
    while ((due = pick(&r))->count == 0) {
        assert_true(due->again);
        assert_true(++picks < 10);
    }
    assert_int_equal(picks, 2); /* of a thousand rows each: no pick takes long */
    assert_int_equal(due->count, 2);
    assert_int_equal(due->rows[0].seq, MANY + 1);
    assert_int_equal(parked(), MANY);
    assert_false(pick(&r)->again && pick(&r)->again);
    assert_int_equal(pick(&r)->count, 2);
    close_rig(&r);
}

static void brings_back_what_is_resumed_the_oldest_first(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    add("A.A", 1, MANY);
    add("B.B", MANY + 1, 10);
    set(&r, "A.A", false);
    set(&r, "B.*", false);
    while (pick(&r)->again)
        ;
    assert_int_equal(parked(), MANY + 10);
    set(&r, "A.A", true);
    assert_int_equal(pick(&r)->count, 0); /* a step after the look */
    assert_int_equal(due_rows(), 1000);
    const struct hw_ledger_due *due = pick(&r);
    assert_int_equal(due->count, MAX);
    assert_int_equal(due->rows[0].seq, 1);
    assert_int_equal(due->rows[MAX - 1].seq, MAX);
    assert_int_equal(due_rows(), 1100); /* fewer, while there is work */
    while (pick(&r)->again)
        ;
    assert_int_equal(due_rows(), MANY);
    assert_int_equal(parked(), 10);
    close_rig(&r);
}

static void goes_on_with_both_after_a_restart(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    add("A.A", 1, MANY);
    add("B.B", MANY + 1, 10);
    set(&r, "*", false);
    pick(&r);
    reopen(&r);
    assert_true(hw_pauses_hold(&r.ledger->pauses, HW_STR("A.A")));
    while (pick(&r)->again)
        ;
    assert_int_equal(parked(), MANY + 10);
    set(&r, "B.B", false);
    set(&r, "*", true);
    pick(&r);
    assert_int_equal(due_rows(), 1000);
    reopen(&r);
    assert_false(hw_pauses_hold(&r.ledger->pauses, HW_STR("A.A")));
    while (pick(&r)->again)
        ;
    assert_int_equal(due_rows(), MANY);
    assert_int_equal(parked(), 10);
    close_rig(&r);
}

/* One whose body could not be decoded. */
static void brings_back_rows_without_an_event_too(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    add("", 1, 3);
    set(&r, "*", false);
    while (pick(&r)->again)
        ;
    assert_int_equal(parked(), 3);
    set(&r, "*", true);
    pick(&r);
    assert_int_equal(due_rows(), 3);
    close_rig(&r);
}

static void is_set_aside_no_more_once_it_has_run(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "job", "a", HW_EHANDLER_REFUSED);
    exec("UPDATE notifications SET next_run_at = 10");
    set(&r, "*", false);
    pick(&r);
    assert_int_equal(parked(), 1);
    deliver(&r, "job", "a", 0);
    assert_int_equal(number("SELECT parked FROM notifications WHERE state = 1"), 0);
    close_rig(&r);
}

static void says_whether_anything_has_changed(void **state)
{
    struct rig r;
    bool changed;
    (void)state;
    open_rig(&r, false);
    set(&r, "A.*", false);
    assert_int_equal(change(&r, "A.*", false, &changed), 0);
    assert_false(changed);
    assert_int_equal(change(&r, "A.A", true, &changed), 0);
    assert_false(changed);
    assert_int_equal(number("SELECT count(*) FROM pauses WHERE pattern = 'A.*' AND since = 1000"),
                     1);
    set(&r, "A.*", true);
    assert_int_equal(number("SELECT count(*) FROM pauses"), 0);
    close_rig(&r);
}

/* What could not be written is not in force either. */
static void changes_nothing_when_the_ledger_is_gone(void **state)
{
    struct rig r;
    bool changed;
    (void)state;
    open_rig(&r, false);
    set(&r, "A.*", false);
    run("mv %s %s.away");
    assert_int_equal(change(&r, "B.*", false, &changed), HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(change(&r, "A.*", true, &changed), HW_ELEDGER_UNAVAILABLE);
    assert_false(hw_pauses_hold(&r.ledger->pauses, HW_STR("B.B")));
    assert_true(hw_pauses_hold(&r.ledger->pauses, HW_STR("A.A")));
    run("mv %s.away %s");
    set(&r, "A.*", true);
    close_rig(&r);
}

/* Another program writes: what is paused is not picked all the same, and set aside later. */
static void does_not_wait_for_another_programs_lock(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    add("A.A", 1, 3);
    add("B.B", 4, 1);
    set(&r, "A.*", false);
    sqlite3 *other = open_other();
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    int64_t before = (int64_t)hw_now_ns();
    const struct hw_ledger_due *due = pick(&r);
    assert_true((int64_t)hw_now_ns() - before < HW_LEDGER_BUSY_MS * 500000ll);
    assert_int_equal(due->count, 1);
    assert_int_equal(due->rows[0].seq, 4);
    assert_false(due->again); /* not over and over */
    assert_int_equal(hw_ledger_health(r.ledger), HW_LEDGER_WELL);
    sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(other);
    assert_int_equal(parked(), 0);
    pick(&r);
    assert_int_equal(parked(), 3);
    close_rig(&r);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, new_file, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(sets_aside_what_is_due_and_finds_what_is_behind),
        CASE(brings_back_what_is_resumed_the_oldest_first),
        CASE(goes_on_with_both_after_a_restart),
        CASE(brings_back_rows_without_an_event_too),
        CASE(is_set_aside_no_more_once_it_has_run),
        CASE(says_whether_anything_has_changed),
        CASE(changes_nothing_when_the_ledger_is_gone),
        CASE(does_not_wait_for_another_programs_lock),
    };
    return cmocka_run_group_tests_name("park", tests, NULL, NULL);
}
