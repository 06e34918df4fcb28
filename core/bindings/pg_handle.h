/* pg_handle.h -- a ledger on PostgreSQL as a Lua value: the same methods as ledger_handle.h's.
 *
 * How     One connection, used for one statement at a time, each a transaction of its own, so that
 *         no lock and no snapshot outlives a call. The handle owns the parameters and the result in
 *         use, since Lua may raise an error at any time. The next call, or the handle's end, frees
 *         what was left.
 * Thread  the one that has the Lua state. */
#ifndef HW_PG_HANDLE_H
#define HW_PG_HANDLE_H

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledger/filters.h"
#include "ledger/pg.h"
#include "ledger/postgres.h"

struct hw_pg_handle {
    struct hw_pg *pg; /* NULL: closed */
    struct hw_pg_options options;
    struct hw_pg_statement statements[HW_PG_STATEMENTS]; /* of the host, for what it does too */
    struct hw_pg_args *args;
    struct hw_pg_result *result; /* in use, or NULL */
    uint64_t call_ns;            /* how long each call may take */
    uint64_t limit_ns;           /* monotonic: all that ends later fails; 0: as call_ns says */
    bool by_body;
    char *url;
    char schema[64];
    char shown[512]; /* the URL, as messages name it */
};

enum { HW_PG_HANDLE_CONNECT_MS = 5000 };

/* open(url, write, schema, seconds) -> handle | nil, why. Its methods are `methods`. */
int hw_pg_handle_open(lua_State *L, const luaL_Reg *methods);

/* handle:close(); also its __gc and __close. */
int hw_pg_handle_close(lua_State *L);

/* Returns the handle at 1, with no result in use and no parameters. Raises an error when it is
 * closed. */
struct hw_pg_handle *hw_pg_handle_check(lua_State *L);

/* Frees the result and the parameters. */
void hw_pg_handle_finish(struct hw_pg_handle *handle);

/* When what begins now is to fail. */
uint64_t hw_pg_handle_deadline(const struct hw_pg_handle *handle);

/* Runs a statement with the parameters in handle->args; @ is the schema. The result is in
 * handle->result. */
enum hw_pg_rc hw_pg_handle_query(struct hw_pg_handle *handle, const char *sql);

/* Runs "`what` FROM notifications n WHERE … `tail`" with the filters. Stack: -0 +0. */
enum hw_pg_rc hw_pg_handle_select(lua_State *L, struct hw_pg_handle *handle,
                                  const struct hw_ledger_filters *f, const char *what,
                                  const char *tail);

/* Pushes nil and "URL: reason"; without a reason the connection's. Returns 2. */
int hw_pg_handle_fail(lua_State *L, struct hw_pg_handle *handle);
int hw_pg_handle_fail_for(lua_State *L, struct hw_pg_handle *handle, const char *reason);

/* ---- from a result to tables ---- */

struct hw_pg_column {
    const char *name;
    void (*push)(lua_State *L, const struct hw_pg_result *result, size_t row, size_t column);
};

void hw_pg_push_integer(lua_State *L, const struct hw_pg_result *result, size_t row, size_t column);
void hw_pg_push_text(lua_State *L, const struct hw_pg_result *result, size_t row, size_t column);
void hw_pg_push_bool(lua_State *L, const struct hw_pg_result *result, size_t row, size_t column);
/* From milliseconds to seconds since 1970. */
void hw_pg_push_time(lua_State *L, const struct hw_pg_result *result, size_t row, size_t column);
void hw_pg_push_state(lua_State *L, const struct hw_pg_result *result, size_t row, size_t column);

/* Pushes a row as a table; a NULL is left out. Stack: -0 +1. */
void hw_pg_push_row(lua_State *L, const struct hw_pg_result *result, size_t row,
                    const struct hw_pg_column *columns, size_t count);

/* Pushes an array of all rows. Stack: -0 +1. */
void hw_pg_push_rows(lua_State *L, const struct hw_pg_result *result,
                     const struct hw_pg_column *columns, size_t count);

/* SQL: milliseconds since 1970; NULL for none, and for 'infinity'. */
#define HW_PG_MS(time)                                                                             \
    "CASE WHEN isfinite(" time ") THEN (extract(epoch FROM " time ") * 1000)::int8 END"

/* SQL: the rows that run. First claims are found by where the hosts say that theirs begin, others
 * by their time. */
#define HW_PG_RUNNING                                                                              \
    "SELECT seq FROM @.notifications WHERE state = 6 AND seq >="                                   \
    " (SELECT coalesce(min(low_seq), 9223372036854775807) FROM @.hosts WHERE swept_at IS NULL)"    \
    " UNION SELECT seq FROM @.notifications WHERE state = 6"                                       \
    " AND next_run_at = 'infinity' AND pool IS NULL"                                               \
    " UNION SELECT seq FROM @.notifications WHERE state = 6"                                       \
    " AND next_run_at = 'infinity' AND pool IS NOT NULL"

#endif
