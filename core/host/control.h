/* control.h -- the service behind the control socket, for `hookward reload`, `status`,
 * `pause`, `resume`, `jobs replay`, `jobs purge`, `verify --last` and `check`.
 *
 *     POST /reload                    reloads; the answer comes when it is done
 *     POST /replay                    runs a recorded notification again
 *          X-Hookward-Row: N          the ledger's row
 *          X-Hookward-Force: 1        even if it succeeded
 *     POST /purge                     removes rows from the ledger; the body has their numbers
 *                                     (trip/purge.h)
 *     POST /pause, /resume            the body is a pattern of events (trip/pause.h); answered when it
 *                                     is durable
 *     GET /unproven                   the newest request that was not authentic (http/unproven.h):
 *                                     its head as it came, and its body, if that was kept; 404:
 *                                     none
 *          X-Hookward-Before: N       the newest one before the one with the number N
 *          answers with               X-Hookward-Number, -At (seconds since 1970), -Peer, -Error,
 *                                     -Head (bytes), -Body (its length), -Digest (hex, of a body
 *                                     that was not kept)
 *     GET /feed                       what becomes of deliveries, as it happens (feed.h)
 *          X-Hookward-After: N        waits for a record after this one; 0: after the last one; without
 *                                     this header it is answered at once with the last one's number
 *     GET /timeline                   the past by the minute (timeline.h); 404: there is no admin
 *                                     listener, so nothing is noted
 *          X-Hookward-Range: R        hour (default), day or week
 *     GET /admin                      where the page is, and what makes a login link (lua/hookward/
 *                                     admin/links.lua): {"url":"…","secret":"…"}; 404: nowhere
 *     GET /state                      how the host is, as JSON (status.h)
 *
 * max_queue refuses none of these. A notification that runs again counts against it, so others may
 * be refused meanwhile.
 * Thread  leader only; init: whoever has the loop before. */
#ifndef HW_CONTROL_H
#define HW_CONTROL_H

#include <uv.h>

#include "host/admin.h"
#include "host/feed.h"
#include "host/status.h"
#include "host/timeline.h"
#include "http/service.h"
#include "trip/dispatch.h"

struct hw_control {
    struct hw_service service;

    /* constant after init */
    struct hw_dispatch *dispatch;
    const struct hw_status *status;
    uint64_t (*ask_reload)(void *owner); /* returns the request's number */
    void *owner;

    /* constant before the first request; by whoever has the loop */
    const struct hw_admin *admin; /* NULL: there is no admin listener */
    const struct hw_timeline *timeline;

    /* leader only */
    struct hw_feed feed;
    struct hw_waiter *reloading; /* clients that wait for a reload */
    struct hw_waiter *looking;   /* clients of /unproven; until the next turn of the loop */
    struct hw_waiter *asking;    /* clients of /state, /timeline and /admin; likewise */
    uv_async_t turn;
};

/* Whoever closes the loop closes its handles; then comes fini. */
void hw_control_init(struct hw_control *control, uv_loop_t *loop, struct hw_dispatch *dispatch,
                     const struct hw_status *status, uint64_t (*ask_reload)(void *owner),
                     void *owner);

void hw_control_fini(struct hw_control *control);

/* The host stops: nobody waits for /feed any more. */
void hw_control_part(struct hw_control *control);

/* A reload is over: answers all clients that asked for one, up to this ticket. */
void hw_control_reloaded(struct hw_control *control, uint64_t ticket, int code, struct hw_str text);

#endif
