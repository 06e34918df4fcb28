/* flow.c -- see flow.h */
#include "trip/flow.h"

#include <stdatomic.h>

#include "base/crash.h"

/* ---- to a worker ---- */

/* A job that came back from a thread that was given up, and has yet to run, counts again. */
void hw_flow_submit(struct hw_dispatch *d, struct hw_job *job)
{
    if (job->left)
        hw_flow_enter_gate(d);
    job->left = false;
    d->with_crew++;
    if (job->last_in_line)
        hw_stats_add(d->report->stats, HW_COUNT_VERIFIED_LAST, 1);
    hw_crew_submit(d->crew, job);
}

void hw_flow_enter(struct hw_dispatch *d, struct hw_job *job)
{
    hw_in_flight_add(&d->in_flight, job);
    hw_flow_submit(d, job);
}

/* It has left the stage that it was in, and waits for a worker. */
void hw_flow_again(struct hw_dispatch *d, struct hw_job *job)
{
    job->last_in_line = false; /* it was verified */
    job->n.outcome = (struct hw_outcome){0};
    hw_patience_begin(&d->patience, job, hw_now_ns());
    atomic_store_explicit(&job->progress, HW_WAITING, memory_order_release);
    hw_flow_submit(d, job);
}

/* ---- to the senders, and the end ---- */

void hw_flow_wait_for(struct hw_waiter *waiter, struct hw_job *job)
{
    waiter->job = job;
    hw_waiter_join(waiter, &job->waiters);
}

void hw_flow_answer(struct hw_dispatch *d, struct hw_job *job, int code, struct hw_str reason)
{
    hw_report_answer(d->report, job, code);
    while (job->waiters) {
        struct hw_waiter *waiter = job->waiters;
        hw_waiter_leave(waiter);
        waiter->answer(waiter, code, reason);
    }
}

/* It was due, and there was nothing to run, or nothing to run it with: nobody waits, and what is due
 * is found again. */
static bool is_moot(const struct hw_job *job)
{
    const struct hw_outcome *o = &job->n.outcome;
    bool put_back = o->code == HW_ELEDGER_UNAVAILABLE ||
                    (job->n.claim == HW_CLAIM_MINE && o->code == HW_EPAUSED);
    return job->due_at && (!o->authentic || (!o->ran && put_back));
}

void hw_flow_bury(struct hw_dispatch *d, struct hw_job *job)
{
    hw_patience_end(job);
    if (job->n.request)
        hw_request_put(d->requests, job->n.request);
    if (!job->left)
        hw_flow_leave_gate(d);
    hw_in_hand_learn(&d->in_hand, job);
    hw_in_hand_end(&d->in_hand, job, is_moot(job));
    hw_job_free(job);
}

/* The next copy takes its place in the table; the others stay behind that one. */
static void promote(struct hw_dispatch *d, struct hw_job *job)
{
    if (job->behind)
        hw_flow_enter(d, job->behind);
}

void hw_flow_reply(struct hw_dispatch *d, struct hw_job *job)
{
    d->in_hand.accepting -= job->to_accept; /* it could not be recorded */
    hw_in_flight_remove(&d->in_flight, job);
    promote(d, job); /* before any answer, which could bring in another copy */
    if (job->pick)
        d->picked(d->in_hand.owner, job->n.outcome.code, job->pick);
    else if (!job->purge && !job->pause && !is_moot(job))
        hw_report_job(d->report, job);
    hw_flow_answer(d, job, job->n.outcome.code, job->n.outcome.reason);
    if (!job->pick)
        HW_CRASH_POINT("after-answer");
    if (job->n.outcome.code && !job->n.outcome.authentic && job->n.request)
        hw_distrust_note(&d->distrust, job->n.request, &job->n.peer, job->n.outcome.code,
                         job->n.identity.digest, NULL);
    hw_flow_bury(d, job);
}

/* ---- to the ledger ---- */

/* It is accepted, and that is durable: its senders are answered. */
static void say_accepted(struct hw_dispatch *d, struct hw_job *job)
{
    job->counted += job->n.copies;
    d->in_hand.accepting--;
    job->to_accept = false;
    job->accepted = true;
    hw_report_accepted(d->report, job);
    hw_flow_answer(d, job, 0, HW_STR_NONE);
    HW_CRASH_POINT("after-accept");
}

