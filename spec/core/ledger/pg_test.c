/* pg_test.c -- tests core/ledger/pg.h, with the server that HOOKWARD_TEST_POSTGRES names. */
#include "ledger/pg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"

enum { ECHO_INTS, ECHO_TEXTS, ECHO_BYTES, SINGLE, SLEEP, WRITE, COUNT, FAIL, STATEMENTS };

static const struct hw_pg_statement statements[STATEMENTS] = {
    [ECHO_INTS] = {"echo_ints", "SELECT a, b, c, d FROM unnest($1::bool[], $2::smallint[],"
                                " $3::integer[], $4::bigint[]) AS x(a, b, c, d)"},
    [ECHO_TEXTS] = {"echo_texts", "SELECT t FROM unnest($1::text[]) AS x(t)"},
    [ECHO_BYTES] = {"echo_bytes", "SELECT t FROM unnest($1::bytea[]) AS x(t)"},
    [SINGLE] = {"single", "SELECT $1::bool, $2::smallint, $3::integer, $4::bigint, $5::text,"
                          " $6::bytea, $7::text"},
    [SLEEP] = {"sleep", "SELECT 1 FROM pg_sleep(2)"},
    [WRITE] = {"write", "INSERT INTO pg_test (n) SELECT n FROM unnest($1::bigint[]) AS x(n)"},
    [COUNT] = {"count", "SELECT count(*) FROM pg_test"},
    [FAIL] = {"fail", "SELECT 1 / $1::integer"},
};

static const char *url;

static uint64_t in_ms(uint64_t ms)
{
    return hw_now_ns() + ms * 1000000;
}

static struct hw_pg_options options = {
    .name = "test", .statements = statements, .count = STATEMENTS};
static struct hw_pg_args *args;

static struct hw_pg *open_pg(void)
{
    options.url = url;
    struct hw_pg *pg = hw_pg_new(&options);
    assert_non_null(pg);
    hw_pg_args_clear(args);
    return pg;
}

static struct hw_pg_result *run(struct hw_pg *pg, size_t statement)
{
    struct hw_pg_call call = {.statement = statement, .args = args};
    enum hw_pg_rc rc = hw_pg_run(pg, &call, 1, in_ms(5000));
    if (rc != HW_PG_OK)
        print_message("%s\n", hw_pg_why(pg));
    assert_int_equal(rc, HW_PG_OK);
    return call.result;
}

static void assert_text(struct hw_str got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
}

static void arrays_of_numbers_come_back(void **state)
{
    (void)state;
    struct hw_pg *pg = open_pg();
    static const int64_t numbers[] = {0, 1, -1, 32767, -32768};
    static const enum hw_pg_type types[] = {HW_PG_BOOL, HW_PG_INT2, HW_PG_INT4, HW_PG_INT8};
    for (size_t t = 0; t < 4; t++) {
        hw_pg_array_begin(args, types[t]);
        for (size_t i = 0; i < 5; i++)
            hw_pg_item_int(args,
                           t == 0 ? (int64_t)(i % 2) : numbers[i] * (t == 3 ? 100000000000 : 1));
        hw_pg_item_null(args);
        hw_pg_array_end(args);
    }
    struct hw_pg_result *result = run(pg, ECHO_INTS);
    assert_int_equal(hw_pg_rows(result), 6);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(hw_pg_int(result, i, 0), i % 2);
        assert_int_equal(hw_pg_int(result, i, 1), numbers[i]);
        assert_int_equal(hw_pg_int(result, i, 2), numbers[i]);
        assert_true(hw_pg_int(result, i, 3) == numbers[i] * 100000000000);
    }
    for (size_t column = 0; column < 4; column++)
        assert_true(hw_pg_is_null(result, 5, column));
    hw_pg_result_free(result);
    hw_pg_free(pg);
}

int main(void)
{
    url = getenv("HOOKWARD_TEST_POSTGRES");
    if (!url || hw_pg_absent()) {
        printf("pg_test: skipped: %s\n",
               url ? hw_pg_absent() : "HOOKWARD_TEST_POSTGRES is not set");
        return 0;
    }
    args = hw_pg_args_new();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_of_numbers_come_back),
    };
    (void)assert_text;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    hw_pg_args_free(args);
    return failed;
}
