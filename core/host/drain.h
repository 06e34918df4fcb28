/* drain.h -- the end of a host: what was begun is finished, and nothing else begins.
 *
 * How     The listeners are closed at once, and so are idle connections. Where another host takes
 *         over (takeover.h), clients that are connected may still send a request for
 *         HW_TAKEOVER_GRACE_MS: its answer says `Connection: close`. The drain ends when no
 *         connection and no notification is left. After drain_timeout it cuts off what is. Then the
 *         crew stops.
 * Thread  leader only; init: whoever has the loop. */
#ifndef HW_DRAIN_H
#define HW_DRAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "http/listener.h"
#include "http/server.h"
#include "trip/dispatch.h"

struct hw_drain {
    /* constant after init */
    struct hw_listeners *listeners;
    struct hw_server *server;
    struct hw_dispatch *dispatch;
    bool has_successor; /* another host may take over the sockets */

    /* leader only */
    uv_timer_t timer, grace;
    uint64_t timeout_ms; /* drain_timeout; it may change until the drain begins */
    bool begun, ended;
    bool cut_off; /* something was not finished in time */
};

/* The loop's owner closes the two handles. What the drain points to is used from hw_drain_begin
 * on; timeout_ms and has_successor are the caller's to set. */
void hw_drain_init(struct hw_drain *drain, uv_loop_t *loop, struct hw_listeners *listeners,
                   struct hw_server *server, struct hw_dispatch *dispatch);

/* Returns false when it had begun before. */
bool hw_drain_begin(struct hw_drain *drain);

/* To be called when a connection was closed or a notification ended: perhaps it was the last. */
void hw_drain_look(struct hw_drain *drain);

#endif
