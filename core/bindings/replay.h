/* replay.h -- runs recorded notifications again in this process, when no host is running.
 *
 * The same stages, workers and ledger as the host's, one notification after the other. The ledger's
 * lock keeps a host from starting meanwhile.
 * Thread  the one that has the Lua state. */
#ifndef HW_REPLAY_H
#define HW_REPLAY_H

#include <lua.h>

/* replay(config, rows, force, each, here) -> true | nil, why: runs each of the ledger's rows
 * (integers) and calls each(row, code, message) after its outcome is durable; code is nil when it
 * succeeded. `here`: as of rehearsal.h, print goes to the standard output.
 * Stack: -0 +1, the function. */
void hw_replay_push(lua_State *L);

#endif
