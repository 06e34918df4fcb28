/* pg_test.c -- tests core/ledger/pg.h: statements, parameters, results, codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "pg_server.h"

enum { NUMBERS, TEXTS, BYTES, SINGLE, SLEEP, WRITE, COUNT, DIVIDE, JOIN, STATEMENTS };

static const struct hw_pg_statement statements[STATEMENTS] = {
    [NUMBERS] = {"numbers", "SELECT a, b, c, d FROM unnest($1::bool[], $2::smallint[],"
                            " $3::integer[], $4::bigint[]) AS x(a, b, c, d)"},
    [TEXTS] = {"texts", "SELECT t FROM unnest($1::text[]) AS x(t)"},
    [BYTES] = {"bytes", "SELECT t FROM unnest($1::bytea[]) AS x(t)"},
    [SINGLE] = {"single", "SELECT $1::bool, $2::smallint, $3::integer, $4::bigint, $5::text,"
                          " $6::bytea, $7::text, $8::text"},
    [SLEEP] = {"sleep", "SELECT 1 FROM pg_sleep(3)"},
    [WRITE] = {"write", "INSERT INTO hw_pg_test (n) SELECT n FROM unnest($1::bigint[]) AS x(n)"},
    [COUNT] = {"count", "SELECT count(*) FROM hw_pg_test"},
    [DIVIDE] = {"divide", "SELECT 6 / $1::integer"},
    [JOIN] = {"by_rows", "UPDATE hw_pg_rows n SET n = n.n FROM unnest($1::bigint[]) AS x(n)"
                         " WHERE n.n = x.n"},
};

static struct hw_pg_options options = {
    .name = "test", .statements = statements, .count = STATEMENTS};
static struct hw_pg *pg;
static struct hw_pg_args *args, *other_args;

static int open_pg(void **state)
{
    (void)state;
    pg = hw_pg_new(&options);
    hw_pg_args_clear(args);
    hw_pg_args_clear(other_args);
    return pg ? 0 : 1;
}

static int close_pg(void **state)
{
    (void)state;
    hw_pg_free(pg);
    return 0;
}

static struct hw_pg_result *run(size_t statement)
{
    struct hw_pg_call call = {.statement = statement, .args = args};
    if (hw_pg_run(pg, &call, 1, in_ms(10000)) != HW_PG_OK)
        fail_msg("%s", hw_pg_why(pg));
    return call.result;
}

static void assert_text(struct hw_str got, struct hw_str want)
{
    assert_non_null(got.ptr);
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.ptr, want.ptr, want.len);
}

/* ---- parameters and results ---- */

static void arrays_of_numbers_come_back(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0, 1, -1, 32767, -32768};
    static const enum hw_pg_type types[] = {HW_PG_BOOL, HW_PG_INT2, HW_PG_INT4, HW_PG_INT8};
    for (size_t t = 0; t < 4; t++) {
        hw_pg_array_begin(args, types[t]);
        for (size_t i = 0; i < 5; i++)
            hw_pg_item_int(args, t == 0   ? (int64_t)(i % 2)
                                 : t == 3 ? numbers[i] * 100000000000
                                          : numbers[i]);
        hw_pg_item_null(args);
        hw_pg_array_end(args);
    }
    struct hw_pg_result *result = run(NUMBERS);
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
}

/* What PostgreSQL's text refuses becomes U+FFFD, each byte of it. */
static void arrays_of_texts_come_back_clean(void **state)
{
    (void)state;
    static const struct {
        struct hw_str in, out;
    } texts[] = {
        {HW_STR("plain"), HW_STR("plain")},
        {HW_STR(""), HW_STR("")},
        {HW_STR("äöü €"), HW_STR("äöü €")},
        {HW_STR("a\0b"), HW_STR("a\xef\xbf\xbd"
                                "b")},
        {HW_STR("\xff\xc3"), HW_STR("\xef\xbf\xbd\xef\xbf\xbd")},
        {HW_STR("\xed\xa0\x80!"), HW_STR("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!")},
        {HW_STR("{\"a\",NULL}"), HW_STR("{\"a\",NULL}")},
    };
    size_t count = sizeof texts / sizeof *texts;
    hw_pg_array_begin(args, HW_PG_TEXT);
    for (size_t i = 0; i < count; i++)
        hw_pg_item_text(args, texts[i].in);
    hw_pg_item_text(args, HW_STR_NONE);
    hw_pg_array_end(args);
    struct hw_pg_result *result = run(TEXTS);
    assert_int_equal(hw_pg_rows(result), count + 1);
    for (size_t i = 0; i < count; i++)
        assert_text(hw_pg_text(result, i, 0), texts[i].out);
    assert_true(hw_pg_is_null(result, count, 0));
    assert_null(hw_pg_text(result, count, 0).ptr);
    hw_pg_result_free(result);
}

