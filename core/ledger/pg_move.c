/* pg_move.c -- see pg_move.h
 *
 * How     A batch is read by two statements and written by one, which takes arrays. What is
 *         copied belongs to host 0, which there never is: a row that a host has
 *         taken since belongs to that, and is not written over. */
#include "ledger/pg_move.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/secret.h"
#include "ledger/ledger.h"
#include "ledger/pg.h"
#include "ledger/pg_schema.h"

enum { CALL_MS = 600 * 1000, CONNECT_MS = 5000 };

struct database {
    struct hw_move_place place;
    struct hw_pg_options options;
    struct hw_pg *pg;
    struct hw_pg_args *args;
    char *read_sql, *runs_sql, *write_sql; /* with the schema filled in */
    char *url;
    char schema[64];
    bool by_body;
};

#define MS(time) "CASE WHEN isfinite(" time ") THEN (extract(epoch FROM " time ") * 1000)::int8 END"
#define TIME(ms) "to_timestamp(nullif(" ms ", 0) / 1000.0)"

/* `sofar` bounds the bytes of a batch; a body's length is known without its bytes. */
static const char read_text[] =
    "SELECT n.seq, n.job_id, n.digest, n.state, n.attempt, n.deliveries, n.runs, n.retries, n.lost,"
    " n.accepted, n.parked, " MS("n.received_at") ", " MS("n.settled_at") ", " MS(
        "n.next_run_at") ","
                         " n.event, n.error, n.reason, n.detail, n.key, n.place, n.version, "
                         "n.lane, n.pool, n.headers,"
                         " n.body FROM (SELECT q.*, sum(coalesce(octet_length(q.body), 0)) OVER "
                         "(ORDER BY q.seq)"
                         " - coalesce(octet_length(q.body), 0) AS sofar FROM @.notifications q "
                         "WHERE q.seq > $1::int8"
                         " ORDER BY q.seq LIMIT $2::int8) n WHERE n.sofar < $3::int8 ORDER BY "
                         "n.seq";

static const char runs_text[] = "SELECT r.seq, " MS(
    "r.began_at") ", r.attempt, r.retry, r.waited_ms, r.ms, r.error, r.reason,"
                  " r.version FROM @.runs r WHERE r.seq >= $1::int8 AND r.seq <= $2::int8"
                  " ORDER BY r.seq, r.began_at";

/* With duplicates = "by-body" several rows of a file may be one here: that which succeeded stays,
 * else the first. */
