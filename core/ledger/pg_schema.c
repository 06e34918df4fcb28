/* pg_schema.c -- see pg_schema.h */
#include "ledger/pg_schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Each step takes the schema one version further, in one transaction, and only adds. A released step is
 * never edited. @ stands for the schema's name. Columns of eight bytes stand first: no padding. The claim
 * leaves the texts NULL, so a settle only adds. */
static const char *const steps[HW_PG_SCHEMA] = {
    "CREATE TABLE @.meta ("
    " one boolean PRIMARY KEY DEFAULT true CHECK (one),"
    " schema integer NOT NULL,"
    " compat integer NOT NULL,"
    " duplicates text NOT NULL);\n"

    "CREATE TABLE @.hosts ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " name text NOT NULL,"
    " version text NOT NULL,"
    " started_at timestamptz NOT NULL DEFAULT now(),"
    " since timestamptz NOT NULL DEFAULT now()," /* renewed without a gap since */
    " alive_until timestamptz NOT NULL,"
    " low_seq bigint NOT NULL DEFAULT 0," /* no row below it that it claimed as new can be running */
    " gone_at timestamptz,"               /* final: it stopped, or was declared gone */
    " swept_at timestamptz,"              /* what it left behind was let go */
    " scripts text,"                      /* the version of its scripts */
    " scripts_at timestamptz,"
    " place text) WITH (fillfactor = 50);\n" /* where it started: pg_place.h; NULL: not known */

    "CREATE TABLE @.notifications ("
    " seq bigint GENERATED ALWAYS AS IDENTITY,"
    " owner bigint NOT NULL,"
    " claim bigint NOT NULL,"
    " received_at timestamptz NOT NULL,"
    " settled_at timestamptz,"
    " next_run_at timestamptz," /* 'infinity': it runs now, and is not a first claim */
    " attempt integer NOT NULL,"
    " deliveries integer NOT NULL DEFAULT 0,"
    " runs integer NOT NULL DEFAULT 0," /* counts each take */
    " retries integer NOT NULL DEFAULT 0,"
    " lost smallint NOT NULL DEFAULT 0,"
    " state smallint NOT NULL,"
    " trouble smallint,"
    " accepted boolean NOT NULL DEFAULT false,"
    " parked boolean NOT NULL DEFAULT false,"
    " parked_event text," /* the event while it is parked: an index on `event` would slow settles down */
    " dedupe_id text NOT NULL,"
    " digest bytea NOT NULL,"
    " job_id text NOT NULL,"
    " event text, error text, reason text, detail text, key text, place text, version text,"
    " lane text,"
    " pool text,"
    " headers text,"
    " body bytea)"
    " WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_insert_scale_factor = 0.1,"
    " autovacuum_analyze_scale_factor = 0.05);\n"

    "CREATE UNIQUE INDEX by_identity ON @.notifications (dedupe_id, digest);\n"
    "CREATE UNIQUE INDEX by_seq ON @.notifications (seq);\n"
    "CREATE INDEX due ON @.notifications (next_run_at, seq)"
    " WHERE next_run_at IS NOT NULL AND pool IS NULL;\n"
    "CREATE INDEX due_pool ON @.notifications (pool, next_run_at, seq)"
    " WHERE next_run_at IS NOT NULL AND pool IS NOT NULL;\n"
    "CREATE INDEX lanes ON @.notifications (lane, seq) WHERE lane IS NOT NULL;\n"
    "CREATE INDEX heads ON @.notifications (lane, seq)"
    " WHERE lane IS NOT NULL AND (next_run_at IS NOT NULL OR parked);\n" /* at most one a lane */
    "CREATE INDEX by_park ON @.notifications (parked_event, seq)"
    " WHERE parked_event IS NOT NULL;\n"
    "CREATE INDEX by_trouble ON @.notifications (seq, trouble) WHERE trouble IS NOT NULL;\n"
    "CREATE INDEX by_job ON @.notifications (job_id) WHERE dedupe_id = '';\n" /* only by-body rows */
    "CREATE INDEX by_time ON @.notifications USING brin (received_at) WITH (pages_per_range = "
    "64);\n"

    "CREATE TABLE @.runs ("
    " seq bigint NOT NULL,"
    " began_at timestamptz NOT NULL,"
    " attempt integer NOT NULL,"
    " retry integer NOT NULL,"
    " waited_ms bigint NOT NULL,"
    " ms bigint NOT NULL,"
    " host bigint,"
    " error text, reason text, version text);\n"
    "CREATE INDEX runs_by_seq ON @.runs (seq);\n"

    "CREATE TABLE @.pauses (pattern text PRIMARY KEY, since timestamptz NOT NULL);\n"

    "CREATE TABLE @.minutes ("
    " host text NOT NULL,"
    " minute bigint NOT NULL,"
    " numbers bytea NOT NULL,"
    " PRIMARY KEY (host, minute));\n",
};