static void arrays_of_bytes_come_back_as_they_are(void **state)
{
    (void)state;
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    hw_pg_array_begin(args, HW_PG_BYTEA);
    hw_pg_item_bytes(args, (struct hw_str){all, sizeof all});
    hw_pg_item_bytes(args, HW_STR(""));
    hw_pg_item_bytes(args, HW_STR_NONE);
    hw_pg_array_end(args);
    struct hw_pg_result *result = run(BYTES);
    assert_int_equal(hw_pg_rows(result), 3);
    assert_text(hw_pg_text(result, 0, 0), (struct hw_str){all, sizeof all});
    assert_text(hw_pg_text(result, 1, 0), HW_STR(""));
    assert_true(hw_pg_is_null(result, 2, 0));
    hw_pg_result_free(result);
}

static void an_empty_array_has_no_rows(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        hw_pg_args_clear(args);
        hw_pg_array_begin(args, HW_PG_TEXT);
        if (i == 1)
            hw_pg_item_text(args, HW_STR("x"));
        hw_pg_array_end(args);
        struct hw_pg_result *result = run(TEXTS);
        assert_int_equal(hw_pg_rows(result), i == 1);
        hw_pg_result_free(result);
    }
}

static void single_values_come_back(void **state)
{
    (void)state;
    hw_pg_arg_int(args, HW_PG_BOOL, 1);
    hw_pg_arg_int(args, HW_PG_INT2, -2);
    hw_pg_arg_int(args, HW_PG_INT8, 4); /* the cast is to another integer */
    hw_pg_arg_int(args, HW_PG_INT8, INT64_MIN);
    hw_pg_arg_text(args, HW_STR("t\xfe"));
    hw_pg_arg_bytes(args, HW_STR("\0\xfe"));
    hw_pg_arg_null(args);
    hw_pg_arg_text(args, HW_STR(""));
    struct hw_pg_result *result = run(SINGLE);
    assert_int_equal(hw_pg_int(result, 0, 0), 1);
    assert_int_equal(hw_pg_int(result, 0, 1), -2);
    assert_int_equal(hw_pg_int(result, 0, 2), 4);
    assert_true(hw_pg_int(result, 0, 3) == INT64_MIN);
    assert_text(hw_pg_text(result, 0, 4), HW_STR("t\xef\xbf\xbd"));
    assert_text(hw_pg_text(result, 0, 5), HW_STR("\0\xfe"));
    assert_true(hw_pg_is_null(result, 0, 6));
    assert_text(hw_pg_text(result, 0, 7), HW_STR(""));
    hw_pg_result_free(result);
}

/* ---- runs ---- */

static void write_rows(struct hw_pg_args *to, int64_t count)
{
    hw_pg_args_clear(to);
    hw_pg_array_begin(to, HW_PG_INT8);
    for (int64_t i = 0; i < count; i++)
        hw_pg_item_int(to, i);
    hw_pg_array_end(to);
}

static void the_calls_of_a_run_are_one_transaction(void **state)
{
    (void)state;
    run_sql(pg, "DROP TABLE IF EXISTS hw_pg_test; CREATE TABLE hw_pg_test (n bigint)");
    write_rows(args, 3);
    hw_pg_arg_int(other_args, HW_PG_INT4, 0);
    struct hw_pg_call calls[] = {{.statement = WRITE, .args = args},
                                 {.statement = COUNT},
                                 {.statement = DIVIDE, .args = other_args},
                                 {.statement = WRITE, .args = args}};
    assert_int_equal(hw_pg_run(pg, calls, 4, in_ms(5000)), HW_PG_DATA);
    assert_string_equal(hw_pg_why(pg), "division by zero");
    assert_string_equal(hw_pg_sqlstate(pg), "22012");
    for (size_t i = 0; i < 4; i++)
        assert_null(calls[i].result);
    assert_true(hw_pg_is_open(pg));
    assert_int_equal(number_of(pg, "SELECT count(*) FROM hw_pg_test"), 0);

    hw_pg_args_clear(other_args);
    hw_pg_arg_int(other_args, HW_PG_INT4, 2);
    assert_int_equal(hw_pg_run(pg, calls, 4, in_ms(5000)), HW_PG_OK);
    assert_int_equal(hw_pg_changed(calls[0].result), 3);
    assert_int_equal(hw_pg_int(calls[1].result, 0, 0), 3);
    assert_int_equal(hw_pg_int(calls[2].result, 0, 0), 3);
    for (size_t i = 0; i < 4; i++)
        hw_pg_result_free(calls[i].result);
    run_sql(pg, "DROP TABLE hw_pg_test");
}

