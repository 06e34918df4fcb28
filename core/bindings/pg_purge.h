/* pg_purge.h -- removes many rows of a ledger on PostgreSQL, beside the hosts that share it.
 *
 * How     Step by step: a step's rows are found without a lock, then deleted in a transaction of
 *         their own, if they did not settle again meanwhile; one that runs stays. After each step
 *         it rests for as long as the step took.
 * Thread  the one that has the Lua state. */
#ifndef HW_PG_PURGE_H
#define HW_PG_PURGE_H

#include <lua.h>

/* handle:purge(filters, on_progress), as in ledger_api.h. */
int hw_pg_purge_call(lua_State *L);

#endif
