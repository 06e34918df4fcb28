/* control.h -- the service behind the control socket: what `hookward reload` and `jobs replay` ask.
 *
 *   POST /reload                      answered when it is done
 *   POST /replay, X-Hookward-Row: N   runs the notification of the ledger's row N again;
 *        X-Hookward-Force: 1          even one that succeeded
 * No limit of requests keeps them out. A notification that runs again counts at the gate, and so
 * others may be refused for it.
 * Thread  leader only. */
#ifndef HW_CONTROL_H
#define HW_CONTROL_H

#include "dispatch.h"
#include "service.h"

struct hw_control {
    struct hw_service service;

    /* constant after init */
    struct hw_dispatch *dispatch;
    uint64_t (*ask_reload)(void *owner); /* returns its ticket */
    void *owner;

    /* leader only */
    struct hw_waiter *reloading; /* who waits for a reload */
};

void hw_control_init(struct hw_control *control, struct hw_dispatch *dispatch,
                     uint64_t (*ask_reload)(void *owner), void *owner);

/* A reload is over: answers all that asked for it, up to this ticket. */
void hw_control_reloaded(struct hw_control *control, uint64_t ticket, int code, struct hw_str text);

#endif
