/* The ledger knows when the oldest notification that waits to be run was received. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ledger/file_rig.h"
#include "ledger/sqlite.h"

enum { MANY = 60000 };

static int64_t oldest(const struct rig *r)
{
    struct hw_sqlite *s = (struct hw_sqlite *)r->ledger;
    s->waiting.looked_at = s->totals.looked_at = 0;
    r->ledger->type->tend(r->ledger, true);
    return hw_ledger_oldest_waiting(r->ledger);
}

/* Number `i` was received at 1000 + i seconds. */
static void put(const struct rig *r, int i, enum hw_ledger_state state, int64_t next_run_at,
                const char *lane)
{
    struct hw_notification *n = numbered_notification(i);
    assert_int_equal(hw_ledger_look_up(r->ledger, r->reader, &n->identity, &n->known), 0);
    n->from_row = n->known.row;
    n->received_at = 1000 + i;
    n->state = state;
    n->next_run_at = n->settled_at = next_run_at;
    n->accepted = next_run_at || lane;
    n->outcome.code = state == HW_SUCCEEDED ? 0 : HW_EHANDLER_ERROR;
    n->lane = lane ? hw_str_of(lane) : HW_STR_NONE;
    assert_int_equal(hw_ledger_commit(r->ledger, &n, 1), 0);
    free_notification(n);
}

static void is_the_first_that_waits(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    assert_int_equal(oldest(&r), 0);
    put(&r, 1, HW_FAILED, 0, NULL); /* its sender delivers it again */
    put(&r, 2, HW_DEAD, 0, NULL);
    put(&r, 3, HW_UNHANDLED, 0, NULL);
    put(&r, 4, HW_SUCCEEDED, 0, NULL);
    put(&r, 5, HW_STARTED, 10, NULL);
    assert_int_equal(oldest(&r), 0);
    put(&r, 6, HW_FAILED, 10, NULL);
    put(&r, 7, HW_QUEUED, 10, "lane");
    put(&r, 8, HW_QUEUED, 10, "lane"); /* behind that one */
    assert_int_equal(oldest(&r), 1006000);
    put(&r, 6, HW_SUCCEEDED, 0, NULL);
    assert_int_equal(oldest(&r), 1007000);
    put(&r, 7, HW_STARTED, 10, "lane");
    assert_int_equal(oldest(&r), 1008000);
    put(&r, 5, HW_FAILED, 20, NULL); /* its run failed, and it is an older one */
    assert_int_equal(oldest(&r), 1005000);
    put(&r, 1, HW_FAILED, 20, NULL);
    assert_int_equal(oldest(&r), 1001000);
    reopen(&r);
    assert_int_equal(oldest(&r), 1001000);
    exec("DELETE FROM notifications");
    assert_int_equal(oldest(&r), 0);
    put(&r, 9, HW_QUEUED, 10, NULL); /* by the number of the first row */
    assert_int_equal(oldest(&r), 1009000);
    close_rig(&r);
}

static void finds_an_older_one_that_another_program_made_wait(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    put(&r, 1, HW_DEAD, 0, NULL);
    put(&r, 2, HW_QUEUED, 10, NULL);
    assert_int_equal(oldest(&r), 1002000);
    exec("UPDATE notifications SET state = 2, next_run_at = 10 WHERE seq = 1");
    assert_int_equal(oldest(&r), 1001000);
    close_rig(&r);
}

static void counts_what_a_pause_has_set_aside(void **state)
{
    struct rig r;
    struct hw_arena arena;
    struct {
        struct hw_ledger_due due;
        struct hw_ledger_due_row row;
    } one = {.due = {.now_ms = 1000, .max = 1, .arena = &arena}};
    struct hw_pause pause = {.since = 1, .pattern = HW_STR("*")};
    (void)state;
    hw_arena_init(&arena, NULL, 0);
    open_rig(&r, false);
    put(&r, 1, HW_QUEUED, 10, NULL);
    assert_int_equal(r.ledger->type->pause(r.ledger, &pause), 0);
    assert_int_equal(r.ledger->type->pick(r.ledger, &one.due), 0);
    assert_int_equal(number("SELECT sum(parked) FROM notifications"), 1);
    assert_int_equal(oldest(&r), 1001000);
    close_rig(&r);
    hw_arena_fini(&arena);
}

/* No step takes long, and what was passed once is not looked at again. */
static void goes_past_what_is_dead_step_by_step(void **state)
{
    struct rig r;
    int steps = 1;
    (void)state;
    open_rig(&r, false);
    exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)"
         " INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries, runs,"
         " received_at, settled_at) SELECT 'dead-' || i, x'', 'A.A', 2, 5, 1, 1, i, i FROM n");
    put(&r, 1, HW_QUEUED, 10, NULL);
    while (oldest(&r) == 0)
        assert_true(++steps < 1000);
    assert_int_equal(oldest(&r), 1001000);
    assert_int_equal(((struct hw_sqlite *)r.ledger)->waiting.from, MANY + 1);
    put(&r, 1, HW_SUCCEEDED, 0, NULL);
    put(&r, 2, HW_QUEUED, 10, NULL);
    assert_int_equal(oldest(&r), 1002000);
    close_rig(&r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_file, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(is_the_first_that_waits),
        TEST(finds_an_older_one_that_another_program_made_wait),
        TEST(counts_what_a_pause_has_set_aside),
        TEST(goes_past_what_is_dead_step_by_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
