/* ledger_handle.h -- an open ledger file as a Lua value: the userdata of ledger_api.h.
 *
 * How     The handle owns the statements in use, since Lua may raise an error between any two
 *         steps. The next call, or the handle's end, finalizes what was left.
 * Thread  the one that has the Lua state. */
#ifndef HW_LEDGER_HANDLE_H
#define HW_LEDGER_HANDLE_H

#include <lauxlib.h>
#include <sqlite3.h>
#include <stdint.h>

#include "ledger/filters.h"

struct hw_ledger_handle {
    sqlite3 *db;            /* NULL: closed */
    sqlite3_stmt *select;   /* in use, or NULL */
    sqlite3_stmt *deletion; /* in use, or NULL */
    sqlite3_stmt *row;      /* in use, or NULL */
    uint64_t deadline_ns;   /* of ledger_check.h; monotonic */
};

/* open(path, write) -> handle | nil, why. Its methods are `methods`. */
int hw_ledger_handle_open(lua_State *L, const luaL_Reg *methods);

/* handle:close(); also its __gc and __close. */
int hw_ledger_handle_close(lua_State *L);

/* Returns the handle at 1, with no statement in use. Raises an error when it is closed. */
struct hw_ledger_handle *hw_ledger_handle_check(lua_State *L);

/* Finalizes the statements. */
void hw_ledger_handle_finish(struct hw_ledger_handle *handle);

/* Prepares "`what` FROM notifications WHERE … `tail`" into *stmt, one of the handle's, and binds
 * it. Returns SQLite's code. Stack: -0 +0. */
int hw_ledger_handle_prepare(lua_State *L, struct hw_ledger_handle *handle, sqlite3_stmt **stmt,
                             const struct hw_ledger_filters *f, const char *what, const char *tail);

/* Finalizes the statements, and pushes nil and "FILE: reason"; without a reason, the last error of
 * SQLite. Returns 2. */
int hw_ledger_handle_fail(lua_State *L, struct hw_ledger_handle *handle);
int hw_ledger_handle_fail_for(lua_State *L, struct hw_ledger_handle *handle, const char *reason);

#endif
