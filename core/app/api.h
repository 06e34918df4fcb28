/* api.h -- `hookward.app`: what an app may wait for, beside requests.
 *
 *     settings                what it was started with
 *     after(seconds, fn)      calls fn once, later; returns a number for cancel
 *     cancel(number)          true when it was still to come
 *     request(options, fn)    sends a request (the options of hook.http.request) and returns true
 *                             at once; fn gets what hook.http.request returns. Or nil and why, and
 *                             fn is not called
 *
 * Thread  the app's. */
#ifndef HW_APP_API_H
#define HW_APP_API_H

#include <lua.h>
#include <uv.h>

enum { HW_APP_TIMERS_MAX = 10000 };

struct hw_app_events; /* its timers and what it sends */

/* Calls what is on top of the state's stack with the `arguments` above it, within the app's limits, and
 * logs what fails. Stack: -(1 + arguments) +0. */
typedef void hw_app_enter_fn(void *ud, int arguments);

/* NULL without memory. */
struct hw_app_events *hw_app_events_new(uv_loop_t *loop, hw_app_enter_fn *enter, void *ud);

/* Nothing is called any more; run the loop until its handles are closed, close the Lua state, and
 * free it. */
void hw_app_events_stop(struct hw_app_events *events);
void hw_app_events_free(struct hw_app_events *events);

/* Preloads the module; from here on the events are called in this state, which must be its main
 * thread. Stack: -1 (the settings) +0. */
void hw_app_api_open(lua_State *L, struct hw_app_events *events);

#endif
