/* What is due is taken in hand, a few at a time; the dispatch is a fake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "trip/due.h"

static struct {
    int picks, pick_code, run_code;
    size_t max;
    int64_t run[16];
    size_t ran;
} fake;

int hw_dispatch_pick(struct hw_dispatch *d, size_t max)
{
    (void)d;
    fake.picks++;
    fake.max = max;
    return fake.pick_code;
}

int hw_dispatch_run_due(struct hw_dispatch *d, const struct hw_ledger_due_row *row)
{
    (void)d;
    if (fake.run_code == 0)
        fake.run[fake.ran++] = row->seq;
    return fake.run_code;
}

struct rig {
    uv_loop_t loop;
    struct hw_ledger ledger;
    struct hw_ledger_type type;
    struct hw_dispatch d;
    struct hw_due due;
};

/* The first look is under way. */
static void open_rig(struct rig *r, unsigned workers)
{
    memset(r, 0, sizeof *r);
    memset(&fake, 0, sizeof fake);
    assert_int_equal(uv_loop_init(&r->loop), 0);
    r->ledger.type = &r->type;
    r->d.ledger = &r->ledger;
    assert_int_equal(hw_due_start(&r->due, &r->loop, &r->d, workers), 0);
    r->due.timer.timer_cb(&r->due.timer);
    assert_int_equal(fake.picks, 1);
}

static void close_rig(struct rig *r)
{
    uv_close((uv_handle_t *)&r->due.timer, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    hw_due_fini(&r->due);
}

static void look(struct rig *r)
{
    r->due.timer.timer_cb(&r->due.timer);
}

/* The rows from `first` on, of at most `max`, as the ledger found them. */
static void found(struct rig *r, int code, int64_t first, size_t count)
{
    struct hw_ledger_due *due = calloc(1, sizeof *due + count * sizeof *due->rows);
    assert_non_null(due);
    due->max = fake.max;
    due->count = count;
    for (size_t i = 0; i < count; i++)
        due->rows[i].seq = first + (int64_t)i;
    r->d.picked(r->d.in_hand.owner, code, due);
    free(due);
}

static void ended(struct rig *r, int64_t row, bool moot)
{
    r->d.in_hand.ended(r->d.in_hand.owner, row, moot);
}

static void takes_one_less_than_there_are_workers(void **state)
{
    static const size_t max[] = {1, 1, 2, 7};
    static const unsigned workers[] = {1, 2, 3, 8};
    struct rig r;
    (void)state;
    for (int i = 0; i < 4; i++) {
        open_rig(&r, workers[i]);
        assert_int_equal(fake.max, max[i]);
        found(&r, 0, 1, max[i]);
        assert_int_equal(fake.ran, max[i]);
        look(&r); /* all that it may have is in hand */
        assert_int_equal(fake.picks, 1);
        close_rig(&r);
    }
}

/* Until their start is recorded those in hand are due. */
static void takes_none_twice(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, 4);
    found(&r, 0, 1, 2);
    look(&r);
    found(&r, 0, 1, 3);
    assert_int_equal(fake.ran, 3);
    assert_int_equal(fake.run[2], 3);
    ended(&r, 2, false);
    found(&r, 0, 2, 1);
    assert_int_equal(fake.ran, 4);
    assert_int_equal(fake.run[3], 2);
    close_rig(&r);
}

static void asks_once_at_a_time_and_again_after_a_failure(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, 3);
    look(&r);
    assert_int_equal(fake.picks, 1);
    found(&r, HW_ELEDGER_UNAVAILABLE, 0, 0);
    fake.pick_code = HW_ENOMEM;
    look(&r);
    look(&r);
    assert_int_equal(fake.picks, 3);
    close_rig(&r);
}

static void asks_at_once_when_one_has_ended_and_there_was_more(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, 3);
    found(&r, 0, 1, 2);
    ended(&r, 1, false);
    assert_int_equal(fake.picks, 2);
    found(&r, 0, 2, 1); /* no more */
    ended(&r, 2, false);
    assert_int_equal(fake.picks, 2);
    look(&r);
    found(&r, 0, 5, 2);
    ended(&r, 5, true); /* it would be found again at once */
    ended(&r, 6, false);
    assert_int_equal(fake.picks, 3);
    close_rig(&r);
}

static void leaves_the_rest_to_the_next_look_without_memory(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, 3);
    fake.run_code = HW_ENOMEM;
    found(&r, 0, 1, 2);
    fake.run_code = 0;
    look(&r);
    found(&r, 0, 1, 2);
    assert_int_equal(fake.ran, 2);
    close_rig(&r);
}

static void asks_at_once_when_the_ledger_has_not_seen_all(void **state)
{
    struct rig r;
    struct hw_ledger_due due = {.max = 2, .again = true};
    (void)state;
    open_rig(&r, 3);
    r.d.picked(r.d.in_hand.owner, HW_ELEDGER_UNAVAILABLE, &due);
    assert_int_equal(fake.picks, 1);
    r.d.picked(r.d.in_hand.owner, 0, &due);
    assert_int_equal(fake.picks, 2);
    close_rig(&r);
}

static void added(struct rig *r)
{
    r->d.in_hand.added(r->d.in_hand.owner);
}

static bool may_take(struct rig *r)
{
    return r->d.in_hand.take(r->d.in_hand.owner);
}

