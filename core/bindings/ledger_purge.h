/* ledger_purge.h -- removes many rows of a ledger beside a running host.
 *
 * How     Step by step: the rows of a step are found without a lock, then deleted in a transaction
 *         of their own, if they still match. After each step the lock is left to others for as long
 *         as it was held.
 * Thread  the one that has the Lua state. */
#ifndef HW_LEDGER_PURGE_H
#define HW_LEDGER_PURGE_H

#include <lua.h>

enum {
    HW_LEDGER_PURGE_ROWS = 500,   /* of one transaction */
    HW_LEDGER_PURGE_HOLD_MS = 50, /* no further row is deleted in it after this time */
    HW_LEDGER_PURGE_TRIES = 15    /* of HW_LEDGER_BUSY_MS each, for the lock; then purge fails */
};

/* handle:purge(filters, on_progress), as in ledger_api.h. */
int hw_ledger_purge_call(lua_State *L);

#endif
