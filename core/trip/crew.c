/* crew.c -- see crew.h */
#include "trip/crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/sigpipe.h"
#include "trip/threads.h"
#include "trip/watchdog.h"

enum { SETTLE_MAX = 32 /* outcomes that may wait for a leader while jobs are ready */ };

/* ---- running a job ---- */

static void take_worker_locked(struct hw_thread *t)
{
    if (t->worker)
        return;
    t->worker = t->crew->free_workers;
    t->crew->free_workers = t->worker->next;
    t->worker->untidy = false; /* it is tidied after its job */
}

static void put_worker_locked(struct hw_thread *t)
{
    if (!t->worker)
        return;
    t->worker->next = t->crew->free_workers;
    t->crew->free_workers = t->worker;
    t->worker = NULL;
}

static void begin_locked(struct hw_thread *t)
{
    struct hw_crew *c = t->crew;
    c->running++;
    atomic_store_explicit(&t->inside, ++t->jobs, memory_order_relaxed);
    if (c->watchdog_sleeps) {
        c->watchdog_sleeps = false;
        uv_cond_signal(&c->watchdog_wake);
    }
}

static void end_locked(struct hw_thread *t)
{
    struct hw_crew *c = t->crew;
    c->running -= !t->lost;
    c->lost -= t->lost;
    t->lost = false;
    t->job = NULL;
    c->handled++;
    atomic_store_explicit(&t->inside, 0, memory_order_relaxed);
    if (t->blocked) {
        t->blocked = false;
        c->active++;
    }
}

static void run_job_locked(struct hw_thread *t)
{
    struct hw_crew *c = t->crew;
    take_worker_locked(t);
    struct hw_job *job = t->job = hw_queue_pop(c->ready.head ? &c->ready : &c->ready_last);
    begin_locked(t);
    uv_mutex_unlock(&c->m);
    hw_stages_run(t->worker, job);
    uv_mutex_lock(&c->m);
    end_locked(t);
    hw_queue_push(&c->done, job);
    hw_threads_wake_leader_locked(c);
}

/* ---- tidying a worker ---- */

static struct hw_worker *take_untidy_locked(struct hw_crew *c)
{
    struct hw_worker **link = &c->free_workers;
    while (*link && !(*link)->untidy)
        link = &(*link)->next;
    struct hw_worker *worker = *link;
    if (worker) {
        *link = worker->next;
        worker->untidy = false;
    }
    return worker;
}

/* The watchdog treats it like a job: when it takes long another thread may become active. */
static void tidy_one_locked(struct hw_thread *t)
{
    struct hw_crew *c = t->crew;
    put_worker_locked(t);
    t->worker = take_untidy_locked(c);
    c->tidying = t->worker != NULL;
    if (!t->worker)
        return;
    begin_locked(t);
    uv_mutex_unlock(&c->m);
    hw_worker_tidy(t->worker);
    uv_mutex_lock(&c->m);
    end_locked(t);
    put_worker_locked(t);
}

/* ---- leading ---- */

/* One at a time, without m: a thread that was not replaced may come back meanwhile and be given up
 * again. */
static void tell_lost_locked(struct hw_crew *c)
{
    while (c->news) {
        struct hw_thread *t = c->news;
        struct hw_job *job = t->lost_job;
        bool replaced = t->replaced;
        c->news = t->news;
        t->is_news = false;
        uv_mutex_unlock(&c->m);
        c->config.lost(c->config.owner, job, replaced);
        uv_mutex_lock(&c->m);
    }
}

/* Leader only. */
static void take_fresh_locked(struct hw_crew *c)
{
    hw_queue_move_all(&c->fresh, &c->ready);
    hw_queue_move_all(&c->fresh_last, &c->ready_last);
}

/* Settles what is done, then runs the loop once, which blocks only if there is nothing else to
 * do. */
