/* rehearsal.h -- runs one recorded notification for a person at a terminal who is debugging.
 *
 * The same stages and VM as the host's, but for `print`, which writes to the standard output again.
 * Thread  the one that has the Lua state. */
#ifndef HW_REHEARSAL_H
#define HW_REHEARSAL_H

#include <lua.h>

/* The config's `fit`: print is Lua's own. */
void hw_rehearsal_fit(lua_State *L, void *ud);

/* rehearse(config, row) -> true | false, code, text | nil, why: runs the handler for a row as
 * handle:show gives it (body, id, attempt, deliveries, received_at, seq, key), which was verified
 * when it came. Nothing is recorded. `code` and `text` say how it failed: the reason or the error
 * with its traceback. nil: it could not be run.
 * Stack: -0 +1, the function. */
void hw_rehearsal_push(lua_State *L);

#endif
