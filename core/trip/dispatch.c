/* dispatch.c -- see dispatch.h */
#include "trip/dispatch.h"

#include <stdatomic.h>

#include "trip/claimed.h"
#include "trip/overdue.h"

int hw_dispatch_init(struct hw_dispatch *d, uv_loop_t *loop, struct hw_ledger *ledger,
                     struct hw_requests *requests, struct hw_report *report, size_t open_max)
{
    *d = (struct hw_dispatch){.ledger = ledger,
                              .requests = requests,
                              .report = report,
                              .open_max = open_max,
                              .in_hand = {.ledger = ledger}};
    if (hw_in_flight_init(&d->in_flight, open_max))
        return HW_ENOMEM;
    d->random = d->in_flight.seed ^ hw_now_ns();
    hw_patience_init(&d->patience, loop, hw_overdue_look, d);
    hw_claims_init(&d->claims, loop, d->random, hw_claimed_forsake, d);
    return 0;
}

void hw_dispatch_fini(struct hw_dispatch *d)
{
    hw_in_flight_fini(&d->in_flight);
    hw_pools_fini(&d->in_hand.pools);
}

/* ---- the gate ---- */

int hw_dispatch_look_at_gate(const struct hw_dispatch *d)
{
    if (d->draining && !d->parting)
        return HW_EDRAINING;
    return d->open >= d->open_max ? HW_EOVERLOADED : 0;
}

void hw_dispatch_enter_side_gate(struct hw_dispatch *d)
{
    hw_flow_enter_gate(d);
}

/* Requests whose head came before a drain are let in. */
int hw_dispatch_enter_gate(struct hw_dispatch *d)
{
    if (d->open >= d->open_max)
        return HW_EOVERLOADED;
    hw_dispatch_enter_side_gate(d);
    return 0;
}

void hw_dispatch_leave_gate(struct hw_dispatch *d)
{
    hw_flow_leave_gate(d);
}

/* ---- birth and death ---- */

static void join(struct hw_dispatch *d, struct hw_job *other, const struct hw_job *copy,
                 struct hw_waiter *waiter)
{
    hw_flow_wait_for(waiter, other);
    if (other->told)
        hw_patience_again(&d->patience, other);
    other->joined++;
    if (other->joined_attempt < copy->n.attempt)
        other->joined_attempt = copy->n.attempt;
}

/* A copy of one that was accepted, and has its answer: only the ledger has to know of it. */
static void record_copy(struct hw_dispatch *d, struct hw_job *job, const struct hw_job *first)
{
    job->n.outcome =
        (struct hw_outcome){.authentic = true, .from_ledger = true, .finished_ns = hw_now_ns()};
    job->n.key = hw_arena_copy(&job->arena, first->n.key);
    job->n.event = hw_arena_copy(&job->arena, first->n.event);
    job->n.known.row = first->row ? first->row : first->n.from_row;
    hw_flow_record(d, job);
}

/* A job that nobody distrusts waits for `first`, so `first` and those behind it may no longer be
 * last in line. */
static void hurry(struct hw_dispatch *d, struct hw_job *first)
{
    if (first->last_in_line)
        hw_crew_hurry(d->crew, first);
    for (struct hw_job *job = first->behind; job; job = job->behind)
        job->last_in_line = false; /* it is in no queue yet */
}

int hw_dispatch_admit(struct hw_dispatch *d, struct hw_job *job, struct hw_waiter *waiter)
{
    struct hw_job *twin = hw_in_flight_find(&d->in_flight, job);
    struct hw_job *other = hw_in_flight_find_signed(twin, job);
    bool accepted = other && other->accepted;
    job->last_in_line = hw_distrust_is_suspect(&d->distrust, &job->n.peer, job->n.cut_ns);
    if (twin && !job->last_in_line)
        hurry(d, twin);
    job->beside = twin && !other && twin->accepted;
    if (other && !accepted) {
        join(d, other, job, waiter);
        hw_flow_bury(d, job);
    } else if (twin && !accepted && !job->beside && hw_in_flight_go_behind(twin, job)) {
        hw_flow_bury(d, job);
        return HW_EOVERLOADED;
    } else {
        hw_flow_wait_for(waiter, job);
        hw_patience_begin(&d->patience, job, job->n.cut_ns);
        if (accepted)
            record_copy(d, job, other);
        else if (job->beside)
            hw_flow_submit(d, job);
        else if (!twin)
            hw_flow_enter(d, job);
    }
    hw_stats_add(d->report->stats, HW_COUNT_RECEIVED, 1);
    return 0;
}

int hw_dispatch_revive(struct hw_dispatch *d, int64_t row, bool force, struct hw_waiter *waiter)
{
    struct hw_job *job = hw_job_revive(row, force, hw_now_ns());
    if (!job)
        return HW_ENOMEM;
    hw_flow_wait_for(waiter, job);
    hw_patience_begin(&d->patience, job, job->n.cut_ns);
    if (hw_ledger_claims(d->ledger))
        hw_claimed_ask_row(d, job);
    else
        hw_flow_submit(d, job);
    return 0;
}