static void turn_locked(struct hw_crew *c)
{
    tell_lost_locked(c);
    struct hw_job *done = hw_queue_take_all(&c->done); /* after tell_lost */
    uv_run_mode mode = UV_RUN_NOWAIT;
    if (!done && !hw_threads_can_run_locked(c) && !c->tidying) {
        c->polling = true;
        mode = UV_RUN_ONCE;
    }
    uv_mutex_unlock(&c->m);
    if (done)
        c->config.settle(c->config.owner, done);
    uv_run(c->config.loop, mode);
    uv_mutex_lock(&c->m);
    c->polling = c->woken = false;
    take_fresh_locked(c);
}

static void lead_locked(struct hw_thread *t)
{
    struct hw_crew *c = t->crew;
    sigset_t before;
    c->leader = t;
    c->leads++;
    c->lead_wanted = false;
    if (c->config.guard)
        hw_sigpipe_block(&before);
    do
        turn_locked(c);
    while (!c->stopping && (c->done.head || !(hw_threads_can_run_locked(c) || c->tidying)));
    if (c->config.guard)
        hw_sigpipe_restore(&before);
    c->leader = NULL;
    size_t ready = c->ready.count + c->ready_last.count;
    if (ready > 1 || (ready && c->busy) || c->tidying)
        hw_threads_rouse_locked(c);
}

/* ---- the threads ---- */

static void park_locked(struct hw_thread *t)
{
    struct hw_crew *c = t->crew;
    c->active--;
    t->idle_next = c->idle;
    c->idle = t;
    t->roused = false;
    while (!t->roused)
        uv_cond_wait(&t->wake, &c->m);
}

static bool should_run_locked(const struct hw_thread *t)
{
    const struct hw_crew *c = t->crew;
    if (!hw_threads_has_ready_locked(c) || !(t->worker || c->free_workers))
        return false;
    return c->leader || !(c->lead_wanted || c->done.count >= SETTLE_MAX);
}

/* There is no replacement for a lost thread's worker: it serves again as soon as it is back. */
static void keep_worker_locked(struct hw_thread *lost)
{
    if (lost->lost)
        lost->replaced = false; /* it stays when it comes back */
    else
        put_worker_locked(lost); /* it has come back, and has ended */
}

/* A thread that replaces another one makes a worker of its own. */
static void bring_worker(struct hw_thread *t)
{
    struct hw_crew *c = t->crew;
    char why[512];
    if (!t->model)
        return;
    if (hw_worker_init(&t->own, t->model->shared, t->model->index, why, sizeof why)) {
        hw_log_say(HW_LOG_ERROR, "a worker could not be replaced: %s", why);
        uv_mutex_lock(&c->m);
        keep_worker_locked(t->replaces);
        uv_mutex_unlock(&c->m);
        return;
    }
    uv_mutex_lock(&c->m);
    t->own.next = c->free_workers;
    c->free_workers = &t->own;
    uv_mutex_unlock(&c->m);
}

static void on_thread(void *arg)
{
    struct hw_thread *t = arg;
    struct hw_crew *c = t->crew;
    pthread_setname_np(pthread_self(), "hookward-crew");
    bring_worker(t);
    uv_mutex_lock(&c->m);
    c->active++;
    while (!c->stopping && !t->replaced) {
        if (should_run_locked(t)) {
            run_job_locked(t);
            continue;
        }
        if (c->tidying) {
            tidy_one_locked(t);
            continue;
        }
        put_worker_locked(t);
        if (!c->leader)
            lead_locked(t);
        else
            park_locked(t);
    }
    if (t->replaced)
        c->active--; /* its worker has been replaced as well: nobody takes it again */
    else
        put_worker_locked(t);
    c->alive--;
    uv_cond_broadcast(&c->ended);
    uv_mutex_unlock(&c->m);
}

/* ---- start and stop ---- */

static void on_wake(uv_async_t *async)
{
    (void)async; /* it only ends the poll */
}