static const char write_text[] =
    "WITH a AS MATERIALIZED (SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::int2[],"
    " $5::int4[], $6::int4[], $7::int4[], $8::int4[], $9::int2[], $10::bool[], $11::bool[],"
    " $12::int8[], $13::int8[], $14::int8[], $15::text[], $16::text[], $17::text[], $18::text[],"
    " $19::text[], $20::text[], $21::text[], $22::text[], $23::text[], $24::text[], $25::bytea[])"
    " WITH ORDINALITY AS a(did, digest, job_id, state, attempt, deliveries, runs, retries, lost,"
    " accepted, parked, received_ms, settled_ms, next_ms, event, error, reason, detail, key, place,"
    " version, lane, pool, headers, body, at)),"
    " d AS MATERIALIZED (SELECT DISTINCT ON (did, digest) * FROM a"
    " ORDER BY did, digest, (state = 1) DESC, at),"
    " w AS (INSERT INTO @.notifications AS n (owner, claim, received_at, settled_at, next_run_at,"
    " attempt, deliveries, runs, retries, lost, state, trouble, accepted, parked, parked_event,"
    " dedupe_id, digest, job_id, event, error, reason, detail, key, place, version, lane, pool,"
    " headers, body)"
    " SELECT 0, 0, " TIME("received_ms") ", " TIME("settled_ms") ", " TIME(
        "next_ms") ","
                   " attempt, deliveries, runs, retries, lost, state, CASE WHEN state IN (2, 3, 4, "
                   "5) THEN state"
                   " END, accepted, parked, CASE WHEN parked THEN event END, did, digest, job_id, "
                   "event, error,"
                   " reason, detail, key, place, version, lane, pool, headers, body FROM d ORDER "
                   "BY at"
                   " ON CONFLICT (dedupe_id, digest) DO UPDATE SET received_at = "
                   "excluded.received_at,"
                   " settled_at = excluded.settled_at, next_run_at = excluded.next_run_at,"
                   " attempt = excluded.attempt, deliveries = excluded.deliveries, runs = "
                   "excluded.runs,"
                   " retries = excluded.retries, lost = excluded.lost, state = excluded.state,"
                   " trouble = excluded.trouble, accepted = excluded.accepted, parked = "
                   "excluded.parked,"
                   " parked_event = excluded.parked_event, job_id = excluded.job_id, event = "
                   "excluded.event,"
                   " error = excluded.error, reason = excluded.reason, detail = excluded.detail,"
                   " key = excluded.key, place = excluded.place, version = excluded.version, lane "
                   "= excluded.lane,"
                   " pool = excluded.pool, headers = excluded.headers, body = excluded.body"
                   " WHERE n.owner = 0 AND n.state <> 6 AND ((n.job_id = excluded.job_id"
                   " AND n.settled_at < excluded.settled_at) OR (n.job_id <> excluded.job_id AND "
                   "n.state <> 1"
                   " AND excluded.state = 1))"
                   " RETURNING n.seq, n.dedupe_id, n.digest, n.xmax = 0 AS fresh),"
                   " g AS (DELETE FROM @.runs r USING w WHERE NOT w.fresh AND r.seq = w.seq),"
                   " h AS (INSERT INTO @.runs (seq, began_at, attempt, retry, waited_ms, ms, "
                   "error, reason, version)"
                   " SELECT w.seq, " TIME(
                       "r.began_ms") ", r.attempt, r.retry, r.waited_ms, r.ms, r.error, r.reason,"
                                     " r.version FROM unnest($26::int8[], $27::int8[], "
                                     "$28::int4[], $29::int4[], $30::int8[],"
                                     " $31::int8[], $32::text[], $33::text[], $34::text[]) WITH "
                                     "ORDINALITY"
                                     " AS r(at, began_ms, attempt, retry, waited_ms, ms, error, "
                                     "reason, version, nth)"
                                     " JOIN d ON d.at = r.at JOIN w ON w.dedupe_id = d.did AND "
                                     "w.digest = d.digest ORDER BY r.nth)"
                                     " SELECT count(*) FILTER (WHERE fresh), count(*) FILTER "
                                     "(WHERE NOT fresh) FROM w";

/* ---- statements ---- */

static int fail_for(struct database *d, const char *reason)
{
    size_t len = hw_secret_hide(d->place.why, sizeof d->place.why / 2, d->url);
    snprintf(d->place.why + len, sizeof d->place.why - len, ": %s", reason);
    return HW_EFAILED;
}

static uint64_t in_ms(uint64_t ms)
{
    return hw_now_ns() + ms * 1000000;
}

/* A connection that broke is opened anew: whatever was written is found there. */
static int run(struct database *d, const char *sql, struct hw_pg_result **result)
{
    enum hw_pg_rc rc = HW_PG_AGAIN;
    for (int i = 0; i < 3 && (rc == HW_PG_AGAIN || rc == HW_PG_BROKEN); i++)
        rc = hw_pg_query(d->pg, sql, d->args, result, in_ms(CALL_MS));
    return rc == HW_PG_OK ? 0 : fail_for(d, hw_pg_why(d->pg));
}

/* Likewise, with the schema to be filled in. */
static int run_text(struct database *d, const char *text, struct hw_pg_result **result)
{
    char *sql = hw_pg_schema_fill(text, d->schema);
    int rc = sql ? run(d, sql, result) : fail_for(d, "out of memory");
    free(sql);
    return rc;
}

/* ---- reading ---- */

static int count(struct hw_move_place *place, int64_t *rows)
{
    struct database *d = (struct database *)place;
    struct hw_pg_result *result;
    hw_pg_args_clear(d->args);
    if (run_text(d, "SELECT count(*) FROM @.notifications", &result))
        return HW_EFAILED;
    *rows = hw_pg_int(result, 0, 0);
    hw_pg_result_free(result);
    return 0;
}

/* Whether there is memory. */
static bool take_text(struct hw_arena *arena, const struct hw_pg_result *result, size_t row,
                      size_t column, struct hw_str *text)
{
    *text = HW_STR_NONE;
    if (hw_pg_is_null(result, row, column))
        return true;
    struct hw_str found = hw_pg_text(result, row, column);
    *text = hw_arena_copy(arena, found.ptr ? found : HW_STR(""));
    return text->ptr;
}

