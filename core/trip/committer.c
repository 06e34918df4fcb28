/* committer.c -- see committer.h */
#include "trip/committer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/sigpipe.h"

enum {
    TEND_NS = 1000000000,    /* between two rounds of tending the ledger */
    TEND_SOON_NS = 20000000, /* the same, while there is more to do */
};

struct hw_committer {
    /* constant after start */
    struct hw_ledger *ledger;
    hw_committed_fn *committed;
    void *owner;
    uv_thread_t thread;

    /* guarded by m */
    uv_mutex_t m;
    uv_cond_t filled;
    struct hw_job *first, **last;
    size_t count, running; /* jobs in the list; jobs that are still with the crew */
    bool waiting, gathering, stopping;

    /* atomic: the ledger thread writes, any thread reads */
    _Atomic uint64_t pulse;
};

/* Between two pieces of work, of which each may wait for the disk. */
static void beat(struct hw_committer *c)
{
    uint64_t pulse = atomic_load_explicit(&c->pulse, memory_order_relaxed);
    atomic_store_explicit(&c->pulse, pulse + 1, memory_order_relaxed);
}

static void note_commit(struct hw_ledger *ledger, int rc, size_t count, uint64_t ns)
{
    if (rc) {
        hw_histogram_raise(&ledger->commits_failed, 1);
        return;
    }
    hw_histogram_add(&ledger->commit_times, ns);
    hw_histogram_add(&ledger->batch_sizes, count);
}

/* Commits the records of a list's first jobs, at most a batch. *link is where the list goes on
 * behind them. */
static int commit_first(struct hw_ledger *ledger, struct hw_job **jobs, struct hw_job ***link)
{
    struct hw_notification *batch[HW_LEDGER_BATCH_MAX];
    size_t count = 0;
    for (; *jobs && count < HW_LEDGER_BATCH_MAX; jobs = &(*jobs)->next)
        batch[count++] = &(*jobs)->n;
    *link = jobs;
    uint64_t began_ns = hw_now_ns();
    int rc = hw_ledger_commit(ledger, batch, count);
    note_commit(ledger, rc, count, hw_now_ns() - began_ns);
    if (!hw_ledger_claims(ledger)) /* one that hosts share knows by itself when it is away */
        hw_ledger_set_health(ledger, rc ? HW_LEDGER_FAILED : HW_LEDGER_WELL);
    return rc;
}

int hw_commit_held(struct hw_ledger *ledger, struct hw_job *jobs)
{
    struct hw_job **link;
    return commit_first(ledger, &jobs, &link);
}

/* A repeat that could not be counted has its answer all the same, but for a good one from a ledger
 * that hosts share: what it read may have been committed without the standby, and be lost with a
 * failover. To count it is a commit that comes after that one. */
static bool keeps_answer(const struct hw_ledger *ledger, const struct hw_notification *n)
{
    return n->outcome.from_ledger && (n->outcome.code || !hw_ledger_claims(ledger));
}

/* One whose start was recorded goes on, and so does one that was accepted; the others are done. With one
 * that another host has by now nothing was recorded. */
static void mark(const struct hw_ledger *ledger, struct hw_job *job, int rc)
{
    if (job->n.fenced)
        rc = HW_ELEDGER_UNAVAILABLE;
    job->let_go = (job->starting || job->accepting) && rc == 0;
    job->n.started = job->let_go && job->n.state == HW_STARTED;
    job->n.accepted = job->n.accepted && !(job->accepting && rc);
    job->committed = !job->let_go;
    job->starting = job->accepting = false;
    if (rc && !keeps_answer(ledger, &job->n)) {
        job->n.outcome.code = rc;
        job->n.outcome.reason = HW_STR_NONE;
    }
}

struct hw_job *hw_commit_batch(struct hw_ledger *ledger, struct hw_job *jobs)
{
    struct hw_job **link;
    int rc = commit_first(ledger, &jobs, &link);
    struct hw_job *rest = *link;
    *link = NULL;
    for (struct hw_job *job = jobs; job; job = job->next)
        mark(ledger, job, rc);
    return rest;
}

