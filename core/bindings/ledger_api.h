/* ledger_api.h -- what commands may ask of a ledger file: `hookward.core.ledger`.
 *
 * It works beside a running host: reading needs no lock that a writer holds (WAL), and `purge`
 * holds the write lock for moments only.
 * Thread  the one that has the Lua state. */
#ifndef HW_LEDGER_API_H
#define HW_LEDGER_API_H

#include <lua.h>

enum {
    HW_LEDGER_PURGE_ROWS = 500,   /* at most so many in one transaction */
    HW_LEDGER_PURGE_HOLD_MS = 50, /* and none is begun that late in it */
    HW_LEDGER_PURGE_TRIES = 15    /* times HW_LEDGER_BUSY_MS: then another has it for good */
};

/* Pushes the table { open =, is_locked =, backup =, restore =, states = }:
 *
 *     open(path, write) -> handle       an existing file of the current schema
 *     is_locked(path) -> boolean        does a host have it? nil and why when that can't be seen;
 *                                       only while no handle of the file is open
 *     backup(path, to) -> integer       copies it to a new file: how many notifications that holds
 *     restore(from, path) -> integer    puts a copy in its place; as is_locked (ledger/copy.h)
 *     states                            the names of the states: array
 *
 *     handle:list(filters) -> rows      { seq, id, digest (hex), event, state, attempt, deliveries,
 *                                       runs, received_at, settled_at, next_run_at, error, reason,
 *                                       key, place, has_body }; what is not there is nil
 *     handle:show(seq) -> row           with detail and body too; nil alone when there is none
 *     handle:count(filters) -> integer, { state -> integer }
 *     handle:purge(filters, on_progress) -> integer, boolean    calls on_progress(count so far);
 *                                       false: a reader keeps the log, which has them still
 *     handle:close()                    also __close and __gc
 *
 * Filters, all optional, all must hold:
 *
 *     states        array of names; "running" is known, but no file has it
 *     event         an exact name, "Entity.*", "*.Event" or "*", as in hook.on
 *     ids           array of job ids
 *     since, until  seconds since 1970: received then or later; then or earlier
 *     after, upto   seq: above; up to and including
 *     limit         of list: so many rows. Default: all
 *     oldest_first  of list: in the order of arrival. Default: the newest first
 *
 * Times are seconds since 1970, floats. What fails gives nil and one line that names the file;
 * purge gives the count of what is gone all the same as a third result. Misuse (an unknown filter,
 * a wrong type, a closed handle) raises an error. Stack: -0 +1. */
void hw_ledger_push_api(lua_State *L);

#endif
