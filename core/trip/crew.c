/* crew.c -- see crew.h */
#include "trip/crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/log.h"
#include "base/sigpipe.h"
#include "trip/queue.h"

enum {
    TICK_NS = 1000000, /* the watchdog's look at the threads */
    CALM_TICKS = 20,   /* ticks without a job until the watchdog goes to sleep */
    BUSY_JOBS = 4,     /* jobs in a tick from which on a second thread is worth its wake-up */
    SETTLE_MAX = 32,   /* answers that may wait for a leader while jobs are ready */
    JUDGE_TICKS = 64   /* between two looks at the threads whose job is overdue */
};

struct thread {
    /* constant after start */
    struct hw_crew *crew;
    uv_thread_t id;

    /* this thread only */
    struct hw_worker *worker;
    uint64_t jobs; /* counts up */

    /* atomic: the number of the job that it is inside of, 0 for none */
    _Atomic uint64_t inside;

    /* watchdog only */
    uint64_t inside_before;
    uint64_t
        spin_from_ns; /* what it had computed when its job was first seen overdue; 0: it is not */

    /* constant after start: of a thread that takes another one's place */
    struct thread *replaces;
    const struct hw_worker *model;

    /* this thread only, until it is among the free ones */
    struct hw_worker own; /* made as `model` was */

    /* guarded by m */
    struct thread *idle_next;
    bool blocked; /* not counted as active: inside one job for over a tick */
    bool roused;
    struct hw_job *job;      /* that it is inside of; NULL: it tidies */
    bool lost, replaced;     /* it was given up */
    bool is_news;            /* among those that the leader has to hear of */
    struct thread *news;     /* the next of them */
    struct hw_job *lost_job; /* what it was in */
    uv_cond_t wake;
};

struct hw_crew {
    /* constant after start */
    struct hw_crew_config config;
    struct thread
        *threads; /* room for those, too, that replace others: as many as there are workers */
    uv_thread_t watchdog;

    /* leader only */
    struct hw_queue fresh; /* cut since the leader last held m */
    uv_prepare_t prepare;

    /* guarded by m */
    uv_mutex_t m;
    struct hw_queue ready, done;
    struct hw_worker *free_workers;
    struct thread *idle; /* the last to park is the first to be roused: its cache is warm */
    struct thread *leader;
    unsigned thread_count;
    unsigned active, running, alive, lost;
    struct thread *news;
    unsigned ticks;      /* of the watchdog */
    unsigned handled;    /* jobs since the last tick */
    bool busy;           /* the last tick had BUSY_JOBS or more */
    uint64_t leads;      /* how often the lead was taken */
    bool polling, woken; /* the leader may sleep in the loop; it was sent a wake-up */
    bool lead_wanted;
    bool tidying; /* some free workers may be untidy */
    bool watchdog_sleeps;
    bool stopping;
    uv_cond_t watchdog_wake, ended;

    /* any thread: uv_async_send is made for that */
    uv_async_t wake;
};

/* ---- who is awake ---- */

static bool can_run_locked(const struct hw_crew *c)
{
    return c->ready.head && c->free_workers;
}

/* Lets one more thread join, if there is something for it to do and a core for it to run on. */
static void rouse_locked(struct hw_crew *c)
{
    struct thread *t = c->idle;
    if (!t || c->active >= c->config.active_max || (c->leader && !can_run_locked(c)))
        return;
    c->idle = t->idle_next;
    c->active++;
    t->roused = true;
    uv_cond_signal(&t->wake);
}

static void park_locked(struct thread *t)
{
    struct hw_crew *c = t->crew;
    c->active--;
    t->idle_next = c->idle;
    c->idle = t;
    t->roused = false;
    while (!t->roused)
        uv_cond_wait(&t->wake, &c->m);
}

static void wake_leader_locked(struct hw_crew *c)
{
    if (!c->polling || c->woken)
        return;
    c->woken = true;
    uv_async_send(&c->wake);
}

/* ---- running a job ---- */

static void take_worker_locked(struct thread *t)
{
    if (t->worker)
        return;
    t->worker = t->crew->free_workers;
    t->crew->free_workers = t->worker->next;
    t->worker->untidy = false; /* it is tidied behind its job */
}

