/* pg_plan_test.c -- tests that no statement of core/ledger/pg_sql.c reads a whole table, and that
 * each of its parameters has a cast.
 *
 * A host's plans are made once, and stay for a while. So each statement's generic plan is looked at
 * on empty tables, on small ones that were never analyzed, and on full ones (HOOKWARD_TEST_ROWS,
 * 20,000): in each node that reads notifications or runs an index has to narrow down what is read.
 * HOOKWARD_TEST_PLANS=1 shows the plans that do not. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/pg_schema.h"
#include "ledger/postgres.h"
#include "pg_server.h"

static const char schema[] = "hw_plan_test";
static struct hw_pg_options options = {.name = "test"};
static struct hw_pg *pg;
static size_t found_wrong;

static void run_in_schema(const char *sql)
{
    char *text = hw_pg_schema_fill(sql, schema);
    run_sql(pg, text);
    free(text);
}

static void make_schema(bool by_body)
{
    char why[512];
    run_in_schema("DROP SCHEMA IF EXISTS @ CASCADE");
    if (hw_pg_schema_update(pg, schema, by_body, why, sizeof why) != HW_PG_OK)
        fail_msg("%s", why);
}

/* ---- a plan ---- */

/* Nodes that read all of an index on purpose: it holds few rows, or the first is enough. */
static bool may_read_all(enum hw_pg_sql statement, const char *line, const char *parent)
{
    if (statement == HW_PG_ROWS)
        return true;
    if (statement == HW_PG_PURGE_LANES && strstr(line, "using lanes on"))
        return true;
    return strstr(line, "Index Only Scan") && strstr(parent, "Limit");
}

static size_t depth_of(const char *line)
{
    return strspn(line, " ");
}

/* Whether one of the node's own lines, which stand below it and deeper, has an index's condition. */
static bool is_narrowed(char (*lines)[400], size_t at, size_t count)
{
    size_t depth = depth_of(lines[at]);
    if (strstr(lines[at], "Bitmap Heap Scan"))
        return true; /* its Bitmap Index Scan is looked at in its own line */
    for (size_t i = at + 1; i < count && depth_of(lines[i]) > depth; i++) {
        if (strstr(lines[i], "->"))
            return false;
        if (strstr(lines[i], "Index Cond:"))
            return true;
    }
    return false;
}

static bool is_of_interest(const char *line)
{
    static const char *const tables[] = {" on notifications", " on runs", "Bitmap Index Scan on"};
    if (!strstr(line, "Scan") || strstr(line, "Tid Scan") || strstr(line, "_seq_seq") ||
        strstr(line, "Scan on pauses_pkey"))
        return false;
    for (size_t i = 0; i < 3; i++)
        if (strstr(line, tables[i]))
            return true;
    return false;
}

static bool is_fine(enum hw_pg_sql statement, char (*lines)[400], size_t at, size_t count)
{
    if (!is_of_interest(lines[at]) || is_narrowed(lines, at, count))
        return true;
    return !strstr(lines[at], "Seq Scan") &&
           may_read_all(statement, lines[at], at > 0 ? lines[at - 1] : "");
}

/* `when` is for the message; NULL: none. */
static void look_at(enum hw_pg_sql statement, const char *name, const char *when)
{
    static char lines[400][400];
    char sql[400], marks[300] = "";
    struct hw_pg_result *result;
    snprintf(sql, sizeof sql,
             "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = '%s'",
             name);
    for (int64_t i = number_of(pg, sql); i > 0; i--)
        strcat(marks, *marks ? ", NULL" : "NULL");
    snprintf(sql, sizeof sql, "EXPLAIN (COSTS OFF) EXECUTE %s%s%s%s", name, *marks ? "(" : "",
             marks, *marks ? ")" : "");
    if (hw_pg_query(pg, sql, NULL, &result, in_ms(10000)) != HW_PG_OK)
        fail_msg("%s: %s", name, hw_pg_why(pg));
    size_t count = hw_pg_rows(result);
    assert_true(count < 400);
    for (size_t i = 0; i < count; i++)
        snprintf(lines[i], sizeof lines[i], "%.*s", HW_STR_ARG(hw_pg_text(result, i, 0)));
    for (size_t i = 0; i < count; i++) {
        if (is_fine(statement, lines, i, count))
            continue;
        found_wrong++;
        if (!when)
            continue;
        print_message("%s, %s: %s\n", when, name, lines[i] + depth_of(lines[i]));
        for (size_t k = 0; k < count && getenv("HOOKWARD_TEST_PLANS"); k++)
            print_message("    %s\n", lines[k]);
    }
    hw_pg_result_free(result);
}

static void look_at_all(bool by_body, const char *when)
{
    struct hw_pg_statement statements[HW_PG_STATEMENTS];
    assert_int_equal(hw_pg_sql_fill(statements, schema, by_body), 0);
    run_sql(pg, "DEALLOCATE ALL");
    run_sql(pg, "SET plan_cache_mode = force_generic_plan");
    for (size_t i = 0; i < HW_PG_STATEMENTS; i++) {
        size_t size = strlen(statements[i].sql) + 100;
        char *sql = malloc(size);
        assert_non_null(sql);
        snprintf(sql, size, "PREPARE %s AS %s", statements[i].name, statements[i].sql);
        run_sql(pg, sql);
        free(sql);
        look_at((enum hw_pg_sql)i, statements[i].name, when);
    }
    hw_pg_sql_free(statements);
}

/* ---- tables ---- */

