/* Memory from an arena is aligned, overlaps nothing, and is freed with the arena. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"

enum { FIRST = 256 };

static bool inside(const void *p, const void *block, size_t size)
{
    return (const char *)p >= (const char *)block && (const char *)p < (const char *)block + size;
}

static void uses_the_callers_block_first(void **state)
{
    struct hw_arena arena;
    _Alignas(max_align_t) char first[FIRST];
    (void)state;
    hw_arena_init(&arena, first, sizeof first);
    assert_ptr_equal(hw_arena_alloc(&arena, FIRST), first); /* to its last byte */
    assert_null(arena.blocks);
    assert_false(inside(hw_arena_alloc(&arena, 1), first, sizeof first)); /* one more */
    hw_arena_fini(&arena);
}

static void counts_what_alignment_skips(void **state)
{
    struct hw_arena arena;
    _Alignas(max_align_t) char first[FIRST];
    const size_t align = _Alignof(max_align_t);
    (void)state;
    hw_arena_init(&arena, first, sizeof first);
    hw_arena_alloc(&arena, 1);
    assert_false(inside(hw_arena_alloc(&arena, FIRST - align + 1), first, sizeof first));
    hw_arena_fini(&arena);
}

static void aligns_for_any_type(void **state)
{
    struct hw_arena arena;
    char first[FIRST];
    (void)state;
    hw_arena_init(&arena, first + 1, sizeof first - 1);
    for (size_t size = 1; size < 200; size++) {
        void *p = hw_arena_alloc(&arena, size);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
    }
    hw_arena_fini(&arena);
}

static void gives_no_byte_out_twice(void **state)
{
    enum { COUNT = 400 };
    struct hw_arena arena;
    _Alignas(max_align_t) char first[FIRST];
    unsigned char *all[COUNT];
    (void)state;
    hw_arena_init(&arena, first, sizeof first);
    for (int i = 0; i < COUNT; i++) {
        all[i] = hw_arena_alloc(&arena, (size_t)i * 7);
        memset(all[i], i & 255, (size_t)i * 7);
    }
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < i * 7; k++)
            assert_int_equal(all[i][k], i & 255);
    hw_arena_fini(&arena);
}

static void works_without_a_first_block_and_after_its_end(void **state)
{
    struct hw_arena arena;
    (void)state;
    hw_arena_init(&arena, NULL, 0);
    for (int i = 0; i < 2; i++) {
        memset(hw_arena_alloc(&arena, 100000), 1, 100000);
        assert_non_null(hw_arena_alloc(&arena, 0));
        hw_arena_fini(&arena);
        assert_null(arena.blocks);
    }
}

static void refuses_what_no_machine_has(void **state)
{
    struct hw_arena arena;
    char first[FIRST];
    (void)state;
    hw_arena_init(&arena, first, sizeof first);
    assert_null(hw_arena_alloc(&arena, SIZE_MAX));
    assert_null(hw_arena_alloc(&arena, SIZE_MAX / 2 + 1));
    assert_non_null(hw_arena_alloc(&arena, 1));
    hw_arena_fini(&arena);
}

static void copies_with_a_zero_behind(void **state)
{
    struct hw_arena arena;
    (void)state;
    hw_arena_init(&arena, NULL, 0);
    struct hw_str copy = hw_arena_copy(&arena, HW_STR("a\0b"));
    assert_int_equal(copy.len, 3);
    assert_memory_equal(copy.ptr, "a\0b", 4);
    copy = hw_arena_copy(&arena, HW_STR_NONE);
    assert_int_equal(copy.len, 0);
    assert_string_equal(copy.ptr, "");
    hw_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uses_the_callers_block_first),
        cmocka_unit_test(counts_what_alignment_skips),
        cmocka_unit_test(aligns_for_any_type),
        cmocka_unit_test(gives_no_byte_out_twice),
        cmocka_unit_test(works_without_a_first_block_and_after_its_end),
        cmocka_unit_test(refuses_what_no_machine_has),
        cmocka_unit_test(copies_with_a_zero_behind),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
