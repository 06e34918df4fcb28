/* pg_handle.c -- see pg_handle.h */
#include "bindings/pg_handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "ledger/pg_schema.h"
#include "script/owned.h"

#define HANDLE "hookward.ledger.postgres" /* a userdata: struct hw_pg_handle */

/* ---- opening and closing ---- */

void hw_pg_handle_finish(struct hw_pg_handle *handle)
{
    hw_pg_result_free(handle->result);
    handle->result = NULL;
    hw_pg_args_clear(handle->args);
}

int hw_pg_handle_close(lua_State *L)
{
    struct hw_pg_handle *handle = luaL_checkudata(L, 1, HANDLE);
    hw_pg_result_free(handle->result);
    hw_pg_args_free(handle->args);
    hw_pg_free(handle->pg);
    hw_pg_sql_free(handle->statements);
    memset(handle->statements, 0, sizeof handle->statements);
    free(handle->url);
    handle->result = NULL;
    handle->args = NULL;
    handle->pg = NULL;
    handle->url = NULL;
    return 0;
}

static struct hw_pg_handle *push_handle(lua_State *L, const luaL_Reg *methods)
{
    struct hw_pg_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    memset(handle, 0, sizeof *handle);
    hw_owned_set(L, HANDLE, methods, hw_pg_handle_close);
    return handle;
}

/* Sets all but the connection. Returns false without memory. */
static bool set_up(struct hw_pg_handle *handle, const char *url, const char *schema)
{
    strcpy(handle->schema, schema);
    hw_secret_hide(handle->shown, sizeof handle->shown, url);
    handle->url = strdup(url);
    handle->options = (struct hw_pg_options){.url = handle->url,
                                             .name = "command",
                                             .statements = handle->statements,
                                             .count = HW_PG_STATEMENTS,
                                             .statement_ms = handle->call_ns / 1000000,
                                             .plain = true};
    handle->args = hw_pg_args_new();
    handle->pg = handle->url && handle->args ? hw_pg_new(&handle->options) : NULL;
    return handle->pg;
}

static int fail_to_open(lua_State *L, const char *shown, const char *why)
{
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", shown, why);
    return 2;
}

static uint64_t connect_deadline(const struct hw_pg_handle *handle)
{
    uint64_t most = HW_PG_HANDLE_CONNECT_MS * UINT64_C(1000000);
    return hw_now_ns() + (handle->call_ns < most ? handle->call_ns : most);
}

int hw_pg_handle_open(lua_State *L, const luaL_Reg *methods)
{
    const char *url = luaL_checkstring(L, 1);
    const char *schema = luaL_optstring(L, 3, "hookward");
    luaL_argcheck(L, hw_pg_schema_is_name(schema), 3, "not a schema's name");
    double seconds = luaL_optnumber(L, 4, 3600);
    luaL_argcheck(L, seconds > 0 && seconds <= 86400, 4, "not seconds");
    struct hw_pg_handle *handle = push_handle(L, methods);
    handle->call_ns = (uint64_t)(seconds * 1e9);
    char text[512];
    const char *why = hw_pg_absent();
    if (!set_up(handle, url, schema))
        return luaL_error(L, "out of memory");
    if (!why && hw_pg_connect(handle->pg, connect_deadline(handle)) != HW_PG_OK)
        why = hw_pg_why(handle->pg);
    if (!why &&
        hw_pg_schema_find(handle->pg, schema, &handle->by_body, text, sizeof text) != HW_PG_OK)
        why = text;
    if (why)
        return fail_to_open(L, handle->shown, why);
    if (hw_pg_sql_fill(handle->statements, handle->schema, false))
        return luaL_error(L, "out of memory");
    hw_pg_handle_finish(handle);
    return 1;
}

struct hw_pg_handle *hw_pg_handle_check(lua_State *L)
{
    struct hw_pg_handle *handle = luaL_checkudata(L, 1, HANDLE);
    if (!handle->pg)
        luaL_error(L, "the ledger is closed");
    hw_pg_handle_finish(handle);
    return handle;
}