static bool is_held(const struct hw_job *job)
{
    return job->n.outcome.held;
}

static bool is_errand(const struct hw_job *job)
{
    return job->purge || job->pick || job->pause;
}

/* Takes the jobs of one kind out of a list; both lists keep their order. */
static struct hw_job *take(struct hw_job **jobs, bool (*is_one)(const struct hw_job *job))
{
    struct hw_job *taken = NULL, **last = &taken;
    while (*jobs) {
        struct hw_job *job = *jobs;
        if (!is_one(job)) {
            jobs = &job->next;
            continue;
        }
        *jobs = job->next;
        *last = job;
        last = &job->next;
    }
    *last = NULL;
    return taken;
}

void hw_commit_pause(struct hw_ledger *ledger, struct hw_job *job)
{
    job->n.outcome.code = ledger->type->pause(ledger, job->pause);
    if (!job->n.outcome.code)
        job->n.outcome.reason = job->pause->changed ? HW_STR("changed") : HW_STR("unchanged");
    else if (job->n.outcome.code == HW_EOVERLOADED)
        job->n.outcome.reason = HW_STR("256 patterns are paused: resume one first");
}

/* ---- purges ---- */

static void purge(struct hw_ledger *ledger, struct hw_job *job)
{
    char text[64];
    job->n.outcome.code = ledger->type->purge(ledger, job->purge);
    snprintf(text, sizeof text, "%zu %zu", job->purge->removed, job->purge->looked_at);
    if (!job->n.outcome.code)
        job->n.outcome.reason = hw_arena_copy(&job->arena, hw_str_of(text));
}

static void run_errands(struct hw_committer *c, struct hw_job *jobs)
{
    for (struct hw_job *job = jobs; job; job = job->next) {
        job->committed = true;
        if (job->purge)
            purge(c->ledger, job);
        else if (job->pause)
            hw_commit_pause(c->ledger, job);
        else
            job->n.outcome.code = c->ledger->type->pick(c->ledger, job->pick);
        beat(c);
    }
    c->committed(c->owner, jobs);
}

/* ---- what is held until the ledger can be written ---- */

/* Lets all of them go if the ledger can be written again, otherwise refuses them. Their own rows
 * are the best test, since there must be room for just these. */
static void settle_held(struct hw_committer *c, struct hw_job *held)
{
    if (hw_ledger_health(c->ledger) != HW_LEDGER_WELL)
        hw_commit_held(c->ledger, held);
    bool back = hw_ledger_health(c->ledger) == HW_LEDGER_WELL;
    for (struct hw_job *job = held; job; job = job->next) {
        job->let_go = back;
        job->committed = !back;
    }
    c->committed(c->owner, held);
}

/* ---- the thread ---- */

static struct hw_job *take_all_locked(struct hw_committer *c)
{
    struct hw_job *jobs = c->first;
    c->first = NULL;
    c->last = &c->first;
    c->count = 0;
    return jobs;
}

static void tend(struct hw_committer *c, bool idle, uint64_t *wait_ns)
{
    bool more = c->ledger->type->tend && c->ledger->type->tend(c->ledger, idle);
    *wait_ns = more ? TEND_SOON_NS : TEND_NS;
    beat(c);
}

static bool is_enough_locked(const struct hw_committer *c)
{
    return c->stopping || c->count >= c->running || c->count >= HW_LEDGER_BATCH_MAX;
}

/* With one notification at a time waiting gains nothing, and there is none. */
static void gather_locked(struct hw_committer *c)
{
    uint64_t until = uv_hrtime() + HW_GROUP_WAIT_US * 1000;
    c->gathering = true;
    for (uint64_t now = 0; !is_enough_locked(c) && (now = uv_hrtime()) < until;)
        uv_cond_timedwait(&c->filled, &c->m, until - now);
    c->gathering = false;
}