bool hw_pg_schema_is_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
    size_t len = strlen(name);
    return len >= 1 && len <= 63 && strchr(letters, name[0]) &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789") == len;
}

char *hw_pg_schema_fill(const char *sql, const char *name)
{
    size_t quoted_len = strlen(name) + 2, len = 0;
    for (const char *p = sql; *p; p++)
        len += *p == '@' ? quoted_len : 1;
    char *text = malloc(len + 1), *to = text;
    if (!text)
        return NULL;
    for (const char *p = sql; *p; p++) {
        if (*p != '@')
            *to++ = *p;
        else if (strncmp(p, "@'", 2) == 0)
            to = stpcpy(to, name);
        else
            to += sprintf(to, "\"%s\"", name);
    }
    *to = '\0';
    return text;
}

/* ---- the text of a migration ---- */

/* To find rows of another dedupe_id: of a time when duplicates went by the job. */
static const char by_digest[] =
    "CREATE INDEX IF NOT EXISTS by_digest ON @.notifications (digest);\n";

#define IS_THERE                                                                                   \
    "EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"                 \
    " WHERE n.nspname = '@' AND c.relname = 'meta')"

static const char *name_of(bool by_body)
{
    return by_body ? "by-body" : "by-job";
}

static void write_steps(FILE *out, bool guarded)
{
    for (int i = 0; i < HW_PG_SCHEMA; i++)
        fprintf(out, guarded ? "IF taken < %d THEN\n%sEND IF;\n" : "-- step %d\n%s", i + 1,
                steps[i]);
}

/* One transaction of several statements. The lock comes first, so the block sees what the host before
 * it has made: each statement of a block looks anew. The catalogs are read as tables: to_regclass and its
 * like may remember, in a session that was there before, what was missing then. */
static void write_update(FILE *out, bool by_body)
{
    fputs("SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '0', "
          "true);\n"
          "SELECT pg_advisory_xact_lock(1751346283, 1);\n"
          "DO $hookward$ DECLARE taken integer;\n"
          "BEGIN\n"
          "IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = '@') THEN CREATE SCHEMA @; END "
          "IF;\n"
          "IF " IS_THERE " THEN SELECT schema INTO taken FROM @.meta; END IF;\n"
          "taken := coalesce(taken, 0);\n",
          out);
    write_steps(out, true);
    fprintf(out,
            "IF taken = 0 THEN INSERT INTO @.meta (schema, compat, duplicates)"
            " VALUES (%1$d, %2$d, '%3$s');\n%4$s"
            "ELSIF taken < %1$d THEN UPDATE @.meta SET schema = %1$d, compat = greatest(compat, "
            "%2$d);\n"
            "END IF;\nEND $hookward$",
            HW_PG_SCHEMA, HW_PG_COMPAT, name_of(by_body), by_body ? by_digest : "");
}

static void write_text(FILE *out, bool by_body)
{
    fputs("-- hookward's ledger in PostgreSQL. Run it once, as the owner of the schema. The role "
          "of the\n"
          "-- hosts, if that is another, needs:\n"
          "--   GRANT USAGE ON SCHEMA @ TO role;\n"
          "--   GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA @ TO role;\n"
          "--   GRANT SELECT ON ALL SEQUENCES IN SCHEMA @ TO role;\n"
          "BEGIN;\n"
          "CREATE SCHEMA IF NOT EXISTS @;\n",
          out);
    write_steps(out, false);
    fprintf(out,
            "%sINSERT INTO @.meta (schema, compat, duplicates) VALUES (%d, %d, '%s');\n"
            "COMMIT;\n",
            by_body ? by_digest : "", HW_PG_SCHEMA, HW_PG_COMPAT, name_of(by_body));
}

/* What `write` writes, with the schema's name filled in; NULL without memory. */
static char *made_by(void (*write)(FILE *out, bool by_body), const char *name, bool by_body)
{
    char *text = NULL, *filled = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    write(out, by_body);
    if (fclose(out) == 0)
        filled = hw_pg_schema_fill(text, name);
    free(text);
    return filled;
}

char *hw_pg_schema_text(const char *name, bool by_body)
{
    return made_by(write_text, name, by_body);
}

/* ---- what is there ---- */

enum { CHECK_MS = 5000, UPDATE_MS = 60000, UPDATE_TRIES = 4 };

struct found {
    bool there;
    int64_t schema, compat;
    char duplicates[16];
};