static void a_text_of_statements_is_one_transaction(void **state)
{
    (void)state;
    assert_int_equal(
        hw_pg_exec(pg, "CREATE TABLE hw_pg_test (n bigint); SELECT 1 / 0", in_ms(5000)),
        HW_PG_DATA);
    assert_int_equal(number_of(pg, "SELECT count(*) FROM pg_class WHERE relname = 'hw_pg_test'"),
                     0);
}

/* Far more than both sockets' buffers hold, both ways. */
static void a_large_pipeline_goes_through(void **state)
{
    (void)state;
    enum { SIZE = 4 << 20 };
    char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    memset(bytes, 'x', SIZE);
    hw_pg_array_begin(args, HW_PG_BYTEA);
    hw_pg_item_bytes(args, (struct hw_str){bytes, SIZE});
    hw_pg_array_end(args);
    struct hw_pg_call calls[HW_PG_CALLS_MAX];
    for (size_t i = 0; i < HW_PG_CALLS_MAX; i++)
        calls[i] = (struct hw_pg_call){.statement = BYTES, .args = args};
    if (hw_pg_run(pg, calls, HW_PG_CALLS_MAX, in_ms(60000)) != HW_PG_OK)
        fail_msg("%s", hw_pg_why(pg));
    for (size_t i = 0; i < HW_PG_CALLS_MAX; i++) {
        assert_text(hw_pg_text(calls[i].result, 0, 0), (struct hw_str){bytes, SIZE});
        hw_pg_result_free(calls[i].result);
    }
    free(bytes);
}

static bool reads_all(void)
{
    struct hw_pg_result *result;
    bool all = true;
    assert_int_equal(hw_pg_query(pg, "EXPLAIN EXECUTE by_rows(NULL)", NULL, &result, in_ms(5000)),
                     HW_PG_OK);
    for (size_t i = 0; i < hw_pg_rows(result); i++)
        all = all && !memmem(hw_pg_text(result, i, 0).ptr, hw_pg_text(result, i, 0).len,
                             "Index Cond:", 11);
    hw_pg_result_free(result);
    return all;
}

/* The plan of a table that was vacuumed while it was empty reads all of it, which is soon over. */
static void plans_follow_the_size_of_a_table(void **state)
{
    (void)state;
    run_sql(pg, "DROP TABLE IF EXISTS hw_pg_rows; CREATE TABLE hw_pg_rows (n bigint PRIMARY KEY)");
    if (hw_pg_facts(pg)->pooled)
        skip();
    run_sql(pg, "VACUUM hw_pg_rows");
    run_sql(pg, "SET plan_cache_mode = force_generic_plan");
    write_rows(args, 3);
    hw_pg_result_free(run(JOIN));
    assert_true(reads_all());
    run_sql(pg, "INSERT INTO hw_pg_rows SELECT generate_series(1, 20000)");
    run_sql(pg, "SELECT pg_sleep(0.3)");
    hw_pg_result_free(run(JOIN));
    assert_false(reads_all());
    run_sql(pg, "DROP TABLE hw_pg_rows");
}

/* ---- trouble ---- */

