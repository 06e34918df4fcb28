/* pause.c -- see pause.h */
#include "trip/pause.h"

#include "base/clock.h"

static int fill(struct hw_job *job, const struct hw_request *r, bool resume)
{
    struct hw_str pattern = {r->bytes + r->head_len, (size_t)r->http.body_length};
    if (!hw_pauses_is_pattern(pattern))
        return HW_EMALFORMED_REQUEST;
    pattern = hw_arena_copy(&job->arena, pattern);
    job->pause = hw_arena_alloc(&job->arena, sizeof *job->pause);
    if (!pattern.ptr || !job->pause)
        return HW_ENOMEM;
    *job->pause = (struct hw_pause){
        .resume = resume, .since = (int64_t)(hw_now() * 1000), .pattern = pattern};
    return 0;
}

int hw_pause_ask(struct hw_dispatch *d, const struct hw_request *request, bool resume,
                 struct hw_waiter *waiter, struct hw_str *reason)
{
    struct hw_job *job = hw_job_revive(0, false, hw_now_ns());
    hw_dispatch_enter_side_gate(d);
    int rc = job ? fill(job, request, resume) : HW_ENOMEM;
    if (rc == 0)
        return hw_dispatch_pause(d, job, waiter);
    if (job)
        hw_job_free(job);
    hw_dispatch_leave_gate(d);
    *reason = rc == HW_ENOMEM ? HW_NOTIFICATION_STARVED
                              : HW_STR("the body must be a pattern: an event's name, \"Entity.*\", "
                                       "\"*.Event\" or \"*\"");
    return rc == HW_ENOMEM ? HW_EOVERLOADED : rc;
}
