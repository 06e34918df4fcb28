/* ledger_api.h -- the ledger for commands: `hookward.core.ledger`.
 *
 * How     It works beside a running host: with a write-ahead log readers and the writer don't block
 *         each other, and `purge` holds the write lock for moments only (ledger_purge.h).
 * Thread  the one that has the Lua state. */
#ifndef HW_LEDGER_API_H
#define HW_LEDGER_API_H

#include <lua.h>

/* Pushes the table { open =, is_locked =, backup =, restore =, copy =, schema =,
 * states = }:
 *
 *     open(ledger, write, schema, seconds) -> handle
 *                                       an existing file of the current schema; or a database, by
 *                                       its URL, the name of the schema in it ("hookward"), and how
 *                                       long each call may take
 *     is_locked(path) -> boolean        does a host have it open? nil and why when that can't be
 *                                       told. Only while no handle of the file is open
 *     backup(path, to) -> integer       copies it to a new file; the number of notifications
 *     restore(from, path) -> integer    puts a copy in its place (ledger/copy.h); likewise only
 *                                       while no handle of the file is open
 *     copy(from, to, schema, by_body) -> copying
 *                                       copies a ledger into another one: copying.h
 *     schema(name, by_body) -> string   the SQL that makes a ledger's schema on PostgreSQL
 *     states                            the names of the states: array
 *
 *     handle:list(filters) -> rows      { seq, id, digest (hex), event, state, attempt, deliveries,
 *                                       runs, received_at, settled_at, next_run_at, retries, error,
 *                                       reason, key, place, version, parked, has_body, gist (the
 *                                       beginning of `detail` if there is no reason) }; an absent
 *                                       value is nil. With `seconds` also where it stopped, or nil
 *     handle:show(seq) -> row           with detail and body too; nil alone when there is none
 *     handle:count(filters) -> integer, { state -> integer }
 *     handle:stats(filters) -> groups   one for each event in each state, by name: { event, state,
 *                                       count, oldest, waiting, oldest_waiting, next_run_at }:
 *                                       `waiting` of them are to be run by the host, the first at
 *                                       next_run_at; the oldest times are of receipt
 *     handle:purge(filters, on_progress) -> integer, boolean
 *                                       removes rows, and calls on_progress(count so far). false: a
 *                                       reader keeps the write-ahead log, which still has them
 *     handle:check(seconds) -> lines, done; handle:limit(seconds): see ledger_check.h
 *     handle:hosts(), facts(), go_by_body()
 *                                       of a database only: see pg_state.h
 *     handle:close()                    also __close and __gc
 *
 * Filters, all optional, all must hold:
 *
 *     states        array of names
 *     event         an exact name, "Entity.*", "*.Event" or "*", as in hook.on
 *     ids           array of job ids
 *     error         a text in the error's code, reason or detail; ASCII letters of either case
 *     since, until  seconds since 1970: received at that time or later; or earlier
 *     after, upto   seq: above; up to and including
 *     limit         of list: the most rows. Default: all
 *     oldest_first  of list: in the order of arrival. Default: the newest first
 *     seconds       of list: how long to look. If that is over before `limit` rows were found and
 *                   before all were looked at, the second result is { seq, received_at } of the
 *                   last row that was looked at: go on with upto = seq - 1, or after = seq if
 *                   oldest_first. Ignored with `ids`, which have an index
 *
 * Times are seconds since 1970, floats. A failure is nil and one line that names the ledger; purge
 * adds the number of rows that are gone all the same. Misuse (an unknown filter, a wrong type, a
 * closed handle) raises an error. Stack: -0 +1. */
void hw_ledger_push_api(lua_State *L);

#endif