static bool take_texts(struct hw_arena *arena, const struct hw_pg_result *result, size_t row,
                       size_t from, size_t to, struct hw_str *const *texts)
{
    bool good = true;
    for (size_t i = from; good && i < to; i++)
        good = take_text(arena, result, row, i, texts[i - from]);
    return good;
}

/* A lane has a NUL between its pattern and its key, in the place of which stands U+FFFD here. */
static void mend_lane(struct hw_str *lane)
{
    static const char mark[] = "\xEF\xBF\xBD";
    char *at = lane->ptr ? memmem(lane->ptr, lane->len, mark, 3) : NULL;
    if (!at)
        return;
    *at = '\0';
    memmove(at + 1, at + 3, (size_t)(lane->ptr + lane->len - at) - 3);
    lane->len -= 2;
}

static int number(const struct hw_pg_result *result, size_t row, size_t column)
{
    return (int)hw_pg_int(result, row, column);
}

static bool take_row(struct hw_move_batch *batch, const struct hw_pg_result *r, size_t i)
{
    struct hw_move_row *row = &batch->rows[batch->row_count++];
    struct hw_str *const ids[] = {&row->job_id, &row->digest};
    struct hw_str *const others[] = {&row->event, &row->error,   &row->reason,  &row->detail,
                                     &row->key,   &row->place,   &row->version, &row->lane,
                                     &row->pool,  &row->headers, &row->body};
    *row = (struct hw_move_row){
        .seq = hw_pg_int(r, i, 0),
        .state = number(r, i, 3),
        .attempt = number(r, i, 4),
        .deliveries = number(r, i, 5),
        .runs = number(r, i, 6),
        .retries = number(r, i, 7),
        .lost = number(r, i, 8),
        .accepted = hw_pg_int(r, i, 9),
        .parked = hw_pg_int(r, i, 10),
        .received_at = hw_pg_int(r, i, 11),
        .settled_at = hw_pg_int(r, i, 12),
        .next_run_at = hw_pg_int(r, i, 13),
    };
    batch->last = row->seq;
    bool good = take_texts(&batch->arena, r, i, 1, 3, ids) &&
                take_texts(&batch->arena, r, i, 14, 25, others);
    if (good)
        mend_lane(&row->lane);
    return good;
}

static bool take_run(struct hw_move_batch *batch, const struct hw_pg_result *r, size_t i,
                     size_t row)
{
    struct hw_move_run *run = hw_move_batch_add_run(batch);
    if (!run)
        return false;
    struct hw_str *const texts[] = {&run->error, &run->reason, &run->version};
    *run = (struct hw_move_run){.row = row,
                                .began_at = hw_pg_int(r, i, 1),
                                .attempt = number(r, i, 2),
                                .retry = number(r, i, 3),
                                .waited_ms = hw_pg_int(r, i, 4),
                                .ms = hw_pg_int(r, i, 5)};
    return take_texts(&batch->arena, r, i, 6, 9, texts);
}

/* Both are in the order of the rows. */
static int read_runs(struct database *d, struct hw_move_batch *batch)
{
    struct hw_pg_result *result;
    bool good = true;
    hw_pg_args_clear(d->args);
    hw_pg_arg_int(d->args, HW_PG_INT8, batch->rows[0].seq);
    hw_pg_arg_int(d->args, HW_PG_INT8, batch->last);
    if (run(d, d->runs_sql, &result))
        return HW_EFAILED;
    for (size_t i = 0, row = 0; good && i < hw_pg_rows(result); i++) {
        while (row < batch->row_count && batch->rows[row].seq < hw_pg_int(result, i, 0))
            row++;
        if (row < batch->row_count && batch->rows[row].seq == hw_pg_int(result, i, 0))
            good = take_run(batch, result, i, row);
    }
    hw_pg_result_free(result);
    return good ? 0 : fail_for(d, "out of memory");
}

