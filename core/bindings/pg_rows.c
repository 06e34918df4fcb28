/* pg_rows.c -- see pg_rows.h */
#include "bindings/pg_rows.h"

#include "base/clock.h"
#include "bindings/pg_handle.h"

#define COUNT(columns) (sizeof(columns) / sizeof *(columns))

/* ---- rows ---- */

#define COLUMNS                                                                                    \
    "SELECT n.seq, n.job_id, encode(n.digest, 'hex'), coalesce(n.event, ''), n.state::int8,"       \
    " n.attempt::int8, n.deliveries::int8, n.runs::int8, " HW_PG_MS(                               \
        "n.received_at") ", " HW_PG_MS("n.settled_at") ", " HW_PG_MS("n.next_run_at") ","          \
                                                                                      " n."        \
                                                                                      "retries::"  \
                                                                                      "int8, "     \
                                                                                      "n.error, "  \
                                                                                      "n.reason, " \
                                                                                      "n.key, "    \
                                                                                      "n.place, "  \
                                                                                      "n.version," \
                                                                                      " n.parked," \
                                                                                      " n.body "   \
                                                                                      "IS NOT "    \
                                                                                      "NULL, "     \
                                                                                      "CASE WHEN " \
                                                                                      "n.reason "  \
                                                                                      "IS NULL "   \
                                                                                      "THEN "      \
                                                                                      "left(n."    \
                                                                                      "detail, "   \
                                                                                      "300) END"
#define HOST "(SELECT h.name FROM @.hosts h WHERE h.id = n.owner)"

static const struct hw_pg_column columns[] = {
    {"seq", hw_pg_push_integer},
    {"id", hw_pg_push_text},
    {"digest", hw_pg_push_text},
    {"event", hw_pg_push_text},
    {"state", hw_pg_push_state},
    {"attempt", hw_pg_push_integer},
    {"deliveries", hw_pg_push_integer},
    {"runs", hw_pg_push_integer},
    {"received_at", hw_pg_push_time},
    {"settled_at", hw_pg_push_time},
    {"next_run_at", hw_pg_push_time},
    {"retries", hw_pg_push_integer},
    {"error", hw_pg_push_text},
    {"reason", hw_pg_push_text},
    {"key", hw_pg_push_text},
    {"place", hw_pg_push_text},
    {"version", hw_pg_push_text},
    {"parked", hw_pg_push_bool},
    {"has_body", hw_pg_push_bool},
    {"gist", hw_pg_push_text},
    {"host", hw_pg_push_text},
    {"detail", hw_pg_push_text}, /* of show only, from here on */
    {"headers", hw_pg_push_text},
    {"body", hw_pg_push_text},
};
enum { LISTED = 21 };

static enum hw_pg_rc select_rows(lua_State *L, struct hw_pg_handle *handle,
                                 const struct hw_ledger_filters *f)
{
    char tail[64], limit[32] = "";
    if (f->limit >= 0)
        snprintf(limit, sizeof limit, " LIMIT %lld", (long long)f->limit);
    snprintf(tail, sizeof tail, " ORDER BY n.seq%s%s", f->oldest_first ? "" : " DESC", limit);
    return hw_pg_handle_select(L, handle, f, COLUMNS ", CASE WHEN n.state = 6 THEN " HOST " END",
                               tail);
}

/* ---- a list in bounded time ---- */

/* How far a look has come. */
struct look {
    uint64_t until;
    int64_t step;    /* rows that are looked at next */
    int64_t seq;     /* the last that was looked at */
    int64_t time_ms; /* when that was received */
    bool is_end;     /* there are no more */
};

enum { STEP_FIRST = 1000, STEP_MOST = 64000 };