/* Runs after the loop's timers, which may have submitted jobs: then the loop must not block in its
 * poll. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct hw_crew *c = prepare->data;
    if (c->fresh.head || c->fresh_last.head)
        uv_async_send(&c->wake);
}

static void init_loop(struct hw_crew *c)
{
    HW_CHECK(uv_async_init(c->config.loop, &c->wake, on_wake) == 0);
    HW_CHECK(uv_prepare_init(c->config.loop, &c->prepare) == 0);
    c->prepare.data = c;
    HW_CHECK(uv_prepare_start(&c->prepare, on_prepare) == 0);
}

static void init_sync(struct hw_crew *c)
{
    HW_CHECK(uv_mutex_init(&c->m) == 0);
    HW_CHECK(uv_cond_init(&c->watchdog_wake) == 0);
    HW_CHECK(uv_cond_init(&c->ended) == 0);
    for (unsigned i = 0; i < c->thread_count; i++) {
        c->threads[i].crew = c;
        HW_CHECK(uv_cond_init(&c->threads[i].wake) == 0);
    }
}

static int start_threads(struct hw_crew *c)
{
    unsigned created = 0; /* m keeps them waiting until all are there */
    uv_mutex_lock(&c->m);
    int rc = uv_thread_create(&c->watchdog, hw_watchdog_run, c);
    c->alive = rc == 0;
    while (rc == 0 && created < c->thread_count) {
        rc = uv_thread_create(&c->threads[created].id, on_thread, &c->threads[created]);
        created += rc == 0;
    }
    c->alive += created;
    c->stopping = rc != 0;
    bool watched = c->alive > created;
    uv_mutex_unlock(&c->m);
    if (rc == 0)
        return 0;
    while (created > 0)
        uv_thread_join(&c->threads[--created].id);
    if (watched)
        uv_thread_join(&c->watchdog);
    return rc;
}

int hw_crew_start(const struct hw_crew_config *config, struct hw_crew **out)
{
    struct hw_crew *c = calloc(1, sizeof *c);
    struct hw_thread *threads = calloc(2 * config->worker_count + 1, sizeof *threads);
    if (!c || !threads) {
        free(c);
        free(threads);
        return UV_ENOMEM;
    }
    c->config = *config;
    c->run = on_thread;
    c->threads = threads;
    c->thread_count = config->worker_count + 1;
    hw_queue_init(&c->fresh);
    hw_queue_init(&c->fresh_last);
    hw_queue_init(&c->ready);
    hw_queue_init(&c->ready_last);
    hw_queue_init(&c->done);
    for (unsigned i = config->worker_count; i-- > 0;) {
        config->workers[i].next = c->free_workers;
        c->free_workers = &config->workers[i];
    }
    init_sync(c);
    init_loop(c);
    *out = c;
    return start_threads(c);
}

void hw_crew_submit(struct hw_crew *crew, struct hw_job *job)
{
    hw_queue_push(job->last_in_line ? &crew->fresh_last : &crew->fresh, job);
}

/* A job that finished after the caller looked is in a queue as well. */
static bool waits_locked(const struct hw_job *job)
{
    return job->link && atomic_load_explicit(&job->progress, memory_order_relaxed) == HW_WAITING;
}

void hw_crew_hurry(struct hw_crew *c, struct hw_job *job)
{
    uv_mutex_lock(&c->m);
    take_fresh_locked(c);
    if (waits_locked(job)) {
        hw_queue_take_out(&c->ready_last, job);
        job->last_in_line = false;
        hw_queue_push(&c->ready, job);
    }
    uv_mutex_unlock(&c->m);
}

bool hw_crew_withdraw(struct hw_crew *c, struct hw_job *job)
{
    uv_mutex_lock(&c->m);
    take_fresh_locked(c);
    bool waits = waits_locked(job);
    if (waits)
        hw_queue_take_out(job->last_in_line ? &c->ready_last : &c->ready, job);
    uv_mutex_unlock(&c->m);
    return waits;
}

