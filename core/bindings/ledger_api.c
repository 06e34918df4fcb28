/* ledger_api.c -- see ledger_api.h */
#include "bindings/ledger_api.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bindings/copying.h"
#include "bindings/ledger_backlog.h"
#include "bindings/ledger_check.h"
#include "bindings/ledger_handle.h"
#include "bindings/ledger_purge.h"
#include "bindings/pg_handle.h"
#include "bindings/pg_purge.h"
#include "bindings/pg_rows.h"
#include "bindings/pg_state.h"
#include "ledger/copy.h"
#include "ledger/lock.h"
#include "ledger/pg_schema.h"

/* ---- from a row to a table ---- */

static void push_hex(lua_State *L, const unsigned char *bytes, size_t len)
{
    luaL_Buffer text;
    char *to = luaL_buffinitsize(L, &text, 2 * len);
    for (size_t i = 0; i < len; i++) {
        *to++ = "0123456789abcdef"[bytes[i] >> 4];
        *to++ = "0123456789abcdef"[bytes[i] & 15];
    }
    luaL_pushresultsize(&text, 2 * len);
}

static void push_text(lua_State *L, sqlite3_stmt *stmt, int i)
{
    const char *bytes = sqlite3_column_blob(stmt, i);
    lua_pushlstring(L, bytes ? bytes : "", (size_t)sqlite3_column_bytes(stmt, i));
}

static void push_digest(lua_State *L, sqlite3_stmt *stmt, int i)
{
    const unsigned char *bytes = sqlite3_column_blob(stmt, i);
    push_hex(L, bytes, (size_t)sqlite3_column_bytes(stmt, i));
}

static void push_integer(lua_State *L, sqlite3_stmt *stmt, int i)
{
    lua_pushinteger(L, sqlite3_column_int64(stmt, i));
}

static void push_state(lua_State *L, sqlite3_stmt *stmt, int i)
{
    lua_pushstring(L, hw_ledger_state_name(sqlite3_column_int64(stmt, i)));
}

/* 0: it has not happened yet. */
static void push_time(lua_State *L, sqlite3_stmt *stmt, int i)
{
    double ms = (double)sqlite3_column_int64(stmt, i);
    if (ms > 0)
        lua_pushnumber(L, ms / 1000);
    else
        lua_pushnil(L);
}

static void push_presence(lua_State *L, sqlite3_stmt *stmt, int i)
{
    lua_pushboolean(L, sqlite3_column_int(stmt, i));
}

/* typeof() reads only the header of a record, however long the body is. */
#define COLUMNS                                                                                    \
    "SELECT seq, job_id, digest, event, state, attempt, deliveries, runs, received_at,"            \
    " settled_at, next_run_at, retries, error, reason, key, place, version, parked,"               \
    " typeof(body) <> 'null', CASE WHEN reason IS NULL THEN substr(detail, 1, 300) END"

enum { RECEIVED_AT = 8 /* among them */ };

struct column {
    const char *name;
    void (*push)(lua_State *L, sqlite3_stmt *stmt, int i);
};

static const struct column columns[] = {
    {"seq", push_integer},        {"id", push_text},          {"digest", push_digest},
    {"event", push_text},         {"state", push_state},      {"attempt", push_integer},
    {"deliveries", push_integer}, {"runs", push_integer},     {"received_at", push_time},
    {"settled_at", push_time},    {"next_run_at", push_time}, {"retries", push_integer},
    {"error", push_text},         {"reason", push_text},      {"key", push_text},
    {"place", push_text},         {"version", push_text},     {"parked", push_presence},
    {"has_body", push_presence},  {"gist", push_text},        {"detail", push_text},
    {"headers", push_text},       {"body", push_text},
};

static void push_columns(lua_State *L, sqlite3_stmt *stmt, const struct column *of)
{
    int count = sqlite3_column_count(stmt);
    lua_createtable(L, 0, count);
    for (int i = 0; i < count; i++) {
        if (sqlite3_column_type(stmt, i) == SQLITE_NULL)
            continue;
        of[i].push(L, stmt, i);
        lua_setfield(L, -2, of[i].name);
    }
}

static void push_row(lua_State *L, sqlite3_stmt *stmt)
{
    push_columns(L, stmt, columns);
}

/* ---- reading ---- */

