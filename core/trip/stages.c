/* stages.c -- see stages.h */
#include "trip/stages.h"

#include <stdio.h>

#include "base/crash.h"
#include "base/log.h"
#include "script/event_name.h"
#include "trip/patience.h"
#include "trip/retry.h"

/* Takes this worker's part of the current release. */
static int take_release(struct hw_worker *w, char *why, size_t why_size)
{
    w->release = hw_shelf_take(&w->shared->shelf, w->index, &w->vm);
    if (!w->vm)
        w->vm = hw_vm_new(&w->release->vm, w->release->bundle, why, why_size);
    w->verifier = hw_verifier_new(w->release->keys);
    if (w->vm && !w->verifier)
        snprintf(why, why_size, "out of memory");
    return w->vm && w->verifier ? 0 : HW_EFAILED;
}

int hw_worker_init(struct hw_worker *worker, struct hw_stages *shared, unsigned index, char *why,
                   size_t why_size)
{
    *worker = (struct hw_worker){.shared = shared, .index = index};
    if (take_release(worker, why, why_size))
        return HW_EFAILED;
    atomic_store_explicit(&worker->vm_memory, hw_vm_memory(worker->vm), memory_order_relaxed);
    if (hw_ledger_claims(shared->ledger))
        return 0; /* it is not read here */
    worker->reader = hw_ledger_reader_open(shared->ledger, why, why_size);
    return worker->reader ? 0 : HW_EFAILED;
}

void hw_worker_fini(struct hw_worker *worker)
{
    if (worker->vm)
        hw_vm_free(worker->vm);
    if (worker->verifier)
        hw_verifier_free(worker->verifier);
    if (worker->release)
        hw_release_unref(worker->release);
    if (worker->reader)
        worker->shared->ledger->type->reader_close(worker->reader);
}

/* If that fails the worker keeps what it has, and tries again at the next job. */
void hw_worker_renew(struct hw_worker *w)
{
    char why[512];
    struct hw_worker old = *w;
    if (!hw_shelf_is_stale(&w->shared->shelf, w->release))
        return;
    if (take_release(w, why, sizeof why)) {
        hw_log_say(HW_LOG_ERROR, "a worker stays on version %s: %s", old.release->version, why);
        if (w->vm)
            hw_vm_free(w->vm);
        if (w->verifier)
            hw_verifier_free(w->verifier);
        hw_release_unref(w->release);
        *w = old;
        return;
    }
    hw_shelf_retire(&w->shared->shelf, old.vm);
    hw_verifier_free(old.verifier);
    hw_release_unref(old.release);
}

void hw_workers_tidy(struct hw_stages *shared)
{
    atomic_fetch_add_explicit(&shared->tidy_round, 1, memory_order_relaxed);
}

void hw_worker_tidy(struct hw_worker *w)
{
    unsigned round = atomic_load_explicit(&w->shared->tidy_round, memory_order_relaxed);
    if (w->tidied == round)
        return;
    w->tidied = round;
    hw_vm_collect(w->vm);
}

/* ---- the stages: 0 means that the next one follows ---- */

enum { SETTLED = 1 }; /* no further stage, and no error */

static const uint64_t LEDGER_NS = HW_PATIENCE_LEDGER_MS * 1000000ull;

/* The job enters a stage, which must be over by due_ns. */
static void enter(struct hw_job *job, enum hw_progress progress, uint64_t due_ns)
{
    atomic_store_explicit(&job->due_ns, due_ns, memory_order_relaxed);
    atomic_store_explicit(&job->progress, progress, memory_order_release);
}

static int verify(struct hw_worker *w, struct hw_job *job)
{
    const struct hw_key *key;
    int rc = hw_verifier_check(w->verifier, job->n.signature, job->n.identity.digest, &key);
    if (rc)
        return rc == HW_ENOMEM ? hw_notification_starve(&job->n)
                               : hw_notification_fail(&job->n, rc);
    /* A copy: the key set may be replaced while the job exists. */
    job->n.key = hw_arena_copy(&job->arena, hw_str_of(key->name));
    if (!job->n.key.ptr)
        return hw_notification_starve(&job->n);
    job->n.outcome.authentic = true;
    return 0;
}

/* Its body is not decoded, so the name of its event is searched for: the report needs it. */
static int settle_from_ledger(struct hw_job *job)
{
    job->n.outcome.from_ledger = true;
    job->n.event = hw_event_name_find(job->n.body);
    return SETTLED;
}

/* Its handler gave it up for good: the answer is the same, and only a replay runs it again. */
static int answer_given_up(struct hw_worker *w, struct hw_job *job)
{
    int rc = hw_ledger_load_reason(w->shared->ledger, w->reader, &job->n);
    settle_from_ledger(job);
    return rc == HW_ENOMEM ? hw_notification_starve(&job->n)
                           : hw_notification_fail(&job->n, rc ? rc : HW_EGIVEN_UP);
}

