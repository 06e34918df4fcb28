/* rehearsal.h -- runs one recorded notification at a terminal, for debugging.
 *
 * How     by the same stages and VM as in a host, but `print` writes to the standard output.
 * Thread  the one that has the Lua state. */
#ifndef HW_REHEARSAL_H
#define HW_REHEARSAL_H

#include <lua.h>

/* The config's `fit` (config.h): gives the state Lua's own print. */
void hw_rehearsal_fit(lua_State *L, void *ud);

/* rehearse(config, row) -> true | false, code, text | nil, why. Runs the handler for a row as
 * handle:show of ledger_api.h gives it (body, headers, id, attempt, deliveries, received_at, seq, key); its
 * signature was verified when it came. Nothing is recorded. `code` and `text` say how it failed:
 * the reason, or the error with its traceback. nil: it could not be run. Stack: -0 +1, the
 * function. */
void hw_rehearsal_push(lua_State *L);

#endif