enum { ROWS_BETWEEN_LOOKS = 64 /* at the clock */ };

static int prepare_scan(lua_State *L, struct hw_ledger_handle *handle,
                        const struct hw_ledger_filters *f)
{
    const char *sql = hw_ledger_filters_push_scan(L, f);
    int rc = sqlite3_prepare_v2(handle->db, sql, -1, &handle->select, NULL);
    lua_pop(L, 1);
    if (rc == SQLITE_OK)
        rc = hw_ledger_filters_bind(L, f, handle->select);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(handle->db, COLUMNS " FROM notifications WHERE seq = ?", -1,
                                &handle->row, NULL);
    return rc;
}

/* Appends the row `seq` to the array on top. Returns SQLite's code. */
static int add_row(lua_State *L, struct hw_ledger_handle *handle, int64_t seq, lua_Integer at)
{
    sqlite3_bind_int64(handle->row, 1, seq);
    int rc = sqlite3_step(handle->row);
    if (rc == SQLITE_ROW) {
        push_row(L, handle->row);
        lua_rawseti(L, -2, at);
    }
    sqlite3_reset(handle->row);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* Pushes { seq, received_at } of the row at which a scan stopped. */
static int push_stop(lua_State *L, struct hw_ledger_handle *handle, int64_t seq)
{
    sqlite3_bind_int64(handle->row, 1, seq);
    int rc = sqlite3_step(handle->row);
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, seq);
    lua_setfield(L, -2, "seq");
    if (rc == SQLITE_ROW) {
        push_time(L, handle->row, RECEIVED_AT);
        lua_setfield(L, -2, "received_at");
    }
    sqlite3_reset(handle->row);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* Looks at row after row until the page is full or the time is over, in one read transaction. */
static int scan(lua_State *L, struct hw_ledger_handle *handle, const struct hw_ledger_filters *f)
{
    uint64_t until = hw_now_ns() + (uint64_t)(f->seconds * 1e9);
    lua_Integer found = 0, looked_at = 0;
    int64_t seq = 0;
    int rc = SQLITE_DONE;
    bool late = false;
    lua_newtable(L); /* rows */
    while (!late && (f->limit < 0 || found < f->limit) &&
           (rc = sqlite3_step(handle->select)) == SQLITE_ROW) {
        seq = sqlite3_column_int64(handle->select, 0);
        if (sqlite3_column_int(handle->select, 1) && add_row(L, handle, seq, ++found) != SQLITE_OK)
            return hw_ledger_handle_fail(L, handle);
        late = ++looked_at % ROWS_BETWEEN_LOOKS == 0 && hw_now_ns() >= until;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return hw_ledger_handle_fail(L, handle);
    if (!late || found == f->limit)
        lua_pushnil(L);
    else if (push_stop(L, handle, seq) != SQLITE_OK)
        return hw_ledger_handle_fail(L, handle);
    hw_ledger_handle_finish(handle);
    return 2;
}

static int ledger_list(lua_State *L)
{
    struct hw_ledger_handle *handle = hw_ledger_handle_check(L);
    struct hw_ledger_filters f;
    hw_ledger_filters_read(L, 2, &f);
    if (f.seconds >= 0 && !f.ids) { /* ids have an index */
        if (prepare_scan(L, handle, &f) != SQLITE_OK)
            return hw_ledger_handle_fail(L, handle);
        return scan(L, handle, &f);
    }
    if (hw_ledger_handle_prepare(L, handle, &handle->select, &f, COLUMNS,
                                 f.oldest_first ? " ORDER BY seq" : " ORDER BY seq DESC") !=
        SQLITE_OK)
        return hw_ledger_handle_fail(L, handle);
    int rc = SQLITE_DONE;
    lua_newtable(L);
    for (lua_Integer i = 1; f.limit < 0 || i <= f.limit; i++) {
        rc = sqlite3_step(handle->select);
        if (rc != SQLITE_ROW)
            break;
        push_row(L, handle->select);
        lua_rawseti(L, -2, i);
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return hw_ledger_handle_fail(L, handle);
    hw_ledger_handle_finish(handle);
    return 1;
}

static int ledger_show(lua_State *L)
{
    struct hw_ledger_handle *handle = hw_ledger_handle_check(L);
    lua_Integer seq = luaL_checkinteger(L, 2);
    if (sqlite3_prepare_v2(handle->db,
                           COLUMNS ", detail, headers, body FROM notifications WHERE seq = ?", -1,
                           &handle->select, NULL) != SQLITE_OK ||
        sqlite3_bind_int64(handle->select, 1, seq) != SQLITE_OK)
        return hw_ledger_handle_fail(L, handle);
    int rc = sqlite3_step(handle->select);
    if (rc == SQLITE_ROW)
        push_row(L, handle->select);
    else if (rc == SQLITE_DONE)
        lua_pushnil(L);
    else
        return hw_ledger_handle_fail(L, handle);
    hw_ledger_handle_finish(handle);
    return 1;
}

static const struct column run_columns[] = {
    {"began_at", push_time},     {"attempt", push_integer}, {"retry", push_integer},
    {"waited_ms", push_integer}, {"ms", push_integer},      {"error", push_text},
    {"reason", push_text},       {"version", push_text},
};

/* The runs of a notification that did not succeed at its first, the oldest first. */
static int ledger_history(lua_State *L)
{
    struct hw_ledger_handle *handle = hw_ledger_handle_check(L);
    lua_Integer seq = luaL_checkinteger(L, 2);
    int rc;
    if (sqlite3_prepare_v2(handle->db,
                           "SELECT began_at, attempt, retry, waited_ms, ms, error, reason, version"
                           " FROM runs WHERE seq = ? ORDER BY rowid",
                           -1, &handle->select, NULL) != SQLITE_OK ||
        sqlite3_bind_int64(handle->select, 1, seq) != SQLITE_OK)
        return hw_ledger_handle_fail(L, handle);
    lua_newtable(L);
    for (lua_Integer i = 1; (rc = sqlite3_step(handle->select)) == SQLITE_ROW; i++) {
        push_columns(L, handle->select, run_columns);
        lua_rawseti(L, -2, i);
    }
    if (rc != SQLITE_DONE)
        return hw_ledger_handle_fail(L, handle);
    hw_ledger_handle_finish(handle);
    return 1;
}

static int ledger_count(lua_State *L)
{
    struct hw_ledger_handle *handle = hw_ledger_handle_check(L);
    struct hw_ledger_filters f;
    hw_ledger_filters_read(L, 2, &f);
    if (hw_ledger_handle_prepare(L, handle, &handle->select, &f, "SELECT count(*), state",
                                 " GROUP BY state") != SQLITE_OK)
        return hw_ledger_handle_fail(L, handle);
    lua_Integer total = 0;
    int rc;
    lua_newtable(L); /* by_state */
    while ((rc = sqlite3_step(handle->select)) == SQLITE_ROW) {
        total += sqlite3_column_int64(handle->select, 0);
        push_state(L, handle->select, 1);
        push_integer(L, handle->select, 0); /* by_state name count */
        lua_rawset(L, -3);
    }
    if (rc != SQLITE_DONE)
        return hw_ledger_handle_fail(L, handle);
    hw_ledger_handle_finish(handle);
    lua_pushinteger(L, total);
    lua_insert(L, -2);
    return 2;
}

/* Of each event in each state. A row that runs has a next_run_at only in case its host ends, which
 * says nothing of when it is due. One that is set aside by a pause has none, nor has one that stands
 * behind another of its lane. */
#define WAITS "state <> 6 AND (next_run_at IS NOT NULL OR parked = 1 OR lane IS NOT NULL)"
#define STATS                                                                                      \
    "SELECT event, state, count(*), min(received_at),"                                             \
    " count(CASE WHEN " WAITS " THEN 1 END),"                                                      \
    " min(CASE WHEN " WAITS " THEN received_at END),"                                              \
    " min(CASE WHEN state <> 6 THEN next_run_at END)"

static const struct column stats_columns[] = {
    {"event", push_text},       {"state", push_state},     {"count", push_integer},
    {"oldest", push_time},      {"waiting", push_integer}, {"oldest_waiting", push_time},
    {"next_run_at", push_time},
};

static int ledger_stats(lua_State *L)
{
    struct hw_ledger_handle *handle = hw_ledger_handle_check(L);
    struct hw_ledger_filters f;
    int rc;
    hw_ledger_filters_read(L, 2, &f);
    if (hw_ledger_handle_prepare(L, handle, &handle->select, &f, STATS,
                                 " GROUP BY event, state ORDER BY event, state") != SQLITE_OK)
        return hw_ledger_handle_fail(L, handle);
    lua_newtable(L);
    for (lua_Integer i = 1; (rc = sqlite3_step(handle->select)) == SQLITE_ROW; i++) {
        push_columns(L, handle->select, stats_columns);
        lua_rawseti(L, -2, i);
    }
    if (rc != SQLITE_DONE)
        return hw_ledger_handle_fail(L, handle);
    hw_ledger_handle_finish(handle);
    return 1;
}

/* ---- the module ---- */

static int open_shared(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"list", hw_pg_list_call},       {"show", hw_pg_show_call},
        {"history", hw_pg_history_call}, {"count", hw_pg_count_call},
        {"stats", hw_pg_stats_call},     {"backlog", hw_pg_backlog_call},
        {"check", hw_pg_check_call},     {"limit", hw_pg_limit_call},
        {"pauses", hw_pg_pauses_call},   {"pause", hw_pg_pause_call},
        {"purge", hw_pg_purge_call},     {"hosts", hw_pg_hosts_call},
        {"facts", hw_pg_facts_call},     {"go_by_body", hw_pg_go_by_body_call},
        {"close", hw_pg_handle_close},   {NULL, NULL},
    };
    return hw_pg_handle_open(L, methods);
}

static int ledger_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"list", ledger_list},
        {"show", ledger_show},
        {"history", ledger_history},
        {"count", ledger_count},
        {"stats", ledger_stats},
        {"backlog", hw_ledger_backlog_call},
        {"check", hw_ledger_check_call},
        {"limit", hw_ledger_limit_call},
        {"pauses", hw_ledger_pauses_call},
        {"pause", hw_ledger_pause_call},
        {"purge", hw_ledger_purge_call},
        {"close", hw_ledger_handle_close},
        {NULL, NULL},
    };
    if (hw_ledger_is_postgres(luaL_checkstring(L, 1)))
        return open_shared(L);
    return hw_ledger_handle_open(L, methods);
}