static void put_worker_locked(struct thread *t)
{
    if (!t->worker)
        return;
    t->worker->next = t->crew->free_workers;
    t->crew->free_workers = t->worker;
    t->worker = NULL;
}

static void begin_locked(struct thread *t)
{
    struct hw_crew *c = t->crew;
    c->running++;
    atomic_store_explicit(&t->inside, ++t->jobs, memory_order_relaxed);
    if (c->watchdog_sleeps) {
        c->watchdog_sleeps = false;
        uv_cond_signal(&c->watchdog_wake);
    }
}

static void end_locked(struct thread *t)
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

static void run_job_locked(struct thread *t)
{
    struct hw_crew *c = t->crew;
    take_worker_locked(t);
    struct hw_job *job = t->job = hw_queue_pop(&c->ready);
    begin_locked(t);
    uv_mutex_unlock(&c->m);
    hw_stages_run(t->worker, job);
    uv_mutex_lock(&c->m);
    end_locked(t);
    hw_queue_push(&c->done, job);
    wake_leader_locked(c);
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

/* To the watchdog it is a job: others have their turn when it takes long. */
static void tidy_one_locked(struct thread *t)
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

/* One by one: a thread that is not replaced may come back and be given up again meanwhile. */
static void tell_lost_locked(struct hw_crew *c)
{
    while (c->news) {
        struct thread *t = c->news;
        struct hw_job *job = t->lost_job;
        bool replaced = t->replaced;
        c->news = t->news;
        t->is_news = false;
        uv_mutex_unlock(&c->m);
        c->config.lost(c->config.owner, job, replaced);
        uv_mutex_lock(&c->m);
    }
}

/* One turn: give answers, then let the loop run; it waits only if there is nothing else to do. */
static void turn_locked(struct hw_crew *c)
{
    tell_lost_locked(c);
    struct hw_job *done = hw_queue_take_all(&c->done); /* what was lost of it, was told */
    uv_run_mode mode = UV_RUN_NOWAIT;
    if (!done && !can_run_locked(c) && !c->tidying) {
        c->polling = true;
        mode = UV_RUN_ONCE;
    }
    uv_mutex_unlock(&c->m);
    if (done)
        c->config.settle(c->config.owner, done);
    uv_run(c->config.loop, mode);
    uv_mutex_lock(&c->m);
    c->polling = c->woken = false;
    hw_queue_move_all(&c->fresh, &c->ready);
}

static void lead_locked(struct thread *t)
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
    while (!c->stopping && (c->done.head || !(can_run_locked(c) || c->tidying)));
    if (c->config.guard)
        hw_sigpipe_restore(&before);
    c->leader = NULL;
    if (c->ready.count > 1 || (c->ready.head && c->busy) || c->tidying)
        rouse_locked(c);
}

/* ---- the threads ---- */

static bool should_run_locked(const struct thread *t)
{
    const struct hw_crew *c = t->crew;
    if (!c->ready.head || !(t->worker || c->free_workers))
        return false;
    return c->leader || !(c->lead_wanted || c->done.count >= SETTLE_MAX);
}

/* Nothing takes the place of a lost thread's worker: it serves again as soon as it is back. */
static void keep_worker_locked(struct thread *lost)
{
    if (lost->lost)
        lost->replaced = false; /* it stays when it comes back */
    else
        put_worker_locked(lost); /* it has come back, and has ended */
}

/* A thread that takes another one's place brings a worker along. */
static void bring_worker(struct thread *t)
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
    struct thread *t = arg;
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

/* ---- the watchdog ---- */

/* Its code, its Lua state and its job stay where they are: nothing can take them from it. */
static bool replace_locked(struct hw_crew *c, struct thread *lost)
{
    struct thread *t = &c->threads[c->thread_count];
    if (c->thread_count == 2 * c->config.worker_count + 1)
        return false;
    t->crew = c;
    t->replaces = lost;
    t->model = lost->worker;
    HW_CHECK(uv_cond_init(&t->wake) == 0);
    if (uv_thread_create(&t->id, on_thread, t)) {
        uv_cond_destroy(&t->wake);
        return false;
    }
    c->thread_count++;
    c->alive++;
    return true;
}

