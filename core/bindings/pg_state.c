/* pg_state.c -- see pg_state.h */
#include "bindings/pg_state.h"

#include <math.h>

#include "base/clock.h"
#include "bindings/pg_handle.h"
#include "ledger/pauses.h"
#include "ledger/pg_schema.h"

#define COUNT(columns) (sizeof(columns) / sizeof *(columns))

/* ---- the backlog ---- */

/* Each part reads an index. What runs, and is not a first claim, is due at infinity. */
#define DUE(of_pool)                                                                               \
    "SELECT seq, next_run_at, received_at FROM @.notifications"                                    \
    " WHERE next_run_at IS NOT NULL AND next_run_at < 'infinity' AND pool IS " of_pool
#define BEHIND                                                                                     \
    "SELECT seq, NULL::timestamptz, received_at FROM @.notifications"                              \
    " WHERE lane IS NOT NULL AND next_run_at IS NULL AND NOT parked AND state <> 6"
#define PARKED "SELECT seq, NULL::timestamptz, received_at FROM @.notifications WHERE parked"

static const struct hw_pg_column backlog_columns[] = {
    {"waiting", hw_pg_push_integer},     {"due", hw_pg_push_integer},
    {"oldest_waiting", hw_pg_push_time}, {"next_due", hw_pg_push_time},
    {"parked", hw_pg_push_integer},      {"running", hw_pg_push_integer},
};

int hw_pg_backlog_call(lua_State *L)
{
    static const char sql[] = "WITH w AS (" DUE("NULL") " UNION ALL " DUE(
        "NOT NULL") " UNION ALL " BEHIND " UNION ALL " PARKED ")"
                    " SELECT count(*), count(*) FILTER (WHERE next_run_at <= "
                    "now()), " HW_PG_MS("min(received_at)") ", " HW_PG_MS(
                        "min(next_run_at)") ","
                                            " (SELECT count(*) FROM @.notifications WHERE "
                                            "parked),"
                                            " (SELECT count(*) FROM (" HW_PG_RUNNING ") r) FROM w";
    struct hw_pg_handle *handle = hw_pg_handle_check(L);
    if (hw_pg_handle_query(handle, sql) != HW_PG_OK)
        return hw_pg_handle_fail(L, handle);
    hw_pg_push_row(L, handle->result, 0, backlog_columns, COUNT(backlog_columns));
    return 1;
}

/* ---- pauses ---- */

static const struct hw_pg_column pause_columns[] = {
    {"pattern", hw_pg_push_text},
    {"since", hw_pg_push_time},
};

int hw_pg_pauses_call(lua_State *L)
{
    struct hw_pg_handle *handle = hw_pg_handle_check(L);
    if (hw_pg_handle_query(handle, "SELECT pattern, " HW_PG_MS(
                                       "since") " FROM @.pauses ORDER BY since, pattern") !=
        HW_PG_OK)
        return hw_pg_handle_fail(L, handle);
    hw_pg_push_rows(L, handle->result, pause_columns, COUNT(pause_columns));
    return 1;
}

int hw_pg_pause_call(lua_State *L)
{
    static const char pause[] =
        "INSERT INTO @.pauses SELECT $1::text, now()"
        " WHERE (SELECT count(*) FROM @.pauses) < $2::int8 ON CONFLICT DO NOTHING";
    static const char resume[] = "DELETE FROM @.pauses WHERE pattern = $1::text";
    struct hw_pg_handle *handle = hw_pg_handle_check(L);
    struct hw_str pattern;
    pattern.ptr = luaL_checklstring(L, 2, &pattern.len);
    bool resumes = lua_toboolean(L, 3);
    luaL_argcheck(L, resumes || hw_pauses_is_pattern(pattern), 2, "not a pattern");
    hw_pg_arg_text(handle->args, pattern);
    if (!resumes)
        hw_pg_arg_int(handle->args, HW_PG_INT8, HW_PAUSES_MAX);
    if (hw_pg_handle_query(handle, resumes ? resume : pause) != HW_PG_OK)
        return hw_pg_handle_fail(L, handle);
    lua_pushboolean(L, hw_pg_changed(handle->result) > 0);
    return 1;
}

/* ---- the database ---- */

static double check_seconds(lua_State *L, int arg)
{
    double seconds = luaL_checknumber(L, arg);
    luaL_argcheck(L, isfinite(seconds) && seconds >= 0 && seconds < 1e6, arg, "not seconds");
    return seconds;
}