/* Finds how far the next `step` rows go, by their numbers alone. */
static enum hw_pg_rc find_end(lua_State *L, struct hw_pg_handle *handle,
                              const struct hw_ledger_filters *f, struct look *look)
{
    char tail[96];
    struct hw_ledger_filters range = {.states = f->states,
                                      .since_ms = INT64_MIN,
                                      .until_ms = INT64_MAX,
                                      .after = f->after,
                                      .upto = f->upto};
    snprintf(tail, sizeof tail, " ORDER BY n.seq%s OFFSET %lld LIMIT 1",
             f->oldest_first ? "" : " DESC", (long long)look->step - 1);
    enum hw_pg_rc rc =
        hw_pg_handle_select(L, handle, &range, "SELECT n.seq, " HW_PG_MS("n.received_at"), tail);
    if (rc != HW_PG_OK)
        return rc;
    look->is_end = hw_pg_rows(handle->result) == 0;
    if (!look->is_end) {
        look->seq = hw_pg_int(handle->result, 0, 0);
        look->time_ms = hw_pg_int(handle->result, 0, 1);
    }
    return rc;
}

/* Appends the rows of a result to the array on top. */
static void append(lua_State *L, struct hw_pg_handle *handle, int64_t *found)
{
    size_t rows = hw_pg_rows(handle->result);
    for (size_t i = 0; i < rows; i++) {
        hw_pg_push_row(L, handle->result, i, columns, LISTED);
        lua_rawseti(L, -2, ++*found);
    }
}

/* Looks at the next rows, and appends those that match. */
static enum hw_pg_rc look_on(lua_State *L, struct hw_pg_handle *handle, struct hw_ledger_filters *f,
                             struct look *look, int64_t *found)
{
    enum hw_pg_rc rc = find_end(L, handle, f, look);
    struct hw_ledger_filters part = *f;
    if (rc != HW_PG_OK)
        return rc;
    if (!look->is_end && f->oldest_first)
        part.upto = look->seq;
    else if (!look->is_end)
        part.after = look->seq - 1;
    rc = select_rows(L, handle, &part);
    if (rc != HW_PG_OK)
        return rc;
    int64_t before = *found;
    append(L, handle, found);
    if (f->limit >= 0)
        f->limit -= *found - before;
    if (f->oldest_first)
        f->after = look->seq;
    else
        f->upto = look->seq - 1;
    if (look->step < STEP_MOST)
        look->step *= 2;
    return rc;
}

static void push_stop(lua_State *L, const struct look *look)
{
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, look->seq);
    lua_setfield(L, -2, "seq");
    lua_pushnumber(L, (double)look->time_ms / 1000);
    lua_setfield(L, -2, "received_at");
}

/* Each part is a transaction of its own, so that no snapshot is held. */
static int look_at(lua_State *L, struct hw_pg_handle *handle, struct hw_ledger_filters *f)
{
    struct look look = {.until = hw_now_ns() + (uint64_t)(f->seconds * 1e9), .step = STEP_FIRST};
    int64_t found = 0;
    bool late = false;
    lua_newtable(L);
    while (!late && !look.is_end && f->limit != 0) {
        if (look_on(L, handle, f, &look, &found) != HW_PG_OK)
            return hw_pg_handle_fail(L, handle);
        late = hw_now_ns() >= look.until;
    }
    if (late && !look.is_end && f->limit != 0)
        push_stop(L, &look);
    else
        lua_pushnil(L);
    return 2;
}

int hw_pg_list_call(lua_State *L)
{
    struct hw_pg_handle *handle = hw_pg_handle_check(L);
    struct hw_ledger_filters f;
    hw_ledger_filters_read(L, 2, &f);
    if (f.seconds >= 0 && !f.ids) /* ids have an index */
        return look_at(L, handle, &f);
    if (select_rows(L, handle, &f) != HW_PG_OK)
        return hw_pg_handle_fail(L, handle);
    hw_pg_push_rows(L, handle->result, columns, LISTED);
    return 1;
}

/* ---- one row ---- */

int hw_pg_show_call(lua_State *L)
{
    struct hw_pg_handle *handle = hw_pg_handle_check(L);
    hw_pg_arg_int(handle->args, HW_PG_INT8, luaL_checkinteger(L, 2));
    if (hw_pg_handle_query(handle,
                           COLUMNS ", " HOST ", n.detail, n.headers, n.body"
                                   " FROM @.notifications n WHERE n.seq = $1::int8") != HW_PG_OK)
        return hw_pg_handle_fail(L, handle);
    if (hw_pg_rows(handle->result) == 0)
        lua_pushnil(L);
    else
        hw_pg_push_row(L, handle->result, 0, columns, COUNT(columns));
    return 1;
}