/* The ledger may have looked before it was added. */
static void asks_again_for_what_was_added_while_it_was_asked(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, 4);
    added(&r);
    assert_int_equal(fake.picks, 1);
    found(&r, 0, 1, 0);
    assert_int_equal(fake.picks, 2);
    assert_false(may_take(&r)); /* it is older */
    found(&r, 0, 1, 1);
    assert_int_equal(fake.picks, 2);
    assert_true(may_take(&r));
    added(&r);
    assert_int_equal(fake.picks, 3);
    close_rig(&r);
}

static void lets_in_from_memory_while_there_is_room_and_nothing_waits(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, 4);
    found(&r, 0, 1, 1);
    assert_true(may_take(&r));
    assert_true(may_take(&r));
    assert_false(may_take(&r)); /* there is no room */
    ended(&r, 0, false);
    assert_true(may_take(&r));
    ended(&r, 1, false);
    assert_int_equal(fake.picks, 1);
    added(&r);
    assert_false(may_take(&r)); /* what was added is before it */
    close_rig(&r);
}

/* What is accepted must not keep from running what falls due. */
static void gives_a_place_to_what_is_due_while_all_are_taken(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, 3);
    assert_true(may_take(&r));
    assert_true(may_take(&r));
    found(&r, 0, 1, 1); /* there is no place for it */
    ended(&r, 0, false);
    assert_int_equal(fake.picks, 2);
    found(&r, 0, 1, 1);
    assert_int_equal(fake.ran, 1);
    look(&r); /* something may be due */
    assert_int_equal(fake.picks, 2);
    ended(&r, 0, false);
    assert_int_equal(fake.picks, 3);
    assert_false(may_take(&r));
    close_rig(&r);
}

static void takes_none_in_a_drain(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, 3);
    r.d.draining = true;
    found(&r, 0, 1, 2);
    assert_int_equal(fake.ran, 0);
    look(&r);
    assert_int_equal(fake.picks, 1);
    close_rig(&r);
}

static int claims_nothing(struct hw_ledger *ledger, struct hw_notification *const *batch,
                          size_t count)
{
    (void)ledger;
    (void)batch;
    (void)count;
    return 0;
}

static void open_shared_rig(struct rig *r, unsigned workers)
{
    open_rig(r, workers);
    r->due.takes = true;
}

static void knows_a_ledger_that_takes_what_it_finds(void **state)
{
    struct rig r = {.type = {.claim = claims_nothing}};
    (void)state;
    assert_int_equal(uv_loop_init(&r.loop), 0);
    r.ledger.type = &r.type;
    r.d.ledger = &r.ledger;
    assert_int_equal(hw_due_start(&r.due, &r.loop, &r.d, 3), 0);
    assert_true(r.due.takes);
    close_rig(&r);
}

/* Nobody else could run what has no place. */
static void has_no_more_taken_than_there_are_places(void **state)
{
    struct rig r;
    (void)state;
    open_shared_rig(&r, 5);
    assert_false(may_take(&r)); /* it may need all of them */
    found(&r, 0, 1, 2);
    assert_true(may_take(&r));
    look(&r);
    assert_int_equal(fake.picks, 2);
    assert_int_equal(fake.max, 1);
    found(&r, 0, 3, 1);
    look(&r);
    assert_int_equal(fake.picks, 2); /* all places are taken */
    ended(&r, 1, false);
    assert_int_equal(fake.picks, 3);
    assert_int_equal(fake.max, 1);
    close_rig(&r);
}

/* The dispatch gives back what can't run. */
static void leaves_out_none_that_was_taken(void **state)
{
    struct rig r;
    (void)state;
    open_shared_rig(&r, 4);
    r.d.draining = true;
    found(&r, 0, 1, 3);
    assert_int_equal(fake.ran, 3);
    for (int i = 1; i <= 3; i++)
        ended(&r, i, true);
    assert_int_equal(r.due.count, 0);
    close_rig(&r);
}

static void keeps_no_place_for_one_that_there_is_no_memory_for(void **state)
{
    struct rig r;
    (void)state;
    open_shared_rig(&r, 4);
    fake.run_code = HW_ENOMEM;
    found(&r, 0, 1, 2);
    assert_int_equal(r.due.count, 0);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_a_ledger_that_takes_what_it_finds),
        cmocka_unit_test(has_no_more_taken_than_there_are_places),
        cmocka_unit_test(leaves_out_none_that_was_taken),
        cmocka_unit_test(keeps_no_place_for_one_that_there_is_no_memory_for),
        cmocka_unit_test(takes_one_less_than_there_are_workers),
        cmocka_unit_test(takes_none_twice),
        cmocka_unit_test(asks_once_at_a_time_and_again_after_a_failure),
        cmocka_unit_test(asks_at_once_when_one_has_ended_and_there_was_more),
        cmocka_unit_test(leaves_the_rest_to_the_next_look_without_memory),
        cmocka_unit_test(asks_at_once_when_the_ledger_has_not_seen_all),
        cmocka_unit_test(asks_again_for_what_was_added_while_it_was_asked),
        cmocka_unit_test(lets_in_from_memory_while_there_is_room_and_nothing_waits),
        cmocka_unit_test(gives_a_place_to_what_is_due_while_all_are_taken),
        cmocka_unit_test(takes_none_in_a_drain),
    };
    return cmocka_run_group_tests_name("due", tests, NULL, NULL);
}
