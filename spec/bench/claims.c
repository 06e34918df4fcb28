/* claims.c -- notifications a second that one connection claims and settles in PostgreSQL, by batches.
 * usage: make bench-claims LEDGER=postgres://… [SECONDS=5] [BATCHES="1 16 64 256"]
 *
 * No host, no requests: the claim and the settle of one batch after another, as the host sends them, each
 * with a commit of its own. Every notification is new and succeeds. It makes a schema of its own and
 * removes it. The aim: 40,000/s in batches of 64. */
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
    printf("%9zu %15.0f %11.2f %10.2f %11.2f %10.2f\n", size, rate, at(&claims, 0.5),
           at(&claims, 0.99), at(&settles, 0.5), at(&settles, 0.99));
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
    printf("in batches of, notifications/s, claim p50 and p99 in ms, settle p50 and p99:\n");
    for (int i = 3; i < argc; i++) {
        size_t size = (size_t)strtoul(argv[i], NULL, 10);
        if (size < 1 || size > HW_LEDGER_BATCH_MAX)
            die("a batch is 1 to 256");
        measure(ledger, size, strtod(argv[2], NULL));
    }
    ledger->type->close(ledger);
    drop(argv[1]);
    return 0;
}