/* One that is only found is loaded, and looked up; one that was taken has all that it needs. */
static struct hw_job *new_due(const struct hw_ledger_due_row *row)
{
    struct hw_job *job = row->taken ? hw_job_take(row->taken, row->next_run_at, hw_now_ns())
                                    : hw_job_revive(row->seq, false, hw_now_ns());
    if (!job)
        return NULL;
    job->n.from_row = row->seq;
    job->due_at = row->next_run_at;
    job->n.by_host = true;
    job->n.retry = row->retry;
    return job;
}

int hw_dispatch_run_due(struct hw_dispatch *d, const struct hw_ledger_due_row *row)
{
    struct hw_job *job = new_due(row);
    if (!job)
        return HW_ENOMEM;
    if (!hw_in_hand_take(&d->in_hand, job, row->pool)) {
        if (!row->taken) {
            hw_job_free(job);
            return HW_ENOMEM;
        }
        job->in_hand = true; /* the ledger counts its pool as well */
    }
    hw_dispatch_enter_side_gate(d);
    if (!row->taken)
        hw_flow_submit(d, job);
    else if (d->draining)
        hw_claimed_give_back(d, job, HW_EDRAINING);
    else
        hw_claimed_run(d, job);
    return 0;
}

int hw_dispatch_pick(struct hw_dispatch *d, size_t max)
{
    struct hw_job *job = hw_job_revive(0, false, hw_now_ns());
    struct hw_ledger_due *pick =
        job ? hw_arena_alloc(&job->arena, sizeof *pick + max * sizeof *pick->rows) : NULL;
    if (!pick) {
        if (job)
            hw_job_free(job);
        return HW_ENOMEM;
    }
    *pick = (struct hw_ledger_due){
        .now_ms = hw_forward_clock_ms(&d->clock), .max = max, .arena = &job->arena};
    pick->rooms = hw_pools_list(&d->in_hand.pools, &job->arena, &pick->room_count);
    job->pick = pick;
    hw_dispatch_enter_side_gate(d);
    hw_committer_put(d->committer, job, d->with_crew);
    return 0;
}

int hw_dispatch_purge(struct hw_dispatch *d, struct hw_job *job, struct hw_waiter *waiter)
{
    if (!d->committer || !d->ledger->type->purge) {
        hw_flow_bury(d, job);
        return HW_ELEDGER_UNAVAILABLE;
    }
    hw_flow_wait_for(waiter, job);
    hw_committer_put(d->committer, job, d->with_crew);
    return 0;
}

/* Without a ledger thread it is done here; the answer comes with the jobs that come back. */
int hw_dispatch_pause(struct hw_dispatch *d, struct hw_job *job, struct hw_waiter *waiter)
{
    if (!d->ledger->type->pause || (!d->committer && d->ledger->type->waits)) {
        hw_flow_bury(d, job);
        return HW_ELEDGER_UNAVAILABLE;
    }
    hw_flow_wait_for(waiter, job);
    if (d->committer) {
        hw_committer_put(d->committer, job, d->with_crew);
        return 0;
    }
    hw_commit_pause(d->ledger, job);
    job->committed = true;
    hw_crew_return(d->crew, job);
    return 0;
}

/* A revived job was loaded: now its identity is known, and it is admitted like any other. */
static void admit_revived(struct hw_dispatch *d, struct hw_job *job)
{
    struct hw_job *twin = hw_in_flight_find(&d->in_flight, job);
    atomic_store_explicit(&job->progress, HW_WAITING, memory_order_relaxed);
    job->accepted = job->n.accepted;
    if (twin && hw_notification_fail(&job->n, hw_in_flight_go_behind(twin, job))) {
        hw_flow_reply(d, job);
        return;
    }
    hw_patience_begin(&d->patience, job, hw_now_ns());
    if (!twin)
        hw_flow_enter(d, job);
}

size_t hw_dispatch_elsewhere(const struct hw_dispatch *d)
{
    return d->claims.elsewhere.count;
}

/* It is not recorded either: its sender delivers it again. */
static void turn_away_if_full(struct hw_dispatch *d, struct hw_job *job)
{
    struct hw_str why = hw_in_hand_why_full(&d->in_hand);
    if (!why.ptr)
        return;
    job->accepting = false;
    job->turned_away = true;
    job->n.outcome.reason = why;
    hw_notification_fail(&job->n, HW_EOVERLOADED);
}

/* ---- commit, then reply ---- */

/* After a failed commit only a batch waits for the next try; the rest is refused at once. */
static bool may_be_held(const struct hw_dispatch *d)
{
    if (!d->committer)
        return false;
    return d->held < HW_LEDGER_BATCH_MAX || hw_ledger_health(d->ledger) != HW_LEDGER_FAILED;
}

