/* Old rows are removed, whatever the clock does and in whatever order the rows are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ledger/file_rig.h"
#include "ledger/sqlite.h"

#define DAY_MS "86400000"

static void removes_what_is_older_than_the_retention(void **state)
{
    enum { OLD = 700, FRESH = 10 }; /* fewer than the limit for a minute */
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

/* An old row that was run again lately is kept. However many those are, old rows behind them are
 * removed. */
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

/* If it waited, no outcome could be committed. The pass goes on once the lock is released. */
static void does_not_wait_for_another_programs_lock(void **state)
{
    enum { OLD = 600 };
    struct rig r;
    (void)state;
    config.retention_ms = 30ull * 86400000;
    open_rig(&r, false);
    fill(&r, 0, OLD);
    exec("UPDATE notifications SET received_at = 1, settled_at = 1");
    fill(&r, OLD, 1);
    assert_true(r.ledger->type->tend(r.ledger, true)); /* the filter is filled */
    sqlite3 *other = open_other();
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_false(r.ledger->type->tend(r.ledger, true));
    sqlite3_close(other);
    tend_all(&r);
    assert_int_equal(number("SELECT count(*) FROM notifications"), 1);
    close_rig(&r);
}

static void keeps_what_is_to_run_again_and_for_its_own_time_what_is_dead(void **state)
{
    struct rig r;
    (void)state;
    config.retention_ms = 30ull * 86400000;
    for (int limited = 0; limited < 2; limited++) {
        config.dead_retention_ms = limited * 60ull * 86400000;
        open_rig(&r, false);
        exec("DELETE FROM notifications");
        fill(&r, 0, 5);
        exec("UPDATE notifications SET received_at = received_at - 61 * " DAY_MS
             ", settled_at = settled_at - 31 * " DAY_MS);
        exec("UPDATE notifications SET state = 2, next_run_at = 1 WHERE seq = 2");
        exec("UPDATE notifications SET state = 6, next_run_at = 1 WHERE seq = 3");
        exec("UPDATE notifications SET state = 4 WHERE seq = 4");
        exec("UPDATE notifications SET state = 4, settled_at = settled_at - 30 * " DAY_MS
             " WHERE seq = 5");
        fill(&r, 5, 1);
        tend_all(&r);
        assert_int_equal(number("SELECT count(*) FROM notifications WHERE seq IN (2, 3, 4)"), 3);
        assert_int_equal(number("SELECT count(*) FROM notifications WHERE seq = 5"), !limited);
        assert_int_equal(number("SELECT count(*) FROM notifications WHERE seq = 1"), 0);
        close_rig(&r);
    }
}

/* ---- clocks that leap ---- */

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static int64_t wall_ahead, steady_now; /* milliseconds */

static int64_t fake_wall(void)
{
    return (int64_t)(hw_now() * 1000) + wall_ahead;
}

static int64_t fake_steady(void)
{
    return steady_now;
}

/* Both clocks advance by the same time. */
static void pass_time(int64_t ms)
{
    steady_now += ms;
    wall_ahead += ms;
}

static void open_with_clocks(struct rig *r)
{
    config.retention_ms = 30ull * DAY;
    wall_ahead = steady_now = 0;
    open_rig(r, false);
}

static void start_clocks(const struct rig *r)
{
    struct hw_ledger_clock *clock = &((struct hw_sqlite *)r->ledger)->retention.clock;
    clock->wall = fake_wall;
    clock->steady = fake_steady;
}

static void assert_rows(int64_t count)
{
    assert_int_equal(number("SELECT count(*) FROM notifications"), count);
}

/* Every minute for an hour, both clocks advance and the ledger is tended. */
static void wait_an_hour(const struct rig *r)
{
    for (int i = 0; i < 60; i++) {
        pass_time(MINUTE);
        tend_all(r);
    }
}

static void removes_nothing_while_the_clock_is_ahead(void **state)
{
    struct rig r;
    (void)state;
    open_with_clocks(&r);
    start_clocks(&r);
    fill(&r, 0, 2000);
    tend_all(&r);
    wall_ahead += 31ll * DAY;
    tend_all(&r);
    pass_time(2 * SECOND);
    tend_all(&r);
    assert_rows(2000);
    wall_ahead -= 31ll * DAY;
    tend_all(&r);
    wait_an_hour(&r);
    tend_all(&r);
    assert_rows(2000);
    close_rig(&r);
}

/* The leap corrected a clock that had been wrong: due rows are removed, a thousand a minute. */
static void removes_slowly_once_the_clocks_have_agreed_for_an_hour(void **state)
{
    struct rig r;
    (void)state;
    open_with_clocks(&r);
    start_clocks(&r);
    fill(&r, 0, 3000);
    tend_all(&r);
    wall_ahead += 31ll * DAY;
    tend_all(&r);
    for (int i = 0; i < 59; i++) {
        pass_time(MINUTE);
        tend_all(&r);
    }
    assert_rows(3000);
    int64_t before = 3000;
    for (int minutes = 0; minutes < 10 && before > 0; minutes++) {
        pass_time(MINUTE);
        tend_all(&r);
        int64_t now = number("SELECT count(*) FROM notifications");
        assert_in_range(before - now, 0, 1000);
        assert_true(now < before);
        before = now;
    }
    assert_rows(0);
    close_rig(&r);
}