static int read_batch(struct hw_move_place *place, int64_t after, struct hw_move_batch *batch)
{
    struct database *d = (struct database *)place;
    struct hw_pg_result *result;
    bool good = true;
    hw_pg_args_clear(d->args);
    hw_pg_arg_int(d->args, HW_PG_INT8, after);
    hw_pg_arg_int(d->args, HW_PG_INT8, HW_MOVE_ROWS);
    hw_pg_arg_int(d->args, HW_PG_INT8, HW_MOVE_BYTES);
    if (run(d, d->read_sql, &result))
        return HW_EFAILED;
    for (size_t i = 0; good && i < hw_pg_rows(result); i++)
        good = take_row(batch, result, i);
    hw_pg_result_free(result);
    if (!good)
        return fail_for(d, "out of memory");
    return batch->row_count ? read_runs(d, batch) : 0;
}

static int read_pauses(struct hw_move_place *place, struct hw_move_batch *batch)
{
    struct database *d = (struct database *)place;
    struct hw_pg_result *result;
    bool good = true;
    hw_pg_args_clear(d->args);
    if (run_text(d, "SELECT pattern, " MS("since") " FROM @.pauses ORDER BY since LIMIT 256",
                 &result))
        return HW_EFAILED;
    for (size_t i = 0; good && i < hw_pg_rows(result); i++) {
        struct hw_move_pause *pause = &batch->pauses[batch->pause_count++];
        good = take_text(&batch->arena, result, i, 0, &pause->pattern);
        pause->since = hw_pg_int(result, i, 1);
    }
    hw_pg_result_free(result);
    return good ? 0 : fail_for(d, "out of memory");
}

/* ---- writing ---- */

/* Puts a column of the batch as an array. */
#define PUT(type, item, rows, count, ...)                                                          \
    do {                                                                                           \
        hw_pg_array_begin(args, type);                                                             \
        for (size_t i = 0; i < (count); i++)                                                       \
            item(args, __VA_ARGS__);                                                               \
        hw_pg_array_end(args);                                                                     \
    } while (0)
#define PUT_INT(type, field) PUT(type, hw_pg_item_int, rows, row_count, rows[i].field)
#define PUT_TEXT(field) PUT(HW_PG_TEXT, hw_pg_item_text, rows, row_count, rows[i].field)
#define PUT_BYTES(field) PUT(HW_PG_BYTEA, hw_pg_item_bytes, rows, row_count, rows[i].field)

static void put_rows(struct hw_pg_args *args, const struct hw_move_row *rows, size_t row_count,
                     bool by_body)
{
    PUT(HW_PG_TEXT, hw_pg_item_text, rows, row_count, by_body ? HW_STR("") : rows[i].job_id);
    PUT_BYTES(digest);
    PUT_TEXT(job_id);
    PUT_INT(HW_PG_INT2, state);
    PUT_INT(HW_PG_INT4, attempt);
    PUT_INT(HW_PG_INT4, deliveries);
    PUT_INT(HW_PG_INT4, runs);
    PUT_INT(HW_PG_INT4, retries);
    PUT_INT(HW_PG_INT2, lost);
    PUT_INT(HW_PG_BOOL, accepted);
    PUT_INT(HW_PG_BOOL, parked);
    PUT_INT(HW_PG_INT8, received_at);
    PUT_INT(HW_PG_INT8, settled_at);
    PUT_INT(HW_PG_INT8, next_run_at);
    PUT_TEXT(event);
    PUT_TEXT(error);
    PUT_TEXT(reason);
    PUT_TEXT(detail);
    PUT_TEXT(key);
    PUT_TEXT(place);
    PUT_TEXT(version);
    PUT_TEXT(lane);
    PUT_TEXT(pool);
    PUT_TEXT(headers);
    PUT_BYTES(body);
}

static void put_runs(struct hw_pg_args *args, const struct hw_move_run *rows, size_t row_count)
{
    PUT(HW_PG_INT8, hw_pg_item_int, rows, row_count, (int64_t)rows[i].row + 1);
    PUT_INT(HW_PG_INT8, began_at);
    PUT_INT(HW_PG_INT4, attempt);
    PUT_INT(HW_PG_INT4, retry);
    PUT_INT(HW_PG_INT8, waited_ms);
    PUT_INT(HW_PG_INT8, ms);
    PUT_TEXT(error);
    PUT_TEXT(reason);
    PUT_TEXT(version);
}