/* It comes back from the ledger thread, to go on. */
void hw_flow_count_recorded(struct hw_dispatch *d, struct hw_job *job)
{
    d->held -= job->n.outcome.held;
    if (job->to_accept)
        say_accepted(d, job);
    else if (job->n.started)
        job->counted += job->n.copies;
}

/* The ledger has it, and due.h finds it there. Copies that joined it after they were counted are
 * recorded now. */
static void leave_to_ledger(struct hw_dispatch *d, struct hw_job *job)
{
    job->let_go = false;
    job->n.claim = HW_CLAIM_NONE;            /* whoever finds it due takes it */
    hw_in_hand_end(&d->in_hand, job, false); /* others of its lane are before it */
    if (1 + job->joined > job->counted) {
        job->n.outcome.from_ledger = true;
        job->n.known.row = job->row ? job->row : job->n.known.row;
        hw_flow_record(d, job);
    } else {
        hw_in_flight_remove(&d->in_flight, job);
        promote(d, job);
        hw_flow_bury(d, job);
    }
    hw_in_hand_add(&d->in_hand);
}

/* It was held, and the ledger can be written again: it runs as if it had just come. Or its start is
 * recorded now, and it goes on. */
void hw_flow_let_go(struct hw_dispatch *d, struct hw_job *job)
{
    bool accepted = job->to_accept;
    hw_flow_count_recorded(d, job);
    if (accepted && !job->n.started) {
        leave_to_ledger(d, job);
        return;
    }
    job->let_go = false;
    hw_flow_again(d, job);
}

/* Copies may go on joining while the ledger has the job, so it gets a count of its own. A job that
 * is held comes here again and is counted then. */
static void count_copies(struct hw_job *job)
{
    bool counts = !job->n.from_row && !job->n.outcome.held && !job->n.has_stand_in;
    job->n.copies = counts ? 1 + job->joined - job->counted : 0;
    job->n.copies_attempt = job->joined_attempt;
}

/* What follows its outcome, or what is recorded of its start. */
static void decide(struct hw_dispatch *d, struct hw_job *job)
{
    int64_t now_ms = hw_forward_clock_ms(&d->clock);
    d->random = d->random * 6364136223846793005u + 1442695040888963407u;
    if (job->accepting)
        hw_in_hand_accept(&d->in_hand, job, !d->draining, now_ms, d->patience.handler_ms);
    else if (job->starting)
        hw_in_hand_start(&d->in_hand, job, now_ms, d->patience.handler_ms);
    else
        hw_retry_settle(&d->retries, &job->n, now_ms, d->random >> 32);
}

void hw_flow_prepare(struct hw_dispatch *d, struct hw_job *job)
{
    count_copies(job);
    if (!job->n.outcome.from_ledger)
        decide(d, job);
    d->held += job->n.outcome.held;
}

static void go_on(struct hw_dispatch *d, struct hw_job *jobs)
{
    while (jobs) {
        struct hw_job *job = jobs;
        jobs = job->next;
        if (job->let_go)
            hw_flow_let_go(d, job);
        else
            hw_flow_reply(d, job);
    }
}

/* When there is no disk to wait for, or the ledger thread has ended, the leader commits itself. */
static void commit_here(struct hw_dispatch *d, struct hw_job *jobs)
{
    while (jobs) {
        struct hw_job *done = jobs;
        jobs = hw_commit_batch(d->ledger, done);
        go_on(d, done);
    }
}

void hw_flow_commit(struct hw_dispatch *d, struct hw_job *jobs)
{
    if (d->committer) /* a commit over a network gains nothing by waiting for more */
        hw_committer_put(d->committer, jobs, d->claims.claimer ? 0 : d->with_crew);
    else
        commit_here(d, jobs);
}

void hw_flow_record(struct hw_dispatch *d, struct hw_job *job)
{
    hw_flow_prepare(d, job);
    job->next = NULL;
    hw_flow_commit(d, job);
}
