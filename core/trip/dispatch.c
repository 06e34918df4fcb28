/* dispatch.c -- see dispatch.h */
#include "trip/dispatch.h"

#include <stdatomic.h>

#include "base/check.h"
#include "base/crash.h"
#include "base/log.h"

static void on_impatient(void *owner, struct hw_job *job);
static void record(struct hw_dispatch *d, struct hw_job *job);

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
    hw_patience_init(&d->patience, loop, on_impatient, d);
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
    hw_stats_set(d->report->stats, HW_COUNT_IN_FLIGHT, ++d->open);
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
    HW_CHECK(d->open > 0);
    hw_stats_set(d->report->stats, HW_COUNT_IN_FLIGHT, --d->open);
}

/* ---- jobs in flight ---- */

/* A job that came back from a thread that was given up, and has yet to run, counts again. */
static void submit(struct hw_dispatch *d, struct hw_job *job)
{
    if (job->left)
        hw_dispatch_enter_side_gate(d);
    job->left = false;
    d->with_crew++;
    if (job->last_in_line)
        hw_stats_add(d->report->stats, HW_COUNT_VERIFIED_LAST, 1);
    hw_crew_submit(d->crew, job);
}

static void enter(struct hw_dispatch *d, struct hw_job *job)
{
    hw_in_flight_add(&d->in_flight, job);
    submit(d, job);
}

/* ---- waiters ---- */

static void wait_for(struct hw_waiter *waiter, struct hw_job *job)
{
    waiter->job = job;
    hw_waiter_join(waiter, &job->waiters);
}

static void answer_all(struct hw_dispatch *d, struct hw_job *job, int code, struct hw_str reason)
{
    hw_report_answer(d->report, job, code);
    while (job->waiters) {
        struct hw_waiter *waiter = job->waiters;
        hw_waiter_leave(waiter);
        waiter->answer(waiter, code, reason);
    }
}

/* ---- birth and death ---- */

/* It was due, and there was nothing to run, or nothing to run it with: nobody waits, and what is due
 * is found again. */
static bool is_moot(const struct hw_job *job)
{
    const struct hw_outcome *o = &job->n.outcome;
    return job->due_at && (!o->authentic || (!o->ran && o->code == HW_ELEDGER_UNAVAILABLE));
}

static void bury(struct hw_dispatch *d, struct hw_job *job)
{
    hw_patience_end(job);
    if (job->n.request)
        hw_request_put(d->requests, job->n.request);
    if (!job->left)
        hw_dispatch_leave_gate(d);
    hw_in_hand_learn(&d->in_hand, job);
    hw_in_hand_end(&d->in_hand, job, is_moot(job));
    hw_job_free(job);
}

static void join(struct hw_dispatch *d, struct hw_job *other, const struct hw_job *copy,
                 struct hw_waiter *waiter)
{
    wait_for(waiter, other);
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
    job->n.known.row = first->n.from_row;
    record(d, job);
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
        bury(d, job);
    } else if (twin && !accepted && !job->beside && hw_in_flight_go_behind(twin, job)) {
        bury(d, job);
        return HW_EOVERLOADED;
    } else {
        wait_for(waiter, job);
        hw_patience_begin(&d->patience, job, job->n.cut_ns);
        if (accepted)
            record_copy(d, job, other);
        else if (job->beside)
            submit(d, job);
        else if (!twin)
            enter(d, job);
    }
    hw_stats_add(d->report->stats, HW_COUNT_RECEIVED, 1);
    return 0;
}

int hw_dispatch_revive(struct hw_dispatch *d, int64_t row, bool force, struct hw_waiter *waiter)
{
    struct hw_job *job = hw_job_revive(row, force, hw_now_ns());
    if (!job)
        return HW_ENOMEM;
    wait_for(waiter, job);
    hw_patience_begin(&d->patience, job, job->n.cut_ns);
    submit(d, job);
    return 0;
}

