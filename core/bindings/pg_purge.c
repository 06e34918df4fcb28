/* pg_purge.c -- see pg_purge.h */
#include "bindings/pg_purge.h"

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "bindings/pg_handle.h"
#include "ledger/postgres.h"

enum { ROWS = 256 /* of one step */ };

/* ---- one step ---- */

/* How far a purge has come. */
struct purge {
    int64_t after; /* the next step begins after this row */
    lua_Integer total;
    bool more; /* there may be more rows */
};

static void rest(uint64_t held_ns)
{
    if (held_ns < 5000000)
        held_ns = 5000000;
    struct timespec pause = {.tv_sec = (time_t)(held_ns / 1000000000),
                             .tv_nsec = (long)(held_ns % 1000000000)};
    nanosleep(&pause, NULL);
}

static void put_numbers(struct hw_pg_args *args, const struct hw_pg_result *found, size_t column)
{
    hw_pg_array_begin(args, HW_PG_INT8);
    for (size_t i = 0; i < hw_pg_rows(found); i++)
        hw_pg_item_int(args, hw_pg_int(found, i, column));
    hw_pg_array_end(args);
}

/* Returns whether any of the rows is in a lane. */
static bool put_lanes(struct hw_pg_args *args, const struct hw_pg_result *found, size_t column)
{
    bool has_lanes = false;
    hw_pg_array_begin(args, HW_PG_TEXT);
    for (size_t i = 0; i < hw_pg_rows(found); i++) {
        if (hw_pg_is_null(found, i, column))
            continue;
        hw_pg_item_text(args, hw_pg_text(found, i, column));
        has_lanes = true;
    }
    hw_pg_array_end(args);
    return has_lanes;
}

/* Behind a removed row its lane goes on. */
static enum hw_pg_rc remove_rows(struct hw_pg_handle *handle, const struct hw_pg_args *rows,
                                 const struct hw_pg_args *lanes, int64_t *removed)
{
    struct hw_pg_call calls[3];
    size_t count = 0;
    if (lanes)
        calls[count++] = (struct hw_pg_call){.statement = HW_PG_LANE_LOCK, .args = lanes};
    size_t removal = count;
    calls[count++] = (struct hw_pg_call){.statement = HW_PG_PURGE, .args = rows};
    if (lanes)
        calls[count++] = (struct hw_pg_call){.statement = HW_PG_PROMOTE, .args = lanes};
    enum hw_pg_rc rc = hw_pg_run(handle->pg, calls, count, hw_pg_handle_deadline(handle));
    if (rc == HW_PG_AGAIN)
        rc = hw_pg_run(handle->pg, calls, count, hw_pg_handle_deadline(handle));
    if (rc != HW_PG_OK)
        return rc;
    *removed = hw_pg_int(calls[removal].result, 0, 0);
    for (size_t i = 0; i < count; i++)
        hw_pg_result_free(calls[i].result);
    return rc;
}

/* Removes what the handle's result has: seq, settled_at, lane. */
static enum hw_pg_rc remove_found(struct hw_pg_handle *handle, int64_t *removed)
{
    struct hw_pg_args *rows = hw_pg_args_new(), *lanes = hw_pg_args_new();
    enum hw_pg_rc rc = HW_PG_DATA;
    if (rows && lanes) {
        put_numbers(rows, handle->result, 0);
        put_numbers(rows, handle->result, 1);
        bool has_lanes = put_lanes(lanes, handle->result, 2);
        rc = remove_rows(handle, rows, has_lanes ? lanes : NULL, removed);
    }
    hw_pg_args_free(rows);
    hw_pg_args_free(lanes);
    return rc;
}

/* Makes one step. */
static enum hw_pg_rc purge_some(lua_State *L, struct hw_pg_handle *handle, struct purge *purge)
{
    static const char what[] =
        "SELECT n.seq, (extract(epoch FROM n.settled_at) * 1000)::int8, n.lane";
    char tail[64];
    struct hw_ledger_filters f;
    hw_ledger_filters_read(L, 2, &f);
    if (f.after < purge->after)
        f.after = purge->after;
    f.states &= ~(INT64_C(1) << HW_STARTED);
    snprintf(tail, sizeof tail, " ORDER BY n.seq LIMIT %d", ROWS);
    purge->more = false;
    enum hw_pg_rc rc = hw_pg_handle_select(L, handle, &f, what, tail);
    size_t found = rc == HW_PG_OK ? hw_pg_rows(handle->result) : 0;
    if (found == 0)
        return rc;
    uint64_t start = hw_now_ns();
    int64_t removed = 0;
    purge->after = hw_pg_int(handle->result, found - 1, 0);
    rc = remove_found(handle, &removed);
    purge->total += removed;
    purge->more = found == ROWS;
    if (rc == HW_PG_OK && purge->more)
        rest(hw_now_ns() - start);
    return rc;
}

/* No result is in use while on_progress runs, since that may use the handle, or close it. */
int hw_pg_purge_call(lua_State *L)
{
    struct purge purge = {.after = INT64_MIN};
    lua_settop(L, 3);
    do {
        struct hw_pg_handle *handle = hw_pg_handle_check(L);
        if (purge_some(L, handle, &purge) != HW_PG_OK) {
            hw_pg_handle_fail(L, handle);
            lua_pushinteger(L, purge.total);
            return 3;
        }
        hw_pg_handle_finish(handle);
        if (!lua_isnil(L, 3)) {
            lua_pushvalue(L, 3);
            lua_pushinteger(L, purge.total);
            lua_call(L, 1, 0);
        }
        lua_settop(L, 3);
    } while (purge.more);
    lua_pushinteger(L, purge.total);
    lua_pushboolean(L, 1);
    return 2;
}
