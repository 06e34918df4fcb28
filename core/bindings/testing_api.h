/* testing_api.h -- a worker without a network: `hookward.core.testing`, what hookward.testing is
 * made of.
 *
 * Why     a spec must run what the host runs. So here are no stages of its own: a request's bytes
 * go through the host's parser, a job is cut, verified, looked up, decoded and handled by
 *         hw_stages_run on a real VM with the real bundle, recorded in a ledger, and answered.
 * How     in the calling thread. Three things of the world are exchanged: hook.http goes to a
 *         function of the spec's, os.time and os.date follow a clock that can be stopped, and the
 *         log's lines are kept.
 * Not     no connections, no time limits of theirs, no jobs in flight, no reload.
 * Thread  the one that has the Lua state. */
#ifndef HW_TESTING_API_H
#define HW_TESTING_API_H

#include <lua.h>

/* Pushes the table:
 *
 *     open(config, on_http, at) -> app, lines | nil, why, lines
 *         loads keys and scripts as a host does. on_http(call) -> status, head, body | nil, why,
 * kind answers hook.http; call is { method, url, headers (array of lines), body (or nil), timeout
 * (seconds), unix (or nil) }, head is header lines. at: seconds since 1970 where the clock stands,
 * or nil: it is the real one. app:request(bytes, at) -> result one HTTP request. result: status,
 * body (of the answer); error (its code's name), reason, detail, event, id, digest, key, place
 * (texts, or nil); attempt; ran, duplicate, unhandled (booleans); lines app:routes() -> { {
 * pattern, place }… } app:close() -> lines ends it, hook.on_unload's functions too; again is
 * allowed
 *
 * lines is an array of what was logged: { level, JSON text }. Stack: -0 +1. */
void hw_testing_push_api(lua_State *L);

#endif
