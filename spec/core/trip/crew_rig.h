/* crew_rig.h -- a crew with real threads and real Lua states, and a handler for each case.
 *
 * Handlers block on a named pipe, so the test decides when they go on, and need not sleep. open_all
 * and close_all are a test program's set-up and tear-down. */
#ifndef HW_SPEC_CREW_RIG_H
#define HW_SPEC_CREW_RIG_H

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/log.h"
#include "carried.h"
#include "folder.h"
#include "trip/crew.h"

enum {
    MANY = 200000,       /* jobs */
    WINDOW = 64,         /* of them at once */
    PATIENCE_MS = 60000, /* far more than anything here takes */
    WORKERS_MAX = 8,
    ORDER_MAX = 8
};

static struct folder folder;
static int began, gate; /* the two pipes; `gate` is open while handlers may pass */

static const char script[] = "local hook = require 'hookward'\n"
                             "hook.on('Quick', function() end)\n"
                             "hook.on('Blocking', function(event)\n"
                             "  local began = assert(io.open(event.Folder .. '/began', 'w'))\n"
                             "  began:write('x'); began:close()\n"
                             "  assert(io.open(event.Folder .. '/gate', 'r')):close()\n"
                             "end)\n"
                             "hook.on('Busy', function(event)\n"
                             "  local n = 0\n"
                             "  for i = 1, event.Rounds do n = n + i end\n"
                             "end)\n"
                             "hook.on('Leaving', function(event)\n" /* leaves garbage behind */
                             "  collectgarbage('stop')\n"
                             "  setmetatable({}, { __gc = function()\n"
                             "    local began = assert(io.open(event.Folder .. '/began', 'w'))\n"
                             "    began:write('x'); began:close()\n"
                             "    while event.Endless do end\n"
                             "    assert(io.open(event.Folder .. '/gate', 'r')):close()\n"
                             "  end })\n"
                             "end)\n"
                             "hook.on('Spinning', function(event)\n" /* no hooks in finalizers */
                             "  local meta = { __gc = true }\n"
                             "  setmetatable({}, meta)\n"
                             "  meta.__gc = function()\n"
                             "    repeat local file = io.open(event.Folder .. '/end') until file\n"
                             "  end\n"
                             "  collectgarbage()\n"
                             "end)\n";

struct rig {
    /* constant after start */
    uv_loop_t loop;
    uv_async_t inbox;
    struct hw_stages stages;
    struct hw_worker workers[WORKERS_MAX];
    struct hw_crew *crew;
    unsigned worker_count;
    uv_timer_t timer;
    bool keep; /* jobs that come back are put in `kept`, to be returned once more */

    /* leader only, without a lock on purpose: the lead must be enough to protect it */
    uint8_t *times; /* how often a job came back, by its number */
    int64_t born;
    int64_t order[ORDER_MAX]; /* the numbers of the first that came back */
    size_t ordered;

    /* guarded by m, and constant once the leader has seen it */
    int64_t total;

    /* guarded by m */
    uv_mutex_t m;
    uv_cond_t changed;
    struct hw_job *to_submit, *kept;
    bool stop_wanted, tidy_wanted;
    struct hw_job *to_withdraw, *behind; /* the first is withdrawn when the second is done */
    bool withdrawn;
    size_t returned, failed, turns;
    size_t replaced, unreplaced; /* jobs whose thread was given up */
};

/* ---- jobs ---- */

static inline struct hw_job *new_job(int64_t number, const char *body)
{
    struct hw_job *job = hw_job_revive(number, true, hw_now_ns());
    HW_CHECK(job);
    job->n.body = hw_arena_copy(&job->arena, hw_str_of(body));
    job->n.id = HW_STR("test");
    return job;
}

static const char *quick_body = "{\"Event\":\"Quick\"}";

static inline struct hw_job *new_job_with_folder(int64_t number, const char *event)
{
    char body[160];
    snprintf(body, sizeof body, "{\"Event\":\"%s\",\"Folder\":\"%s\"}", event, folder.path);
    return new_job(number, body);
}

static inline struct hw_job *new_blocking(int64_t number)
{
    return new_job_with_folder(number, "Blocking");
}

/* ---- the leader's side ---- */

static inline void tidy(struct rig *r)
{
    hw_workers_tidy(&r->stages);
    hw_crew_tidy_free(r->crew);
}

static void open_gate(void);

/* The job is blocked until the gate opens here, so it can't be done and settled before. With one
 * worker, `behind` runs after `job`. The caller leads meanwhile, so neither is settled. */