static void give_up_locked(struct thread *t)
{
    struct hw_crew *c = t->crew;
    t->lost = true;
    t->lost_job = t->job;
    t->replaced = replace_locked(c, t);
    if (!t->is_news) { /* else it came back unheard: what it was in then is done */
        t->news = c->news;
        c->news = t;
    }
    t->is_news = true;
    c->lost++;
    c->running--;
    wake_leader_locked(c);
}

static uint64_t computed_ns(const struct thread *t)
{
    clockid_t clock;
    struct timespec spent = {0};
    if (pthread_getcpuclockid(t->id, &clock) == 0)
        clock_gettime(clock, &spent);
    return (uint64_t)spent.tv_sec * 1000000000 + (uint64_t)spent.tv_nsec + 1;
}

/* A loop that ignored its stop computes; a call that waits for something does not, and may come
 * back. What it computes is counted, not the time that goes by: on a machine that is short of it a
 * thread may get its turn late. */
static void judge_locked(struct thread *t)
{
    if (!t->blocked || t->lost || !t->job) /* without one it tidies a worker */
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

/* A thread that is inside the same job as a tick ago is blocked, or computes for long; either way
 * another one may use the place. A lead that nobody took for a tick is asked for. */
static void look_locked(struct hw_crew *c, uint64_t *leads_before)
{
    bool judges = ++c->ticks % JUDGE_TICKS == 0;
    for (unsigned i = 0; i < c->thread_count; i++) {
        struct thread *t = &c->threads[i];
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
    rouse_locked(c);
}

static void on_watchdog(void *arg)
{
    struct hw_crew *c = arg;
    uint64_t leads_before = 0;
    unsigned calm = 0;
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
        look_locked(c, &leads_before);
    }
    c->alive--;
    uv_cond_broadcast(&c->ended);
    uv_mutex_unlock(&c->m);
}

/* ---- start and stop ---- */

static void on_wake(uv_async_t *async)
{
    (void)async; /* to have come out of the poll is all */
}

/* A timer that was due has been called by now, and may have submitted jobs: then the loop must come
 * out of the poll at once, although nothing happened. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct hw_crew *c = prepare->data;
    if (c->fresh.head)
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
    unsigned created = 0; /* none of them gets past m before all are there */
    uv_mutex_lock(&c->m);
    int rc = uv_thread_create(&c->watchdog, on_watchdog, c);
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
    struct thread *threads = calloc(2 * config->worker_count + 1, sizeof *threads);
    if (!c || !threads) {
        free(c);
        free(threads);
        return UV_ENOMEM;
    }
    c->config = *config;
    c->threads = threads;
    c->thread_count = config->worker_count + 1;
    hw_queue_init(&c->fresh);
    hw_queue_init(&c->ready);
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
    hw_queue_push(&crew->fresh, job);
}

bool hw_crew_withdraw(struct hw_crew *c, struct hw_job *job)
{
    uv_mutex_lock(&c->m);
    hw_queue_move_all(&c->fresh, &c->ready);
    /* One that is done since the caller looked is in a queue again. */
    bool waits =
        job->link && atomic_load_explicit(&job->progress, memory_order_relaxed) == HW_WAITING;
    if (waits)
        hw_queue_take_out(&c->ready, job);
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
    wake_leader_locked(crew);
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
    wake_leader_locked(c); /* the caller, on its way into the poll: jobs may be ready */
    uv_mutex_unlock(&c->m);
}

void hw_crew_tidy_free(struct hw_crew *c)
{
    uv_mutex_lock(&c->m);
    for (struct hw_worker *w = c->free_workers; w; w = w->next)
        w->untidy = c->tidying = true;
    wake_leader_locked(c); /* the caller, on its way into the poll */
    uv_mutex_unlock(&c->m);
}

void hw_crew_stop(struct hw_crew *c)
{
    uv_mutex_lock(&c->m);
    c->stopping = true;
    for (struct thread *t = c->idle, *next; t; t = next) {
        next = t->idle_next;
        t->roused = true;
        uv_cond_signal(&t->wake);
    }
    c->idle = NULL;
    wake_leader_locked(c); /* which may be the caller, on its way into the poll */
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
    hw_queue_move_all(&c->done, &c->ready);
    hw_queue_move_all(&c->fresh, &c->ready);
    return hw_queue_take_all(&c->ready);
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