void hw_crew_return(struct hw_crew *crew, struct hw_job *jobs)
{
    uv_mutex_lock(&crew->m);
    while (jobs) {
        struct hw_job *next = jobs->next;
        hw_queue_push(&crew->done, jobs);
        jobs = next;
    }
    hw_threads_wake_leader_locked(crew);
    uv_mutex_unlock(&crew->m);
}

void hw_crew_visit_free(struct hw_crew *c, void (*visit)(struct hw_worker *worker))
{
    uv_mutex_lock(&c->m);
    struct hw_worker *first = c->free_workers, *last = NULL;
    c->free_workers = NULL;
    uv_mutex_unlock(&c->m);
    for (struct hw_worker *w = first; w; w = w->next) {
        visit(w);
        last = w;
    }
    if (!last)
        return;
    uv_mutex_lock(&c->m);
    last->next = c->free_workers;
    c->free_workers = first;
    hw_threads_wake_leader_locked(c); /* the caller, before its next poll: jobs may be ready */
    uv_mutex_unlock(&c->m);
}

void hw_crew_tidy_free(struct hw_crew *c)
{
    uv_mutex_lock(&c->m);
    for (struct hw_worker *w = c->free_workers; w; w = w->next)
        w->untidy = c->tidying = true;
    hw_threads_wake_leader_locked(c); /* the caller, before its next poll */
    uv_mutex_unlock(&c->m);
}

void hw_crew_load(struct hw_crew *c, struct hw_crew_load *load)
{
    size_t fresh = c->fresh.count + c->fresh_last.count;
    uv_mutex_lock(&c->m);
    load->queued = fresh + c->ready.count + c->ready_last.count;
    load->running = c->running;
    uv_mutex_unlock(&c->m);
}

void hw_crew_stop(struct hw_crew *c)
{
    uv_mutex_lock(&c->m);
    c->stopping = true;
    for (struct hw_thread *t = c->idle, *next; t; t = next) {
        next = t->idle_next;
        t->roused = true;
        uv_cond_signal(&t->wake);
    }
    c->idle = NULL;
    hw_threads_wake_leader_locked(c); /* which may be the caller, before its next poll */
    uv_cond_signal(&c->watchdog_wake);
    uv_cond_broadcast(&c->ended);
    uv_mutex_unlock(&c->m);
}

unsigned hw_crew_join(struct hw_crew *c, unsigned ms)
{
    uv_mutex_lock(&c->m);
    while (!c->stopping)
        uv_cond_wait(&c->ended, &c->m);
    uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;
    for (uint64_t now = uv_hrtime(); c->alive > c->lost && now < until; now = uv_hrtime())
        uv_cond_timedwait(&c->ended, &c->m, until - now);
    unsigned alive = c->alive;
    uv_mutex_unlock(&c->m);
    if (alive)
        return alive;
    uv_thread_join(&c->watchdog);
    for (unsigned i = 0; i < c->thread_count; i++)
        uv_thread_join(&c->threads[i].id);
    return 0;
}

struct hw_job *hw_crew_take_done(struct hw_crew *c)
{
    uv_mutex_lock(&c->m);
    struct hw_job *done = hw_queue_take_all(&c->done);
    uv_mutex_unlock(&c->m);
    return done;
}

struct hw_job *hw_crew_take_rest(struct hw_crew *c)
{
    uv_mutex_lock(&c->m);
    hw_queue_move_all(&c->done, &c->ready);
    take_fresh_locked(c);
    hw_queue_move_all(&c->ready_last, &c->ready);
    struct hw_job *rest = hw_queue_take_all(&c->ready);
    uv_mutex_unlock(&c->m);
    return rest;
}

void hw_crew_free(struct hw_crew *c)
{
    for (unsigned i = 0; i < c->thread_count; i++) {
        uv_cond_destroy(&c->threads[i].wake);
        if (c->threads[i].model)
            hw_worker_fini(&c->threads[i].own);
    }
    uv_cond_destroy(&c->watchdog_wake);
    uv_cond_destroy(&c->ended);
    uv_mutex_destroy(&c->m);
    free(c->threads);
    free(c);
}