/* The clock is wrong for good, and the newest row was stamped with it: the start sees no leap. */
static void removes_slowly_after_a_start_that_finds_nothing_wrong(void **state)
{
    struct rig r;
    (void)state;
    open_with_clocks(&r);
    fill(&r, 0, 3001);
    exec("UPDATE notifications SET received_at = received_at + 31 * " DAY_MS
         ", settled_at = settled_at + 31 * " DAY_MS " WHERE seq = 3001");
    wall_ahead = 31ll * DAY;
    reopen(&r);
    start_clocks(&r);
    tend_all(&r);
    assert_in_range(number("SELECT count(*) FROM notifications"), 2001, 3000);
    for (int minutes = 0; minutes < 10; minutes++) {
        pass_time(MINUTE);
        tend_all(&r);
    }
    assert_rows(1);
    close_rig(&r);
}

static void removes_nothing_at_a_start_in_1970_or_after_it(void **state)
{
    struct rig r;
    (void)state;
    open_with_clocks(&r);
    fill(&r, 0, 100);
    start_clocks(&r);
    wall_ahead = -(int64_t)(hw_now() * 1000);
    tend_all(&r);
    pass_time(2 * SECOND);
    tend_all(&r);
    wall_ahead = 0;
    tend_all(&r);
    wait_an_hour(&r);
    tend_all(&r);
    assert_rows(100);
    /* Such a start would have stamped them so. */
    exec("UPDATE notifications SET received_at = 5000, settled_at = 5000");
    reopen(&r);
    start_clocks(&r);
    tend_all(&r);
    assert_rows(100);
    wait_an_hour(&r);
    tend_all(&r);
    assert_rows(0); /* a hundred are fewer than the limit for a minute */
    close_rig(&r);
}

static void takes_the_small_steps_of_a_time_server_for_none(void **state)
{
    struct rig r;
    (void)state;
    open_with_clocks(&r);
    start_clocks(&r);
    fill(&r, 0, 100);
    tend_all(&r);
    for (int i = 0; i < 100; i++) { /* fifty seconds an hour */
        pass_time(HOUR);
        wall_ahead += 50 * SECOND;
        tend_all(&r);
    }
    exec("UPDATE notifications SET received_at = received_at - 40 * " DAY_MS
         ", settled_at = settled_at - 40 * " DAY_MS);
    pass_time(MINUTE);
    tend_all(&r);
    assert_rows(0);
    close_rig(&r);
}

/* Rows from a time when the clock was ahead stay until they are old. The rows behind them need not
 * wait for that. */
static void goes_on_behind_rows_that_are_ahead_of_time(void **state)
{
    enum { AHEAD = 600, OLD = 700, FRESH = 5 };
    struct rig r;
    (void)state;
    config.retention_ms = 30ull * DAY;
    open_rig(&r, false);
    fill(&r, 0, AHEAD);
    exec("UPDATE notifications SET received_at = received_at + 4000 * " DAY_MS
         ", settled_at = settled_at + 4000 * " DAY_MS);
    fill(&r, AHEAD, OLD);
    exec("UPDATE notifications SET received_at = received_at - 31 * " DAY_MS
         ", settled_at = settled_at - 31 * " DAY_MS " WHERE seq > 600");
    fill(&r, AHEAD + OLD, FRESH);
    tend_all(&r);
    assert_rows(AHEAD + FRESH);
    close_rig(&r);
}

/* Once a day a pass also covers the rows behind young ones. */
static void finds_in_a_day_what_is_old_behind_what_is_young(void **state)
{
    struct rig r;
    (void)state;
    open_with_clocks(&r);
    start_clocks(&r);
    fill(&r, 0, 1000);
    tend_all(&r);
    exec("UPDATE notifications SET received_at = received_at - 31 * " DAY_MS
         ", settled_at = settled_at - 31 * " DAY_MS " WHERE seq > 600");
    tend_all(&r);
    assert_rows(1000);
    for (int i = 0; i < 24; i++) {
        pass_time(HOUR);
        tend_all(&r);
    }
    assert_rows(600);
    close_rig(&r);
}

int main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(removes_what_is_older_than_the_retention),
        cmocka_unit_test(keeps_everything_without_a_retention),
        cmocka_unit_test(keeps_what_is_to_run_again_and_for_its_own_time_what_is_dead),
        cmocka_unit_test(does_not_wait_for_another_programs_lock),
        cmocka_unit_test(keeps_what_was_settled_lately_and_goes_on_behind_it),
        cmocka_unit_test(removes_nothing_while_the_clock_is_ahead),
        cmocka_unit_test(removes_slowly_once_the_clocks_have_agreed_for_an_hour),
        cmocka_unit_test(removes_slowly_after_a_start_that_finds_nothing_wrong),
        cmocka_unit_test(removes_nothing_at_a_start_in_1970_or_after_it),
        cmocka_unit_test(takes_the_small_steps_of_a_time_server_for_none),
        cmocka_unit_test(goes_on_behind_rows_that_are_ahead_of_time),
        cmocka_unit_test(finds_in_a_day_what_is_old_behind_what_is_young),
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        tests[i].setup_func = new_file; /* a file for each */
        tests[i].teardown_func = remove_file;
    }
    return cmocka_run_group_tests_name("ledger_retention", tests, NULL, NULL);
}