int hw_pg_handle_fail_for(lua_State *L, struct hw_pg_handle *handle, const char *reason)
{
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", handle->shown, reason);
    return 2;
}

int hw_pg_handle_fail(lua_State *L, struct hw_pg_handle *handle)
{
    return hw_pg_handle_fail_for(L, handle, hw_pg_why(handle->pg));
}

/* ---- statements ---- */

uint64_t hw_pg_handle_deadline(const struct hw_pg_handle *handle)
{
    return handle->limit_ns ? handle->limit_ns : hw_now_ns() + handle->call_ns;
}

enum hw_pg_rc hw_pg_handle_query(struct hw_pg_handle *handle, const char *sql)
{
    hw_pg_result_free(handle->result);
    handle->result = NULL;
    char *text = hw_pg_schema_fill(sql, handle->schema);
    if (!text)
        return HW_PG_DATA;
    enum hw_pg_rc rc =
        hw_pg_query(handle->pg, text, handle->args, &handle->result, hw_pg_handle_deadline(handle));
    free(text);
    return rc;
}

/* ---- filters ---- */

struct where {
    luaL_Buffer sql;
    struct hw_pg_args *args;
    int count; /* parameters so far */
};

/* Adds " AND …", in which each $ becomes the next parameter's number. */
static void add(struct where *w, const char *condition)
{
    char number[16];
    w->count++;
    luaL_addstring(&w->sql, " AND ");
    for (const char *p = condition; *p; p++) {
        luaL_addchar(&w->sql, *p);
        if (*p != '$')
            continue;
        snprintf(number, sizeof number, "%d", w->count);
        luaL_addstring(&w->sql, number);
    }
}

static void add_int(struct where *w, const char *condition, int64_t value)
{
    add(w, condition);
    hw_pg_arg_int(w->args, HW_PG_INT8, value);
}

static void add_text(struct where *w, const char *condition, struct hw_str text)
{
    add(w, condition);
    hw_pg_arg_text(w->args, text.ptr ? text : HW_STR(""));
}

static void add_event(struct where *w, const struct hw_ledger_filters *f)
{
    static const char *const conditions[] = {
        [HW_LEDGER_PATTERN_EXACT] = "coalesce(n.event, '') = $::text",
        [HW_LEDGER_PATTERN_PREFIX] = "left(n.event, length($::text)) = $::text",
        [HW_LEDGER_PATTERN_SUFFIX] = "right(n.event, length($::text)) = $::text",
    };
    if (f->pattern != HW_LEDGER_PATTERN_ANY)
        add_text(w, conditions[f->pattern], f->event);
}

/* What PostgreSQL can hold as a time. */
static int64_t clamp(int64_t ms)
{
    const int64_t least = -INT64_C(200000000000000), most = INT64_C(9000000000000000);
    return ms < least ? least : ms > most ? most : ms;
}

/* If nothing that succeeded can match, an index of the rest is read. */
static void add_states(struct where *w, const struct hw_ledger_filters *f)
{
    const int64_t all = (INT64_C(1) << HW_LEDGER_STATE_END) - 2;
    if ((f->states & all) == all)
        return;
    add_int(w, "($::int8 >> n.state) & 1 = 1", f->states);
    if (f->states >> HW_SUCCEEDED & 1)
        return;
    bool running = f->states >> HW_STARTED & 1;
    if (!running)
        luaL_addstring(&w->sql, " AND n.trouble IS NOT NULL");
    else if (f->states == INT64_C(1) << HW_STARTED)
        luaL_addstring(&w->sql, " AND n.seq IN (" HW_PG_RUNNING ")");
    else
        luaL_addstring(&w->sql, " AND n.seq IN (SELECT seq FROM @.notifications"
                                " WHERE trouble IS NOT NULL UNION " HW_PG_RUNNING ")");
}

/* With duplicates = "by-job" the index of identities begins with the id; with "by-body" a row has
 * none there, and another index has the ids. */
