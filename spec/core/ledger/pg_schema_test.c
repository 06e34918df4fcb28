/* pg_schema_test.c -- tests core/ledger/pg_schema.h, with the server that HOOKWARD_TEST_POSTGRES names. */
#include "ledger/pg_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "pg_server.h"

static struct hw_pg_options options = {.name = "test"};
static struct hw_pg *pg;
static char why[512];

static void sql(const char *text)
{
    run_sql(pg, text);
}

static int64_t number(const char *text)
{
    return number_of(pg, text);
}

static int clean(void **state)
{
    (void)state;
    sql("DROP SCHEMA IF EXISTS hw_schema_test CASCADE");
    return 0;
}

static enum hw_pg_rc update(bool by_body)
{
    return hw_pg_schema_update(pg, "hw_schema_test", by_body, why, sizeof why);
}

static enum hw_pg_rc check(bool by_body)
{
    return hw_pg_schema_check(pg, "hw_schema_test", by_body, why, sizeof why);
}

static void assert_says(const char *part)
{
    if (!strstr(why, part))
        fail_msg("\"%s\" does not say \"%s\"", why, part);
}

static void it_is_made_once_and_then_left_alone(void **state)
{
    (void)state;
    assert_int_equal(check(false), HW_PG_REFUSED);
    assert_says("there is no schema \"hw_schema_test\" yet");
    assert_int_equal(update(false), HW_PG_OK);
    assert_int_equal(check(false), HW_PG_OK);
    sql("INSERT INTO hw_schema_test.pauses VALUES ('*', now())");
    assert_int_equal(update(false), HW_PG_OK);
    assert_int_equal(number("SELECT count(*) FROM hw_schema_test.pauses"), 1);
    assert_int_equal(number("SELECT schema FROM hw_schema_test.meta"), HW_PG_SCHEMA);
}

static void one_of_other_duplicates_is_refused(void **state)
{
    (void)state;
    assert_int_equal(update(true), HW_PG_OK);
    assert_int_equal(number("SELECT count(*) FROM pg_indexes WHERE schemaname = 'hw_schema_test'"
                            " AND indexname = 'by_digest'"),
                     1);
    assert_int_equal(update(false), HW_PG_REFUSED);
    assert_says("duplicates = \"by-body\", and this host \"by-job\"");
    assert_int_equal(check(false), HW_PG_REFUSED);
}

static void a_newer_one_is_used_unless_it_says_that_it_must_not(void **state)
{
    (void)state;
    assert_int_equal(update(false), HW_PG_OK);
    sql("UPDATE hw_schema_test.meta SET schema = schema + 1;"
        "ALTER TABLE hw_schema_test.notifications ADD COLUMN newer text");
    assert_int_equal(update(false), HW_PG_OK);
    assert_int_equal(check(false), HW_PG_OK);
    assert_int_equal(number("SELECT schema FROM hw_schema_test.meta"), HW_PG_SCHEMA + 1);
    sql("UPDATE hw_schema_test.meta SET compat = schema");
    assert_int_equal(update(false), HW_PG_REFUSED);
    assert_says("newer hookward");
}

static void a_role_without_the_right_is_told_of_the_sql(void **state)
{
    (void)state;
    sql("SET ROLE pg_monitor");
    assert_int_equal(update(false), HW_PG_REFUSED);
    assert_says("`hookward ledger schema` prints the SQL");
    sql("RESET ROLE");
}

static void the_text_for_a_dba_makes_the_same(void **state)
{
    (void)state;
    static const char columns[] =
        "SELECT hashtext(string_agg(s, ' ' ORDER BY s)) FROM"
        " (SELECT table_name || '.' || column_name || data_type || is_nullable FROM"
        " information_schema.columns WHERE table_schema = 'hw_schema_test'"
        " UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'hw_schema_test') AS x(s)";
    for (int by_body = 0; by_body < 2; by_body++) {
        clean(NULL);
        assert_int_equal(update(by_body), HW_PG_OK);
        int64_t made = number(columns);
        clean(NULL);
        char *text = hw_pg_schema_text("hw_schema_test", by_body);
        assert_non_null(text);
        sql(text);
        free(text);
        assert_true(number(columns) == made);
        assert_int_equal(check(by_body), HW_PG_OK);
    }
}