static inline void withdraw(struct rig *r, struct hw_job *job, const struct hw_job *behind)
{
    bool withdrawn = hw_crew_withdraw(r->crew, job);
    open_gate();
    while (atomic_load(&behind->progress) != HW_SETTLING)
        sched_yield();
    withdrawn |= hw_crew_withdraw(r->crew, job);
    uv_mutex_lock(&r->m);
    r->withdrawn = withdrawn;
    uv_mutex_unlock(&r->m);
}

static inline void on_inbox(uv_async_t *async)
{
    struct rig *r = async->data;
    uv_mutex_lock(&r->m);
    struct hw_job *jobs = r->to_submit;
    bool stop = r->stop_wanted, tidies = r->tidy_wanted;
    struct hw_job *to_withdraw = r->to_withdraw, *behind = r->behind;
    r->to_submit = r->to_withdraw = r->behind = NULL;
    r->tidy_wanted = false;
    r->turns++;
    uv_cond_broadcast(&r->changed);
    uv_mutex_unlock(&r->m);
    while (jobs) {
        struct hw_job *job = jobs;
        jobs = job->next;
        hw_crew_submit(r->crew, job);
    }
    for (int i = 0; i < WINDOW && r->born < r->total; i++)
        hw_crew_submit(r->crew, new_job(++r->born, quick_body));
    if (tidies)
        tidy(r);
    if (to_withdraw)
        withdraw(r, to_withdraw, behind);
    if (stop)
        hw_crew_stop(r->crew);
}

static inline void settle_one(struct rig *r, struct hw_job *job, size_t *failed)
{
    r->times[job->n.from_row]++;
    if (r->ordered < ORDER_MAX)
        r->order[r->ordered++] = job->n.from_row;
    *failed += job->n.outcome.code != 0 || !job->n.outcome.ran;
    if (r->born < r->total)
        hw_crew_submit(r->crew, new_job(++r->born, quick_body));
}

static inline void settle(void *owner, struct hw_job *done)
{
    struct rig *r = owner;
    struct hw_job *kept = NULL;
    size_t count = 0, failed = 0;
    while (done) {
        struct hw_job *job = done;
        done = job->next;
        count++;
        settle_one(r, job, &failed);
        if (r->keep) {
            job->next = kept;
            kept = job;
        } else {
            hw_job_free(job);
        }
    }
    uv_mutex_lock(&r->m);
    r->returned += count;
    r->failed += failed;
    while (kept) {
        struct hw_job *job = kept;
        kept = job->next;
        job->next = r->kept;
        r->kept = job;
    }
    uv_cond_broadcast(&r->changed);
    uv_mutex_unlock(&r->m);
}

static inline void lost(void *owner, struct hw_job *job, bool replaced)
{
    struct rig *r = owner;
    assert_true(job->n.from_row > 0); /* the job can still be read */
    uv_mutex_lock(&r->m);
    *(replaced ? &r->replaced : &r->unreplaced) += 1;
    uv_cond_broadcast(&r->changed);
    uv_mutex_unlock(&r->m);
}

/* ---- the test's side ---- */

static inline void new_rig(struct rig *r, unsigned workers, size_t jobs_max)
{
    char why[512];
    *r = (struct rig){.worker_count = workers};
    r->times = calloc(jobs_max + 1, 1);
    struct hw_release *release = calloc(1, sizeof *release);
    release->refs = 1;
    release->vm =
        (struct hw_vm_config){.memory_max = 64 << 20, .timeout_ms = 60000, .modules = &carried};
    release->keys = calloc(1, sizeof *release->keys); /* no key: no signature is checked here */
    release->keys->refs = 1;
    release->bundle = hw_bundle_load(folder.path, "handlers", HW_STR("return {}"), why, sizeof why);
    hw_shelf_init(&r->stages.shelf, release);
    r->stages.ledger = hw_ledger_memory_open();
    HW_CHECK(r->times && release->bundle && r->stages.ledger);
    for (unsigned i = 0; i < workers; i++)
        HW_CHECK(hw_worker_init(&r->workers[i], &r->stages, i, why, sizeof why) == 0);
    HW_CHECK(uv_mutex_init(&r->m) == 0 && uv_cond_init(&r->changed) == 0);
    HW_CHECK(uv_loop_init(&r->loop) == 0);
    HW_CHECK(uv_async_init(&r->loop, &r->inbox, on_inbox) == 0);
    r->inbox.data = r;
}

