/* dispatch.c -- see dispatch.h */
#include "trip/dispatch.h"

#include <stdatomic.h>

#include "base/check.h"
#include "base/crash.h"
#include "base/log.h"

static void on_forsaken(void *owner, struct hw_job *job);
static void on_impatient(void *owner, struct hw_job *job);
static void claim_row(struct hw_dispatch *d, struct hw_job *job);
static void give_back(struct hw_dispatch *d, struct hw_job *job, int code);
static void run_claimed(struct hw_dispatch *d, struct hw_job *job);
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
    hw_claims_init(&d->claims, loop, d->random, on_forsaken, d);
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
    bool put_back = o->code == HW_ELEDGER_UNAVAILABLE ||
                    (job->n.claim == HW_CLAIM_MINE && o->code == HW_EPAUSED);
    return job->due_at && (!o->authentic || (!o->ran && put_back));
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
    job->n.known.row = first->row ? first->row : first->n.from_row;
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
    if (hw_ledger_claims(d->ledger))
        claim_row(d, job);
    else
        submit(d, job);
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
        submit(d, job);
    else if (d->draining)
        give_back(d, job, HW_EDRAINING);
    else
        run_claimed(d, job);
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

/* ---- claims ---- */

/* It has left the stage that it was in, and waits for a worker. */
static void wait_for_worker(struct hw_dispatch *d, struct hw_job *job)
{
    job->last_in_line = false; /* it was verified */
    job->n.outcome = (struct hw_outcome){0};
    hw_patience_begin(&d->patience, job, hw_now_ns());
    atomic_store_explicit(&job->progress, HW_WAITING, memory_order_release);
    submit(d, job);
}

/* It is this host's, so that nobody else runs it; a copy of it that is in the table by now waits for
 * the same row. */
static void run_claimed(struct hw_dispatch *d, struct hw_job *job)
{
    job->row = job->n.row;
    job->accepted = job->n.accepted;
    if (job->n.from_row && !hw_in_flight_find(&d->in_flight, job))
        hw_in_flight_add(&d->in_flight, job);
    wait_for_worker(d, job);
}

/* Its row is let go, without a run. */
static void give_back(struct hw_dispatch *d, struct hw_job *job, int code)
{
    job->n.outcome =
        (struct hw_outcome){.code = code, .authentic = true, .finished_ns = hw_now_ns()};
    record(d, job);
}

static void end_elsewhere(struct hw_dispatch *d, struct hw_job *job)
{
    job->n.outcome.finished_ns = hw_now_ns();
    job->n.outcome.reason = HW_STR("another host has it, and has not ended in time");
    hw_notification_fail(&job->n, HW_EQUEUE_TIMEOUT);
    reply(d, job);
}

static void on_forsaken(void *owner, struct hw_job *job)
{
    end_elsewhere(owner, job);
}

static void claim_row(struct hw_dispatch *d, struct hw_job *job)
{
    atomic_store_explicit(&job->due_ns, hw_now_ns() + HW_PATIENCE_LEDGER_MS * 1000000ull,
                          memory_order_relaxed);
    atomic_store_explicit(&job->progress, HW_CHECKING, memory_order_release);
    hw_claims_ask(&d->claims, job);
}

/* It waits there as long as it would here, for a worker and then for its handler. */
static void wait_elsewhere(struct hw_dispatch *d, struct hw_job *job)
{
    if (!job->n.waited) {
        uint64_t now_ns = hw_now_ns(), ms = d->patience.queue_ms + d->patience.handler_ms;
        hw_patience_begin(&d->patience, job, now_ns);
        atomic_store_explicit(&job->due_ns, now_ns + ms * 1000000, memory_order_relaxed);
        atomic_store_explicit(&job->progress, HW_ELSEWHERE, memory_order_release);
    }
    job->n.waited = true;
    if (job->waiters)
        hw_claims_wait(&d->claims, job);
    else
        end_elsewhere(d, job);
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

/* What the claim came to. Returns true when the job has its outcome. */
static bool read_claim(struct hw_dispatch *d, struct hw_job *job)
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
        run_claimed(d, job);
    return false;
}

/* Whether it goes to the claim thread now. Without that this host has come to its end. */
static bool is_claimable(const struct hw_dispatch *d, struct hw_job *job)
{
    if (!job->to_claim)
        return false;
    job->n.only_look = job->beside;
    job->to_claim = !is_over(d);
    if (!job->to_claim)
        hw_notification_fail(&job->n, HW_EDRAINING);
    return job->to_claim;
}

size_t hw_dispatch_elsewhere(const struct hw_dispatch *d)
{
    return d->claims.elsewhere.count;
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
    job->n.claim = HW_CLAIM_NONE;            /* whoever finds it due takes it */
    hw_in_hand_end(&d->in_hand, job, false); /* others of its lane are before it */
    if (1 + job->joined > job->counted) {
        job->n.outcome.from_ledger = true;
        job->n.known.row = job->row ? job->row : job->n.known.row;
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
    job->let_go = false;
    wait_for_worker(d, job);
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
    if (d->committer) /* a commit over a network gains nothing by waiting for more */
        hw_committer_put(d->committer, jobs, d->claims.claimer ? 0 : d->with_crew);
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
    bool claimed = hw_job_is_claimed(job);
    job->n.outcome.authentic = job->n.started || job->due_at || claimed;
    if (!job->n.outcome.authentic) {
        reply(d, job);
        return;
    }
    if (!job->n.started && !claimed)
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

/* Its host records what it comes to, and its sender finds that when it delivers again. While it is
 * being claimed the claim thread has it. */
static void refuse_elsewhere(struct hw_dispatch *d, struct hw_job *job)
{
    if (hw_claims_leave(&d->claims, job))
        end_elsewhere(d, job);
    else
        tell(d, job, HW_EQUEUE_TIMEOUT);
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
    case HW_ELSEWHERE:
        refuse_elsewhere(d, job);
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
    struct hw_job *to_claim = NULL, **last_claim = &to_claim;
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
        bool asked = job->asked;
        if (asked && !read_claim(d, job))
            continue;
        d->with_crew -= !asked && !job->committed && !job->left;
        if (is_claimable(d, job)) {
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
            prepare(d, job);
            *last = job;
            last = &job->next;
        } else {
            reply(d, job);
        }
    }
    *last = *last_claim = NULL;
    if (to_claim)
        hw_claims_ask(&d->claims, to_claim);
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

static void drop_behind(struct hw_dispatch *d, struct hw_job *job)
{
    while (job) {
        struct hw_job *behind = job->behind;
        bury(d, job);
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
            give_back(d, job, HW_EDRAINING);
        else
            bury(d, job);
        drop_behind(d, behind);
    }
}
