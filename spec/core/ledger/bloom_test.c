/* The filter never denies what was added, and seldom claims what was not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "ledger/bloom.h"

enum { KEYS = 200000 };

static struct hw_str key(char *text, size_t size, const char *prefix, int n)
{
    return (struct hw_str){text, (size_t)snprintf(text, size, "%s%d", prefix, n)};
}

static void it_holds_everything_that_was_added(void **state)
{
    char text[32];
    struct hw_bloom seen;
    (void)state;
    hw_bloom_init(&seen);
    hw_bloom_complete(&seen);
    for (int i = 0; i < KEYS; i++)
        hw_bloom_add(&seen, key(text, sizeof text, "job-", i));
    for (int i = 0; i < KEYS; i++)
        assert_true(hw_bloom_may_hold(&seen, key(text, sizeof text, "job-", i)));
    assert_true(seen.top > 1); /* it grew */
    hw_bloom_fini(&seen);
}

static void it_denies_nearly_everything_else(void **state)
{
    char text[32];
    struct hw_bloom seen;
    int wrong = 0;
    (void)state;
    hw_bloom_init(&seen);
    hw_bloom_complete(&seen);
    for (int i = 0; i < KEYS; i++)
        hw_bloom_add(&seen, key(text, sizeof text, "job-", i));
    for (int i = 0; i < KEYS; i++)
        wrong += hw_bloom_may_hold(&seen, key(text, sizeof text, "other-", i));
    assert_true(wrong < KEYS / 20);
    assert_true(wrong > 0); /* a filter without false positives would be too large */
    hw_bloom_fini(&seen);
}

static void it_denies_nothing_before_it_is_complete(void **state)
{
    struct hw_bloom seen;
    (void)state;
    hw_bloom_init(&seen);
    assert_true(hw_bloom_may_hold(&seen, HW_STR("new")));
    hw_bloom_complete(&seen);
    assert_false(hw_bloom_may_hold(&seen, HW_STR("new")));
    hw_bloom_fini(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_everything_that_was_added),
        cmocka_unit_test(it_denies_nearly_everything_else),
        cmocka_unit_test(it_denies_nothing_before_it_is_complete),
    };
    return cmocka_run_group_tests_name("seen", tests, NULL, NULL);
}