static void each_sqlstate_has_its_code(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        enum hw_pg_rc rc;
        bool open;
    } cases[] = {
        {"40001", HW_PG_AGAIN, true},   {"40P01", HW_PG_AGAIN, true},
        {"55P03", HW_PG_AGAIN, true},   {"22000", HW_PG_DATA, true},
        {"23505", HW_PG_DATA, true},    {"54000", HW_PG_DATA, true},
        {"42P01", HW_PG_REFUSED, true}, {"42501", HW_PG_REFUSED, true},
        {"P0001", HW_PG_REFUSED, true}, {"53100", HW_PG_AWAY, false},
        {"53300", HW_PG_AWAY, false},   {"25006", HW_PG_AWAY, false},
        {"57P03", HW_PG_AWAY, false},   {"57P01", HW_PG_BROKEN, false},
        {"08006", HW_PG_BROKEN, false}, {"26000", HW_PG_BROKEN, false},
        {"57014", HW_PG_LATE, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char sql[100];
        snprintf(sql, sizeof sql, "DO $$ BEGIN RAISE SQLSTATE '%s'; END $$", cases[i].sqlstate);
        assert_int_equal(hw_pg_exec(pg, sql, in_ms(5000)), cases[i].rc);
        assert_string_equal(hw_pg_sqlstate(pg), cases[i].sqlstate);
        assert_int_equal(hw_pg_is_open(pg), cases[i].open);
    }
}

static void a_statement_past_its_deadline_closes_the_connection(void **state)
{
    (void)state;
    struct hw_pg_call call = {.statement = SLEEP};
    assert_int_equal(hw_pg_connect(pg, in_ms(5000)), HW_PG_OK);
    uint64_t began = hw_now_ns();
    assert_int_equal(hw_pg_run(pg, &call, 1, in_ms(200)), HW_PG_LATE);
    assert_true(hw_now_ns() - began < 2000000000);
    assert_null(call.result);
    assert_false(hw_pg_is_open(pg));
    assert_int_equal(number_of(pg, "SELECT 7"), 7);
}

static int64_t backend(void)
{
    return number_of(pg, "SELECT pg_backend_pid()");
}

static void terminate(struct hw_pg *by, int64_t pid)
{
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 2000)", (int)pid);
    run_sql(by, sql);
}

/* It is noticed before anything is sent, so nothing is in doubt. */
static void a_connection_that_ended_meanwhile_is_made_anew(void **state)
{
    (void)state;
    assert_int_equal(hw_pg_connect(pg, in_ms(5000)), HW_PG_OK);
    if (hw_pg_facts(pg)->pooled)
        skip();
    struct hw_pg *other = hw_pg_new(&options);
    int64_t before = backend();
    terminate(other, before);
    assert_true(backend() != before);
    hw_pg_free(other);
}

struct killer {
    pthread_t thread;
    int64_t pid;
};

static void *kill_soon(void *data)
{
    struct killer *k = data;
    struct hw_pg *other = hw_pg_new(&options);
    run_sql(other, "SELECT pg_sleep(0.2)");
    terminate(other, k->pid);
    hw_pg_free(other);
    return NULL;
}

static void one_that_ends_meanwhile_is_broken(void **state)
{
    (void)state;
    struct killer killer = {.pid = backend()};
    assert_int_equal(pthread_create(&killer.thread, NULL, kill_soon, &killer), 0);
    struct hw_pg_call call = {.statement = SLEEP};
    assert_int_equal(hw_pg_run(pg, &call, 1, in_ms(5000)), HW_PG_BROKEN);
    assert_string_equal(hw_pg_sqlstate(pg), "57P01");
    assert_false(hw_pg_is_open(pg));
    pthread_join(killer.thread, NULL);
}

/* ---- what a connection finds ---- */

static void the_facts_are_the_servers(void **state)
{
    (void)state;
    assert_int_equal(hw_pg_connect(pg, in_ms(5000)), HW_PG_OK);
    const struct hw_pg_facts *facts = hw_pg_facts(pg);
    assert_int_equal(facts->server_version,
                     number_of(pg, "SELECT current_setting('server_version_num')::int4"));
    assert_int_equal(facts->durable, number_of(pg, "SELECT current_setting('fsync') = 'on' AND"
                                                   " current_setting('full_page_writes') = 'on'"));
    struct hw_pg_result *result;
    assert_int_equal(hw_pg_query(pg, "SELECT current_database()::text, current_user::text", NULL,
                                 &result, in_ms(5000)),
                     HW_PG_OK);
    assert_text(hw_pg_text(result, 0, 0), hw_str_of(facts->database));
    if (!facts->pooled) {
        assert_text(hw_pg_text(result, 0, 1), hw_str_of(facts->user));
        assert_int_equal(facts->tls, number_of(pg, "SELECT ssl FROM pg_stat_ssl"
                                                   " WHERE pid = pg_backend_pid()"));
    }
    hw_pg_result_free(result);
}

