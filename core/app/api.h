/* api.h -- `hookward.app`: timers, outgoing requests and later answers of an app.
 *
 *     settings                what the app was started with
 *     after(seconds, fn)      calls fn once, later; returns a number for cancel
 *     cancel(number)          ends a timer; true when it had not run yet
 *     request(options, fn)    sends a request (options as of hook.http.request) and returns true at
 *                             once; fn gets what hook.http.request returns. On failure nil and why,
 *                             and fn is not called
 *     later()                 answers the present request later, or in pieces (later.h)
 *
 * Thread  the app's, or whoever has its loop while that thread does not run. */
#ifndef HW_APP_API_H
#define HW_APP_API_H

#include <lua.h>
#include <uv.h>

enum { HW_APP_TIMERS_MAX = 10000 };

struct hw_app_laters;
struct hw_app_events; /* the app's timers and outgoing requests */

/* Calls the function that has `arguments` above it on the state's stack, within the app's limits,
 * and logs an error. Stack: -(1 + arguments) +0. */
typedef void hw_app_enter_fn(void *ud, int arguments);

/* Returns NULL when out of memory. */
struct hw_app_events *hw_app_events_new(uv_loop_t *loop, hw_app_enter_fn *enter, void *ud);

/* Ends everything, and calls no Lua function any more. Then run the loop until its handles are
 * closed, close the Lua state, and free the events, in this order. */
void hw_app_events_stop(struct hw_app_events *events);
void hw_app_events_free(struct hw_app_events *events);

/* Preloads the module; from here on the events are called in this state, which must be its main
 * thread. Stack: -1 (the settings) +0. */
void hw_app_api_open(lua_State *L, struct hw_app_events *events, struct hw_app_laters *laters);

#endif
