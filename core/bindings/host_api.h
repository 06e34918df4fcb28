/* host_api.h -- a host as a Lua value, for hook.start, hook.serve and `hookward serve`.
 *
 * Thread  the one that has the Lua state. */
#ifndef HW_HOST_API_H
#define HW_HOST_API_H

#include <lua.h>

/* start(config, signals) -> host | nil, why. `config` as hookward.config checked it; `signals`: the
 * process's signals are for this host. A host stops when it is closed or collected. Its methods:
 *
 *     stop()       begins to drain; returns at once wait(ms)     waits until the host has ended,
 *     for at most `ms` (-1: without a limit), or until a
 *                  signal came -> "running", "drained", "cut_off", "stuck" or "unclosed"
 *                  (instance.h)
 *     reload()     waits for the outcome -> a line that says what is live | nil, why
 *     addresses()  -> { "127.0.0.1:8080", … } with the ports that the kernel chose
 *     stats()      -> hookward.Stats of lua/hookward/_meta.lua
 *
 * Stack: -0 +1, the function. */
void hw_host_push_start(lua_State *L);

/* serve_app(config, module) -> 0 | 1 | nil, why. Hosts one app and nothing else (app/host.h) until
 * a SIGTERM or SIGINT; the process's signals are for it meanwhile. 1: the app had to be given up.
 * Stack: -0 +1, the function. */
void hw_host_push_serve_app(lua_State *L);

#endif
