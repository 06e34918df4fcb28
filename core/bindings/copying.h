/* copying.h -- copies a ledger into another one, for a command (ledger/move.h).
 *
 * Thread  the one that has the Lua state. */
#ifndef HW_COPYING_H
#define HW_COPYING_H

#include <lua.h>

/* copy(from, to, schema, by_body) -> copying | nil, why. Opens both; schema and by_body are for
 * those on PostgreSQL.
 *
 *     copying:step() -> more, { total, looked_at, added, changed } | nil, why     copies a batch
 *     copying:close()                   also __close and __gc
 *
 * Stack: -0 +1, the function. */
void hw_copying_push(lua_State *L);

#endif
