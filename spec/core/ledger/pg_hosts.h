/* pg_hosts.h -- hosts on one PostgreSQL, without their pulses: for tests of what they write.
 *
 * The server is the one that HOOKWARD_TEST_POSTGRES names; each test has a schema of its own. */
#ifndef HW_SPEC_LEDGER_PG_HOSTS_H
#define HW_SPEC_LEDGER_PG_HOSTS_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/pg_schema.h"
#include "ledger/postgres.h"
#include "sample.h"

static const char *const rig_url_variable = "HOOKWARD_TEST_POSTGRES";

/* One line, when there is no server to test with. */
static inline bool rig_is_skipped(const char *program)
{
    if (getenv(rig_url_variable))
        return false;
    printf("%s: skipped, %s is not set\n", program, rig_url_variable);
    return true;
}

static inline uint64_t rig_deadline(void)
{
    return hw_now_ns() + UINT64_C(20000000000);
}

struct rig {
    struct hw_postgres a, b; /* two hosts */
    struct hw_pg *other;     /* a connection of the test's own */
    struct hw_pg_options options;
    char schema[64];
};

/* Runs a statement of the test's own: @ is the schema. Returns the first number of its answer. */
static inline int64_t rig_number(struct rig *r, const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct hw_pg_result *result = NULL;
    char *sql = hw_pg_schema_fill(text, r->schema);
    if (hw_pg_query(r->other, sql, NULL, &result, rig_deadline()) != HW_PG_OK)
        fail_msg("%s: %s", sql, hw_pg_why(r->other));
    int64_t number = hw_pg_rows(result) > 0 ? hw_pg_int(result, 0, 0) : hw_pg_changed(result);
    hw_pg_result_free(result);
    free(sql);
    return number;
}

static inline void rig_host_open(struct rig *r, struct hw_postgres *p, const char *name)
{
    memset(p, 0, sizeof *p);
    p->url = getenv(rig_url_variable);
    p->schema = r->schema;
    snprintf(p->host_name, sizeof p->host_name, "%s", name);
    p->ttl_ms = 10000;
    p->keep_bodies = false;
    hw_pauses_init(&p->ledger.pauses);
    hw_histogram_init(&p->claim_times, &hw_histogram_durations);
    hw_histogram_init(&p->claim_sizes, &hw_histogram_durations);
    assert_int_equal(hw_pg_sql_fill(p->statements, r->schema, false), 0);
    for (int i = 0; i < 3; i++)
        p->options[i] = (struct hw_pg_options){.url = p->url,
                                               .name = p->host_name,
                                               .statements = p->statements,
                                               .count = HW_PG_STATEMENTS};
    p->claims = hw_pg_new(&p->options[0]);
    p->settles = hw_pg_new(&p->options[1]);
    p->pulse = hw_pg_new(&p->options[2]);
    p->claim_args = hw_pg_args_new();
    p->settle_args = hw_pg_args_new();
    p->pulse_args = hw_pg_args_new();
    p->live = hw_pg_live_new();
    p->unsettled = hw_pg_unsettled_new(p->live, 1000, 1 << 20, false);
    hw_pg_pausing_init(p);
    hw_pg_minutes_init(p);
    atomic_store(&p->owner, rig_number(r,
                                       "INSERT INTO @.hosts (name, version, alive_until)"
                                       " VALUES ('%s', 'test', 'infinity') RETURNING id",
                                       name));
    atomic_store(&p->lease_until_ns, UINT64_MAX);
}

static inline void rig_host_close(struct hw_postgres *p)
{
    hw_pg_free(p->claims);
    hw_pg_free(p->settles);
    hw_pg_free(p->pulse);
    hw_pg_args_free(p->claim_args);
    hw_pg_args_free(p->settle_args);
    hw_pg_args_free(p->pulse_args);
    hw_pg_unsettled_free(p->unsettled);
    hw_pg_live_free(p->live);
    hw_pg_pausing_fini(p);
    hw_pg_minutes_fini(p);
    hw_pauses_fini(&p->ledger.pauses);
    hw_pg_sql_free(p->statements);
}

static inline void rig_open(struct rig *r)
{
    static int number;
    char why[512];
    memset(r, 0, sizeof *r);
    snprintf(r->schema, sizeof r->schema, "due_%d_%d", (int)getpid(), ++number);
    r->options = (struct hw_pg_options){.url = getenv(rig_url_variable), .name = "test"};
    r->other = hw_pg_new(&r->options);
    if (hw_pg_schema_update(r->other, r->schema, false, why, sizeof why) != HW_PG_OK)
        fail_msg("%s", why);
    rig_host_open(r, &r->a, "a");
    rig_host_open(r, &r->b, "b");
}

static inline void rig_close(struct rig *r)
{
    rig_host_close(&r->a);
    rig_host_close(&r->b);
    rig_number(r, "DROP SCHEMA @ CASCADE");
    hw_pg_free(r->other);
}

#endif
