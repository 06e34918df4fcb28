/* watchdog.c -- see watchdog.h */
#include "trip/watchdog.h"

#include <pthread.h>
#include <time.h>

#include "base/check.h"
#include "trip/threads.h"

enum {
    TICK_NS = 1000000, /* between two looks at the threads */
    CALM_TICKS = 20,   /* ticks without a job until the watchdog goes to sleep */
    BUSY_JOBS = 4,     /* jobs in a tick; from then on a second thread is worth its wake-up */
    JUDGE_TICKS = 64   /* between two looks at the threads whose job is overdue */
};

/* The lost thread keeps its code, its Lua state and its job: nothing can take them away. */
static bool replace_locked(struct hw_crew *c, struct hw_thread *lost)
{
    struct hw_thread *t = &c->threads[c->thread_count];
    if (c->thread_count == 2 * c->config.worker_count + 1)
        return false;
    t->crew = c;
    t->replaces = lost;
    t->model = lost->worker;
    HW_CHECK(uv_cond_init(&t->wake) == 0);
    if (uv_thread_create(&t->id, c->run, t)) {
        uv_cond_destroy(&t->wake);
        return false;
    }
    c->thread_count++;
    c->alive++;
    return true;
}

static void give_up_locked(struct hw_thread *t)
{
    struct hw_crew *c = t->crew;
    t->lost = true;
    t->lost_job = t->job;
    t->replaced = replace_locked(c, t);
    if (!t->is_news) { /* otherwise it came back before the leader was told; that job is done */
        t->news = c->news;
        c->news = t;
    }
    t->is_news = true;
    c->lost++;
    c->running--;
    hw_threads_wake_leader_locked(c);
}

static uint64_t computed_ns(const struct hw_thread *t)
{
    clockid_t clock;
    struct timespec spent = {0};
    if (pthread_getcpuclockid(t->id, &clock) == 0)
        clock_gettime(clock, &spent);
    return (uint64_t)spent.tv_sec * 1000000000 + (uint64_t)spent.tv_nsec + 1;
}

/* A loop that can't be stopped uses CPU time; a call that waits uses none, and may return. CPU time
 * counts rather than elapsed time, since on a busy machine a thread may be scheduled late. */
static void judge_locked(struct hw_thread *t)
{
    if (!t->blocked || t->lost || !t->job) /* without a job it tidies a worker */
        return;
    if (hw_now_ns() < atomic_load_explicit(&t->job->due_ns, memory_order_relaxed)) {
        t->spin_from_ns = 0;
        return;
    }
    uint64_t computed = computed_ns(t);
    if (!t->spin_from_ns)
        t->spin_from_ns = computed;
    else if (computed - t->spin_from_ns >= t->crew->config.spin_ms * 1000000ull)
        give_up_locked(t);
}

/* A thread that is inside the same job as a tick ago is blocked or computes for long; either way
 * another one may take its place. If there was no leader for a whole tick, one is asked for. */
static void look_locked(struct hw_crew *c, bool judges, uint64_t *leads_before)
{
    for (unsigned i = 0; i < c->thread_count; i++) {
        struct hw_thread *t = &c->threads[i];
        uint64_t inside = atomic_load_explicit(&t->inside, memory_order_relaxed);
        if (inside && inside == t->inside_before && !t->blocked) {
            t->blocked = true;
            t->spin_from_ns = 0;
            c->active--;
        }
        t->inside_before = inside;
        if (judges)
            judge_locked(t);
    }
    c->busy = c->handled >= BUSY_JOBS;
    c->handled = 0;
    c->lead_wanted = !c->leader && c->leads == *leads_before;
    *leads_before = c->leads;
    hw_threads_rouse_locked(c);
}

void hw_watchdog_run(void *arg)
{
    struct hw_crew *c = arg;
    uint64_t leads_before = 0;
    unsigned calm = 0, ticks = 0;
    pthread_setname_np(pthread_self(), "hookward-watch");
    uv_mutex_lock(&c->m);
    while (!c->stopping) {
        calm = c->running ? 0 : calm + 1;
        if (calm < CALM_TICKS) {
            uv_cond_timedwait(&c->watchdog_wake, &c->m, TICK_NS);
        } else {
            c->watchdog_sleeps = true;
            uv_cond_wait(&c->watchdog_wake, &c->m);
            calm = 0;
        }
        look_locked(c, ++ticks % JUDGE_TICKS == 0, &leads_before);
    }
    c->alive--;
    uv_cond_broadcast(&c->ended);
    uv_mutex_unlock(&c->m);
}
