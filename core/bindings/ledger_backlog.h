/* ledger_backlog.h -- what a host still has to run, and what is paused, read from its ledger's file.
 *
 * How     everything is counted in indexes that hold nothing else, so that neither a long ledger nor
 *         large bodies matter, and the host is not asked.
 * Thread  the one that has the Lua state. */
#ifndef HW_LEDGER_BACKLOG_H
#define HW_LEDGER_BACKLOG_H

#include <lua.h>

/* handle:backlog() -> { waiting, due, parked, running (numbers of rows), oldest_waiting (when it was
 * received), next_due } | nil, why. `waiting` has those that are due, that wait for their time, that
 * stand behind another of their lane, and that are parked; not those that run. Times are seconds since
 * 1970, nil without such rows; parked rows are not due. */
int hw_ledger_backlog_call(lua_State *L);

/* handle:pauses() -> { { pattern, since }, … }, the oldest first | nil, why */
int hw_ledger_pauses_call(lua_State *L);

/* handle:pause(pattern) or handle:pause(pattern, true), which resumes it: changes what is paused, of a
 * ledger that no host uses. -> changed | nil, why */
int hw_ledger_pause_call(lua_State *L);

#endif
