/* pg_along.c -- lanes, limits and histories, in the transaction of a settle; see postgres.h
 *
 * How     Of a lane one row at most is due, runs, waits for its retry or is parked: its head. Who
 *         is accepted into a lane, and who ends in one, has the lane's lock for as long as the
 *         transaction lasts: an accepted one waits behind all that the lane has, and the end of a
 *         head makes the next one due. Those of a pool that start from memory are counted under the
 *         pool's lock, which whoever takes due work of the pool needs too; one too many waits for
 *         its turn. Locks are taken before any row, lanes first, each kind in one order. */
#include "ledger/postgres.h"

/* Whether one of a batch is to be in a call. */
typedef bool is_one_fn(const struct hw_notification *n);

static bool is_being_accepted(const struct hw_notification *n)
{
    return n->accepted && n->from_row == 0 && !n->started && n->row &&
           (n->state == HW_QUEUED || n->state == HW_STARTED);
}

/* It has an outcome that nothing follows by itself. */
static bool is_done(const struct hw_notification *n)
{
    return n->state != HW_QUEUED && n->state != HW_STARTED && n->next_run_at == 0;
}

static bool enters_lane(const struct hw_notification *n)
{
    return n->lane.ptr && is_being_accepted(n);
}

static bool is_in_lane(const struct hw_notification *n)
{
    return n->lane.ptr && !n->outcome.from_ledger && (is_being_accepted(n) || is_done(n));
}

static bool enters_pool(const struct hw_notification *n)
{
    return n->pool.ptr && n->pool_max && n->state == HW_STARTED && is_being_accepted(n);
}

static bool is_any(const struct hw_pg_along *along, is_one_fn *is_one)
{
    for (size_t i = 0; i < along->count; i++)
        if (is_one(along->batch[i]))
            return true;
    return false;
}

/* ---- parameters ---- */

/* Without memory the call has none, and the transaction fails. */
static struct hw_pg_args *args_for(struct hw_pg_along *along, struct hw_pg_call *call,
                                   enum hw_pg_sql statement)
{
    struct hw_pg_args *args = hw_pg_args_new();
    *call = (struct hw_pg_call){.statement = statement, .args = args};
    if (args)
        along->args[along->args_count++] = args;
    return args;
}

static void add_texts(struct hw_pg_args *args, const struct hw_pg_along *along, is_one_fn *is_one,
                      bool pools)
{
    hw_pg_array_begin(args, HW_PG_TEXT);
    for (size_t i = 0; i < along->count; i++)
        if (is_one(along->batch[i]))
            hw_pg_item_text(args, pools ? along->batch[i]->pool : along->batch[i]->lane);
    hw_pg_array_end(args);
}

enum column { ROW, OWNER, CLAIM, MOST };

static int64_t column_of(const struct hw_notification *n, enum column column)
{
    switch (column) {
    case ROW:
        return n->row;
    case OWNER:
        return n->fence.owner;
    case CLAIM:
        return n->fence.claim;
    default:
        return n->pool_max;
    }
}

static void add_ints(struct hw_pg_args *args, const struct hw_pg_along *along, is_one_fn *is_one,
                     enum column column)
{
    hw_pg_array_begin(args, HW_PG_INT8);
    for (size_t i = 0; i < along->count; i++)
        if (is_one(along->batch[i]))
            hw_pg_item_int(args, column_of(along->batch[i], column));
    hw_pg_array_end(args);
}

static void add_fences(struct hw_pg_args *args, const struct hw_pg_along *along, is_one_fn *is_one)
{
    add_ints(args, along, is_one, ROW);
    add_ints(args, along, is_one, OWNER);
    add_ints(args, along, is_one, CLAIM);
}

/* ---- calls ---- */

static void call_with_texts(struct hw_pg_along *along, struct hw_pg_call *call,
                            enum hw_pg_sql statement, is_one_fn *is_one, bool pools)
{
    struct hw_pg_args *args = args_for(along, call, statement);
    if (args)
        add_texts(args, along, is_one, pools);
}

