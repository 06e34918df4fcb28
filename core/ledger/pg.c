/* pg.c -- see pg.h */
#include "ledger/pg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "ledger/pg_keywords.h"
#include "ledger/pg_wire.h"

const char *hw_pg_absent(void)
{
    return hw_libpq_load();
}

bool hw_pg_is_built(void)
{
    return HW_LIBPQ;
}

#if HW_LIBPQ

enum { REPLAN_FIRST_MS = 250, REPLAN_MS = 4000 };

struct hw_pg {
    const struct hw_pg_options *options;
    struct hw_pg_wire wire;
    bool *prepared; /* of the options' statements, on this connection */
    unsigned tries; /* connects that came to nothing in time: the next begins at another host */
    struct hw_pg_facts facts;
    uint64_t replan_ns,
        replan_after_ms; /* when plans are made anew, and how long after that again */
    char settings[1024]; /* the statement that sets them: for the session, or each transaction */
};

const char *hw_pg_version(void)
{
    static _Thread_local char text[16];
    if (hw_libpq_load())
        return NULL;
    int version = hw_libpq.libVersion();
    snprintf(text, sizeof text, "%d.%d", version / 10000, version % 10000);
    return text;
}

struct hw_pg *hw_pg_new(const struct hw_pg_options *options)
{
    struct hw_pg *pg = calloc(1, sizeof *pg);
    bool *prepared = calloc(options->count + 1, sizeof *prepared);
    if (!pg || !prepared) {
        free(pg);
        free(prepared);
        return NULL;
    }
    pg->options = options;
    pg->prepared = prepared;
    pg->wire.url = options->url;
    return pg;
}

void hw_pg_close(struct hw_pg *pg)
{
    hw_pg_wire_close(&pg->wire);
}

void hw_pg_free(struct hw_pg *pg)
{
    if (!pg)
        return;
    hw_pg_close(pg);
    free(pg->prepared);
    free(pg);
}

bool hw_pg_is_open(const struct hw_pg *pg)
{
    return pg->wire.conn != NULL;
}

const char *hw_pg_why(const struct hw_pg *pg)
{
    return pg->wire.why;
}

const char *hw_pg_sqlstate(const struct hw_pg *pg)
{
    return pg->wire.sqlstate;
}

const struct hw_pg_facts *hw_pg_facts(const struct hw_pg *pg)
{
    return &pg->facts;
}

/* ---- connect ---- */

static enum hw_pg_rc open_wire(struct hw_pg *pg, uint64_t deadline_ns)
{
    struct hw_pg_keywords words;
    hw_pg_keywords_fill(&words, pg->options->url, pg->options->name, pg->tries);
    enum hw_pg_rc rc = hw_pg_wire_open(&pg->wire, words.names, words.values, deadline_ns);
    hw_pg_keywords_free(&words);
    pg->tries = rc == HW_PG_OK ? pg->tries : rc == HW_PG_LATE ? pg->tries + 1 : 0;
    return rc;
}

/* The planner's three switches: a plan that was made while a table was empty must not read all of it
 * later on. Their costs would start the compiler, so that is off. Without force_generic_plan the
 * server would plan a batch of one anew each time, since it knows the length of the arrays then.
 * A synchronous_commit that waits for standbys is the operator's; one that does not wait for the
 * disk would break the ledger's promise. lock_timeout is shorter than a statement's deadline: a row
 * that somebody holds is no server that is away.
 * `local`: for one transaction. */
static void fill_settings(struct hw_pg *pg, bool local)
{
    static const char switches[] =
        ", set_config('enable_seqscan', 'off', %2$s), set_config('enable_hashjoin', 'off', %2$s),"
        " set_config('enable_mergejoin', 'off', %2$s),"
        " set_config('plan_cache_mode', 'force_generic_plan', %2$s)";
    static const char others[] =
        "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
        " WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, %2$s),"
        " set_config('statement_timeout', '%1$llu', %2$s),"
        " set_config('lock_timeout', '1s', %2$s), set_config('jit', 'off', %2$s)";
    static const char isolation[] =
        ", set_config('default_transaction_isolation', 'read committed', false)";
    char format[sizeof switches + sizeof others + sizeof isolation];
    unsigned long long ms = pg->options->statement_ms ? pg->options->statement_ms : 5000;
    snprintf(format, sizeof format, "%s%s%s", others, pg->options->plain ? "" : switches,
             local ? "" : isolation);
    snprintf(pg->settings, sizeof pg->settings, format, ms, local ? "true" : "false");
}