static int look_up(struct hw_worker *w, struct hw_job *job)
{
    int rc = hw_ledger_look_up(w->shared->ledger, w->reader, &job->n.identity, &job->n.known);
    if (rc)
        return hw_notification_fail(&job->n, rc);
    if (job->n.from_row) /* it may have been accepted since it was loaded */
        job->n.accepted |= job->n.known.accepted;
    if (job->n.known.accepted && !job->n.from_row)
        return settle_from_ledger(job); /* it had its 200, whatever became of it */
    if (job->n.known.given_up && !job->n.from_row)
        return answer_given_up(w, job);
    if (job->n.known.state != HW_SUCCEEDED && job->n.known.state != HW_UNHANDLED)
        return 0;
    return settle_from_ledger(job);
}

/* While outcomes can't be recorded nothing may run: it would run again at the sender's next
 * attempt. */
static int stand_back(struct hw_worker *w, struct hw_job *job)
{
    if (hw_ledger_health(w->shared->ledger) == HW_LEDGER_WELL)
        return 0;
    job->n.outcome.held = true;
    enter(job, HW_SETTLING, hw_now_ns() + LEDGER_NS);
    return hw_notification_fail(&job->n, HW_ELEDGER_UNAVAILABLE);
}

static int decode(struct hw_worker *w, struct hw_job *job)
{
    return hw_vm_decode(w->vm, &job->n, job->n.outcome.taken_ns);
}

/* There is nothing to do, or to tell: a row that is still due is found again. */
static int drop(struct hw_job *job, int code)
{
    job->n.outcome.authentic = false;
    return hw_notification_fail(&job->n, code);
}

/* A replay is what somebody wants now, paused or not. */
static int let_pass(struct hw_worker *w, struct hw_job *job)
{
    bool asked = job->n.from_row && !job->due_at;
    if (asked || !hw_pauses_hold(&w->shared->ledger->pauses, job->n.event))
        return 0;
    return hw_notification_fail(&job->n, HW_EPAUSED);
}

/* What is due is set aside when it is looked for next. */
static int stand_aside(struct hw_worker *w, struct hw_job *job)
{
    int rc = let_pass(w, job);
    return rc && job->due_at ? drop(job, rc) : rc;
}

/* The run of one that nobody would deliver again is recorded before it begins, and goes on when that
 * is durable: should the host end meanwhile, the next one finds it. */
static int record_start(struct hw_worker *w, struct hw_job *job)
{
    if (job->n.started || !hw_retry_records_start(&w->release->retries, &job->n))
        return 0;
    job->starting = true;
    return SETTLED;
}

/* From here on scripts run: the schema of an event, the `key` of a handler, the handler. */
static int match(struct hw_worker *w, struct hw_job *job)
{
    uint64_t now_ns = hw_now_ns();
    enter(job, HW_RUNNING, now_ns + w->release->vm.timeout_ms * 1000000);
    int rc = hw_vm_match(w->vm, &job->n, now_ns);
    return rc == 0 && job->n.outcome.unhandled ? SETTLED : rc;
}

/* Ack-first: the leader has it recorded, and it runs after that. What runs again was accepted
 * before, or its sender got its answer long ago. */
static int accept_first(struct hw_worker *w, struct hw_job *job)
{
    if (!job->n.ack_first || job->n.from_row || job->n.accepted)
        return 0;
    int rc = hw_vm_find_lane(w->vm, &job->n, hw_now_ns());
    if (rc)
        return rc;
    job->accepting = true;
    return SETTLED;
}

/* What this host claimed may be another one's by now, if it was frozen or cut off for long: then it is
 * claimed again. What the host runs by itself is put off. */
static int still_holds(struct hw_worker *w, struct hw_job *job)
{
    struct hw_ledger *ledger = w->shared->ledger;
    if (!ledger->type->holds || ledger->type->holds(ledger, &job->n.fence))
        return 0;
    if (job->n.from_row || job->n.accepted)
        return hw_notification_fail(&job->n, HW_ELEDGER_UNAVAILABLE);
    job->to_claim = true;
    return SETTLED;
}

static int handle(struct hw_worker *w, struct hw_job *job)
{
    HW_STOP_POINT("before-handler");
    int rc = still_holds(w, job);
    if (rc)
        return rc;
    uint64_t now_ns = hw_now_ns();
    job->n.outcome.began_ns = now_ns;
    job->n.last = hw_retry_is_last(&w->release->retries, &job->n);
    enter(job, HW_RUNNING, now_ns + w->release->vm.timeout_ms * 1000000);
    HW_CRASH_POINT("before-handler");
    rc = hw_vm_handle(w->vm, &job->n, now_ns);
    HW_CRASH_POINT("after-handler");
    HW_STOP_POINT("after-handler");
    return rc;
}

/* A Lua state that a handler has filled up is replaced, between jobs. */
static void rest(struct hw_worker *w)
{
    char why[512];
    bool full = hw_vm_rest(w->vm);
    hw_worker_tidy(w);
    if (!full)
        return;
    struct hw_vm *fresh = hw_vm_new(&w->release->vm, w->release->bundle, why, sizeof why);
    if (!fresh) {
        hw_log_say(HW_LOG_ERROR, "a Lua state over half of vm_memory could not be replaced: %s",
                   why);
        return;
    }
    hw_vm_free(w->vm);
    w->vm = fresh;
    hw_log_say(HW_LOG_WARN, "a Lua state stayed over half of vm_memory and was replaced");
}

