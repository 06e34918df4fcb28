/* replay.h -- runs recorded notifications again in this process, while no host is running.
 *
 * How     by the same stages, worker and ledger as in a host, one notification after the other. The
 *         ledger's lock keeps a host from starting meanwhile.
 * Thread  the one that has the Lua state. */
#ifndef HW_REPLAY_H
#define HW_REPLAY_H

#include <lua.h>

/* replay(config, rows, force, each, here) -> true | nil, why. Runs each of the ledger's rows
 * (integers), and calls each(row, code, message) once its outcome is durable; code is nil when it
 * succeeded. It ends early when that returns false. `force`: also rows that have succeeded. `here`: print writes to the standard output.
 * Stack: -0 +1, the function. */
void hw_replay_push(lua_State *L);

#endif
