/* app.h -- the room of apps: services written in Lua, each one Lua state on one thread of its own.
 *
 * Why     the sandbox and the admin pages are Lua, and must never hold up a notification, nor wait
 *         for one.
 * How     The leader hands complete requests (call.h) over in a queue, and answers come back in
 *         another (queues.h): at once, later, or in pieces (later.h). The app's thread runs a loop
 *         of its own for timers and for what the app sends (api.h, sender.h), so its state (vm.h)
 *         needs no locks. host.h runs one app without notifications.
 * Promise a bounded number of requests and of unsent bytes waits; the app's errors and endless loops
 *         hold up nobody else; stopping takes stop_ms at most.
 * Stop    stop the app, close and run the leader's loop, free the app.
 * Thread  every function: whoever has the leader's loop. The app's own thread stays inside. */
#ifndef HW_APP_H
#define HW_APP_H

#include <uv.h>

#include "app/vm.h"
#include "http/service.h"

enum {
    HW_APP_QUEUE_MAX = 1000, /* the usual queue_max */
    HW_APP_STOP_MS = 2000    /* the usual stop_ms */
};

struct hw_app;

struct hw_app_config {
    struct hw_app_vm_config vm;
    uv_loop_t *loop;              /* the leader's: of the listeners */
    struct hw_requests *requests; /* the leader's */
    size_t queue_max;             /* complete requests that are not answered yet */
    uint64_t stop_ms;             /* how long hw_app_stop waits */
};

/* Loads the app. Returns 0, or HW_ENOMEM or HW_EFAILED with one line in `why`. Then *out may be
 * NULL; if not, stop and free it all the same. The texts in `config` must outlive the app. */
int hw_app_open(struct hw_app **out, const struct hw_app_config *config, char *why,
                size_t why_size);

/* For hw_listeners_open. A service that hands requests on to it must also hand on all that its type
 * (service.h) has for them. */
struct hw_service *hw_app_service(struct hw_app *app);

/* Starts the thread. The addresses are copied; the app's `start` gets them. Returns 0 or
 * HW_EFAILED. */
int hw_app_start(struct hw_app *app, const char *const *addresses, size_t count);

/* Ends the thread and whatever it runs. Nobody gets an answer any more, and no more requests may
 * come. Returns false when that takes longer than stop_ms, since a hook can't end a C function. The
 * app is given up then: its thread and its memory stay until the process ends, it touches nothing
 * of the leader's, and it must not be freed. */
bool hw_app_stop(struct hw_app *app);

/* After hw_app_stop returned true, once the leader's loop has closed its handles. */
void hw_app_free(struct hw_app *app);

#endif