static void load_row(struct hw_worker *w, struct hw_job *job)
{
    int rc = hw_ledger_load(w->shared->ledger, w->reader, &job->n);
    if (rc == HW_ENOMEM)
        hw_notification_starve(&job->n);
    else if (hw_notification_fail(&job->n, rc) == HW_ENOT_FOUND)
        job->n.outcome.reason = HW_STR("no such row in the ledger, or its body was not kept");
}

/* A row that fell due may have run meanwhile, as a delivery or as a replay, or it was removed. With
 * the body as identity another row may be known in its place: what that one came to holds for this
 * one too. */
static int look_up_due(struct hw_worker *w, struct hw_job *job)
{
    struct hw_known *known = &job->n.known;
    int rc = hw_ledger_look_up(w->shared->ledger, w->reader, &job->n.identity, known);
    if (rc || known->row == 0)
        return drop(job, rc ? rc : HW_ENOT_FOUND);
    if (known->row == job->n.from_row)
        return known->next_run_at == job->due_at ? 0 : drop(job, HW_ENOT_FOUND);
    known->row = job->n.from_row;
    job->n.outcome.unhandled = known->state == HW_UNHANDLED;
    return known->state == HW_SUCCEEDED || known->state == HW_UNHANDLED ? SETTLED : 0;
}

static int look_up_again(struct hw_worker *w, struct hw_job *job)
{
    if (job->due_at)
        return look_up_due(w, job);
    int rc = look_up(w, job);
    if (!job->n.force || rc != SETTLED)
        return rc;
    job->n.outcome.from_ledger = false;
    job->n.known.row = job->n.from_row;
    return 0;
}

/* A revived job comes here twice. The first time it is loaded, so that the leader knows its
 * identity and keeps copies of it from running; the second time it runs. It was verified when it
 * first came. */
static void run_again(struct hw_worker *w, struct hw_job *job)
{
    if (!job->n.body.ptr) {
        load_row(w, job);
        return;
    }
    job->n.outcome.authentic = true;
    if (look_up_again(w, job) == 0 && stand_back(w, job) == 0 && decode(w, job) == 0 &&
        stand_aside(w, job) == 0 && match(w, job) == 0 && record_start(w, job) == 0)
        handle(w, job);
}

/* Its start is recorded, by this job, and it was verified before that. */
static void run_started(struct hw_worker *w, struct hw_job *job)
{
    job->n.outcome.authentic = true;
    if (stand_back(w, job) == 0 && decode(w, job) == 0 && match(w, job) == 0)
        handle(w, job);
}

/* The ledger has what it is a copy of; if that was removed just now, its sender tries again. */
static int keep_clear(struct hw_job *job)
{
    return job->beside ? drop(job, HW_EOVERLOADED) : 0;
}

static void run(struct hw_worker *w, struct hw_job *job)
{
    if (verify(w, job) == 0 && look_up(w, job) == 0 && keep_clear(job) == 0 &&
        stand_back(w, job) == 0 && decode(w, job) == 0 && match(w, job) == 0 &&
        accept_first(w, job) == 0 && stand_aside(w, job) == 0 && record_start(w, job) == 0)
        handle(w, job);
}

/* ---- with a ledger that hosts share ---- */

/* It is not started until it is claimed, and that waits for the network, without a worker. */
static void run_to_claim(struct hw_worker *w, struct hw_job *job)
{
    job->to_claim = verify(w, job) == 0;
}

/* Whatever it comes to is recorded, since that lets its row go. Nothing is held: it has its row, and
 * an outcome that can't be written now is kept until it can. */
static void run_claimed(struct hw_worker *w, struct hw_job *job)
{
    job->n.outcome.authentic = true;
    if (decode(w, job) == 0 && match(w, job) == 0 && accept_first(w, job) == 0 &&
        (job->n.started || let_pass(w, job) == 0))
        handle(w, job);
}

static void run_stages(struct hw_worker *w, struct hw_job *job)
{
    if (job->n.claim == HW_CLAIM_MINE)
        run_claimed(w, job);
    else if (job->n.started)
        run_started(w, job);
    else if (hw_ledger_claims(w->shared->ledger))
        run_to_claim(w, job);
    else if (job->n.from_row)
        run_again(w, job);
    else
        run(w, job);
}

void hw_stages_run(struct hw_worker *w, struct hw_job *job)
{
    hw_worker_renew(w);
    job->n.outcome.taken_ns = hw_now_ns();
    enter(job, HW_CHECKING, job->n.outcome.taken_ns + LEDGER_NS);
    memcpy(job->n.version, w->release->version, sizeof job->n.version);
    run_stages(w, job);
    job->n.outcome.finished_ns = hw_now_ns();
    enter(job, job->to_claim ? HW_CHECKING : HW_SETTLING, job->n.outcome.finished_ns + LEDGER_NS);
    rest(w);
    atomic_store_explicit(&w->vm_memory, hw_vm_memory(w->vm), memory_order_relaxed);
    hw_worker_renew(w); /* the next job may be long in coming */
}
