/* overdue.c -- see overdue.h */
#include "trip/overdue.h"

#include <stdatomic.h>

#include "trip/claimed.h"

/* Takes back a job that no worker has; false: a worker has it by now. */
static bool withdraw(struct hw_dispatch *d, struct hw_job *job)
{
    struct hw_job *first = job->in_flight ? hw_in_flight_find(&d->in_flight, job) : job;
    if (first == job) {
        bool withdrawn = hw_crew_withdraw(d->crew, job);
        d->with_crew -= withdrawn;
        return withdrawn;
    }
    hw_in_flight_leave_behind(first, job);
    return true;
}

/* What is due has no sender who waits for it. But if it waits for a run of the same that will perhaps
 * never end, others must have their turn. */
static bool may_be_refused(struct hw_dispatch *d, const struct hw_job *job)
{
    if (!job->due_at)
        return true;
    const struct hw_job *first = job->in_flight ? hw_in_flight_find(&d->in_flight, job) : job;
    return first != job && first->left;
}

/* One that is recorded as started, or due, is put off; of others the ledger knows nothing. */
static void refuse_waiting(struct hw_dispatch *d, struct hw_job *job)
{
    if (!may_be_refused(d, job) || !withdraw(d, job)) {
        hw_patience_go_on(&d->patience, job);
        return;
    }
    job->n.outcome.finished_ns = hw_now_ns();
    hw_notification_fail(&job->n, HW_EQUEUE_TIMEOUT);
    bool claimed = hw_job_is_claimed(job);
    job->n.outcome.authentic = job->n.started || job->due_at || claimed;
    if (!job->n.outcome.authentic) {
        hw_flow_reply(d, job);
        return;
    }
    if (!job->n.started && !claimed)
        job->n.outcome.reason = HW_STR("an earlier run of it has not come back");
    hw_flow_record(d, job);
}

/* The job goes on: its sender will deliver again, and then finds it recorded. */
void hw_overdue_tell(struct hw_dispatch *d, struct hw_job *job, int code)
{
    if (code == HW_EHANDLER_TIMEOUT && job->told != code) {
        hw_report_stuck(d->report, job);
        hw_overdue_set_stuck(d, job, true);
    }
    job->told = code;
    hw_flow_answer(d, job, code, HW_STR_NONE);
}

/* Its host records what it comes to, and its sender finds that when it delivers again. While it is
 * being claimed the claim thread has it. */
static void refuse_elsewhere(struct hw_dispatch *d, struct hw_job *job)
{
    if (hw_claims_leave(&d->claims, job))
        hw_claimed_forsake(d, job);
    else
        hw_overdue_tell(d, job, HW_EQUEUE_TIMEOUT);
}

void hw_overdue_look(void *owner, struct hw_job *job)
{
    struct hw_dispatch *d = owner;
    enum hw_progress progress = atomic_load_explicit(&job->progress, memory_order_acquire);
    /* A worker may have entered the next stage since the check. */
    if (hw_now_ns() < atomic_load_explicit(&job->due_ns, memory_order_relaxed)) {
        hw_patience_go_on(&d->patience, job);
        return;
    }
    switch (progress) {
    case HW_WAITING:
        refuse_waiting(d, job);
        break;
    case HW_ELSEWHERE:
        refuse_elsewhere(d, job);
        break;
    case HW_RUNNING:
        hw_overdue_tell(d, job, HW_EHANDLER_TIMEOUT);
        break;
    case HW_CHECKING:
    case HW_SETTLING:
        hw_overdue_tell(d, job, HW_ELEDGER_UNAVAILABLE);
        break;
    }
}