/* Sleeps until there are jobs, or until somebody knocks, or until `until`. */
static void doze_locked(struct hw_committer *c, uint64_t until)
{
    uint64_t now = uv_hrtime();
    c->waiting = true;
    if (now < until)
        uv_cond_timedwait(&c->filled, &c->m, until - now);
    c->waiting = false;
    beat(c);
}

/* Returns the jobs that wait, or NULL when the thread should end. */
static struct hw_job *wait_for_jobs(struct hw_committer *c, uint64_t *wait_ns)
{
    uint64_t until = uv_hrtime() + *wait_ns;
    uv_mutex_lock(&c->m);
    while (!c->first && !c->stopping) {
        doze_locked(c, until);
        if (c->first || c->stopping || uv_hrtime() < until)
            continue;
        uv_mutex_unlock(&c->m);
        tend(c, true, wait_ns);
        until = uv_hrtime() + *wait_ns;
        uv_mutex_lock(&c->m);
    }
    gather_locked(c);
    struct hw_job *jobs = take_all_locked(c);
    uv_mutex_unlock(&c->m);
    return jobs;
}

/* Under load, or with an errand a second, there is no idle moment, so retention runs by the clock. */
static void tend_between(struct hw_committer *c, uint64_t *wait_ns, uint64_t *tended)
{
    bool due = uv_hrtime() - *tended > *wait_ns;
    uint64_t unchanged;
    tend(c, due, due ? wait_ns : &unchanged);
    if (due)
        *tended = uv_hrtime();
}

static void on_thread(void *arg)
{
    struct hw_committer *c = arg;
    uint64_t wait_ns = TEND_SOON_NS, tended = uv_hrtime();
    pthread_setname_np(pthread_self(), "hookward-ledger");
    hw_sigpipe_block_for_good();
    for (struct hw_job *jobs; (jobs = wait_for_jobs(c, &wait_ns));) {
        struct hw_job *held = take(&jobs, is_held), *errands = take(&jobs, is_errand);
        while (jobs) {
            struct hw_job *done = jobs;
            jobs = hw_commit_batch(c->ledger, done);
            beat(c);
            c->committed(c->owner, done);
            tend_between(c, &wait_ns, &tended);
        }
        if (held)
            settle_held(c, held);
        beat(c);
        if (errands) {
            run_errands(c, errands);
            tend_between(c, &wait_ns, &tended);
        }
    }
}

static void give_back(struct hw_committer *c)
{
    uv_cond_destroy(&c->filled);
    uv_mutex_destroy(&c->m);
    free(c);
}

struct hw_committer *hw_committer_start(struct hw_ledger *ledger, hw_committed_fn *committed,
                                        void *owner)
{
    struct hw_committer *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->ledger = ledger;
    c->committed = committed;
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

void hw_committer_put(struct hw_committer *c, struct hw_job *jobs, size_t running)
{
    uv_mutex_lock(&c->m);
    *c->last = jobs;
    for (; *c->last; c->count++)
        c->last = &(*c->last)->next;
    c->running = running;
    if (c->waiting || (c->gathering && is_enough_locked(c)))
        uv_cond_signal(&c->filled);
    uv_mutex_unlock(&c->m);
}

uint64_t hw_committer_pulse(const struct hw_committer *c)
{
    return atomic_load_explicit(&c->pulse, memory_order_relaxed);
}

void hw_committer_knock(struct hw_committer *c)
{
    uv_mutex_lock(&c->m);
    if (c->waiting)
        uv_cond_signal(&c->filled);
    uv_mutex_unlock(&c->m);
}

void hw_committer_stop(struct hw_committer *c)
{
    uv_mutex_lock(&c->m);
    c->stopping = true;
    uv_cond_signal(&c->filled);
    uv_mutex_unlock(&c->m);
    uv_thread_join(&c->thread);
    give_back(c);
}
