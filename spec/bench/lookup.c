/* lookup.c -- what a look-up in the durable ledger costs, from a thousand rows to ten million.
 * usage: make bench-lookup [ROWS="1000 100000 10000000"]
 *
 * A new identity is looked up in the filter in memory once that is filled, and in the file until
 * then; a repeat is always found in the file. Times are medians of batches, in nanoseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "ledger/file.h"
#include "ledger/ledger.h"

enum { LOOKUPS = 2000, BATCHES = 21 };

static void die(const char *what)
{
    fprintf(stderr, "lookup: %s\n", what);
    exit(1);
}

static void digest_of(long n, uint8_t digest[HW_DIGEST_SIZE])
{
    for (int i = 0; i < HW_DIGEST_SIZE; i++)
        digest[i] = (uint8_t)((unsigned long)n * 2654435761u >> (i % 8));
}

static void add_rows(sqlite3 *db, long from, long to)
{
    sqlite3_stmt *stmt;
    char id[32];
    uint8_t digest[HW_DIGEST_SIZE];
    const char *sql =
        "INSERT INTO notifications (job_id, digest, event, state, attempt, deliveries,"
        " runs, received_at, settled_at, key, place) VALUES (?1, ?2,"
        " 'BadgeExportZipFile.Created', 1, 0, 1, 1, ?3, ?3, 'accredit.pem',"
        " 'handlers/badges.lua:4')";
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        die(sqlite3_errmsg(db));
    sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
    for (long n = from; n < to; n++) {
        snprintf(id, sizeof id, "%ld", 1000000 + n);
        digest_of(n, digest);
        sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
        sqlite3_bind_blob(stmt, 2, digest, sizeof digest, SQLITE_STATIC);
        sqlite3_bind_int64(stmt, 3, time(NULL) * 1000LL);
        if (sqlite3_step(stmt) != SQLITE_DONE)
            die(sqlite3_errmsg(db));
        sqlite3_reset(stmt);
    }
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_finalize(stmt);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nanoseconds of one look-up among ids [from, from + span). */
static double measure(struct hw_ledger *ledger, struct hw_ledger_reader *reader, long from,
                      long span, enum hw_ledger_state expected)
{
    double times[BATCHES];
    char id[32];
    struct hw_identity identity;
    struct hw_known known;
    for (int b = 0; b < BATCHES; b++) {
        uint64_t begun = hw_now_ns();
        for (int i = 0; i < LOOKUPS; i++) {
            long n = from + rand() % span;
            identity.id = (struct hw_str){id, (size_t)snprintf(id, sizeof id, "%ld", 1000000 + n)};
            digest_of(n, identity.digest);
            if (hw_ledger_look_up(ledger, reader, &identity, &known) || known.state != expected)
                die("a look-up went wrong");
        }
        times[b] = (double)(hw_now_ns() - begun) / LOOKUPS;
    }
    qsort(times, BATCHES, sizeof *times, by_value);
    return times[BATCHES / 2];
}

static void run(const char *path, long rows)
{
    char why[512];
    struct hw_config config = {.ledger = path, .workers = 1};
    struct hw_ledger *ledger = hw_ledger_open(&config, why, sizeof why);
    if (!ledger)
        die(why);
    struct hw_ledger_reader *reader = hw_ledger_reader_open(ledger, why, sizeof why);
    double file = measure(ledger, reader, rows * 2, 1000000, HW_NEVER_SEEN);
    while (ledger->type->tend(ledger, true))
        ;
    double filter = measure(ledger, reader, rows * 2, 1000000, HW_NEVER_SEEN);
    double repeat = measure(ledger, reader, 0, rows, HW_SUCCEEDED);
    printf("%10ld rows: new %6.0f ns (before the filter is filled %6.0f ns), repeat %6.0f ns\n",
           rows, filter, file, repeat);
    fflush(stdout);
    ledger->type->reader_close(reader);
    ledger->type->close(ledger);
}

int main(int argc, char **argv)
{
    char path[] = "/tmp/hookward-lookup-XXXXXX", why[512], wal[64];
    sqlite3 *db;
    long rows = 0;
    int fd = mkstemp(path);
    if (fd < 0)
        die("no temporary file");
    close(fd);
    for (int i = 1; i < argc; i++) {
        if (hw_ledger_file_open(&db, path, HW_LEDGER_CREATE, why, sizeof why))
            die(why);
        add_rows(db, rows, atol(argv[i]));
        sqlite3_close(db);
        rows = atol(argv[i]);
        run(path, rows);
    }
    unlink(path);
    snprintf(wal, sizeof wal, "%s-wal", path);
    unlink(wal);
    snprintf(wal, sizeof wal, "%s-shm", path);
    unlink(wal);
    return 0;
}
