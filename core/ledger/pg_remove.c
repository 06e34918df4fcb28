/* pg_remove.c -- removes rows on request; see postgres.h
 *
 * How     The lanes of the rows are looked up first, since their locks come before any row's. A
 *         row that gets a lane after that has settled again, so it is not removed. */
#include "base/clock.h"
#include "ledger/postgres.h"

enum { STEP = HW_LEDGER_BATCH_MAX };

/* Some of the rows, and the lanes that go on without them. */
struct step {
    struct hw_postgres *p;
    const struct hw_ledger_row *rows;
    size_t count;
    struct hw_pg_args *seqs, *rows_args, *lanes;
    bool has_lanes;
    uint64_t deadline_ns;
};

static void fill_seqs(struct hw_pg_args *args, const struct step *step)
{
    hw_pg_array_begin(args, HW_PG_INT8);
    for (size_t i = 0; i < step->count; i++)
        hw_pg_item_int(args, step->rows[i].seq);
    hw_pg_array_end(args);
}

static void fill_rows(const struct step *step)
{
    fill_seqs(step->rows_args, step);
    hw_pg_array_begin(step->rows_args, HW_PG_INT8);
    for (size_t i = 0; i < step->count; i++)
        hw_pg_item_int(step->rows_args, step->rows[i].settled_at);
    hw_pg_array_end(step->rows_args);
}

static enum hw_pg_rc find_lanes(struct step *step)
{
    struct hw_pg_call call = {.statement = HW_PG_PURGE_LANES, .args = step->seqs};
    fill_seqs(step->seqs, step);
    enum hw_pg_rc rc = hw_pg_run(step->p->settles, &call, 1, step->deadline_ns);
    size_t count = rc == HW_PG_OK ? hw_pg_rows(call.result) : 0;
    step->has_lanes = count > 0;
    hw_pg_array_begin(step->lanes, HW_PG_TEXT);
    for (size_t i = 0; i < count; i++)
        hw_pg_item_text(step->lanes, hw_pg_text(call.result, i, 0));
    hw_pg_array_end(step->lanes);
    hw_pg_result_free(call.result);
    return rc;
}

static enum hw_pg_rc remove_found(struct step *step, size_t *removed)
{
    struct hw_pg_call calls[3];
    size_t count = 0, remove;
    fill_rows(step);
    if (step->has_lanes)
        calls[count++] = (struct hw_pg_call){.statement = HW_PG_LANE_LOCK, .args = step->lanes};
    remove = count;
    calls[count++] = (struct hw_pg_call){.statement = HW_PG_PURGE, .args = step->rows_args};
    if (step->has_lanes)
        calls[count++] = (struct hw_pg_call){.statement = HW_PG_PROMOTE, .args = step->lanes};
    enum hw_pg_rc rc = hw_pg_run(step->p->settles, calls, count, step->deadline_ns);
    if (rc == HW_PG_OK)
        *removed += (size_t)hw_pg_int(calls[remove].result, 0, 0);
    for (size_t i = 0; i < count; i++)
        hw_pg_result_free(calls[i].result);
    return rc;
}

static enum hw_pg_rc remove_step(struct step *step, size_t *removed)
{
    enum hw_pg_rc rc = HW_PG_DATA;
    step->seqs = hw_pg_args_new();
    step->rows_args = hw_pg_args_new();
    step->lanes = hw_pg_args_new();
    if (step->seqs && step->rows_args && step->lanes)
        rc = find_lanes(step);
    if (rc == HW_PG_OK)
        rc = remove_found(step, removed);
    hw_pg_args_free(step->seqs);
    hw_pg_args_free(step->rows_args);
    hw_pg_args_free(step->lanes);
    return rc;
}

/* A purge of no rows asks for the log to be emptied: that is PostgreSQL's own affair. */
int hw_pg_purge(struct hw_ledger *ledger, struct hw_purge *purge)
{
    struct hw_postgres *p = (struct hw_postgres *)ledger;
    size_t left = purge->count - purge->looked_at;
    if (hw_pg_is_away(p))
        return HW_ELEDGER_UNAVAILABLE;
    if (purge->count == 0)
        return 0;
    struct step step = {
        .p = p,
        .rows = purge->rows + purge->looked_at,
        .count = left < STEP ? left : STEP,
        .deadline_ns = hw_now_ns() + HW_PG_STATEMENT_MS * UINT64_C(1000000),
    };
    enum hw_pg_rc rc = remove_step(&step, &purge->removed);
    if (rc != HW_PG_OK)
        return HW_ELEDGER_UNAVAILABLE;
    purge->looked_at += step.count;
    return 0;
}
