/* pg_rows.h -- the notifications of a ledger on PostgreSQL, for commands.
 *
 * What    list, show, history, count and stats as ledger_api.h says. A row also has `host`: of one
 *         that runs the host that runs it; in `show` and in the history the one that ran it last,
 *         as long as that is known.
 * Thread  the one that has the Lua state. */
#ifndef HW_PG_ROWS_H
#define HW_PG_ROWS_H

#include <lua.h>

int hw_pg_list_call(lua_State *L);
int hw_pg_show_call(lua_State *L);
int hw_pg_history_call(lua_State *L);
int hw_pg_count_call(lua_State *L);
int hw_pg_stats_call(lua_State *L);

#endif