/* Most have succeeded; some failed, are due, wait in lanes or pools, are parked, or run. */
static void fill_tables(bool by_body, const char *rows)
{
    char sql[1500];
    snprintf(
        sql, sizeof sql,
        "SELECT set_config('statement_timeout', '0', true);"
        "INSERT INTO @.notifications (owner, claim, received_at, settled_at, next_run_at, attempt,"
        " state, trouble, dedupe_id, digest, job_id, event, lane, pool, parked, parked_event)"
        " SELECT 1, n, now(), now(), CASE WHEN n %% 100 IN (1, 2) THEN now()"
        " WHEN n %% 1000 = 3 THEN 'infinity' END, 1,"
        " CASE WHEN n %% 1000 = 3 THEN 6 WHEN n %% 100 < 3 THEN 5 WHEN n %% 50 = 4 THEN 4 ELSE 1 "
        "END,"
        " CASE WHEN n %% 1000 = 3 THEN NULL WHEN n %% 100 < 3 THEN 5 WHEN n %% 50 = 4 THEN 4 END,"
        " %s, sha256(n::text::bytea), n::text, 'Event.' || n %% 10,"
        " CASE WHEN n %% 100 = 1 THEN 'lane' || n %% 7 END, CASE WHEN n %% 100 = 2 THEN 'pool' END,"
        " n %% 100 = 0, CASE WHEN n %% 100 = 0 THEN 'Event.0' END"
        " FROM generate_series(1, %s) AS x(n);"
        "INSERT INTO @.runs (seq, began_at, attempt, retry, waited_ms, ms)"
        " SELECT n, now(), 1, 0, 0, 0 FROM generate_series(1, %s, 10) AS x(n)",
        by_body ? "''" : "n::text", rows, rows);
    char *text = hw_pg_schema_fill(sql, schema);
    if (hw_pg_exec(pg, text, in_ms(300000)) != HW_PG_OK)
        fail_msg("%s", hw_pg_why(pg));
    free(text);
}

/* A million rows take longer than a statement may. */
static void vacuum_table(const char *sql)
{
    char *text = hw_pg_schema_fill(sql, schema);
    if (hw_pg_exec(pg, text, in_ms(300000)) != HW_PG_OK)
        fail_msg("%s: %s", text, hw_pg_why(pg));
    free(text);
}

static void vacuum(void)
{
    run_sql(pg, "SET statement_timeout = 0");
    vacuum_table("VACUUM (ANALYZE) @.notifications");
    vacuum_table("VACUUM (ANALYZE) @.runs");
}

/* A table that was vacuumed while it was empty has statistics that say so. */
static void each_plan_goes_by_an_index(void **state)
{
    (void)state;
    const char *rows = getenv("HOOKWARD_TEST_ROWS");
    for (int by_body = 0; by_body < 2; by_body++) {
        make_schema(by_body);
        look_at_all(by_body, "empty");
        vacuum();
        fill_tables(by_body, "2000");
        look_at_all(by_body, "small");
        run_in_schema("TRUNCATE @.notifications, @.runs");
        fill_tables(by_body, rows ? rows : "20000");
        look_at_all(by_body, "full");
        vacuum();
        look_at_all(by_body, "full and vacuumed");
    }
    run_in_schema("DROP SCHEMA @ CASCADE");
    assert_int_equal(found_wrong, 0);
}

/* Three of the planner's ways are switched off; without that the plans of an empty table read it all. */
static void without_the_switches_they_do_not(void **state)
{
    (void)state;
    size_t before = found_wrong;
    make_schema(false);
    vacuum();
    run_sql(pg, "SET enable_seqscan = on; SET enable_hashjoin = on; SET enable_mergejoin = on");
    look_at_all(false, NULL);
    run_in_schema("DROP SCHEMA @ CASCADE");
    assert_true(found_wrong > before);
}

/* ---- parameters ---- */

static bool begins_with_a_cast(const char *text)
{
    static const char *const casts[] = {"::bigint", "::int",  "::smallint",
                                        "::bool",   "::text", "::bytea"};
    for (size_t i = 0; i < sizeof casts / sizeof *casts; i++) {
        size_t len = strlen(casts[i]);
        if (strncmp(text, casts[i], len) == 0 && !isalnum((unsigned char)text[len]) &&
            text[len] != '_')
            return true;
    }
    return false;
}

/* What it is sent as: `$1 * interval '1 ms'` would take it for a float8. */
static void each_parameter_has_a_cast(void **state)
{
    size_t found = 0;
    (void)state;
    for (int by_body = 0; by_body < 2; by_body++) {
        struct hw_pg_statement statements[HW_PG_STATEMENTS];
        assert_int_equal(hw_pg_sql_fill(statements, schema, by_body), 0);
        for (size_t i = 0; i < HW_PG_STATEMENTS; i++)
            for (const char *p = statements[i].sql; (p = strchr(p, '$')); found++) {
                const char *after = p + 1 + strspn(p + 1, "0123456789");
                if (!begins_with_a_cast(after))
                    fail_msg("%s: no cast: %.40s", statements[i].name, p);
                p = after;
            }
        hw_pg_sql_free(statements);
    }
    assert_true(found > 100);
}

int main(void)
{
    if (!(options.url = test_server("pg_plan_test")))
        return 0;
    pg = hw_pg_new(&options);
    if (hw_pg_connect(pg, in_ms(5000)) != HW_PG_OK || hw_pg_facts(pg)->pooled) {
        printf("pg_plan_test: skipped: it takes a direct connection: %s\n", hw_pg_why(pg));
        hw_pg_free(pg);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_parameter_has_a_cast),
        cmocka_unit_test(each_plan_goes_by_an_index),
        cmocka_unit_test(without_the_switches_they_do_not),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    hw_pg_free(pg);
    return failed;
}
