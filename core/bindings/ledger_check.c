/* ledger_check.c -- see ledger_check.h */
#include "bindings/ledger_check.h"

#include <math.h>

#include "base/clock.h"
#include "bindings/ledger_handle.h"

enum { STEPS = 10000 }; /* of SQLite's machine between two looks at the clock: some milliseconds */

static int is_late(void *handle)
{
    return hw_now_ns() > ((const struct hw_ledger_handle *)handle)->deadline_ns;
}

static void limit(struct hw_ledger_handle *handle, double seconds)
{
    handle->deadline_ns = hw_now_ns() + (uint64_t)(seconds * 1e9);
    sqlite3_progress_handler(handle->db, STEPS, is_late, handle);
}

static double check_seconds(lua_State *L, int arg)
{
    double seconds = luaL_checknumber(L, arg);
    luaL_argcheck(L, isfinite(seconds) && seconds >= 0 && seconds < 1e6, arg, "not seconds");
    return seconds;
}

int hw_ledger_limit_call(lua_State *L)
{
    struct hw_ledger_handle *handle = hw_ledger_handle_check(L);
    if (lua_isnoneornil(L, 2))
        sqlite3_progress_handler(handle->db, 0, NULL, NULL);
    else
        limit(handle, check_seconds(L, 2));
    return 0;
}

static void add_line(lua_State *L, const char *line)
{
    lua_pushstring(L, line);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

int hw_ledger_check_call(lua_State *L)
{
    struct hw_ledger_handle *handle = hw_ledger_handle_check(L);
    double seconds = check_seconds(L, 2);
    if (sqlite3_prepare_v2(handle->db, "PRAGMA quick_check(10)", -1, &handle->select, NULL) !=
        SQLITE_OK)
        return hw_ledger_handle_fail(L, handle);
    int rc;
    lua_newtable(L); /* lines */
    limit(handle, seconds);
    while ((rc = sqlite3_step(handle->select)) == SQLITE_ROW) {
        const char *line = (const char *)sqlite3_column_text(handle->select, 0);
        if (line && sqlite3_stricmp(line, "ok") != 0)
            add_line(L, line);
    }
    if (rc != SQLITE_DONE && rc != SQLITE_INTERRUPT)
        add_line(L, sqlite3_errmsg(handle->db)); /* too broken to be checked to its end */
    sqlite3_progress_handler(handle->db, 0, NULL, NULL);
    hw_ledger_handle_finish(handle);
    lua_pushboolean(L, rc != SQLITE_INTERRUPT);
    return 2;
}