int hw_dispatch_run_due(struct hw_dispatch *d, const struct hw_ledger_due_row *row)
{
    struct hw_job *job = hw_job_revive(row->seq, false, hw_now_ns());
    if (!job)
        return HW_ENOMEM;
    job->due_at = row->next_run_at;
    if (!hw_in_hand_take(&d->in_hand, job, row->pool)) {
        hw_job_free(job);
        return HW_ENOMEM;
    }
    job->n.by_host = true;
    job->n.retry = row->retry;
    hw_dispatch_enter_side_gate(d);
    submit(d, job);
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
        bury(d, job);
        return HW_ELEDGER_UNAVAILABLE;
    }
    wait_for(waiter, job);
    hw_committer_put(d->committer, job, d->with_crew);
    return 0;
}

/* Without a ledger thread it is done here; the answer comes with the jobs that come back. */
int hw_dispatch_pause(struct hw_dispatch *d, struct hw_job *job, struct hw_waiter *waiter)
{
    if (!d->ledger->type->pause || (!d->committer && d->ledger->type->waits)) {
        bury(d, job);
        return HW_ELEDGER_UNAVAILABLE;
    }
    wait_for(waiter, job);
    if (d->committer) {
        hw_committer_put(d->committer, job, d->with_crew);
        return 0;
    }
    hw_commit_pause(d->ledger, job);
    job->committed = true;
    hw_crew_return(d->crew, job);
    return 0;
}

/* The next copy takes its place in the table; the others stay behind that one. */
static void promote(struct hw_dispatch *d, struct hw_job *job)
{
    if (job->behind)
        enter(d, job->behind);
}

static void reply(struct hw_dispatch *d, struct hw_job *job)
{
    d->in_hand.accepting -= job->to_accept; /* it could not be recorded */
    hw_in_flight_remove(&d->in_flight, job);
    promote(d, job); /* before any answer, which could bring in another copy */
    if (job->pick)
        d->picked(d->in_hand.owner, job->n.outcome.code, job->pick);
    else if (!job->purge && !job->pause && !is_moot(job))
        hw_report_job(d->report, job);
    answer_all(d, job, job->n.outcome.code, job->n.outcome.reason);
    if (!job->pick)
        HW_CRASH_POINT("after-answer");
    if (job->n.outcome.code && !job->n.outcome.authentic && job->n.request)
        hw_distrust_note(&d->distrust, job->n.request, &job->n.peer, job->n.outcome.code,
                         job->n.identity.digest, NULL);
    bury(d, job);
}

/* A revived job was loaded: now its identity is known, and it is admitted like any other. */
static void admit_revived(struct hw_dispatch *d, struct hw_job *job)
{
    struct hw_job *twin = hw_in_flight_find(&d->in_flight, job);
    atomic_store_explicit(&job->progress, HW_WAITING, memory_order_relaxed);
    job->accepted = job->n.accepted;
    if (twin && hw_notification_fail(&job->n, hw_in_flight_go_behind(twin, job))) {
        reply(d, job);
        return;
    }
    hw_patience_begin(&d->patience, job, hw_now_ns());
    if (!twin)
        enter(d, job);
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
    answer_all(d, job, 0, HW_STR_NONE);
    HW_CRASH_POINT("after-accept");
}

/* It comes back from the ledger thread, to go on. */
static void count_recorded(struct hw_dispatch *d, struct hw_job *job)
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
    hw_in_hand_end(&d->in_hand, job, false); /* others of its lane are before it */
    if (1 + job->joined > job->counted) {
        job->n.outcome.from_ledger = true;
        record(d, job);
    } else {
        hw_in_flight_remove(&d->in_flight, job);
        promote(d, job);
        bury(d, job);
    }
    hw_in_hand_add(&d->in_hand);
}

/* It was held, and the ledger can be written again: it runs as if it had just come. Or its start is
 * recorded now, and it goes on. */
static void let_go(struct hw_dispatch *d, struct hw_job *job)
{
    bool accepted = job->to_accept;
    count_recorded(d, job);
    if (accepted && !job->n.started) {
        leave_to_ledger(d, job);
        return;
    }
    job->let_go = job->last_in_line = false; /* it was verified */
    job->n.outcome = (struct hw_outcome){0};
    hw_patience_begin(&d->patience, job, hw_now_ns());
    atomic_store_explicit(&job->progress, HW_WAITING, memory_order_release);
    submit(d, job);
}

