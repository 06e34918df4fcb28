/* ledger_check.h -- is the ledger's file whole, as far as can be told in a given time?
 *
 * Thread  the one that has the Lua state. */
#ifndef HW_LEDGER_CHECK_H
#define HW_LEDGER_CHECK_H

#include <lua.h>

/* ledger:check(seconds) -> lines, done: PRAGMA quick_check. An array of what is wrong with the
 * file, at most ten lines; false when the time was over before its end. While it runs the host's
 * log can't be shortened, so keep the time short beside a running host. nil and one line when it
 * can't run. Stack: -? +2. */
int hw_ledger_check_call(lua_State *L);

/* ledger:limit(seconds): from now on whatever takes longer fails ("interrupted"), counted from this
 * call; nil: no limit any more. Stack: -? +0. */
int hw_ledger_limit_call(lua_State *L);

#endif