/* A repeat is a success even if its count can't be raised now. */
static bool wants_ledger(const struct hw_dispatch *d, const struct hw_job *job)
{
    if (hw_job_is_claimed(job))
        return true;
    if (!job->n.outcome.authentic || job->committed || job->turned_away)
        return false;
    if (job->n.outcome.held)
        return may_be_held(d);
    if (job->n.outcome.code == HW_EPAUSED) /* until its sender gives up the host need not know it */
        return hw_retry_is_for_host(&job->n);
    if (job->n.outcome.from_ledger)
        return hw_ledger_health(d->ledger) != HW_LEDGER_FAILED;
    return !hw_ledger_claims(d->ledger);
}

/* Its run is to be recorded, or was, and it has come too late for it: the ledger thread has ended, and
 * so has the crew. */
static bool is_too_late(const struct hw_dispatch *d, const struct hw_job *job)
{
    return !d->committer && d->ledger->type->waits &&
           (job->starting || (job->let_go && job->n.started));
}

/* The next host runs it. Of one that is due the ledger knows that, unless its start is recorded. */
static void put_off(struct hw_dispatch *d, struct hw_job *job)
{
    if (job->let_go) {
        d->with_crew++; /* settle takes it off */
        hw_flow_count_recorded(d, job);
    }
    job->starting = job->let_go = job->n.outcome.held = false;
    job->n.outcome.authentic = job->n.started || !job->due_at;
    hw_notification_fail(&job->n, HW_EDRAINING);
}

/* Disk before anyone: an authentic notification is answered only when it is recorded. */
void hw_dispatch_settle(void *owner, struct hw_job *done)
{
    struct hw_dispatch *d = owner;
    struct hw_job *to_ledger = NULL, **last = &to_ledger;
    struct hw_job *to_claim = NULL, **last_claim = &to_claim;
    while (done) {
        struct hw_job *job = done;
        done = job->next;
        job->next = NULL;
        hw_overdue_set_stuck(d, job, false);
        if (is_too_late(d, job))
            put_off(d, job);
        if (job->let_go) {
            hw_flow_let_go(d, job);
            continue;
        }
        bool asked = job->asked;
        if (asked && !hw_claimed_read(d, job))
            continue;
        d->with_crew -= !asked && !job->committed && !job->left;
        if (job->to_claim && hw_claimed_is_next(d, job)) {
            *last_claim = job;
            last_claim = &job->next;
            continue;
        }
        d->held -= job->committed && job->n.outcome.held;
        if (job->accepting)
            turn_away_if_full(d, job);
        if (job->n.from_row && !job->n.outcome.authentic &&
            job->n.outcome.code == 0) { /* not run yet */
            admit_revived(d, job);
        } else if (wants_ledger(d, job)) {
            hw_flow_prepare(d, job);
            *last = job;
            last = &job->next;
        } else {
            hw_flow_reply(d, job);
        }
    }
    *last = *last_claim = NULL;
    if (to_claim)
        hw_claims_ask(&d->claims, to_claim);
    if (to_ledger)
        hw_flow_commit(d, to_ledger);
}

void hw_dispatch_lose(void *owner, struct hw_job *job, bool replaced)
{
    struct hw_dispatch *d = owner;
    struct hw_job *stand_in = hw_job_stand_in(job);
    hw_report_lost(d->report, job, replaced);
    hw_patience_end(job);
    while (stand_in && job->waiters) {
        struct hw_waiter *waiter = job->waiters;
        hw_waiter_leave(waiter);
        hw_flow_wait_for(waiter, stand_in);
    }
    hw_overdue_tell(d, job, HW_EHANDLER_TIMEOUT);
    hw_overdue_set_stuck(d, job, !replaced); /* otherwise no worker is missing */
    if (!stand_in)
        hw_in_hand_end(&d->in_hand, job, job->due_at != 0);
    job->in_hand = false;
    job->pool = NULL; /* the stand-in has its place */
    job->left = true;
    job->n.has_stand_in = stand_in != NULL;
    if (stand_in) {
        hw_dispatch_settle(d, stand_in); /* in its place at the gate */
    } else {
        d->with_crew--;
        hw_dispatch_leave_gate(d);
    }
}

static void drop_behind(struct hw_dispatch *d, struct hw_job *job)
{
    while (job) {
        struct hw_job *behind = job->behind;
        hw_flow_bury(d, job);
        job = behind;
    }
}

void hw_dispatch_drop(struct hw_dispatch *d, struct hw_job *list)
{
    d->draining = true; /* nobody looks for more */
    while (list) {
        struct hw_job *job = list, *behind = job->behind;
        list = job->next;
        hw_in_flight_remove(&d->in_flight, job);
        job->in_flight = false;
        job->behind = NULL;
        if (hw_job_is_claimed(job))
            hw_claimed_give_back(d, job, HW_EDRAINING);
        else
            hw_flow_bury(d, job);
        drop_behind(d, behind);
    }
}
