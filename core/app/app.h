/* app.h -- an app: a service that is one Lua state on one thread of its own.
 *
 * Why     the sandbox and the admin pages are Lua, and must never hold up a notification, nor wait
 *         for one.
 * How     the leader hands complete requests over in a queue, answers come back in another; a
 *         wake-up goes with each. The app's thread runs a loop of its own for its timers and for
 *         what it sends (api.h), so its state needs no locks.
 * Stop    stop the app, close and run the leader's loop, free it.
 * Thread  as each function says. */
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
    size_t queue_max;             /* complete requests, not answered yet; one more is refused */
    uint64_t stop_ms;             /* how long hw_app_stop waits */
};

/* Loads the app. Returns 0, or HW_ENOMEM or HW_EFAILED with one line in `why`; *out, unless it is
 * NULL, is to be stopped and freed all the same. The texts in `config` must outlive it. Whoever has
 * the leader's loop. */
int hw_app_open(struct hw_app **out, const struct hw_app_config *config, char *why,
                size_t why_size);

/* For hw_listeners_open. */
struct hw_service *hw_app_service(struct hw_app *app);

/* Starts the thread; the addresses (copied) are what the app's `start` gets. Returns 0 or
 * HW_EFAILED. Whoever has the leader's loop. */
int hw_app_start(struct hw_app *app, const char *const *addresses, size_t count);

/* Ends the thread and what it is in the middle of; nobody gets an answer any more, and no more
 * requests may come. Returns false when that takes longer than stop_ms, as a C function may, which
 * runs no hook: the app is given up then. Its thread and its memory stay until the process ends, it
 * touches nothing of the leader's any more, and it must not be freed. Whoever has the leader's
 * loop. */
bool hw_app_stop(struct hw_app *app);

/* After hw_app_stop returned true, once the leader's loop has closed its handles. */
void hw_app_free(struct hw_app *app);

#endif