static uint64_t in_ms(uint64_t ms)
{
    return hw_now_ns() + ms * 1000000;
}

static enum hw_pg_rc said_by(struct hw_pg *pg, enum hw_pg_rc rc, char *why, size_t why_size)
{
    snprintf(why, why_size, "%s", hw_pg_why(pg));
    return rc;
}

/* Runs a text with the schema's name in it. */
static enum hw_pg_rc ask(struct hw_pg *pg, const char *text, const char *name,
                         struct hw_pg_result **result)
{
    char *sql = hw_pg_schema_fill(text, name);
    enum hw_pg_rc rc = sql ? hw_pg_query(pg, sql, NULL, result, in_ms(CHECK_MS)) : HW_PG_DATA;
    free(sql);
    return rc;
}

/* The catalog is asked first: an error would stand in the server's log. */
static enum hw_pg_rc look(struct hw_pg *pg, const char *name, struct found *found)
{
    struct hw_pg_result *result = NULL;
    *found = (struct found){.there = false};
    enum hw_pg_rc rc = ask(pg, "SELECT " IS_THERE, name, &result);
    bool there = rc == HW_PG_OK && hw_pg_int(result, 0, 0);
    hw_pg_result_free(result);
    if (!there)
        return rc;
    result = NULL;
    rc = ask(pg, "SELECT schema, compat, duplicates FROM @.meta", name, &result);
    if (rc == HW_PG_OK && hw_pg_rows(result) == 1) {
        struct hw_str duplicates = hw_pg_text(result, 0, 2);
        found->there = true;
        found->schema = hw_pg_int(result, 0, 0);
        found->compat = hw_pg_int(result, 0, 1);
        snprintf(found->duplicates, sizeof found->duplicates, "%.*s", HW_STR_ARG(duplicates));
    }
    hw_pg_result_free(result);
    return rc;
}

static bool is_by_body(const struct found *found)
{
    return strcmp(found->duplicates, name_of(true)) == 0;
}

/* Whether this host may use what is there. */
static enum hw_pg_rc judge(const struct found *found, const char *name, bool by_body, char *why,
                           size_t why_size)
{
    if (found->compat > HW_PG_SCHEMA)
        snprintf(why, why_size,
                 "the schema \"%s\" was written by a newer hookward (its version is %" PRId64
                 ", this one knows %d); update this one",
                 name, found->schema, HW_PG_SCHEMA);
    else if (strcmp(found->duplicates, name_of(by_body)) != 0)
        snprintf(why, why_size,
                 "the ledger has duplicates = \"%s\", and this host \"%s\": all hosts of a ledger "
                 "must agree",
                 found->duplicates, name_of(by_body));
    else
        return HW_PG_OK;
    return HW_PG_REFUSED;
}

/* `by_body` is NULL for one who takes it as it is. */
static enum hw_pg_rc check(struct hw_pg *pg, const char *name, const bool *by_body,
                           struct found *found, char *why, size_t why_size)
{
    enum hw_pg_rc rc = look(pg, name, found);
    if (rc != HW_PG_OK)
        return said_by(pg, rc, why, why_size);
    if (found->there && found->schema >= HW_PG_SCHEMA)
        return judge(found, name, by_body ? *by_body : is_by_body(found), why, why_size);
    snprintf(why, why_size,
             found->there
                 ? "the schema \"%s\" is of an older hookward; a host brings it up to date at "
                   "its start, or `hookward ledger schema` prints its SQL"
                 : "there is no schema \"%s\" yet; a host makes it at its first start, or "
                   "`hookward ledger schema` prints its SQL",
             name);
    return HW_PG_REFUSED;
}

enum hw_pg_rc hw_pg_schema_check(struct hw_pg *pg, const char *name, bool by_body, char *why,
                                 size_t why_size)
{
    struct found found;
    return check(pg, name, &by_body, &found, why, why_size);
}

enum hw_pg_rc hw_pg_schema_find(struct hw_pg *pg, const char *name, bool *by_body, char *why,
                                size_t why_size)
{
    struct found found;
    enum hw_pg_rc rc = check(pg, name, NULL, &found, why, why_size);
    *by_body = rc == HW_PG_OK && is_by_body(&found);
    return rc;
}

/* ---- what its user may do ---- */