int hw_pg_limit_call(lua_State *L)
{
    struct hw_pg_handle *handle = hw_pg_handle_check(L);
    handle->limit_ns =
        lua_isnoneornil(L, 2) ? 0 : hw_now_ns() + (uint64_t)(check_seconds(L, 2) * 1e9);
    return 0;
}

int hw_pg_check_call(lua_State *L)
{
    struct hw_pg_handle *handle = hw_pg_handle_check(L);
    check_seconds(L, 2);
    hw_pg_arg_text(handle->args, hw_str_of(handle->schema));
    if (hw_pg_handle_query(handle,
                           "SELECT 'the index ' || c.relname::text || ' is invalid; REINDEX it'"
                           " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
                           " JOIN pg_namespace s ON s.oid = c.relnamespace"
                           " WHERE s.nspname::text = $1::text AND NOT i.indisvalid ORDER BY 1") !=
        HW_PG_OK)
        return hw_pg_handle_fail(L, handle);
    lua_newtable(L); /* lines */
    for (size_t i = 0; i < hw_pg_rows(handle->result); i++) {
        hw_pg_push_text(L, handle->result, i, 0);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pushboolean(L, 1);
    return 2;
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void set_bool(lua_State *L, const char *name, bool is)
{
    lua_pushboolean(L, is);
    lua_setfield(L, -2, name);
}

int hw_pg_facts_call(lua_State *L)
{
    struct hw_pg_handle *handle = hw_pg_handle_check(L);
    const struct hw_pg_facts *facts = hw_pg_facts(handle->pg);
    lua_createtable(L, 0, 12);
    lua_pushfstring(L, "%d.%d", facts->server_version / 10000, facts->server_version % 10000);
    lua_setfield(L, -2, "server");
    set_bool(L, "pooled", facts->pooled);
    set_bool(L, "durable", facts->durable);
    set_bool(L, "tls", facts->tls);
    set_bool(L, "local", facts->local);
    set_text(L, "standbys", facts->standbys);
    set_text(L, "host", facts->host);
    set_text(L, "port", facts->port);
    set_text(L, "database", facts->database);
    set_text(L, "user", facts->user);
    set_text(L, "schema", handle->schema);
    set_text(L, "duplicates", handle->by_body ? "by-body" : "by-job");
    return 1;
}

/* ---- hosts ---- */

static const struct hw_pg_column host_columns[] = {
    {"id", hw_pg_push_integer},        {"name", hw_pg_push_text},
    {"version", hw_pg_push_text},      {"started_at", hw_pg_push_time},
    {"alive", hw_pg_push_bool},        {"gone_at", hw_pg_push_time},
    {"seconds_left", hw_pg_push_time}, /* it is read in milliseconds, too */
    {"running", hw_pg_push_integer},   {"scripts", hw_pg_push_text},
    {"scripts_at", hw_pg_push_time},
};

int hw_pg_hosts_call(lua_State *L)
{
    static const char sql[] =
        "WITH r AS (SELECT n.owner, count(*) AS running FROM @.notifications n"
        " WHERE n.seq IN (" HW_PG_RUNNING ") GROUP BY n.owner)"
        " SELECT h.id, h.name, h.version, " HW_PG_MS(
            "h.started_at") ","
                            " h.gone_at IS NULL AND h.alive_until > now(), " HW_PG_MS(
                                "h.gone_at") ","
                                             " CASE WHEN h.gone_at IS NULL THEN"
                                             " (extract(epoch FROM h.alive_until - now()) * "
                                             "1000)::int8 END,"
                                             " coalesce(r.running, 0)::int8, h.scripts, " HW_PG_MS(
                                                 "h.scripts_at") " FROM @.hosts h LEFT JOIN r ON "
                                                                 "r.owner = h.id ORDER BY h.id";
    struct hw_pg_handle *handle = hw_pg_handle_check(L);
    if (hw_pg_handle_query(handle, sql) != HW_PG_OK)
        return hw_pg_handle_fail(L, handle);
    hw_pg_push_rows(L, handle->result, host_columns, COUNT(host_columns));
    return 1;
}

/* ---- another way to tell duplicates ---- */

int hw_pg_go_by_body_call(lua_State *L)
{
    char why[512];
    struct hw_pg_handle *handle = hw_pg_handle_check(L);
    if (hw_pg_schema_go_by_body(handle->pg, handle->schema, why, sizeof why) != HW_PG_OK)
        return hw_pg_handle_fail_for(L, handle, why);
    handle->by_body = true;
    lua_pushboolean(L, 1);
    return 1;
}