static void add_ids(lua_State *L, struct where *w, const struct hw_ledger_filters *f)
{
    if (!f->ids)
        return;
    add(w, "((n.dedupe_id = ANY($::text[]) AND n.dedupe_id <> '')"
           " OR (n.dedupe_id = '' AND n.job_id = ANY($::text[])))");
    hw_pg_array_begin(w->args, HW_PG_TEXT);
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, f->ids); i++) {
        struct hw_str id;
        lua_rawgeti(L, f->ids, i);
        id.ptr = lua_tolstring(L, -1, &id.len); /* the table keeps it */
        hw_pg_item_text(w->args, id);
        lua_pop(L, 1);
    }
    hw_pg_array_end(w->args);
}

static void add_all(lua_State *L, struct where *w, const struct hw_ledger_filters *f)
{
    add_states(w, f);
    if (f->after != INT64_MIN)
        add_int(w, "n.seq > $::int8", f->after);
    if (f->upto != INT64_MAX)
        add_int(w, "n.seq <= $::int8", f->upto);
    add_event(w, f);
    /* times are shown in whole milliseconds, rounded */
    if (f->since_ms != INT64_MIN)
        add_int(w, "n.received_at >= to_timestamp(($::int8 - 0.5) / 1000)", clamp(f->since_ms));
    if (f->until_ms != INT64_MAX)
        add_int(w, "n.received_at < to_timestamp(($::int8 + 0.5) / 1000)", clamp(f->until_ms));
    if (f->error.ptr)
        add_text(w,
                 "strpos(lower(coalesce(n.error, '') || chr(10) || coalesce(n.reason, '')"
                 " || chr(10) || coalesce(n.detail, '')), lower($::text)) > 0",
                 f->error);
    add_ids(L, w, f);
}

enum hw_pg_rc hw_pg_handle_select(lua_State *L, struct hw_pg_handle *handle,
                                  const struct hw_ledger_filters *f, const char *what,
                                  const char *tail)
{
    struct where w = {.args = handle->args};
    hw_pg_args_clear(handle->args);
    luaL_buffinit(L, &w.sql);
    luaL_addstring(&w.sql, what);
    luaL_addstring(&w.sql, " FROM @.notifications n WHERE true");
    add_all(L, &w, f);
    luaL_addstring(&w.sql, tail);
    luaL_pushresult(&w.sql);
    enum hw_pg_rc rc = hw_pg_handle_query(handle, lua_tostring(L, -1));
    lua_pop(L, 1);
    return rc;
}

/* ---- from a result to tables ---- */

void hw_pg_push_integer(lua_State *L, const struct hw_pg_result *result, size_t row, size_t column)
{
    lua_pushinteger(L, hw_pg_int(result, row, column));
}

void hw_pg_push_text(lua_State *L, const struct hw_pg_result *result, size_t row, size_t column)
{
    struct hw_str text = hw_pg_text(result, row, column);
    lua_pushlstring(L, text.ptr ? text.ptr : "", text.len);
}

void hw_pg_push_bool(lua_State *L, const struct hw_pg_result *result, size_t row, size_t column)
{
    lua_pushboolean(L, hw_pg_int(result, row, column) != 0);
}

void hw_pg_push_time(lua_State *L, const struct hw_pg_result *result, size_t row, size_t column)
{
    lua_pushnumber(L, (double)hw_pg_int(result, row, column) / 1000);
}

void hw_pg_push_state(lua_State *L, const struct hw_pg_result *result, size_t row, size_t column)
{
    lua_pushstring(L, hw_ledger_state_name(hw_pg_int(result, row, column)));
}

void hw_pg_push_row(lua_State *L, const struct hw_pg_result *result, size_t row,
                    const struct hw_pg_column *columns, size_t count)
{
    lua_createtable(L, 0, (int)count);
    for (size_t i = 0; i < count; i++) {
        if (hw_pg_is_null(result, row, i))
            continue;
        columns[i].push(L, result, row, i);
        lua_setfield(L, -2, columns[i].name);
    }
}

void hw_pg_push_rows(lua_State *L, const struct hw_pg_result *result,
                     const struct hw_pg_column *columns, size_t count)
{
    size_t rows = hw_pg_rows(result);
    lua_createtable(L, (int)rows, 0);
    for (size_t i = 0; i < rows; i++) {
        hw_pg_push_row(L, result, i, columns, count);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}