static int write_batch(struct hw_move_place *place, const struct hw_move_batch *batch,
                       struct hw_move_written *written)
{
    struct database *d = (struct database *)place;
    struct hw_pg_result *result;
    hw_pg_args_clear(d->args);
    put_rows(d->args, batch->rows, batch->row_count, d->by_body);
    put_runs(d->args, batch->runs, batch->run_count);
    if (run(d, d->write_sql, &result))
        return HW_EFAILED;
    written->added = hw_pg_int(result, 0, 0);
    written->changed = hw_pg_int(result, 0, 1);
    hw_pg_result_free(result);
    return 0;
}

static int write_pauses(struct hw_move_place *place, const struct hw_move_batch *batch)
{
    struct database *d = (struct database *)place;
    struct hw_pg_args *args = d->args;
    const struct hw_move_pause *rows = batch->pauses;
    size_t row_count = batch->pause_count;
    struct hw_pg_result *result;
    if (row_count == 0)
        return 0;
    hw_pg_args_clear(args);
    PUT_TEXT(pattern);
    PUT_INT(HW_PG_INT8, since);
    if (run_text(d,
                 "INSERT INTO @.pauses SELECT pattern, " TIME(
                     "ms") " FROM unnest($1::text[],"
                           " $2::int8[]) AS p(pattern, ms) ON CONFLICT DO NOTHING",
                 &result))
        return HW_EFAILED;
    hw_pg_result_free(result);
    return 0;
}

static int finish(struct hw_move_place *place)
{
    (void)place;
    return 0;
}

/* ---- opening and closing ---- */

static void close_database(struct hw_move_place *place)
{
    struct database *d = (struct database *)place;
    hw_pg_free(d->pg);
    hw_pg_args_free(d->args);
    free(d->read_sql);
    free(d->runs_sql);
    free(d->write_sql);
    free(d->url);
    free(d);
}

static const struct hw_move_type type = {
    .count = count,
    .read = read_batch,
    .read_pauses = read_pauses,
    .write = write_batch,
    .write_pauses = write_pauses,
    .finish = finish,
    .close = close_database,
};

/* Whether there is memory. */
static bool set_up(struct database *d, const char *url, const char *schema)
{
    d->place.type = &type;
    snprintf(d->schema, sizeof d->schema, "%s", schema);
    d->url = strdup(url);
    d->read_sql = hw_pg_schema_fill(read_text, schema);
    d->runs_sql = hw_pg_schema_fill(runs_text, schema);
    d->write_sql = hw_pg_schema_fill(write_text, schema);
    d->args = hw_pg_args_new();
    d->options = (struct hw_pg_options){
        .url = d->url, .name = "copy", .statement_ms = CALL_MS, .plain = true};
    d->pg = d->url ? hw_pg_new(&d->options) : NULL;
    return d->pg && d->args && d->read_sql && d->runs_sql && d->write_sql;
}

/* One that is there keeps its `duplicates`. */
static enum hw_pg_rc find_schema(struct database *d, bool writes, bool by_body, char *why,
                                 size_t why_size)
{
    enum hw_pg_rc rc = hw_pg_schema_find(d->pg, d->schema, &d->by_body, why, why_size);
    if (rc != HW_PG_REFUSED || !writes)
        return rc;
    rc = hw_pg_schema_update(d->pg, d->schema, by_body, why, why_size);
    return rc == HW_PG_OK ? hw_pg_schema_find(d->pg, d->schema, &d->by_body, why, why_size) : rc;
}

static int open_database(struct database *d, bool writes, bool by_body)
{
    char why[512];
    if (hw_pg_absent())
        return fail_for(d, hw_pg_absent());
    if (hw_pg_connect(d->pg, in_ms(CONNECT_MS)) != HW_PG_OK)
        return fail_for(d, hw_pg_why(d->pg));
    if (find_schema(d, writes, by_body, why, sizeof why) != HW_PG_OK)
        return fail_for(d, why);
    return 0;
}

struct hw_move_place *hw_pg_move_open(const char *url, bool writes, const char *schema,
                                      bool by_body, char *why, size_t why_size)
{
    struct database *d = calloc(1, sizeof *d);
    if (!d || !set_up(d, url, schema)) {
        snprintf(why, why_size, "out of memory");
        if (d)
            close_database(&d->place);
        return NULL;
    }
    if (open_database(d, writes, by_body) == 0)
        return &d->place;
    snprintf(why, why_size, "%s", d->place.why);
    close_database(&d->place);
    return NULL;
}
