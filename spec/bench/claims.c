/* claims.c -- notifications a second that one connection claims and settles in PostgreSQL, by batches.
 * usage: make bench-claims LEDGER=postgres://… [SECONDS=5] [BATCHES="1 16 64 256"]
 *
 * No host, no requests: the claim and the settle of one batch after another, as the host sends them, each
 * with a commit of its own. Every notification is new and succeeds. It makes a schema of its own and
 * removes it. The yardstick is the least that a claim and a settle could be: as many rows inserted,
 * then updated by their numbers, in a table with the same two indexes. The aim: 40,000/s in
 * batches of 64; on a slower machine the share of the yardstick tells more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "ledger/pg.h"
#include "ledger/postgres.h"
#include "sample.h"

static const char schema[] = "hookward_bench";

static void die(const char *what)
{
    fprintf(stderr, "claims: %s\n", what);
    exit(1);
}

static void drop(const char *url)
{
    struct hw_pg_options options = {.url = url, .name = "bench"};
    struct hw_pg *pg = hw_pg_new(&options);
    if (hw_pg_exec(pg,
                   "SELECT set_config('statement_timeout', '0', true);"
                   "DROP SCHEMA IF EXISTS hookward_bench CASCADE",
                   hw_now_ns() + 60000000000) != HW_PG_OK)
        die(hw_pg_why(pg));
    hw_pg_free(pg);
}

/* ---- times ---- */

enum { TIMES_MAX = 200000 };

struct times {
    double ms[TIMES_MAX];
    size_t count;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double at(struct times *t, double part)
{
    return t->count ? t->ms[(size_t)((double)(t->count - 1) * part)] : 0;
}

static uint64_t add(struct times *t, uint64_t began_ns)
{
    uint64_t now = hw_now_ns();
    if (t->count < TIMES_MAX)
        t->ms[t->count++] = (double)(now - began_ns) / 1e6;
    return now;
}

/* ---- a batch ---- */

static char ids[HW_LEDGER_BATCH_MAX][32];

static void renew(struct hw_notification *n, char *id, unsigned long number)
{
    int len = snprintf(id, sizeof ids[0], "job-%012lu", number);
    n->id = n->identity.id = (struct hw_str){id, (size_t)len};
    memset(n->identity.digest, 0, HW_DIGEST_SIZE);
    memcpy(n->identity.digest, &number, sizeof number);
    n->cut_ns = hw_now_ns();
    n->claim = HW_CLAIM_NONE;
    n->fence = (struct hw_fence){0};
    n->row = 0;
}

/* ---- the yardstick ---- */

static const char plain_table[] =
    "CREATE TABLE hookward_bench.plain (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " dedupe_id text NOT NULL, digest bytea NOT NULL, state smallint NOT NULL, event text,"
    " UNIQUE (dedupe_id, digest)) WITH (fillfactor = 40);"
    "PREPARE put AS INSERT INTO hookward_bench.plain (dedupe_id, digest, state)"
    " SELECT 'job-' || n, int8send(n) || int8send(n) || int8send(n) || int8send(n), 6"
    " FROM generate_series($1::bigint, $2::bigint) n;"
    "PREPARE mark AS UPDATE hookward_bench.plain SET state = 1, event = 'A.B'"
    " WHERE seq BETWEEN $1::bigint AND $2::bigint";

/* Runs a statement on rows `from` to `to`, with a commit of its own. */
static void run_plain(struct hw_pg *pg, const char *name, size_t from, size_t to)
{
    char sql[80];
    snprintf(sql, sizeof sql, "EXECUTE %s(%zu, %zu)", name, from, to);
    if (hw_pg_exec(pg, sql, hw_now_ns() + 10000000000) != HW_PG_OK)
        die(hw_pg_why(pg));
}

static double measure_plain(struct hw_pg *pg, size_t size, double seconds)
{
    static size_t done;
    size_t before = done;
    uint64_t began = hw_now_ns(), end = began + (uint64_t)(seconds * 1e9);
    for (; hw_now_ns() < end; done += size) {
        run_plain(pg, "put", done + 1, done + size);
        run_plain(pg, "mark", done + 1, done + size);
    }
    return (double)(done - before) * 1e9 / (double)(hw_now_ns() - began);
}

/* ---- the ledger ---- */

static double measure(struct hw_ledger *ledger, size_t size, double seconds)
{
    static struct times claims, settles;
    static unsigned long number;
    struct hw_notification *batch[HW_LEDGER_BATCH_MAX];
    claims.count = settles.count = 0;
    for (size_t i = 0; i < size; i++)
        batch[i] = notification("id", "body");
    uint64_t began = hw_now_ns(), now = began, end = began + (uint64_t)(seconds * 1e9);
    size_t done = 0;
    for (; now < end; done += size) {
        for (size_t i = 0; i < size; i++)
            renew(batch[i], ids[i], number++);
        now = hw_now_ns();
        if (ledger->type->claim(ledger, batch, size))
            die("a claim failed");
        now = add(&claims, now);
        for (size_t i = 0; i < size; i++)
            if (batch[i]->claim != HW_CLAIM_MINE)
                die("a new notification was not ours");
        if (ledger->type->commit(ledger, batch, size))
            die("a settle failed");
        now = add(&settles, now);
    }
    double rate = (double)done * 1e9 / (double)(now - began);
    qsort(claims.ms, claims.count, sizeof *claims.ms, by_value);
    qsort(settles.ms, settles.count, sizeof *settles.ms, by_value);
    printf("%9zu %9.0f %11.2f %6.2f %11.2f %6.2f", size, rate, at(&claims, 0.5), at(&claims, 0.99),
           at(&settles, 0.5), at(&settles, 0.99));
    for (size_t i = 0; i < size; i++)
        free_notification(batch[i]);
    return rate;
}

int main(int argc, char **argv)
{
    char why[512];
    if (argc < 4)
        die("usage: claims URL SECONDS BATCH...");
    drop(argv[1]);
    struct hw_config config = {.ledger = argv[1], .ledger_schema = schema, .host_name = "bench"};
    struct hw_ledger *ledger = hw_ledger_postgres_open(&config, why, sizeof why);
    if (!ledger)
        die(why);
    struct hw_pg_options options = {.url = argv[1], .name = "bench"};
    struct hw_pg *pg = hw_pg_new(&options);
    if (hw_pg_exec(pg, plain_table, hw_now_ns() + 10000000000) != HW_PG_OK)
        die(hw_pg_why(pg));
    printf("in batches of, notifications/s, claim p50 and p99 in ms, settle p50 and p99, "
           "yardstick, share:\n");
    double seconds = strtod(argv[2], NULL);
    for (int i = 3; i < argc; i++) {
        size_t size = (size_t)strtoul(argv[i], NULL, 10);
        if (size < 1 || size > HW_LEDGER_BATCH_MAX)
            die("a batch is 1 to 256");
        double plain = measure_plain(pg, size, seconds / 2);
        double rate = measure(ledger, size, seconds);
        plain = (plain + measure_plain(pg, size, seconds / 2)) / 2;
        printf(" %9.0f %5.2f\n", plain, rate / plain);
        fflush(stdout);
    }
    hw_pg_free(pg);
    ledger->type->close(ledger);
    drop(argv[1]);
    return 0;
}