static void a_right_that_is_missing_is_named(void **state)
{
    (void)state;
    assert_int_equal(update(false), HW_PG_OK);
    sql("GRANT USAGE ON SCHEMA hw_schema_test TO pg_monitor;"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hw_schema_test TO pg_monitor;"
        "GRANT SELECT ON ALL SEQUENCES IN SCHEMA hw_schema_test TO pg_monitor;"
        "REVOKE INSERT, UPDATE, DELETE ON hw_schema_test.meta FROM pg_monitor;"
        "SET ROLE pg_monitor");
    assert_int_equal(hw_pg_schema_rights(pg, "hw_schema_test", why, sizeof why), HW_PG_OK);
    sql("RESET ROLE; REVOKE INSERT ON hw_schema_test.notifications FROM pg_monitor;"
        "REVOKE SELECT ON ALL SEQUENCES IN SCHEMA hw_schema_test FROM pg_monitor;"
        "SET ROLE pg_monitor");
    assert_int_equal(hw_pg_schema_rights(pg, "hw_schema_test", why, sizeof why), HW_PG_REFUSED);
    assert_says(
        "INSERT ON notifications, SELECT ON notifications_seq_seq; `hookward ledger schema`");
    sql("RESET ROLE");
}

static void a_word_of_sql_may_be_its_name(void **state)
{
    (void)state;
    sql("DROP SCHEMA IF EXISTS \"user\" CASCADE");
    assert_int_equal(hw_pg_schema_update(pg, "user", false, why, sizeof why), HW_PG_OK);
    assert_int_equal(hw_pg_schema_check(pg, "user", false, why, sizeof why), HW_PG_OK);
    assert_int_equal(hw_pg_schema_rights(pg, "user", why, sizeof why), HW_PG_OK);
    sql("DROP SCHEMA \"user\" CASCADE");
}

/* ---- eight hosts at once ---- */

enum { HOSTS = 8, ROUNDS = 5 };

struct host {
    pthread_t thread;
    struct hw_pg *pg;
    enum hw_pg_rc rc;
    char why[512];
};

static void *start(void *data)
{
    struct host *host = data;
    host->rc = hw_pg_schema_update(host->pg, "hw_schema_test", false, host->why, sizeof host->why);
    return NULL;
}

/* A session that was there before remembers what it did not find. */
static void eight_hosts_may_make_it_at_once(void **state)
{
    struct host hosts[HOSTS];
    for (size_t i = 0; i < HOSTS; i++)
        assert_non_null(hosts[i].pg = hw_pg_new(&options));
    for (int round = 0; round < ROUNDS; round++) {
        clean(state);
        for (size_t i = 0; i < HOSTS; i++)
            assert_int_equal(pthread_create(&hosts[i].thread, NULL, start, &hosts[i]), 0);
        for (size_t i = 0; i < HOSTS; i++)
            pthread_join(hosts[i].thread, NULL);
        for (size_t i = 0; i < HOSTS; i++)
            if (hosts[i].rc != HW_PG_OK)
                fail_msg("host %zu: %d: %s", i, hosts[i].rc, hosts[i].why);
        assert_int_equal(number("SELECT count(*) FROM hw_schema_test.meta"), 1);
    }
    for (size_t i = 0; i < HOSTS; i++)
        hw_pg_free(hosts[i].pg);
}

/* ---- names ---- */

static void only_plain_identifiers_are_names(void **state)
{
    (void)state;
    assert_true(hw_pg_schema_is_name("hookward"));
    assert_true(hw_pg_schema_is_name("_a1"));
    assert_false(hw_pg_schema_is_name(""));
    assert_false(hw_pg_schema_is_name("1a"));
    assert_false(hw_pg_schema_is_name("Hook"));
    assert_false(hw_pg_schema_is_name("a\"b"));
    assert_false(hw_pg_schema_is_name("a-b"));
    char *filled = hw_pg_schema_fill("SELECT @.a, '@.b', '@'", "user");
    assert_string_equal(filled, "SELECT \"user\".a, '\"user\".b', 'user'");
    free(filled);
}

int main(void)
{
    if (!(options.url = test_server("pg_schema_test")))
        return 0;
    pg = hw_pg_new(&options);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_is_made_once_and_then_left_alone, clean),
        cmocka_unit_test_setup(one_of_other_duplicates_is_refused, clean),
        cmocka_unit_test_setup(a_newer_one_is_used_unless_it_says_that_it_must_not, clean),
        cmocka_unit_test_setup(a_role_without_the_right_is_told_of_the_sql, clean),
        cmocka_unit_test_setup(a_right_that_is_missing_is_named, clean),
        cmocka_unit_test(a_word_of_sql_may_be_its_name),
        cmocka_unit_test_setup(the_text_for_a_dba_makes_the_same, clean),
        cmocka_unit_test_setup_teardown(eight_hosts_may_make_it_at_once, clean, clean),
        cmocka_unit_test(only_plain_identifiers_are_names),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    hw_pg_free(pg);
    return failed;
}
