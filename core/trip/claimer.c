/* claimer.c -- see claimer.h */
#include "trip/claimer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <uv.h>

#include "base/check.h"
#include "base/sigpipe.h"
#include "script/event_name.h"

struct hw_claimer {
    /* constant after start */
    struct hw_ledger *ledger;
    hw_claimed_fn *claimed;
    void *owner;
    uv_thread_t thread;

    /* guarded by m */
    uv_mutex_t m;
    uv_cond_t filled;
    struct hw_job *first, **last;
    bool waiting, stopping;

    /* atomic: the claim thread writes, any thread reads */
    _Atomic uint64_t pulse;
};

/* ---- a batch ---- */

/* Its body is not decoded, so the name of its event is searched for: the report needs it. */
static void find_event(struct hw_notification *n)
{
    if (!n->event.ptr)
        n->event = hw_event_name_find(n->body);
}

static void read_known(struct hw_notification *n)
{
    n->outcome.authentic = n->outcome.from_ledger = true;
    if (!n->known.row)
        n->known.row = n->row;
    find_event(n);
}

static void read_none(struct hw_notification *n)
{
    n->claim = HW_CLAIM_NONE;
    find_event(n);
    if (!n->outcome.code)
        n->outcome.code = HW_ELEDGER_UNAVAILABLE;
    if (n->outcome.code == HW_ENOT_FOUND && !n->outcome.reason.ptr)
        n->outcome.reason = HW_STR("no such row in the ledger, or its body was not kept");
}

/* One that was this host's before stays so if it could not be claimed again: it has to be given
 * back. */
static void read_answer(struct hw_job *job, int rc)
{
    struct hw_notification *n = &job->n;
    if (rc)
        n->outcome.code = rc;
    if (n->claim == HW_CLAIM_NONE || (rc && n->claim != HW_CLAIM_MINE))
        read_none(n);
    else if (n->claim == HW_CLAIM_KNOWN)
        read_known(n);
    if (n->outcome.code || n->claim == HW_CLAIM_KNOWN)
        n->outcome.finished_ns = hw_now_ns();
    job->to_claim = false;
    job->asked = true;
}

struct hw_job *hw_claim_batch(struct hw_ledger *ledger, struct hw_job *jobs)
{
    struct hw_notification *batch[HW_LEDGER_BATCH_MAX];
    struct hw_job *job = jobs, *last = NULL;
    size_t count = 0;
    for (; job && count < HW_LEDGER_BATCH_MAX; job = job->next) {
        batch[count++] = &job->n;
        last = job;
    }
    last->next = NULL;
    int rc = ledger->type->claim(ledger, batch, count);
    for (struct hw_job *each = jobs; each; each = each->next)
        read_answer(each, rc);
    return job;
}

/* ---- the thread ---- */

static void beat(struct hw_claimer *c)
{
    uint64_t pulse = atomic_load_explicit(&c->pulse, memory_order_relaxed);
    atomic_store_explicit(&c->pulse, pulse + 1, memory_order_relaxed);
}

static struct hw_job *take_all_locked(struct hw_claimer *c)
{
    struct hw_job *jobs = c->first;
    c->first = NULL;
    c->last = &c->first;
    return jobs;
}

/* Returns the jobs that wait, or NULL when the thread should end. */
static struct hw_job *wait_for_jobs(struct hw_claimer *c)
{
    uv_mutex_lock(&c->m);
    while (!c->first && !c->stopping) {
        c->waiting = true;
        uv_cond_wait(&c->filled, &c->m);
        c->waiting = false;
        beat(c);
    }
    struct hw_job *jobs = c->stopping ? NULL : take_all_locked(c);
    uv_mutex_unlock(&c->m);
    return jobs;
}

static bool is_stopping(struct hw_claimer *c)
{
    uv_mutex_lock(&c->m);
    bool stopping = c->stopping;
    uv_mutex_unlock(&c->m);
    return stopping;
}

static void refuse(struct hw_claimer *c, struct hw_job *jobs)
{
    for (struct hw_job *job = jobs; job; job = job->next)
        read_answer(job, HW_EDRAINING);
    if (jobs)
        c->claimed(c->owner, jobs);
}

static void on_thread(void *arg)
{
    struct hw_claimer *c = arg;
    pthread_setname_np(pthread_self(), "hookward-claim");
    hw_sigpipe_block_for_good();
    for (struct hw_job *jobs; (jobs = wait_for_jobs(c));) {
        while (jobs && !is_stopping(c)) {
            struct hw_job *done = jobs;
            jobs = hw_claim_batch(c->ledger, done);
            beat(c);
            c->claimed(c->owner, done);
        }
        refuse(c, jobs);
    }
    uv_mutex_lock(&c->m);
    struct hw_job *rest = take_all_locked(c);
    uv_mutex_unlock(&c->m);
    refuse(c, rest);
}

static void give_back(struct hw_claimer *c)
{
    uv_cond_destroy(&c->filled);
    uv_mutex_destroy(&c->m);
    free(c);
}

struct hw_claimer *hw_claimer_start(struct hw_ledger *ledger, hw_claimed_fn *claimed, void *owner)
{
    struct hw_claimer *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->ledger = ledger;
    c->claimed = claimed;
    c->owner = owner;
    c->last = &c->first;
    HW_CHECK(uv_mutex_init(&c->m) == 0);
    HW_CHECK(uv_cond_init(&c->filled) == 0);
    int rc = uv_thread_create(&c->thread, on_thread, c);
    if (rc == 0)
        return c;
    give_back(c);
    errno = -rc;
    return NULL;
}

void hw_claimer_put(struct hw_claimer *c, struct hw_job *jobs)
{
    uv_mutex_lock(&c->m);
    *c->last = jobs;
    while (*c->last)
        c->last = &(*c->last)->next;
    if (c->waiting)
        uv_cond_signal(&c->filled);
    uv_mutex_unlock(&c->m);
}

uint64_t hw_claimer_pulse(const struct hw_claimer *c)
{
    return atomic_load_explicit(&c->pulse, memory_order_relaxed);
}

void hw_claimer_knock(struct hw_claimer *c)
{
    uv_mutex_lock(&c->m);
    if (c->waiting)
        uv_cond_signal(&c->filled);
    uv_mutex_unlock(&c->m);
}

void hw_claimer_stop(struct hw_claimer *c)
{
    uv_mutex_lock(&c->m);
    c->stopping = true;
    uv_cond_signal(&c->filled);
    uv_mutex_unlock(&c->m);
    uv_thread_join(&c->thread);
    give_back(c);
}