static const char look_sql[] =
    "SELECT pg_is_in_recovery(), current_setting('server_encoding'), pg_backend_pid(),"
    " current_setting('server_version_num')::int4,"
    " current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on',"
    " current_setting('synchronous_standby_names'),"
    " current_setting('default_transaction_isolation')";

static void copy(char *to, size_t size, struct hw_str from)
{
    snprintf(to, size, "%.*s", HW_STR_ARG(from));
}

static bool is_local(const char *host, const char *address)
{
    return host[0] == '/' || host[0] == '@' || host[0] == '\0' ||
           strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static void note_facts(struct hw_pg *pg, const struct hw_pg_result *found)
{
    struct hw_pg_facts *f = &pg->facts;
    PGconn *conn = pg->wire.conn;
    const char *host = hw_libpq.host(conn), *address = hw_libpq.hostaddr(conn);
    f->pooled = hw_pg_int(found, 0, 2) != hw_libpq.backendPID(conn);
    f->server_version = (int)hw_pg_int(found, 0, 3);
    f->durable = hw_pg_int(found, 0, 4) != 0;
    f->tls = hw_libpq.sslInUse(conn);
    f->local = is_local(host ? host : "", address ? address : "");
    copy(f->standbys, sizeof f->standbys, hw_pg_text(found, 0, 5));
    copy(f->host, sizeof f->host, hw_str_of(host));
    copy(f->port, sizeof f->port, hw_str_of(hw_libpq.port(conn)));
    copy(f->database, sizeof f->database, hw_str_of(hw_libpq.db(conn)));
    copy(f->user, sizeof f->user, hw_str_of(hw_libpq.user(conn)));
}

static enum hw_pg_rc refuse(struct hw_pg *pg, const char *sqlstate, const char *why)
{
    hw_pg_wire_fail(&pg->wire, HW_PG_REFUSED, why);
    snprintf(pg->wire.sqlstate, sizeof pg->wire.sqlstate, "%s", sqlstate);
    hw_pg_close(pg);
    return HW_PG_REFUSED;
}

static enum hw_pg_rc check_facts(struct hw_pg *pg, const struct hw_pg_result *found)
{
    char why[200];
    struct hw_str encoding = hw_pg_text(found, 0, 1), isolation = hw_pg_text(found, 0, 6);
    if (hw_pg_int(found, 0, 0))
        return refuse(pg, "25006", "the server is a standby: it can't be written to");
    if (pg->facts.server_version < 120000)
        return refuse(pg, "", "the server is older than PostgreSQL 12");
    if (!hw_str_eq(encoding, HW_STR("UTF8"))) {
        snprintf(why, sizeof why, "the database has the encoding %.*s; it must be UTF8",
                 HW_STR_ARG(encoding));
        return refuse(pg, "", why);
    }
    if (pg->facts.pooled && !hw_str_eq(isolation, HW_STR("read committed")))
        return refuse(pg, "",
                      "default_transaction_isolation must be \"read committed\" where "
                      "a pooler is in between");
    return HW_PG_OK;
}

static enum hw_pg_rc look(struct hw_pg *pg, uint64_t deadline_ns)
{
    struct hw_pg_step step = {.sql = look_sql};
    enum hw_pg_rc rc = hw_pg_wire_pipe(&pg->wire, &step, 1, deadline_ns);
    const struct hw_pg_result *found = (const struct hw_pg_result *)step.result;
    if (rc == HW_PG_OK) {
        note_facts(pg, found);
        rc = check_facts(pg, found);
    }
    hw_libpq.clear(step.result);
    return rc;
}

static enum hw_pg_rc set(struct hw_pg *pg, uint64_t deadline_ns)
{
    fill_settings(pg, pg->facts.pooled);
    if (pg->facts.pooled)
        return HW_PG_OK;
    struct hw_pg_step step = {.sql = pg->settings};
    enum hw_pg_rc rc = hw_pg_wire_pipe(&pg->wire, &step, 1, deadline_ns);
    hw_libpq.clear(step.result);
    return rc;
}

/* One that breaks right after it was made is as good as none. */
enum hw_pg_rc hw_pg_connect(struct hw_pg *pg, uint64_t deadline_ns)
{
    if (pg->wire.conn && hw_pg_wire_is_alive(&pg->wire))
        return HW_PG_OK;
    hw_pg_close(pg);
    const char *absent = hw_libpq_load();
    if (absent)
        return refuse(pg, "", absent);
    memset(pg->prepared, 0, pg->options->count * sizeof *pg->prepared);
    pg->replan_after_ms = REPLAN_FIRST_MS;
    pg->replan_ns = hw_now_ns() + REPLAN_FIRST_MS * 1000000;
    enum hw_pg_rc rc = open_wire(pg, deadline_ns);
    if (rc == HW_PG_OK)
        rc = look(pg, deadline_ns);
    if (rc == HW_PG_OK)
        rc = set(pg, deadline_ns);
    if (rc == HW_PG_OK || rc == HW_PG_REFUSED || rc == HW_PG_LATE)
        return rc;
    hw_pg_close(pg);
    return HW_PG_AWAY;
}

/* ---- run ---- */

enum { STEPS_MAX = 2 * HW_PG_CALLS_MAX + 1 };

/* A plan that was made while a table was empty, and vacuumed, takes it for one row and reads all of it,
 * until the table is analyzed. A new plan sees the table's size. So they are made anew: soon after the
 * connection was made, then every few seconds, which costs a millisecond each time. */
static bool has_to_replan(struct hw_pg *pg)
{
    uint64_t now = hw_now_ns();
    if (now < pg->replan_ns)
        return false;
    pg->replan_ns = now + pg->replan_after_ms * 1000000;
    if (pg->replan_after_ms < REPLAN_MS)
        pg->replan_after_ms *= 2;
    return true;
}

static bool are_spoiled(const struct hw_pg_args *args)
{
    struct hw_pg_params ignored;
    return !hw_pg_args_params(args, &ignored);
}

static enum hw_pg_rc spoiled(struct hw_pg *pg)
{
    return hw_pg_wire_fail(&pg->wire, HW_PG_DATA, "out of memory, or more than a statement takes");
}

/* The call, and before it what it takes. Returns how many steps. */
static size_t add_steps(struct hw_pg *pg, const struct hw_pg_call *call, struct hw_pg_step *steps)
{
    const struct hw_pg_statement *s = &pg->options->statements[call->statement];
    size_t count = 0;
    HW_CHECK(call->statement < pg->options->count);
    if (pg->facts.pooled) {
        steps[count++] = (struct hw_pg_step){.sql = s->sql, .args = call->args};
        return count;
    }
    if (!pg->prepared[call->statement])
        steps[count++] = (struct hw_pg_step){.name = s->name, .sql = s->sql, .args = call->args};
    pg->prepared[call->statement] = true;
    steps[count++] = (struct hw_pg_step){.name = s->name, .args = call->args};
    return count;
}

/* A statement stays prepared also where the transaction did not come through. */
static void note_prepared(struct hw_pg *pg, const struct hw_pg_call *call,
                          const struct hw_pg_step *step)
{
    bool prepares = step->name && step->sql;
    if (prepares && !step->done)
        pg->prepared[call->statement] = false;
}

enum hw_pg_rc hw_pg_run(struct hw_pg *pg, struct hw_pg_call *calls, size_t count,
                        uint64_t deadline_ns)
{
    struct hw_pg_step steps[STEPS_MAX];
    size_t first[HW_PG_CALLS_MAX + 1], n = 0;
    HW_CHECK(count > 0 && count <= HW_PG_CALLS_MAX);
    for (size_t i = 0; i < count; i++)
        calls[i].result = NULL;
    for (size_t i = 0; i < count; i++)
        if (are_spoiled(calls[i].args))
            return spoiled(pg);
    enum hw_pg_rc rc = hw_pg_connect(pg, deadline_ns);
    if (rc != HW_PG_OK)
        return rc;
    if (pg->facts.pooled)
        steps[n++] = (struct hw_pg_step){.sql = pg->settings};
    else if (has_to_replan(pg))
        steps[n++] = (struct hw_pg_step){.sql = "DISCARD PLANS"};
    for (size_t i = 0; i < count; i++) {
        first[i] = n;
        n += add_steps(pg, &calls[i], steps + n);
    }
    first[count] = n;
    rc = hw_pg_wire_pipe(&pg->wire, steps, n, deadline_ns);
    for (size_t i = 0; i < count; i++) {
        note_prepared(pg, &calls[i], &steps[first[i]]);
        calls[i].result = (struct hw_pg_result *)steps[first[i + 1] - 1].result;
    }
    for (size_t i = 0, call = 0; i < n && rc == HW_PG_OK; i++) {
        if (i + 1 == first[call + 1])
            call++;
        else
            hw_libpq.clear(steps[i].result);
    }
    return rc;
}

enum hw_pg_rc hw_pg_exec(struct hw_pg *pg, const char *sql, uint64_t deadline_ns)
{
    enum hw_pg_rc rc = hw_pg_connect(pg, deadline_ns);
    return rc == HW_PG_OK ? hw_pg_wire_exec(&pg->wire, sql, deadline_ns) : rc;
}

enum hw_pg_rc hw_pg_query(struct hw_pg *pg, const char *sql, const struct hw_pg_args *args,
                          struct hw_pg_result **result, uint64_t deadline_ns)
{
    struct hw_pg_step steps[2] = {{.sql = pg->settings}, {.sql = sql, .args = args}};
    *result = NULL;
    if (are_spoiled(args))
        return spoiled(pg);
    enum hw_pg_rc rc = hw_pg_connect(pg, deadline_ns);
    if (rc != HW_PG_OK)
        return rc;
    size_t from = pg->facts.pooled ? 0 : 1;
    rc = hw_pg_wire_pipe(&pg->wire, steps + from, 2 - from, deadline_ns);
    hw_libpq.clear(steps[0].result);
    *result = (struct hw_pg_result *)steps[1].result;
    return rc;
}

/* ---- results ---- */

static const PGresult *of(const struct hw_pg_result *result)
{
    return (const PGresult *)result;
}

size_t hw_pg_rows(const struct hw_pg_result *result)
{
    return (size_t)hw_libpq.ntuples(of(result));
}

bool hw_pg_is_null(const struct hw_pg_result *result, size_t row, size_t column)
{
    return hw_libpq.getisnull(of(result), (int)row, (int)column);
}

struct hw_str hw_pg_text(const struct hw_pg_result *result, size_t row, size_t column)
{
    if (hw_pg_is_null(result, row, column))
        return HW_STR_NONE;
    return (struct hw_str){hw_libpq.getvalue(of(result), (int)row, (int)column),
                           (size_t)hw_libpq.getlength(of(result), (int)row, (int)column)};
}

int64_t hw_pg_int(const struct hw_pg_result *result, size_t row, size_t column)
{
    struct hw_str s = hw_pg_text(result, row, column);
    if (s.len == 0)
        return 0;
    HW_CHECK(s.len == 1 || s.len == 2 || s.len == 4 || s.len == 8);
    int64_t value = (signed char)s.ptr[0];
    for (size_t i = 1; i < s.len; i++)
        value = (int64_t)((uint64_t)value << 8 | (unsigned char)s.ptr[i]);
    return value;
}

int64_t hw_pg_changed(const struct hw_pg_result *result)
{
    return strtoll(hw_libpq.cmdTuples((PGresult *)result), NULL, 10);
}

void hw_pg_result_free(struct hw_pg_result *result)
{
    if (result)
        hw_libpq.clear((PGresult *)result);
}

#endif
