/* The heap's top is always the largest, whatever was put in and taken out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>

#include "base/heap.h"

enum { MANY = 200 };

static struct hw_heap_node nodes[MANY];
static bool is_in[MANY];

/* Compares the top with the largest key found by a scan over all nodes. */
static void check(const struct hw_heap_node *top)
{
    const struct hw_heap_node *largest = NULL;
    for (int i = 0; i < MANY; i++)
        if (is_in[i] && (!largest || nodes[i].key > largest->key))
            largest = &nodes[i];
    assert_int_equal(top != NULL, largest != NULL);
    assert_true(!top || (is_in[top - nodes] && top->key == largest->key));
}

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return *x;
}

static void test_the_top_is_the_largest(void **state)
{
    (void)state;
    struct hw_heap_node *top = NULL;
    uint64_t random = 88172645463325252u;
    for (int step = 0; step < 20000; step++) {
        int i = (int)(next_random(&random) % MANY);
        if (is_in[i]) {
            hw_heap_take(&top, &nodes[i]);
        } else {
            nodes[i].key = next_random(&random) % 50; /* many are equal */
            hw_heap_put(&top, &nodes[i]);
        }
        is_in[i] = !is_in[i];
        check(top);
    }
    for (int i = 0; i < MANY; i++)
        if (is_in[i])
            hw_heap_take(&top, &nodes[i]);
    assert_null(top);
}

static void test_they_come_out_in_order(void **state)
{
    (void)state;
    struct hw_heap_node *top = NULL;
    for (uint64_t i = 0; i < MANY; i++) {
        nodes[i].key = i * 77 % MANY;
        hw_heap_put(&top, &nodes[i]);
    }
    for (uint64_t i = 0; i < MANY; i++) {
        assert_int_equal(top->key, MANY - 1 - i);
        hw_heap_take(&top, top);
    }
    assert_null(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_top_is_the_largest),
        cmocka_unit_test(test_they_come_out_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
