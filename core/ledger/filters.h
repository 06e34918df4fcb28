/* filters.h -- which notifications: from a table of filters to the parameters of a statement.
 *
 * Why     Input must never become SQL. The text is fixed and has a numbered parameter for each
 *         filter; only the ids add to it, a question mark for each.
 * Thread  the one that has the Lua state. */
#ifndef HW_LEDGER_FILTERS_H
#define HW_LEDGER_FILTERS_H

#include <lua.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "ledger/ledger.h"

enum hw_ledger_pattern {
    HW_LEDGER_PATTERN_ANY,
    HW_LEDGER_PATTERN_EXACT,
    HW_LEDGER_PATTERN_PREFIX,
    HW_LEDGER_PATTERN_SUFFIX
};

/* Its texts belong to the table that it was read from. */
struct hw_ledger_filters {
    int64_t states; /* a bit for each state */
    enum hw_ledger_pattern pattern;
    struct hw_str event; /* without the star */
    struct hw_str error; /* a part of its error, reason or detail; no text: any */
    int ids;             /* where the array is on the stack; 0: none */
    int64_t since_ms, until_ms;
    int64_t after, upto; /* seq: greater than `after`, at most `upto` */
    int64_t limit;       /* -1: none */
    double seconds;      /* for a scan; below 0: no bound */
    bool oldest_first;
};

/* Reads the table of filters at `index`, which may be missing or nil (ledger_api.h says what can
 * be in it). Raises an error for misuse. Stack: -0 +1, what *f points into. */
void hw_ledger_filters_read(lua_State *L, int index, struct hw_ledger_filters *f);

/* Pushes "`what` FROM notifications WHERE … `tail`", and returns it. If nothing that succeeded can
 * match, the statement reads the index of the rest. Stack: -0 +1. */
const char *hw_ledger_filters_push_sql(lua_State *L, const struct hw_ledger_filters *f,
                                       const char *what, const char *tail);

/* Pushes "SELECT seq, MATCHES FROM notifications …", and returns it: a row for each from f->after
 * to f->upto, in order, with 1 if it matches, else NULL. So each step looks at one row only, and the
 * caller can stop after any. Those that succeeded are left out if none of them can match. There
 * are no f->ids. Stack: -0 +1. */
const char *hw_ledger_filters_push_scan(lua_State *L, const struct hw_ledger_filters *f);

/* Binds all parameters of such a statement. Returns SQLite's code. Stack: -0 +0. */
int hw_ledger_filters_bind(lua_State *L, const struct hw_ledger_filters *f, sqlite3_stmt *stmt);

/* Lets only this row match. */
void hw_ledger_filters_bind_row(sqlite3_stmt *stmt, int64_t seq);

#endif
