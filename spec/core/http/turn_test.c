/* A connection that has more to do than its turn allows is held, and held ones go on in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/turn.h"

enum { MANY = 3 * HW_TURN_RESUMED };

struct rig {
    uv_loop_t loop;
    uv_timer_t alive; /* so that the loop has something to wait for */
    struct hw_turns all;
    struct hw_turn some[MANY];
    int resumed[4 * MANY]; /* in this order */
    int count;
    int again; /* how often those that are resumed have more to do */
    struct hw_turn *leaves;
    bool shakes; /* those that are resumed take a step of their handshake */
};

static struct rig r;

/* Begins as many requests as the turn allows; then it is held. */
static int use_up(struct hw_turn *turn)
{
    int begun = 0;
    while (hw_turn_begin(&r.all, turn))
        begun++;
    return begun;
}

static void on_resume(struct hw_turn *turn)
{
    assert_false(hw_turn_is_held(turn));
    r.resumed[r.count++] = (int)(turn - r.some);
    if (r.leaves)
        hw_turn_leave(r.leaves);
    if (r.shakes)
        assert_true(hw_turn_shake(&r.all, turn, true));
    if (r.again-- > 0)
        assert_int_equal(use_up(turn), HW_TURN_REQUESTS);
}

static void on_alive(uv_timer_t *timer)
{
    (void)timer;
}

static size_t room(int index)
{
    return hw_turn_room(&r.all, &r.some[index], HW_TURN_BYTES);
}

static int open_rig(void **state)
{
    (void)state;
    r = (struct rig){0};
    assert_int_equal(uv_loop_init(&r.loop), 0);
    assert_int_equal(uv_timer_init(&r.loop, &r.alive), 0);
    assert_int_equal(uv_timer_start(&r.alive, on_alive, 1000000, 0), 0);
    hw_turns_init(&r.all, &r.loop, on_resume);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    assert_false(uv_is_active((uv_handle_t *)&r.all.idle)); /* the loop may sleep */
    uv_close((uv_handle_t *)&r.alive, NULL);
    uv_close((uv_handle_t *)&r.all.check, NULL);
    uv_close((uv_handle_t *)&r.all.idle, NULL);
    uv_run(&r.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r.loop), 0);
    return 0;
}

static void run_a_turn(void)
{
    uv_run(&r.loop, UV_RUN_NOWAIT);
}

static void lets_a_connection_begin_so_many_requests_a_turn(void **state)
{
    (void)state;
    assert_int_equal(use_up(&r.some[0]), HW_TURN_REQUESTS);
    assert_true(hw_turn_is_held(&r.some[0]));
    assert_int_equal(use_up(&r.some[1]), HW_TURN_REQUESTS); /* each has its own limit */
    assert_int_equal(r.count, 0);
    run_a_turn();
    assert_int_equal(r.count, 2);
    assert_int_equal(use_up(&r.some[0]), HW_TURN_REQUESTS);
    run_a_turn();
    assert_int_equal(r.count, 3);
}

static void lets_a_connection_read_so_much_a_turn(void **state)
{
    (void)state;
    assert_int_equal(room(0), HW_TURN_BYTES);
    hw_turn_read(&r.all, &r.some[0], HW_TURN_BYTES - 1);
    assert_int_equal(room(0), 1);
    hw_turn_read(&r.all, &r.some[0], 1);
    assert_int_equal(room(0), 0);
    run_a_turn();
    assert_int_equal(room(0), HW_TURN_BYTES);
}

static void lets_large_ones_wait_when_all_have_read_much(void **state)
{
    (void)state;
    for (int i = 0; i < HW_TURN_BYTES_ALL / HW_TURN_BYTES; i++)
        hw_turn_read(&r.all, &r.some[i], room(i));
    assert_int_equal(r.all.bytes, HW_TURN_BYTES_ALL);
    assert_int_equal(room(0), 0);
    assert_int_equal(room(MANY - 1), 0);
    assert_int_equal(hw_turn_room(&r.all, &r.some[MANY - 1], HW_TURN_BYTES_LEAST), HW_TURN_BYTES);
    run_a_turn();
    assert_int_equal(room(0), HW_TURN_BYTES);
}

