/* memory_test.c -- blocks keep their bytes, do not overlap and are aligned; the limit is exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lualib.h>

#include "script/memory.h"

static struct hw_memory pool;

static void *take(size_t size)
{
    unsigned char *block = hw_memory_resize(&pool, NULL, LUA_TSTRING, size);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % HW_MEMORY_STEP, 0);
    return block;
}

static void put(void *block, size_t size)
{
    assert_null(hw_memory_resize(&pool, block, size, 0));
}

static void expect_filled(const unsigned char *block, size_t size, unsigned char with)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(block[i], with);
}

static void gives_a_freed_block_to_the_next_of_its_class(void **state)
{
    (void)state;
    void *first = take(33), *second = take(48);
    assert_ptr_not_equal(first, second);
    put(first, 33);
    void *third = take(49);
    assert_ptr_not_equal(third, first);
    assert_ptr_equal(take(40), first);
    put(first, 40);
    put(second, 48);
    put(third, 49);
    assert_int_equal(pool.used, 0);
}

static void keeps_what_is_in_a_block_that_changes_its_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {1,
                                   15,
                                   16,
                                   17,
                                   32,
                                   HW_MEMORY_SMALL_MAX - 1,
                                   HW_MEMORY_SMALL_MAX,
                                   HW_MEMORY_SMALL_MAX + 1,
                                   5000,
                                   40000};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++) {
            size_t from = sizes[i], to = sizes[j];
            unsigned char *block = memset(take(from), 0x5a, from);
            block = hw_memory_resize(&pool, block, from, to);
            assert_non_null(block);
            assert_int_equal(pool.used, to);
            expect_filled(block, from < to ? from : to, 0x5a);
            memset(block, 0, to);
            put(block, to);
        }
    assert_int_equal(pool.used, 0);
}

/* Blocks of all sizes are allocated, resized and freed in random order: each keeps its bytes. */
static void keeps_blocks_apart(void **state)
{
    (void)state;
    enum { BLOCKS = 500, TURNS = 100000 };
    static unsigned char *blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    uint32_t random = 1;
    memset(sizes, 0, sizeof sizes);
    for (int turn = 0; turn < TURNS; turn++) {
        random = random * 1664525 + 1013904223;
        size_t i = (random >> 8) % BLOCKS, size = (random >> 16) % (HW_MEMORY_SMALL_MAX + 100);
        size_t kept = size < sizes[i] ? size : sizes[i];
        if (sizes[i])
            expect_filled(blocks[i], sizes[i], (unsigned char)i);
        blocks[i] = hw_memory_resize(&pool, sizes[i] ? blocks[i] : NULL, sizes[i], size);
        if (size) {
            expect_filled(blocks[i], kept, (unsigned char)i);
            memset(blocks[i], (int)(unsigned char)i, size);
        }
        sizes[i] = size;
    }
    for (size_t i = 0; i < BLOCKS; i++)
        if (sizes[i])
            put(blocks[i], sizes[i]);
    assert_int_equal(pool.used, 0);
}

static void stops_at_its_limit(void **state)
{
    (void)state;
    struct hw_memory small;
    hw_memory_init(&small, 1000);
    void *first = hw_memory_resize(&small, NULL, 0, 400);
    assert_non_null(first);
    assert_null(hw_memory_resize(&small, NULL, 0, 601));
    void *second = hw_memory_resize(&small, NULL, 0, 600);
    assert_non_null(second);
    assert_null(hw_memory_resize(&small, NULL, 0, 1));
    assert_null(hw_memory_resize(&small, first, 400, 401));
    assert_null(hw_memory_resize(&small, second, 600, SIZE_MAX));
    assert_int_equal(small.used, 1000);
    second = hw_memory_resize(&small, second, 600, 599);
    assert_non_null(second);
    assert_int_equal(small.used, 999);
    hw_memory_resize(&small, first, 400, 0);
    hw_memory_resize(&small, second, 599, 0);
    assert_int_equal(small.used, 0);
    hw_memory_fini(&small);
}

/* The rest of a chunk is used too, after the next chunk is begun. */
static void uses_a_chunk_to_its_end(void **state)
{
    (void)state;
    struct hw_memory fresh;
    hw_memory_init(&fresh, SIZE_MAX);
    size_t taken = 0;
    char *first = hw_memory_resize(&fresh, NULL, 0, HW_MEMORY_SMALL_MAX);
    char *last = first, *next;
    while ((next = hw_memory_resize(&fresh, NULL, 0, HW_MEMORY_SMALL_MAX)) ==
           last + HW_MEMORY_SMALL_MAX) {
        last = next;
        taken++;
    }
    size_t rest = HW_MEMORY_CHUNK - 16 - (taken + 1) * HW_MEMORY_SMALL_MAX;
    assert_in_range(rest, HW_MEMORY_STEP, HW_MEMORY_SMALL_MAX - 1);
    assert_ptr_equal(hw_memory_resize(&fresh, NULL, 0, rest), last + HW_MEMORY_SMALL_MAX);
    hw_memory_fini(&fresh);
}

static void *allocate(void *ud, void *old, size_t old_size, size_t size)
{
    return hw_memory_resize(ud, old, old_size, size);
}

static void serves_a_lua_state(void **state)
{
    (void)state;
    lua_State *L = lua_newstate(allocate, &pool);
    assert_non_null(L);
    luaL_openlibs(L);
    assert_int_equal(luaL_dostring(L, "local t = {}\n"
                                      "for i = 1, 20000 do\n"
                                      "  t[i % 700] = {string.rep('x', i % 600), i, {i}}\n"
                                      "end\n"
                                      "collectgarbage()\n"
                                      "for i = 0, 699 do assert(#t[i][1] == t[i][2] % 600) end\n"
                                      "return 'whole'"),
                     0);
    assert_string_equal(lua_tostring(L, -1), "whole");
    lua_close(L);
    assert_int_equal(pool.used, 0);
}

static int set_up(void **state)
{
    (void)state;
    hw_memory_init(&pool, SIZE_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hw_memory_fini(&pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_a_freed_block_to_the_next_of_its_class),
        cmocka_unit_test(keeps_what_is_in_a_block_that_changes_its_size),
        cmocka_unit_test(keeps_blocks_apart),
        cmocka_unit_test(stops_at_its_limit),
        cmocka_unit_test(uses_a_chunk_to_its_end),
        cmocka_unit_test(serves_a_lua_state),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