/* Each right that is missing, as `INSERT ON notifications`. */
static const char missing_rights[] =
    "SELECT string_agg(r.name || ' ON ' || c.relname, ', ' ORDER BY c.relname, r.name)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,"
    " (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) r(name)"
    " WHERE n.nspname = '@' AND CASE"
    " WHEN c.relname IN ('hosts', 'notifications', 'runs', 'pauses', 'minutes')"
    " THEN NOT has_table_privilege(c.oid, r.name)"
    " WHEN c.relname = 'meta' THEN r.name = 'SELECT' AND NOT has_table_privilege(c.oid, r.name)"
    " WHEN c.relname = 'notifications_seq_seq'"
    " THEN r.name = 'SELECT' AND NOT has_sequence_privilege(c.oid, r.name) END";

enum hw_pg_rc hw_pg_schema_rights(struct hw_pg *pg, const char *name, char *why, size_t why_size)
{
    struct hw_pg_result *result = NULL;
    enum hw_pg_rc rc = ask(pg, missing_rights, name, &result);
    struct hw_str missing = rc == HW_PG_OK ? hw_pg_text(result, 0, 0) : HW_STR_NONE;
    if (rc != HW_PG_OK) {
        said_by(pg, rc, why, why_size);
    } else if (missing.len > 0) {
        snprintf(why, why_size,
                 "the user %s lacks rights in the schema \"%s\": %.*s; `hookward ledger schema` "
                 "prints what it needs",
                 hw_pg_facts(pg)->user, name, HW_STR_ARG(missing));
        rc = HW_PG_REFUSED;
    }
    hw_pg_result_free(result);
    return rc;
}

/* ---- bringing it up to date ---- */

/* A right that is missing is a matter for a DBA. */
static enum hw_pg_rc refused(struct hw_pg *pg, const char *name, char *why, size_t why_size)
{
    bool denied = strcmp(hw_pg_sqlstate(pg), "42501") == 0;
    snprintf(why, why_size,
             denied ? "the schema \"%s\" can't be made or brought up to date (%s); "
                      "`hookward ledger schema` prints the SQL for a database administrator"
                    : "the schema \"%s\" can't be brought up to date: %s",
             name, hw_pg_why(pg));
    return HW_PG_REFUSED;
}

/* Another host may be at it: whoever waited too long for its lock tries again. */
static enum hw_pg_rc migrate(struct hw_pg *pg, const char *name, bool by_body)
{
    char *sql = made_by(write_update, name, by_body);
    enum hw_pg_rc rc = sql ? HW_PG_AGAIN : HW_PG_DATA;
    uint64_t deadline_ns = in_ms(UPDATE_MS);
    for (int i = 0; i < UPDATE_TRIES && rc == HW_PG_AGAIN; i++)
        rc = hw_pg_exec(pg, sql, deadline_ns);
    free(sql);
    return rc;
}

enum hw_pg_rc hw_pg_schema_update(struct hw_pg *pg, const char *name, bool by_body, char *why,
                                  size_t why_size)
{
    struct found found;
    enum hw_pg_rc rc = look(pg, name, &found);
    if (rc == HW_PG_OK && (!found.there || found.schema < HW_PG_SCHEMA)) {
        rc = migrate(pg, name, by_body);
        if (rc == HW_PG_REFUSED)
            return refused(pg, name, why, why_size);
        if (rc == HW_PG_OK)
            rc = look(pg, name, &found);
    }
    return rc == HW_PG_OK ? judge(&found, name, by_body, why, why_size)
                          : said_by(pg, rc, why, why_size);
}

/* ---- another way to tell duplicates ---- */

/* What came before is found by the digest from then on. */
static const char go_by_body[] =
    "SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '0', true);\n"
    "SELECT pg_advisory_xact_lock(1751346283, 1);\n"
    "DO $hookward$ DECLARE names text;\n"
    "BEGIN\n"
    "SELECT string_agg(name, ', ') INTO names FROM @.hosts"
    " WHERE gone_at IS NULL AND alive_until > now();\n"
    "IF names IS NOT NULL THEN RAISE EXCEPTION 'stop all hosts first: % runs', names; END IF;\n"
    "UPDATE @.meta SET duplicates = 'by-body';\n"
    "CREATE INDEX IF NOT EXISTS by_digest ON @.notifications (digest);\n"
    "END $hookward$";

enum hw_pg_rc hw_pg_schema_go_by_body(struct hw_pg *pg, const char *name, char *why,
                                      size_t why_size)
{
    char *sql = hw_pg_schema_fill(go_by_body, name);
    if (!sql)
        return HW_PG_DATA;
    enum hw_pg_rc rc = hw_pg_exec(pg, sql, in_ms(UPDATE_MS));
    free(sql);
    if (rc == HW_PG_OK)
        return rc;
    bool denied = strcmp(hw_pg_sqlstate(pg), "42501") == 0;
    snprintf(why, why_size, denied ? "%s; run it as the user that owns the schema" : "%s",
             hw_pg_why(pg));
    return rc;
}
