/* testing_api.h -- one worker without a network: `hookward.core.testing`, which hookward.testing is
 * made of.
 *
 * Why     a spec must run what the host runs. The host's parser reads a request's bytes; the job is
 *         cut, verified, looked up, decoded and handled by hw_stages_run, on a real VM with the
 *         real bundle; the outcome is recorded in a ledger, and answered.
 * How     in the calling thread. Only hook.http, the clock and the log are replaced (stand_ins.h).
 * Not     no connections and none of their time-outs, no queue, no reload.
 * Thread  the one that has the Lua state. */
#ifndef HW_TESTING_API_H
#define HW_TESTING_API_H

#include <lua.h>

/* Pushes the table { open = }:
 *
 *     open(config, on_http, at) -> app, lines | nil, why, lines
 *                              loads keys and scripts as a host does
 *     app:request(bytes, at, remote, client) -> result
 *                              one HTTP request
 *     app:next_due() -> integer | nil
 *                              when the first of the host's own retries is due, in milliseconds
 *                              since 1970
 *     app:run_due(at) -> result | nil
 *                              runs that one; nil: there was none
 *     app:routes() -> array of { pattern, place }
 *     app:close() -> lines     closes the VM, and calls the functions of hook.on_unload; may be
 *                              called again
 *
 *     at       seconds since 1970 where the clock stands; nil: it runs
 *     on_http  on_http(call) -> status, head, body | nil, why, kind: answers hook.http
 *     call     { method, url, headers (array of lines), body (or nil), timeout (seconds), unix (or
 *              nil) }
 *     head     header lines, one text
 *     result   status, body (of the answer); error (the code's name), reason, detail, event, id,
 *              digest, key, place (texts, or nil); attempt, retry; ran, duplicate, unhandled
 *              (booleans); state (a text) and next_run_at (seconds since 1970), or nil; lines
 *     lines    what was logged, array of { level, JSON text }
 *
 * Stack: -0 +1. */
void hw_testing_push_api(lua_State *L);

#endif
