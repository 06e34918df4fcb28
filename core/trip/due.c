/* due.c -- see due.h */
#include "trip/due.h"

#include <stdlib.h>

enum { LOOK_MS = 1000, SPREAD_MS = 200 /* so that several hosts don't look all at once */ };

static bool is_full(const struct hw_due *due)
{
    return due->count + due->fresh >= due->max;
}

static void ask(struct hw_due *due)
{
    if (due->asking || due->dispatch->draining || is_full(due))
        return;
    /* Those in hand may be due still, as far as the ledger knows; but one that hosts share takes what it
     * finds. */
    size_t in_hand = due->takes ? due->count + due->fresh : 0;
    due->asking = hw_dispatch_pick(due->dispatch, due->max - in_hand) == 0;
}

static bool is_in_hand(const struct hw_due *due, int64_t row)
{
    for (size_t i = 0; i < due->count; i++)
        if (due->rows[i] == row)
            return true;
    return false;
}

/* What is moot would be found again at once. */
static void on_ended(void *owner, int64_t row, bool moot)
{
    struct hw_due *due = owner;
    due->more = due->more && !moot;
    due->fresh -= row == 0;
    for (size_t i = 0; row && i < due->count; i++)
        if (due->rows[i] == row) {
            due->rows[i] = due->rows[--due->count];
            break;
        }
    if (due->more)
        ask(due);
}

/* These are taken: each runs, or is given back. */
static void run_taken(struct hw_due *due, const struct hw_ledger_due *found)
{
    for (size_t i = 0; i < found->count; i++) {
        due->rows[due->count++] = found->rows[i].seq; /* it may end within the call */
        if (hw_dispatch_run_due(due->dispatch, &found->rows[i]))
            on_ended(due, found->rows[i].seq, true);
    }
}

static void on_picked(void *owner, int code, const struct hw_ledger_due *found)
{
    struct hw_due *due = owner;
    size_t i = 0;
    bool again = code == 0 && (found->again || due->added);
    due->asking = due->added = false;
    due->more = again || (code == 0 && found->count == found->max);
    if (due->takes)
        run_taken(due, found);
    for (; !due->takes && i < found->count && !is_full(due); i++) {
        const struct hw_ledger_due_row *row = &found->rows[i];
        if (due->dispatch->draining || is_in_hand(due, row->seq))
            continue;
        if (row->pool.ptr && hw_pools_room(&due->dispatch->in_hand.pools, row->pool) == 0)
            continue; /* one that was just accepted took the place; they take turns */
        if (hw_dispatch_run_due(due->dispatch, row))
            return; /* without memory; the next look finds it again */
        due->rows[due->count++] = row->seq;
    }
    due->more |= !due->takes && i < found->count; /* what was just accepted took the places */
    if (again)
        ask(due);
}

static bool take(void *owner)
{
    struct hw_due *due = owner;
    if (due->more || is_full(due) || (due->takes && due->asking))
        return false; /* what is being taken may need all places */
    due->fresh++;
    return true;
}

static void on_added(void *owner)
{
    struct hw_due *due = owner;
    due->more = true;
    due->added = due->asking;
    ask(due);
}

/* While all places are taken, something may fall due: the next place is the ledger's. */
static void on_timer(uv_timer_t *timer)
{
    struct hw_due *due = timer->data;
    due->more |= is_full(due);
    ask(due);
}

int hw_due_start(struct hw_due *due, uv_loop_t *loop, struct hw_dispatch *dispatch,
                 unsigned workers)
{
    size_t max = workers > 1 ? workers - 1 : 1;
    *due = (struct hw_due){.max = max, .rows = calloc(max, sizeof *due->rows)};
    if (!due->rows)
        return HW_ENOMEM;
    due->dispatch = dispatch;
    due->takes = hw_ledger_claims(dispatch->ledger);
    dispatch->in_hand.owner = due;
    dispatch->picked = on_picked;
    dispatch->in_hand.ended = on_ended;
    dispatch->in_hand.take = take;
    dispatch->in_hand.added = on_added;
    uv_timer_init(loop, &due->timer);
    due->timer.data = due;
    uint64_t spread_ms = dispatch->random % SPREAD_MS;
    uv_timer_start(&due->timer, on_timer, spread_ms, LOOK_MS - SPREAD_MS / 2 + spread_ms);
    return 0;
}

void hw_due_fini(struct hw_due *due)
{
    free(due->rows);
}
