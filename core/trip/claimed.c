/* claimed.c -- see claimed.h */
#include "trip/claimed.h"

#include <stdatomic.h>

/* Nobody else runs it: a copy of it that is in the table by now waits for the same row. */
void hw_claimed_run(struct hw_dispatch *d, struct hw_job *job)
{
    job->row = job->n.row;
    job->accepted = job->n.accepted;
    if (job->n.from_row && !hw_in_flight_find(&d->in_flight, job))
        hw_in_flight_add(&d->in_flight, job);
    hw_flow_again(d, job);
}

void hw_claimed_give_back(struct hw_dispatch *d, struct hw_job *job, int code)
{
    job->n.outcome =
        (struct hw_outcome){.code = code, .authentic = true, .finished_ns = hw_now_ns()};
    hw_flow_record(d, job);
}

void hw_claimed_forsake(void *owner, struct hw_job *job)
{
    job->n.outcome.finished_ns = hw_now_ns();
    job->n.outcome.reason = HW_STR("another host has it, and has not ended in time");
    hw_notification_fail(&job->n, HW_EQUEUE_TIMEOUT);
    hw_flow_reply(owner, job);
}

void hw_claimed_ask_row(struct hw_dispatch *d, struct hw_job *job)
{
    atomic_store_explicit(&job->due_ns, hw_now_ns() + HW_PATIENCE_LEDGER_MS * 1000000ull,
                          memory_order_relaxed);
    atomic_store_explicit(&job->progress, HW_CHECKING, memory_order_release);
    hw_claims_ask(&d->claims, job);
}

/* It waits there as long as it would here, for a worker and then for its handler. */
static void wait_elsewhere(struct hw_dispatch *d, struct hw_job *job)
{
    if (atomic_load_explicit(&job->progress, memory_order_relaxed) != HW_ELSEWHERE) {
        uint64_t now_ns = hw_now_ns(), ms = d->patience.queue_ms + d->patience.handler_ms;
        hw_patience_begin(&d->patience, job, now_ns);
        atomic_store_explicit(&job->due_ns, now_ns + ms * 1000000, memory_order_relaxed);
        atomic_store_explicit(&job->progress, HW_ELSEWHERE, memory_order_release);
    }
    job->n.waited = true;
    if (job->waiters)
        hw_claims_wait(&d->claims, job);
    else
        hw_claimed_forsake(d, job);
}

/* The claim thread has ended, and so has the crew. */
static bool is_over(const struct hw_dispatch *d)
{
    return hw_ledger_claims(d->ledger) && !d->claims.claimer;
}

/* Nobody waits for it: a replay is refused, and so is a copy of what was accepted and is not there any
 * more. */
static int why_not(const struct hw_dispatch *d, struct hw_job *job)
{
    bool elsewhere = job->n.claim == HW_CLAIM_ELSEWHERE;
    if (job->n.from_row && elsewhere)
        job->n.outcome.reason = HW_STR("it runs at another host just now; try again later");
    if (job->beside || (job->n.from_row && elsewhere))
        return HW_EOVERLOADED;
    return is_over(d) ? HW_EDRAINING : 0;
}

bool hw_claimed_read(struct hw_dispatch *d, struct hw_job *job)
{
    job->asked = false;
    if (job->n.claim == HW_CLAIM_KNOWN || job->n.outcome.code)
        return true;
    if (hw_notification_fail(&job->n, why_not(d, job))) {
        job->n.outcome.authentic = true;
        job->n.outcome.finished_ns = hw_now_ns();
        return true;
    }
    if (job->n.claim == HW_CLAIM_ELSEWHERE)
        wait_elsewhere(d, job);
    else
        hw_claimed_run(d, job);
    return false;
}

bool hw_claimed_is_next(const struct hw_dispatch *d, struct hw_job *job)
{
    job->n.only_look = job->beside;
    job->to_claim = !is_over(d);
    if (!job->to_claim)
        hw_notification_fail(&job->n, HW_EDRAINING);
    return job->to_claim;
}
