/* move.c -- see move.h */
#include "ledger/move.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "ledger/ledger.h"
#include "ledger/move_file.h"
#include "ledger/pg_move.h"

struct hw_move {
    struct hw_move_place *from, *to;
    struct hw_move_progress progress;
    int64_t after;
    struct hw_move_batch batch;
};

/* ---- batches ---- */

struct hw_move_run *hw_move_batch_add_run(struct hw_move_batch *batch)
{
    if (batch->run_count == batch->run_room) {
        size_t room = batch->run_room ? 2 * batch->run_room : 64;
        struct hw_move_run *runs = realloc(batch->runs, room * sizeof *runs);
        if (!runs)
            return NULL;
        batch->runs = runs;
        batch->run_room = room;
    }
    struct hw_move_run *run = &batch->runs[batch->run_count++];
    *run = (struct hw_move_run){0};
    return run;
}

static void empty(struct hw_move_batch *batch)
{
    hw_arena_fini(&batch->arena);
    batch->row_count = batch->run_count = batch->pause_count = 0;
}

/* As when a host is gone: what was accepted, or is the sender's last attempt, runs again at once;
 * the rest is for the sender to deliver again. Its time stays, so what it comes to is newer. */
static void let_go(struct hw_move_row *row, int64_t now_ms)
{
    if (row->state != HW_STARTED)
        return;
    bool again = row->accepted || (row->attempt >= HW_ATTEMPT_LAST && row->body.ptr);
    row->state = row->accepted                             ? HW_QUEUED
                 : row->attempt < HW_ATTEMPT_LAST || again ? HW_FAILED
                                                           : HW_DEAD;
    row->next_run_at = again ? now_ms : 0;
    row->lost++;
    row->error = hw_str_of(hw_error_name(HW_EHOST_LOST));
    row->reason = HW_STR("the host ended while it ran");
    row->detail = HW_STR_NONE;
    if (row->state == HW_DEAD)
        row->lane = HW_STR_NONE;
}

/* ---- opening ---- */

static struct hw_move_place *open_place(const char *ledger, bool writes,
                                        const struct hw_move_options *options, char *why,
                                        size_t why_size)
{
    if (hw_ledger_is_postgres(ledger))
        return hw_pg_move_open(ledger, writes, options->schema, options->by_body, why, why_size);
    return hw_move_file_open(ledger, writes, why, why_size);
}

static int fail(const struct hw_move_place *place, char *why, size_t why_size)
{
    snprintf(why, why_size, "%s", place->why);
    return HW_EFAILED;
}

static int open_both(struct hw_move *m, const char *from, const char *to,
                     const struct hw_move_options *options, char *why, size_t why_size)
{
    m->from = open_place(from, false, options, why, why_size);
    if (!m->from)
        return HW_EFAILED;
    m->to = open_place(to, true, options, why, why_size);
    if (!m->to)
        return HW_EFAILED;
    if (m->from->type->count(m->from, &m->progress.total))
        return fail(m->from, why, why_size);
    return 0;
}

struct hw_move *hw_move_open(const char *from, const char *to,
                             const struct hw_move_options *options, char *why, size_t why_size)
{
    struct hw_move *m = calloc(1, sizeof *m);
    if (!m) {
        snprintf(why, why_size, "out of memory");
        return NULL;
    }
    m->after = INT64_MIN;
    if (open_both(m, from, to, options, why, why_size) == 0)
        return m;
    hw_move_close(m);
    return NULL;
}

void hw_move_close(struct hw_move *m)
{
    if (m->from)
        m->from->type->close(m->from);
    if (m->to)
        m->to->type->close(m->to);
    empty(&m->batch);
    free(m->batch.runs);
    free(m);
}

/* ---- copying ---- */

static int finish(struct hw_move *m, char *why, size_t why_size)
{
    empty(&m->batch);
    if (m->from->type->read_pauses(m->from, &m->batch))
        return fail(m->from, why, why_size);
    if (m->to->type->write_pauses(m->to, &m->batch) || m->to->type->finish(m->to))
        return fail(m->to, why, why_size);
    return 0;
}

int hw_move_step(struct hw_move *m, char *why, size_t why_size)
{
    struct hw_move_written written = {0, 0};
    int64_t now_ms = (int64_t)(hw_now() * 1000);
    empty(&m->batch);
    if (m->from->type->read(m->from, m->after, &m->batch))
        return fail(m->from, why, why_size);
    if (m->batch.row_count == 0)
        return finish(m, why, why_size);
    for (size_t i = 0; i < m->batch.row_count; i++)
        let_go(&m->batch.rows[i], now_ms);
    if (m->to->type->write(m->to, &m->batch, &written))
        return fail(m->to, why, why_size);
    m->after = m->batch.last;
    m->progress.looked_at += (int64_t)m->batch.row_count;
    m->progress.added += written.added;
    m->progress.changed += written.changed;
    return 1;
}

const struct hw_move_progress *hw_move_progress(const struct hw_move *m)
{
    return &m->progress;
}