/* Copies may go on joining while the ledger has the job, so it gets a count of its own. A job that
 * is held comes here again and is counted then. */
static void count_copies(struct hw_job *job)
{
    bool counts = !job->n.from_row && !job->n.outcome.held && !job->n.has_stand_in;
    job->n.copies = counts ? 1 + job->joined - job->counted : 0;
    job->n.copies_attempt = job->joined_attempt;
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

static void prepare(struct hw_dispatch *d, struct hw_job *job)
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
            let_go(d, job);
        else
            reply(d, job);
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

static void commit(struct hw_dispatch *d, struct hw_job *jobs)
{
    if (d->committer)
        hw_committer_put(d->committer, jobs, d->with_crew);
    else
        commit_here(d, jobs);
}

static void record(struct hw_dispatch *d, struct hw_job *job)
{
    prepare(d, job);
    job->next = NULL;
    commit(d, job);
}

/* ---- overdue jobs ---- */

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
    job->n.outcome.authentic = job->n.started || job->due_at;
    if (!job->n.outcome.authentic) {
        reply(d, job);
        return;
    }
    if (!job->n.started)
        job->n.outcome.reason = HW_STR("an earlier run of it has not come back");
    record(d, job);
}

static void set_stuck(struct hw_dispatch *d, struct hw_job *job, bool stuck)
{
    d->stuck += (size_t)stuck - (size_t)job->stuck;
    job->stuck = stuck;
}

/* The job goes on: its sender will deliver again, and then finds it recorded. */
static void tell(struct hw_dispatch *d, struct hw_job *job, int code)
{
    if (code == HW_EHANDLER_TIMEOUT && job->told != code) {
        hw_report_stuck(d->report, job);
        set_stuck(d, job, true);
    }
    job->told = code;
    answer_all(d, job, code, HW_STR_NONE);
}

static void on_impatient(void *owner, struct hw_job *job)
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
    case HW_RUNNING:
        tell(d, job, HW_EHANDLER_TIMEOUT);
        break;
    case HW_CHECKING:
    case HW_SETTLING:
        tell(d, job, HW_ELEDGER_UNAVAILABLE);
        break;
    }
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
    if (!job->n.outcome.authentic || job->committed || job->turned_away)
        return false;
    if (job->n.outcome.held)
        return may_be_held(d);
    if (job->n.outcome.code == HW_EPAUSED) /* until its sender gives up the host need not know it */
        return hw_retry_is_for_host(&job->n);
    return !job->n.outcome.from_ledger || hw_ledger_health(d->ledger) != HW_LEDGER_FAILED;
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
        count_recorded(d, job);
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
    while (done) {
        struct hw_job *job = done;
        done = job->next;
        job->next = NULL;
        set_stuck(d, job, false);
        if (is_too_late(d, job))
            put_off(d, job);
        if (job->let_go) {
            let_go(d, job);
            continue;
        }
        d->with_crew -= !job->committed && !job->left;
        d->held -= job->committed && job->n.outcome.held;
        if (job->accepting)
            turn_away_if_full(d, job);
        if (job->n.from_row && !job->n.outcome.authentic &&
            job->n.outcome.code == 0) { /* not run yet */
            admit_revived(d, job);
        } else if (wants_ledger(d, job)) {
            prepare(d, job);
            *last = job;
            last = &job->next;
        } else {
            reply(d, job);
        }
    }
    *last = NULL;
    if (to_ledger)
        commit(d, to_ledger);
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
        wait_for(waiter, stand_in);
    }
    tell(d, job, HW_EHANDLER_TIMEOUT);
    set_stuck(d, job, !replaced); /* otherwise no worker is missing */
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

void hw_dispatch_drop(struct hw_dispatch *d, struct hw_job *list)
{
    d->draining = true; /* nobody looks for more */
    while (list) {
        struct hw_job *job = list;
        list = job->next;
        while (job) {
            struct hw_job *behind = job->behind;
            bury(d, job);
            job = behind;
        }
    }
}
