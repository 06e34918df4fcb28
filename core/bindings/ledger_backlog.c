/* ledger_backlog.c -- see ledger_backlog.h */
#include "bindings/ledger_backlog.h"

#include <string.h>

#include "base/clock.h"
#include "bindings/ledger_handle.h"
#include "ledger/pauses.h"

/* ---- the backlog ---- */

/* What runs has a next_run_at only in case its host ends. Of a lane only the first has one, or is
 * parked; the others stand behind it. Each of these reads an index and no row. */
#define NOT_RUNNING " AND seq NOT IN (SELECT seq FROM notifications WHERE state = 6)"

static const char *const queries[] = {
    "SELECT count(*), min(seq), min(next_run_at), coalesce(sum(next_run_at <= ?1), 0)"
    " FROM notifications INDEXED BY by_due WHERE next_run_at IS NOT NULL AND pool IS "
    "NULL" NOT_RUNNING,
    "SELECT count(*), min(seq), min(next_run_at), coalesce(sum(next_run_at <= ?1), 0)"
    " FROM notifications INDEXED BY by_pool"
    " WHERE next_run_at IS NOT NULL AND pool IS NOT NULL" NOT_RUNNING,
    "SELECT count(*) - count(DISTINCT lane),"
    " min(CASE WHEN seq NOT IN (SELECT seq FROM notifications WHERE state = 6) THEN seq END), "
    "NULL, 0"
    " FROM notifications INDEXED BY by_lane WHERE lane IS NOT NULL",
    "SELECT count(*), min(seq), NULL, 0 FROM notifications INDEXED BY by_park WHERE parked = 1",
    "SELECT count(*), NULL, NULL, 0 FROM notifications INDEXED BY by_start WHERE state = 6",
};
enum { DUE, IN_POOLS, BEHIND, PARKED, RUNNING, QUERIES };

struct part {
    int64_t count, seq, next, due; /* 0: none */
};

static int read_part(sqlite3 *db, const char *sql, int64_t now_ms, struct part *part)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        if (sqlite3_bind_parameter_count(stmt) > 0)
            sqlite3_bind_int64(stmt, 1, now_ms);
        rc = sqlite3_step(stmt);
    }
    if (rc == SQLITE_ROW)
        *part = (struct part){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
                              sqlite3_column_int64(stmt, 2), sqlite3_column_int64(stmt, 3)};
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int read_time(sqlite3 *db, int64_t seq, int64_t *received_ms)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(db, "SELECT received_at FROM notifications WHERE seq = ?1", -1,
                                &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(stmt, 1, seq);
        rc = sqlite3_step(stmt);
    }
    *received_ms = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int64_t least(int64_t a, int64_t b)
{
    return a && (!b || a < b) ? a : b;
}

/* In one transaction, so that all numbers are of one moment. Lua is not called meanwhile. */
static int read_parts(sqlite3 *db, struct part *parts, int64_t *oldest_ms)
{
    int64_t now_ms = (int64_t)(hw_now() * 1000), oldest = 0;
    int rc = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return rc;
    for (int i = 0; rc == SQLITE_OK && i < QUERIES; i++) {
        rc = read_part(db, queries[i], now_ms, &parts[i]);
        oldest = least(oldest, parts[i].seq);
    }
    if (rc == SQLITE_OK)
        rc = read_time(db, oldest, oldest_ms);
    int end = sqlite3_exec(db, rc == SQLITE_OK ? "COMMIT" : "ROLLBACK", NULL, NULL, NULL);
    return rc == SQLITE_OK ? end : rc;
}

static void set_count(lua_State *L, const char *name, int64_t count)
{
    lua_pushinteger(L, count);
    lua_setfield(L, -2, name);
}

static void set_time(lua_State *L, const char *name, int64_t ms)
{
    if (ms == 0)
        return;
    lua_pushnumber(L, (double)ms / 1000);
    lua_setfield(L, -2, name);
}

int hw_ledger_backlog_call(lua_State *L)
{
    struct hw_ledger_handle *handle = hw_ledger_handle_check(L);
    struct part p[QUERIES] = {{0}};
    int64_t oldest_ms = 0;
    int rc = read_parts(handle->db, p, &oldest_ms);
    if (rc != SQLITE_OK) /* since the ROLLBACK sqlite3_errmsg says "not an error" */
        return hw_ledger_handle_fail_for(L, handle, sqlite3_errstr(rc));
    lua_createtable(L, 0, 6);
    set_count(L, "waiting", p[DUE].count + p[IN_POOLS].count + p[BEHIND].count + p[PARKED].count);
    set_count(L, "due", p[DUE].due + p[IN_POOLS].due);
    set_count(L, "parked", p[PARKED].count);
    set_count(L, "running", p[RUNNING].count);
    set_time(L, "oldest_waiting", oldest_ms);
    set_time(L, "next_due", least(p[DUE].next, p[IN_POOLS].next));
    return 1;
}

/* ---- pauses ---- */

int hw_ledger_pauses_call(lua_State *L)
{
    struct hw_ledger_handle *handle = hw_ledger_handle_check(L);
    int rc =
        sqlite3_prepare_v2(handle->db, "SELECT pattern, since FROM pauses ORDER BY since, pattern",
                           -1, &handle->select, NULL);
    if (rc != SQLITE_OK)
        return hw_ledger_handle_fail(L, handle);
    lua_newtable(L);
    for (lua_Integer i = 1; (rc = sqlite3_step(handle->select)) == SQLITE_ROW; i++) {
        lua_createtable(L, 0, 2);
        lua_pushlstring(L, sqlite3_column_blob(handle->select, 0),
                        (size_t)sqlite3_column_bytes(handle->select, 0));
        lua_setfield(L, -2, "pattern");
        set_time(L, "since", sqlite3_column_int64(handle->select, 1));
        lua_rawseti(L, -2, i);
    }
    if (rc != SQLITE_DONE)
        return hw_ledger_handle_fail(L, handle);
    hw_ledger_handle_finish(handle);
    return 1;
}

int hw_ledger_pause_call(lua_State *L)
{
    struct hw_ledger_handle *handle = hw_ledger_handle_check(L);
    struct hw_str pattern;
    pattern.ptr = luaL_checklstring(L, 2, &pattern.len);
    bool resume = lua_toboolean(L, 3);
    luaL_argcheck(L, resume || hw_pauses_is_pattern(pattern), 2, "not a pattern");
    int rc = sqlite3_prepare_v2(handle->db,
                                resume ? "DELETE FROM pauses WHERE pattern = ?1"
                                       : "INSERT OR IGNORE INTO pauses SELECT ?1, ?2"
                                         " WHERE (SELECT count(*) FROM pauses) < ?3",
                                -1, &handle->select, NULL);
    if (rc != SQLITE_OK)
        return hw_ledger_handle_fail(L, handle);
    sqlite3_bind_text64(handle->select, 1, pattern.ptr, pattern.len, SQLITE_TRANSIENT, SQLITE_UTF8);
    if (!resume) {
        sqlite3_bind_int64(handle->select, 2, (int64_t)(hw_now() * 1000));
        sqlite3_bind_int(handle->select, 3, HW_PAUSES_MAX);
    }
    if (sqlite3_step(handle->select) != SQLITE_DONE)
        return hw_ledger_handle_fail(L, handle);
    lua_pushboolean(L, sqlite3_changes(handle->db) > 0);
    hw_ledger_handle_finish(handle);
    return 1;
}