static void lets_one_that_is_held_read_nothing(void **state)
{
    (void)state;
    use_up(&r.some[0]);
    assert_int_equal(room(0), 0);
    hw_turn_leave(&r.some[0]);
    hw_turn_leave(&r.some[0]); /* the second call does nothing */
    assert_int_equal(room(0), HW_TURN_BYTES);
    run_a_turn();
    assert_int_equal(r.count, 0);
}

static void goes_on_in_their_order_and_not_with_all_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < MANY; i++)
        use_up(&r.some[i]);
    for (int turn = 1; turn <= MANY / HW_TURN_RESUMED; turn++) {
        run_a_turn();
        assert_int_equal(r.count, turn * HW_TURN_RESUMED);
    }
    for (int i = 0; i < MANY; i++)
        assert_int_equal(r.resumed[i], i);
}

static void puts_who_has_still_more_behind_the_others(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        use_up(&r.some[i]);
    r.again = 3;
    run_a_turn();
    assert_int_equal(r.count, 3); /* each once */
    use_up(&r.some[3]);
    run_a_turn();
    assert_int_equal(r.count, 7);
    for (int i = 3; i < 7; i++)
        assert_int_equal(r.resumed[i], i - 3);
}

static void bears_one_that_leaves_while_the_others_go_on(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        use_up(&r.some[i]);
    r.leaves = &r.some[2]; /* the last, at which the round would end */
    run_a_turn();
    assert_int_equal(r.count, 2);
}

/* Holds the handshakes `from` to `to`, with no step left in this turn. */
static void hold_handshakes(int from, int to, bool have_begun)
{
    r.all.handshakes = HW_TURN_HANDSHAKES;
    for (int i = from; i < to; i++)
        assert_false(hw_turn_shake(&r.all, &r.some[i], have_begun));
}

static void takes_so_many_steps_of_handshakes_a_turn(void **state)
{
    (void)state;
    for (int i = 0; i < HW_TURN_HANDSHAKES; i++)
        assert_true(hw_turn_shake(&r.all, &r.some[i], false));
    assert_false(hw_turn_shake(&r.all, &r.some[HW_TURN_HANDSHAKES], false));
    assert_true(hw_turn_is_held(&r.some[HW_TURN_HANDSHAKES]));
    run_a_turn();
    assert_int_equal(r.count, 1);
}

static void goes_on_with_handshakes_that_have_begun_before_the_others(void **state)
{
    enum { BEGUN = HW_TURN_HANDSHAKES + 2, ALL = 2 * HW_TURN_HANDSHAKES };
    (void)state;
    r.shakes = true;
    hold_handshakes(BEGUN, ALL, false);
    hold_handshakes(0, BEGUN, true);
    for (int turn = 1; turn <= ALL / HW_TURN_HANDSHAKES; turn++) {
        run_a_turn();
        assert_int_equal(r.count, turn * HW_TURN_HANDSHAKES);
    }
    for (int i = 0; i < ALL; i++)
        assert_int_equal(r.resumed[i], i); /* each kind in its order */
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        CASE(lets_a_connection_begin_so_many_requests_a_turn),
        CASE(lets_a_connection_read_so_much_a_turn),
        CASE(lets_large_ones_wait_when_all_have_read_much),
        CASE(lets_one_that_is_held_read_nothing),
        CASE(goes_on_in_their_order_and_not_with_all_at_once),
        CASE(puts_who_has_still_more_behind_the_others),
        CASE(takes_so_many_steps_of_handshakes_a_turn),
        CASE(goes_on_with_handshakes_that_have_begun_before_the_others),
        CASE(bears_one_that_leaves_while_the_others_go_on),
    };
    return cmocka_run_group_tests_name("turn", tests, NULL, NULL);
}