static int ledger_is_locked(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    int rc = hw_ledger_lock_probe(path);
    if (rc >= 0) {
        lua_pushboolean(L, rc);
        return 1;
    }
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", path, strerror(-rc));
    return 2;
}

static int copy(lua_State *L, int64_t (*run)(const char *, const char *, char *, size_t))
{
    char why[1024];
    int64_t count = run(luaL_checkstring(L, 1), luaL_checkstring(L, 2), why, sizeof why);
    if (count >= 0) {
        lua_pushinteger(L, count);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

static int ledger_backup(lua_State *L)
{
    return copy(L, hw_ledger_copy_out);
}

static int ledger_restore(lua_State *L)
{
    return copy(L, hw_ledger_copy_in);
}

/* schema(name, by_body) -> SQL | nil, why */
static int ledger_schema(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    if (!hw_pg_schema_is_name(name)) {
        lua_pushnil(L);
        lua_pushliteral(L, "a schema's name has small letters, digits and _, at most 63 of them, "
                           "and no digit first");
        return 2;
    }
    char *sql = hw_pg_schema_text(name, lua_toboolean(L, 2));
    if (!sql)
        return luaL_error(L, "out of memory");
    lua_pushstring(L, sql);
    free(sql);
    return 1;
}

void hw_ledger_push_api(lua_State *L)
{
    lua_createtable(L, 0, 7);
    hw_copying_push(L);
    lua_setfield(L, -2, "copy");
    lua_pushcfunction(L, ledger_schema);
    lua_setfield(L, -2, "schema");
    lua_pushcfunction(L, ledger_is_locked);
    lua_setfield(L, -2, "is_locked");
    lua_pushcfunction(L, ledger_backup);
    lua_setfield(L, -2, "backup");
    lua_pushcfunction(L, ledger_restore);
    lua_setfield(L, -2, "restore");
    lua_pushcfunction(L, ledger_open);
    lua_setfield(L, -2, "open");
    lua_createtable(L, HW_LEDGER_STATE_END, 0);
    for (int i = 1; i < HW_LEDGER_STATE_END; i++) {
        lua_pushstring(L, hw_ledger_state_name(i));
        lua_rawseti(L, -2, i);
    }
    lua_setfield(L, -2, "states");
}
