/* pools_test.c -- how many of a pool may run: unknown, known, changed, without a limit. */
#include "trip/pools.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct hw_str A = {"Order.*", 7}, B = {"*", 1};

static void lets_one_run_of_what_it_does_not_know(void **state)
{
    struct hw_pools pools = {0};
    (void)state;
    assert_int_equal(hw_pools_room(&pools, A), 1);
    struct hw_pool *pool = hw_pools_enter(&pools, A);
    assert_non_null(pool);
    assert_int_equal(hw_pools_room(&pools, A), 0);
    hw_pools_leave(pool);
    assert_int_equal(hw_pools_room(&pools, A), 1);
    hw_pools_fini(&pools);
}

static void keeps_the_limit_that_it_learned(void **state)
{
    struct hw_pools pools = {0};
    (void)state;
    hw_pools_learn(&pools, A, 3);
    assert_int_equal(hw_pools_room(&pools, A), 3);
    assert_int_equal(hw_pools_room(&pools, B), 1);
    struct hw_pool *pool = NULL;
    for (int i = 0; i < 3; i++)
        pool = hw_pools_enter(&pools, A);
    assert_non_null(pool);
    assert_int_equal(hw_pools_room(&pools, A), 0);
    hw_pools_learn(&pools, A, 2); /* more are in hand than may be */
    assert_int_equal(hw_pools_room(&pools, A), 0);
    hw_pools_leave(pool);
    assert_int_equal(hw_pools_room(&pools, A), 0);
    hw_pools_leave(pool);
    assert_int_equal(hw_pools_room(&pools, A), 1);
    hw_pools_learn(&pools, A, 0);
    assert_true(hw_pools_room(&pools, A) == SIZE_MAX);
    hw_pools_fini(&pools);
}

static void lists_them_with_their_room(void **state)
{
    struct hw_pools pools = {0};
    struct hw_arena arena;
    size_t count = 7;
    (void)state;
    hw_arena_init(&arena, NULL, 0);
    assert_null(hw_pools_list(&pools, &arena, &count));
    assert_int_equal(count, 0);
    hw_pools_learn(&pools, A, 3);
    hw_pools_learn(&pools, B, 5);
    assert_non_null(hw_pools_enter(&pools, B));
    const struct hw_ledger_room *rooms = hw_pools_list(&pools, &arena, &count);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(rooms[i].room, hw_str_eq(rooms[i].pool, A) ? 3 : 5);
    hw_arena_fini(&arena);
    hw_pools_fini(&pools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_one_run_of_what_it_does_not_know),
        cmocka_unit_test(keeps_the_limit_that_it_learned),
        cmocka_unit_test(lists_them_with_their_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
