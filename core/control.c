/* control.c -- see control.h */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>

static const struct hw_str replay_path = {"/replay", 7}, reload_path = {"/reload", 7};

static struct hw_control *control_of(struct hw_service *service)
{
    return (struct hw_control *)service;
}

static bool is_path(const struct hw_request *r, struct hw_str path)
{
    return hw_str_eq(hw_http_view(r->bytes, r->http.path), path);
}

static int on_accept(struct hw_service *service, const struct hw_request *r)
{
    if (!is_path(r, replay_path) && !is_path(r, reload_path))
        return HW_ENOT_FOUND;
    if (!hw_str_eq(hw_http_view(r->bytes, r->http.method), HW_STR("POST")))
        return HW_EMETHOD_NOT_ALLOWED;
    return control_of(service)->dispatch->draining ? HW_EDRAINING : 0;
}

static int replay(struct hw_control *control, const struct hw_request *r, struct hw_waiter *waiter,
                  struct hw_str *reason)
{
    struct hw_str row = HW_STR_NONE, force;
    char digits[24];
    hw_http_find(&r->http, r->bytes, HW_STR("x-hookward-row"), &row);
    bool forced = hw_http_find(&r->http, r->bytes, HW_STR("x-hookward-force"), &force) > 0;
    snprintf(digits, sizeof digits, "%.*s", HW_STR_ARG(row));
    int64_t seq = atoll(digits);
    hw_dispatch_enter_side_gate(control->dispatch);
    if (seq > 0 && hw_dispatch_revive(control->dispatch, seq, forced, waiter) == 0)
        return 0; /* the job counts at the gate from here */
    hw_dispatch_leave_gate(control->dispatch);
    *reason = HW_STR("X-Hookward-Row must name a row of the ledger");
    return HW_ENOT_FOUND;
}

static int on_complete(struct hw_service *service, struct hw_request *request,
                       struct hw_waiter *waiter, struct hw_str *reason)
{
    struct hw_control *control = control_of(service);
    int code = 0;
    if (is_path(request, replay_path)) {
        code = replay(control, request, waiter, reason);
    } else {
        waiter->ticket = control->ask_reload(control->owner);
        hw_waiter_join(waiter, &control->reloading);
    }
    hw_request_put(control->dispatch->requests, request);
    return code;
}

static int on_expired(struct hw_service *service, struct hw_waiter *waiter, struct hw_str *reason)
{
    (void)service;
    if (waiter->job)
        return 0; /* see patience.h */
    *reason = HW_STR("it is not done yet; the log will say");
    return HW_ERELOAD_FAILED;
}

void hw_control_reloaded(struct hw_control *control, uint64_t ticket, int code, struct hw_str text)
{
    for (struct hw_waiter *w = control->reloading, *next; w; w = next) {
        next = w->next;
        if (w->ticket > ticket)
            continue;
        hw_waiter_leave(w);
        w->answer(w, code, text);
    }
}

void hw_control_init(struct hw_control *control, struct hw_dispatch *dispatch,
                     uint64_t (*ask_reload)(void *owner), void *owner)
{
    static const struct hw_service_type type = {
        .accept = on_accept, .complete = on_complete, .expired = on_expired};
    *control = (struct hw_control){.service = {.type = &type, .patience = HW_DEADLINE_ANSWER},
                                   .dispatch = dispatch,
                                   .ask_reload = ask_reload,
                                   .owner = owner};
}