static void call_accept_lanes(struct hw_pg_along *along, struct hw_pg_call *call)
{
    struct hw_pg_args *args = args_for(along, call, HW_PG_LANE_ACCEPT);
    if (args)
        add_fences(args, along, enters_lane);
    along->lane_accept = call;
}

static void call_accept_pools(struct hw_pg_along *along, struct hw_pg_call *call)
{
    struct hw_pg_args *args = args_for(along, call, HW_PG_POOL_ACCEPT);
    if (args) {
        add_fences(args, along, enters_pool);
        add_texts(args, along, enters_pool, true);
        add_ints(args, along, enters_pool, MOST);
    }
    along->pool_accept = call;
}

static size_t call_history(struct hw_pg_along *along, struct hw_pg_call *calls)
{
    struct hw_pg_args *args = args_for(along, &calls[0], HW_PG_RUNS_ADD);
    if (args)
        hw_pg_history_add(args, along->batch, along->count);
    args = args_for(along, &calls[1], HW_PG_RUNS_TRIM);
    return args && hw_pg_history_trim(args, along->batch, along->count) > 0 ? 2 : 1;
}

size_t hw_pg_along_before(struct hw_pg_along *along, struct hw_notification *const *batch,
                          size_t count, struct hw_pg_call *calls)
{
    size_t added = 0;
    *along = (struct hw_pg_along){.batch = batch, .count = count};
    if (is_any(along, is_in_lane))
        call_with_texts(along, &calls[added++], HW_PG_LANE_LOCK, is_in_lane, false);
    if (is_any(along, enters_pool))
        call_with_texts(along, &calls[added++], HW_PG_POOL_LOCK, enters_pool, true);
    return added;
}

size_t hw_pg_along_after(struct hw_pg_along *along, struct hw_pg_call *calls)
{
    size_t added = 0;
    if (is_any(along, enters_lane))
        call_accept_lanes(along, &calls[added++]);
    if (is_any(along, enters_pool))
        call_accept_pools(along, &calls[added++]);
    if (is_any(along, is_in_lane))
        call_with_texts(along, &calls[added++], HW_PG_PROMOTE, is_in_lane, false);
    if (hw_pg_history_is_any(along->batch, along->count))
        added += call_history(along, &calls[added]);
    return added;
}

/* ---- afterwards ---- */

static void wait_for(struct hw_pg_along *along, int64_t row, bool in_lane)
{
    for (size_t i = 0; i < along->count; i++) {
        struct hw_notification *n = along->batch[i];
        if (n->row != row || !is_being_accepted(n))
            continue;
        n->state = HW_QUEUED;
        n->next_run_at = in_lane ? 0 : n->settled_at;
    }
}

static void read_rows(struct hw_pg_along *along, const struct hw_pg_call *call, bool in_lane)
{
    size_t count = call && call->result ? hw_pg_rows(call->result) : 0;
    for (size_t i = 0; i < count; i++)
        wait_for(along, hw_pg_int(call->result, i, 0), in_lane);
}

/* The number is read from the database with each beat; max_backlog would be passed by far until
 * then. */
static void count_backlog(struct hw_pg_along *along, struct hw_ledger *ledger)
{
    int64_t change = 0;
    for (size_t i = 0; i < along->count; i++) {
        const struct hw_notification *n = along->batch[i];
        if (n->accepted && !n->outcome.from_ledger)
            change += is_being_accepted(n) - is_done(n);
    }
    if (change)
        atomic_fetch_add_explicit(&ledger->backlog, change, memory_order_relaxed);
}

void hw_pg_along_read(struct hw_pg_along *along, struct hw_ledger *ledger)
{
    read_rows(along, along->lane_accept, true);
    read_rows(along, along->pool_accept, false);
    count_backlog(along, ledger);
}

void hw_pg_along_end(struct hw_pg_along *along)
{
    for (size_t i = 0; i < along->args_count; i++)
        hw_pg_args_free(along->args[i]);
    along->args_count = 0;
}
