/* control.h -- the service behind the control socket: what `hookward reload`, `jobs replay`,
 * `jobs purge`, `verify --last` and `check` ask.
 *
 *   POST /reload                      answered when it is done
 *   POST /replay, X-Hookward-Row: N   runs the notification of the ledger's row N again;
 *        X-Hookward-Force: 1          even one that succeeded
 *   POST /purge, lines of rows        removes them from the ledger (purge.h)
 *   GET /unproven                     the newest request that was not authentic (unproven.h): the
 *                                     head as it came and the body, if it was kept; 404: none
 *        X-Hookward-Before: N         the newest one before that with the number N
 *     gives  X-Hookward-Number, -At (seconds since 1970), -Peer, -Error, -Head (bytes),
 *            -Body (its length), -Digest (hex, of a body that was not kept)
 *
 *   GET /state                        {"replaced":0,"unreplaced":0}, workers (stats.h)
 *
 * No limit of requests keeps them out. A notification that runs again counts at the gate, and so
 * others may be refused for it.
 * Thread  leader only. */
#ifndef HW_CONTROL_H
#define HW_CONTROL_H

#include <uv.h>

#include "http/service.h"
#include "trip/dispatch.h"

struct hw_control {
    struct hw_service service;

    /* constant after init */
    struct hw_dispatch *dispatch;
    uint64_t (*ask_reload)(void *owner); /* returns its ticket */
    void *owner;

    /* leader only */
    struct hw_waiter *reloading; /* who waits for a reload */
    struct hw_waiter *looking;   /* who asks for what was not authentic; until the next turn */
    struct hw_waiter *asking;    /* who asks how it is; likewise */
    uv_async_t turn;
};

/* Its handle in the loop is closed by whoever closes the loop. */
void hw_control_init(struct hw_control *control, uv_loop_t *loop, struct hw_dispatch *dispatch,
                     uint64_t (*ask_reload)(void *owner), void *owner);

/* A reload is over: answers all that asked for it, up to this ticket. */
void hw_control_reloaded(struct hw_control *control, uint64_t ticket, int code, struct hw_str text);

#endif
