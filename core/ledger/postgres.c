/* postgres.c -- see postgres.h
 *
 * Start   A server that can't be reached stops no host: it starts, refuses what comes, and goes on
 *         trying (a fleet that boots with its database must not end at once). A mistake of the
 *         user's does: a wrong password, role or database, another encoding, a standby, a schema of
 *         a newer hookward, other `duplicates`. */
#include "ledger/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "ledger/pg_schema.h"

enum {
    LEASE_MS = 15000,                   /* where the configuration says nothing */
    UNSETTLED_BYTES = 64 * 1024 * 1024, /* of bodies */
    UNSETTLED_MAX = 100000,             /* outcomes, where the configuration says nothing */
    CLAIMS = 0,
    SETTLES = 1,
    PULSE = 2,        /* of p->options */
    SCHEMA_MS = 60000 /* for its update: an index may have to be made */
};

bool hw_ledger_is_postgres(const char *ledger)
{
    return strncmp(ledger, "postgres://", 11) == 0 || strncmp(ledger, "postgresql://", 13) == 0;
}

/* ---- the schema ---- */

enum hw_pg_rc hw_pg_ready(struct hw_postgres *p, char *why, size_t why_size)
{
    struct hw_pg_options options = {
        .url = p->url, .name = p->host_name, .statement_ms = SCHEMA_MS, .plain = true};
    struct hw_pg *pg = hw_pg_new(&options);
    snprintf(why, why_size, "out of memory");
    if (!pg)
        return HW_PG_REFUSED;
    enum hw_pg_rc rc = hw_pg_connect(pg, hw_now_ns() + HW_PG_CONNECT_MS * 1000000ull);
    if (rc == HW_PG_OK)
        rc = hw_pg_schema_update(pg, p->schema, p->by_body, why, why_size);
    else
        snprintf(why, why_size, "%s", hw_pg_why(pg));
    hw_pg_free(pg);
    p->ready = rc == HW_PG_OK;
    return rc;
}

/* ---- open and close ---- */

static void close_postgres(struct hw_ledger *ledger)
{
    struct hw_postgres *p = (struct hw_postgres *)ledger;
    if (p->beat)
        hw_pg_pulse_stop(p);
    hw_pg_free(p->claims);
    hw_pg_free(p->settles);
    hw_pg_free(p->pulse);
    hw_pg_args_free(p->claim_args);
    hw_pg_args_free(p->settle_args);
    hw_pg_args_free(p->more_args);
    hw_pg_args_free(p->pulse_args);
    hw_pg_unsettled_free(p->unsettled);
    hw_pg_live_free(p->live);
    hw_pg_place_leave(&p->place);
    hw_pg_sql_free(p->statements);
    hw_pg_pausing_fini(p);
    hw_pg_minutes_fini(p);
    hw_pauses_fini(&ledger->pauses);
    free(p);
}

static const struct hw_ledger_type type = {
    .name = "postgres",
    .waits = true,
    .claim = hw_pg_claim,
    .holds = hw_pg_holds,
    .fleet = hw_pg_fleet,
    .scripts = hw_pg_scripts,
    .commit = hw_pg_commit,
    .pick = hw_pg_pick,
    .pause = hw_pg_pause,
    .purge = hw_pg_purge,
    .keep_minute = hw_pg_keep_minute,
    .minutes = hw_pg_minutes,
    .tend = hw_pg_tend,
    .close = close_postgres,
};

static const char *text_or(const char *text, const char *other)
{
    return text && *text ? text : other;
}

static void configure(struct hw_postgres *p, const struct hw_config *config)
{
    p->url = config->ledger;
    p->schema = text_or(config->ledger_schema, "hookward");
    if (gethostname(p->host_name, sizeof p->host_name - 1))
        snprintf(p->host_name, sizeof p->host_name, "unknown");
    if (config->host_name && *config->host_name)
        snprintf(p->host_name, sizeof p->host_name, "%s", config->host_name);
    p->by_body = config->by_body;
    p->keep_bodies = config->keep_bodies;
    p->retention_ms = config->retention_ms;
    p->dead_retention_ms = config->dead_retention_ms;
    p->first_retry_ms = config->retries.count ? (int64_t)config->retries.delays_ms[0] : -1;
    p->max_backlog = config->max_backlog;
    hw_pg_place_take(&p->place, config->control);
    /* ttl + beat + what a sweep waits for stays within the lease, which the user was promised. */
    p->lease_ms = config->lease_ms ? config->lease_ms : LEASE_MS;
    p->ttl_ms = p->lease_ms * 2 / 3;
    p->beat_ms = p->lease_ms * 2 / 15;
    for (int i = CLAIMS; i <= PULSE; i++)
        p->options[i] = (struct hw_pg_options){.url = p->url,
                                               .name = p->host_name,
                                               .statements = p->statements,
                                               .count = HW_PG_STATEMENTS};
}

static bool make_parts(struct hw_postgres *p, const struct hw_config *config)
{
    size_t outcomes = config->max_queue ? config->max_queue : UNSETTLED_MAX;
    p->claims = hw_pg_new(&p->options[CLAIMS]);
    p->settles = hw_pg_new(&p->options[SETTLES]);
    p->pulse = hw_pg_new(&p->options[PULSE]);
    p->claim_args = hw_pg_args_new();
    p->settle_args = hw_pg_args_new();
    p->more_args = hw_pg_args_new();
    p->pulse_args = hw_pg_args_new();
    p->live = hw_pg_live_new();
    p->unsettled =
        p->live ? hw_pg_unsettled_new(p->live, outcomes, UNSETTLED_BYTES, p->keep_bodies) : NULL;
    return p->claims && p->settles && p->pulse && p->claim_args && p->settle_args && p->more_args &&
           p->pulse_args && p->unsettled &&
           hw_pg_sql_fill(p->statements, p->schema, p->by_body) == 0;
}

static int start(struct hw_postgres *p, char *why, size_t why_size)
{
    if (hw_pg_ready(p, why, why_size) == HW_PG_REFUSED)
        return HW_EFAILED;
    return hw_pg_pulse_start(p, why, why_size);
}

struct hw_ledger *hw_ledger_postgres_open(const struct hw_config *config, char *why,
                                          size_t why_size)
{
    static const struct hw_histogram_bounds sizes = {9, {1, 2, 4, 8, 16, 32, 64, 128, 256}};
    char cause[512] = "out of memory";
    struct hw_postgres *p = hw_pg_absent() ? NULL : calloc(1, sizeof *p);
    if (hw_pg_absent())
        snprintf(cause, sizeof cause, "%s", hw_pg_absent());
    if (p) {
        hw_ledger_init(&p->ledger, &type);
        hw_histogram_init(&p->claim_times, &hw_histogram_durations);
        hw_histogram_init(&p->claim_sizes, &sizes);
        hw_ledger_clock_init(&p->retention.clock);
        hw_pg_pausing_init(p);
        hw_pg_minutes_init(p);
        configure(p, config);
        if (make_parts(p, config) && start(p, cause, sizeof cause) == 0)
            return &p->ledger;
        close_postgres(&p->ledger);
    }
    snprintf(why, why_size, "ledger: %s", cause);
    return NULL;
}
