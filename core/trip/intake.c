/* intake.c -- see intake.h */
#include "trip/intake.h"

#include "base/config.h"

static struct hw_intake *intake_of(struct hw_service *service)
{
    return (struct hw_intake *)service;
}

static int on_accept(struct hw_service *service, const struct hw_request *r)
{
    struct hw_intake *intake = intake_of(service);
    struct hw_str path = hw_http_view(r->bytes, r->http.path);
    if (hw_str_eq(path, HW_STR("*"))) /* the server as a whole; POST is not for that */
        return HW_EMETHOD_NOT_ALLOWED;
    if (!hw_str_eq(path, intake->path))
        return HW_ENOT_FOUND;
    if (!hw_str_eq(hw_http_view(r->bytes, r->http.method), HW_STR("POST")))
        return HW_EMETHOD_NOT_ALLOWED;
    return hw_dispatch_look_at_gate(intake->dispatch);
}

/* A handler may rely on the client's name, so none runs without it. False: there is no memory. */
static bool keep_client(struct hw_job *job, const struct hw_waiter *waiter)
{
    if (!waiter->client.ptr)
        return true;
    job->n.client = hw_arena_copy(&job->arena, waiter->client);
    return job->n.client.ptr != NULL;
}

static int on_complete(struct hw_service *service, struct hw_request *request,
                       struct hw_waiter *waiter, struct hw_str *reason)
{
    struct hw_intake *intake = intake_of(service);
    int code = hw_dispatch_enter_gate(intake->dispatch);
    if (code) {
        hw_request_put(intake->dispatch->requests, request);
        return code;
    }
    struct hw_job *job = hw_job_cut(&request, intake->hasher, intake->by_body, hw_now_ns(), &code);
    if (!job) {
        hw_distrust_note(&intake->dispatch->distrust, request, waiter->peer, code, NULL,
                         intake->hasher);
        hw_request_put(intake->dispatch->requests, request);
        hw_dispatch_leave_gate(intake->dispatch);
        if (code != HW_ENOMEM)
            return code;
        *reason = HW_NOTIFICATION_STARVED;
        return HW_EOVERLOADED;
    }
    if (waiter->peer)
        job->n.peer = *waiter->peer;
    if (!keep_client(job, waiter)) {
        hw_request_put(intake->dispatch->requests, job->n.request);
        hw_job_free(job);
        hw_dispatch_leave_gate(intake->dispatch);
        *reason = HW_NOTIFICATION_STARVED;
        return HW_EOVERLOADED;
    }
    return hw_dispatch_admit(intake->dispatch, job, waiter); /* it counts at the gate from here */
}

int hw_intake_init(struct hw_intake *intake, const struct hw_config *config,
                   struct hw_dispatch *dispatch)
{
    static const struct hw_service_type type = {.accept = on_accept, .complete = on_complete};
    *intake = (struct hw_intake){.service = {.type = &type,
                                             .shown = config->path,
                                             .patience = HW_DEADLINE_KINDS,
                                             .codes_only = config->codes_only},
                                 .path = config->path,
                                 .by_body = config->by_body,
                                 .dispatch = dispatch,
                                 .hasher = hw_hasher_new()};
    return intake->hasher ? 0 : HW_ENOMEM;
}

void hw_intake_fini(struct hw_intake *intake)
{
    if (intake->hasher)
        hw_hasher_free(intake->hasher);
}
