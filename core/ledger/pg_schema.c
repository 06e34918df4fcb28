/* pg_schema.c -- see pg_schema.h */
#include "ledger/pg_schema.h"

#include <stdlib.h>
#include <string.h>

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
    " scripts_at timestamptz) WITH (fillfactor = 50);\n"

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
    size_t name_len = strlen(name), len = 0;
    for (const char *p = sql; *p; p++)
        len += *p == '@' ? name_len : 1;
    char *text = malloc(len + 1), *to = text;
    if (!text)
        return NULL;
    for (const char *p = sql; *p; p++) {
        if (*p == '@')
            to = stpcpy(to, name);
        else
            *to++ = *p;
    }
    *to = '\0';
    return text;
}

char *hw_pg_schema_text(const char *name, bool by_body)
{
    (void)by_body;
    return hw_pg_schema_fill(steps[0], name);
}