static inline void start_crew(struct rig *r, unsigned active_max)
{
    const struct hw_crew_config config = {.loop = &r->loop,
                                          .workers = r->workers,
                                          .worker_count = r->worker_count,
                                          .active_max = active_max,
                                          .spin_ms = 20,
                                          .settle = settle,
                                          .lost = lost,
                                          .owner = r};
    HW_CHECK(hw_crew_start(&config, &r->crew) == 0);
}

static inline void start(struct rig *r, unsigned workers, unsigned active_max, size_t jobs_max)
{
    new_rig(r, workers, jobs_max);
    start_crew(r, active_max);
}

static inline void submit(struct rig *r, struct hw_job *job)
{
    uv_mutex_lock(&r->m);
    job->next = r->to_submit;
    r->to_submit = job;
    uv_mutex_unlock(&r->m);
    uv_async_send(&r->inbox);
}

/* Waits until `count` jobs have come back. Returns how many have. */
static inline size_t wait_for(struct rig *r, size_t count)
{
    uint64_t until = uv_hrtime() + (uint64_t)PATIENCE_MS * 1000000;
    uv_mutex_lock(&r->m);
    while (r->returned < count && uv_hrtime() < until)
        uv_cond_timedwait(&r->changed, &r->m, until - uv_hrtime());
    size_t returned = r->returned;
    uv_mutex_unlock(&r->m);
    return returned;
}

/* Waits until `count` handlers have said that they began. */
static inline void wait_for_began(int count)
{
    char byte;
    struct pollfd fd = {.fd = began, .events = POLLIN};
    for (int i = 0; i < count; i++) {
        assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
        assert_int_equal(read(began, &byte, 1), 1);
    }
}

static inline void close_gate(void)
{
    if (gate >= 0)
        close(gate);
    gate = -1;
}

static inline void open_gate(void)
{
    char path[FOLDER_PATH_MAX];
    gate = open(folder_path(&folder, "gate", path), O_RDWR | O_CLOEXEC);
    HW_CHECK(gate >= 0);
}

static inline void stop(struct rig *r)
{
    uv_mutex_lock(&r->m);
    r->stop_wanted = true;
    uv_mutex_unlock(&r->m);
    uv_async_send(&r->inbox);
}

static inline void on_walk(uv_handle_t *handle, void *unused)
{
    (void)unused;
    uv_close(handle, NULL);
}

/* After the join: takes back the jobs that were left, and frees everything. Returns how many jobs
 * were left. */
static inline size_t finish(struct rig *r)
{
    size_t rest = 0;
    for (struct hw_job *job = hw_crew_take_rest(r->crew), *next; job; job = next, rest++) {
        next = job->next;
        r->times[job->n.from_row]++;
        hw_job_free(job);
    }
    uv_walk(&r->loop, on_walk, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    hw_crew_free(r->crew);
    for (unsigned i = 0; i < r->worker_count; i++)
        hw_worker_fini(&r->workers[i]);
    r->stages.ledger->type->close(r->stages.ledger);
    hw_shelf_fini(&r->stages.shelf);
    uv_cond_destroy(&r->changed);
    uv_mutex_destroy(&r->m);
    return rest;
}

static inline void assert_each_came(struct rig *r, size_t jobs, unsigned times)
{
    for (size_t i = 1; i <= jobs; i++)
        if (r->times[i] != times)
            fail_msg("job %zu came back %d times", i, r->times[i]);
    free(r->times);
}

/* Tries again, since the worker is free only a moment after its job came back. */
static inline void tidy_until_began(struct rig *r)
{
    struct pollfd fd = {.fd = began, .events = POLLIN};
    do {
        uv_mutex_lock(&r->m);
        r->tidy_wanted = true;
        uv_mutex_unlock(&r->m);
        uv_async_send(&r->inbox);
    } while (poll(&fd, 1, 10) == 0);
    wait_for_began(1);
}

/* ---- set-up and tear-down of a test program ---- */

static inline int open_all(void **state)
{
    char path[FOLDER_PATH_MAX];
    (void)state;
    hw_log_set(HW_LOG_OFF, false);
    folder_open(&folder);
    folder_write(&folder, "handlers.lua", script);
    HW_CHECK(mkfifo(folder_path(&folder, "gate", path), 0600) == 0);
    HW_CHECK(mkfifo(folder_path(&folder, "began", path), 0600) == 0);
    began = open(path, O_RDWR | O_CLOEXEC);
    HW_CHECK(began >= 0);
    open_gate();
    return 0;
}

static inline int close_all(void **state)
{
    (void)state;
    close_gate();
    close(began);
    folder_close(&folder);
    return 0;
}

#endif