/* Behind a pooler too, where the session may be another each time. */
static void the_settings_hold_in_each_run(void **state)
{
    (void)state;
    assert_int_equal(number_of(pg, "SELECT count(*) FROM (VALUES"
                                   " ('synchronous_commit', 'on'), ('statement_timeout', '5s'),"
                                   " ('lock_timeout', '1s'), ('enable_seqscan', 'off'),"
                                   " ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'),"
                                   " ('plan_cache_mode', 'force_generic_plan'),"
                                   " ('jit', 'off'), ('transaction_isolation', 'read committed'))"
                                   " AS x(name, value) WHERE current_setting(name) = value"),
                     9);
    struct hw_pg_options patient = options;
    patient.statement_ms = 60000;
    patient.plain = true;
    struct hw_pg *other = hw_pg_new(&patient);
    assert_int_equal(number_of(other, "SELECT count(*) FROM (VALUES"
                                      " ('statement_timeout', '1min'), ('enable_seqscan', 'on'))"
                                      " AS x(name, value) WHERE current_setting(name) = value"),
                     2);
    hw_pg_free(other);
}

static void a_database_of_another_encoding_is_refused(void **state)
{
    (void)state;
    struct hw_pg_facts facts;
    assert_int_equal(hw_pg_connect(pg, in_ms(5000)), HW_PG_OK);
    facts = *hw_pg_facts(pg);
    if (facts.pooled)
        skip();
    run_sql(pg, "DROP DATABASE IF EXISTS hw_pg_ascii");
    run_sql(pg, "CREATE DATABASE hw_pg_ascii ENCODING 'SQL_ASCII' TEMPLATE template0"
                " LC_COLLATE 'C' LC_CTYPE 'C'");
    char url[700];
    snprintf(url, sizeof url, "postgres://%s@/hw_pg_ascii?host=%s&port=%s", facts.user, facts.host,
             facts.port);
    struct hw_pg_options of_it = options;
    of_it.url = url;
    struct hw_pg *other = hw_pg_new(&of_it);
    assert_int_equal(hw_pg_connect(other, in_ms(5000)), HW_PG_REFUSED);
    assert_string_equal(hw_pg_why(other),
                        "the database has the encoding SQL_ASCII; it must be UTF8");
    hw_pg_free(other);
    snprintf(url, sizeof url, "postgres://%s@/hw_pg_nowhere?host=%s&port=%s", facts.user,
             facts.host, facts.port);
    other = hw_pg_new(&of_it);
    assert_int_equal(hw_pg_connect(other, in_ms(5000)), HW_PG_REFUSED);
    assert_string_equal(hw_pg_sqlstate(other), "3D000");
    assert_non_null(strstr(hw_pg_why(other), "FATAL: database \"hw_pg_nowhere\" does not exist"));
    hw_pg_free(other);
    run_sql(pg, "DROP DATABASE hw_pg_ascii");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pg, close_pg)

int main(void)
{
    if (!(options.url = test_server("pg_test")))
        return 0;
    args = hw_pg_args_new();
    other_args = hw_pg_args_new();
    const struct CMUnitTest tests[] = {
        TEST(arrays_of_numbers_come_back),
        TEST(arrays_of_texts_come_back_clean),
        TEST(arrays_of_bytes_come_back_as_they_are),
        TEST(an_empty_array_has_no_rows),
        TEST(single_values_come_back),
        TEST(the_calls_of_a_run_are_one_transaction),
        TEST(a_text_of_statements_is_one_transaction),
        TEST(a_large_pipeline_goes_through),
        TEST(plans_follow_the_size_of_a_table),
        TEST(each_sqlstate_has_its_code),
        TEST(a_statement_past_its_deadline_closes_the_connection),
        TEST(a_connection_that_ended_meanwhile_is_made_anew),
        TEST(one_that_ends_meanwhile_is_broken),
        TEST(the_facts_are_the_servers),
        TEST(the_settings_hold_in_each_run),
        TEST(a_database_of_another_encoding_is_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    hw_pg_args_free(args);
    hw_pg_args_free(other_args);
    return failed;
}
