/* Values fall into the right bucket, and quantiles come out of the buckets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/histogram.h"

static const struct hw_histogram_bounds bounds = {3, {10, 20, 40}};

static void puts_a_value_at_a_bound_below_it(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 10, 11, 20, 21, 40, 41, 1000};
    struct hw_histogram h;
    hw_histogram_init(&h, &bounds);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        hw_histogram_add(&h, values[i]);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(hw_histogram_get(&h.counts[i]), 2);
    assert_int_equal(hw_histogram_count(&h), 8);
    assert_int_equal(hw_histogram_get(&h.sum), 1143);
}

static void finds_quantiles_inside_a_bucket(void **state)
{
    (void)state;
    struct hw_histogram h;
    hw_histogram_init(&h, &bounds);
    assert_float_equal(hw_histogram_quantile(&h, 0.5), 0, 1e-9);
    for (int i = 0; i < 50; i++) {
        hw_histogram_add(&h, 5);
        hw_histogram_add(&h, 15);
    }
    assert_float_equal(hw_histogram_quantile(&h, 0.25), 5, 1e-9);
    assert_float_equal(hw_histogram_quantile(&h, 0.5), 10, 1e-9);
    assert_float_equal(hw_histogram_quantile(&h, 0.95), 19, 1e-9);
    assert_float_equal(hw_histogram_quantile(&h, 1), 20, 1e-9);
    for (int i = 0; i < 100; i++)
        hw_histogram_add(&h, 1000);
    assert_float_equal(hw_histogram_quantile(&h, 0.99), 40, 1e-9); /* no further than is known */
}

static void the_durations_ascend(void **state)
{
    (void)state;
    const struct hw_histogram_bounds *b = &hw_histogram_durations;
    assert_int_equal(b->at[0], 100000);
    assert_int_equal(b->at[b->count - 1], 60000000000);
    for (size_t i = 1; i < b->count; i++)
        assert_true(b->at[i - 1] < b->at[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_a_value_at_a_bound_below_it),
        cmocka_unit_test(finds_quantiles_inside_a_bucket),
        cmocka_unit_test(the_durations_ascend),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