static const struct hw_pg_column run_columns[] = {
    {"began_at", hw_pg_push_time}, {"attempt", hw_pg_push_integer},
    {"retry", hw_pg_push_integer}, {"waited_ms", hw_pg_push_integer},
    {"ms", hw_pg_push_integer},    {"error", hw_pg_push_text},
    {"reason", hw_pg_push_text},   {"version", hw_pg_push_text},
    {"host", hw_pg_push_text},
};

int hw_pg_history_call(lua_State *L)
{
    struct hw_pg_handle *handle = hw_pg_handle_check(L);
    hw_pg_arg_int(handle->args, HW_PG_INT8, luaL_checkinteger(L, 2));
    if (hw_pg_handle_query(
            handle,
            "SELECT " HW_PG_MS(
                "r.began_at") ", r.attempt::int8, r.retry::int8,"
                              " r.waited_ms, r.ms, r.error, r.reason, r.version,"
                              " (SELECT h.name FROM @.hosts h WHERE h.id = r.host)"
                              " FROM @.runs r WHERE r.seq = $1::int8 ORDER BY r.began_at") !=
        HW_PG_OK)
        return hw_pg_handle_fail(L, handle);
    hw_pg_push_rows(L, handle->result, run_columns, COUNT(run_columns));
    return 1;
}

/* ---- numbers ---- */

int hw_pg_count_call(lua_State *L)
{
    struct hw_pg_handle *handle = hw_pg_handle_check(L);
    struct hw_ledger_filters f;
    lua_Integer total = 0;
    hw_ledger_filters_read(L, 2, &f);
    if (hw_pg_handle_select(L, handle, &f, "SELECT n.state::int8, count(*)", " GROUP BY n.state") !=
        HW_PG_OK)
        return hw_pg_handle_fail(L, handle);
    lua_newtable(L); /* by_state */
    for (size_t i = 0; i < hw_pg_rows(handle->result); i++) {
        total += hw_pg_int(handle->result, i, 1);
        hw_pg_push_state(L, handle->result, i, 0);
        hw_pg_push_integer(L, handle->result, i, 1); /* by_state name count */
        lua_rawset(L, -3);
    }
    lua_pushinteger(L, total);
    lua_insert(L, -2);
    return 2;
}

/* One that runs is not waiting. One that is set aside by a pause, or stands behind another of its
 * lane, has no time. */
#define WAITS "n.state <> 6 AND (n.next_run_at IS NOT NULL OR n.parked OR n.lane IS NOT NULL)"
#define STATS                                                                                      \
    "SELECT coalesce(n.event, ''), n.state::int8, count(*), " HW_PG_MS(                            \
        "min(n.received_at)") ", count(*) FILTER (WHERE " WAITS                                    \
                              "), " HW_PG_MS("min(n.received_at) FILTER (WHERE " WAITS             \
                                             ")") ", " HW_PG_MS("min(n.next_run_at) FILTER "       \
                                                                "(WHERE n.state <> 6)")

static const struct hw_pg_column stats_columns[] = {
    {"event", hw_pg_push_text},       {"state", hw_pg_push_state},
    {"count", hw_pg_push_integer},    {"oldest", hw_pg_push_time},
    {"waiting", hw_pg_push_integer},  {"oldest_waiting", hw_pg_push_time},
    {"next_run_at", hw_pg_push_time},
};

int hw_pg_stats_call(lua_State *L)
{
    struct hw_pg_handle *handle = hw_pg_handle_check(L);
    struct hw_ledger_filters f;
    hw_ledger_filters_read(L, 2, &f);
    if (hw_pg_handle_select(L, handle, &f, STATS,
                            " GROUP BY coalesce(n.event, ''), n.state"
                            " ORDER BY coalesce(n.event, '') COLLATE \"C\", n.state") != HW_PG_OK)
        return hw_pg_handle_fail(L, handle);
    hw_pg_push_rows(L, handle->result, stats_columns, COUNT(stats_columns));
    return 1;
}
