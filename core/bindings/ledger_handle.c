/* ledger_handle.c -- see ledger_handle.h */
#include "bindings/ledger_handle.h"

#include <string.h>

#include "ledger/file.h"
#include "script/owned.h"

#define LEDGER "hookward.ledger" /* a userdata: struct hw_ledger_handle */

void hw_ledger_handle_finish(struct hw_ledger_handle *handle)
{
    sqlite3_finalize(handle->select);
    sqlite3_finalize(handle->deletion);
    sqlite3_finalize(handle->row);
    handle->select = handle->deletion = handle->row = NULL;
}

int hw_ledger_handle_close(lua_State *L)
{
    struct hw_ledger_handle *handle = luaL_checkudata(L, 1, LEDGER);
    hw_ledger_handle_finish(handle);
    sqlite3_close(handle->db);
    handle->db = NULL;
    return 0;
}

int hw_ledger_handle_open(lua_State *L, const luaL_Reg *methods)
{
    char why[1024];
    const char *path = luaL_checkstring(L, 1);
    enum hw_ledger_access access = lua_toboolean(L, 2) ? HW_LEDGER_WRITE : HW_LEDGER_READ;
    struct hw_ledger_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    memset(handle, 0, sizeof *handle);
    hw_owned_set(L, LEDGER, methods, hw_ledger_handle_close);
    if (hw_ledger_file_open(&handle->db, path, access, why, sizeof why) == 0)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

struct hw_ledger_handle *hw_ledger_handle_check(lua_State *L)
{
    struct hw_ledger_handle *handle = luaL_checkudata(L, 1, LEDGER);
    if (!handle->db)
        luaL_error(L, "the ledger is closed");
    hw_ledger_handle_finish(handle);
    return handle;
}

int hw_ledger_handle_fail_for(lua_State *L, struct hw_ledger_handle *handle, const char *reason)
{
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", sqlite3_db_filename(handle->db, "main"), reason);
    hw_ledger_handle_finish(handle);
    return 2;
}

int hw_ledger_handle_fail(lua_State *L, struct hw_ledger_handle *handle)
{
    return hw_ledger_handle_fail_for(L, handle, sqlite3_errmsg(handle->db));
}

int hw_ledger_handle_prepare(lua_State *L, struct hw_ledger_handle *handle, sqlite3_stmt **stmt,
                             const struct hw_ledger_filters *f, const char *what, const char *tail)
{
    const char *sql = hw_ledger_filters_push_sql(L, f, what, tail);
    int rc = sqlite3_prepare_v2(handle->db, sql, -1, stmt, NULL);
    lua_pop(L, 1);
    return rc == SQLITE_OK ? hw_ledger_filters_bind(L, f, *stmt) : rc;
}
