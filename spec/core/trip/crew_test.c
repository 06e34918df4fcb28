/* Every job comes back once; whoever blocks stops nobody else; a stop leaves nothing behind.
 *
 * Real threads, real Lua states, a handler for each case. Handlers block on a named pipe, so a test
 * decides when they go on, and never sleeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
    WORKERS_MAX = 8
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
                             "hook.on('Leaving', function(event)\n" /* behind, to be tidied */
                             "  collectgarbage('stop')\n"
                             "  setmetatable({}, { __gc = function()\n"
                             "    local began = assert(io.open(event.Folder .. '/began', 'w'))\n"
                             "    began:write('x'); began:close()\n"
                             "    while event.Endless do end\n"
                             "    assert(io.open(event.Folder .. '/gate', 'r')):close()\n"
                             "  end })\n"
                             "end)\n"
                             "hook.on('Spinning', function(event)\n" /* a loop without hooks */
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
    bool keep; /* what comes back is kept in `kept`, to be returned once more */

    /* leader only, without a lock on purpose: the lead is the ownership */
    uint8_t *times; /* how often a job came back, by its number */
    int64_t born;

    /* guarded by m, and constant once the leader has seen it */
    int64_t total;

    /* guarded by m */
    uv_mutex_t m;
    uv_cond_t changed;
    struct hw_job *to_submit, *kept;
    bool stop_wanted, tidy_wanted;
    struct hw_job *to_withdraw, *behind; /* it is withdrawn once the other one is done */
    bool withdrawn;
    size_t returned, failed, turns;
    size_t replaced, unreplaced; /* jobs whose thread was given up */
};

/* ---- jobs ---- */

static struct hw_job *new_job(int64_t number, const char *body)
{
    struct hw_job *job = hw_job_revive(number, true, hw_now_ns());
    HW_CHECK(job);
    job->n.body = hw_arena_copy(&job->arena, hw_str_of(body));
    job->n.id = HW_STR("test");
    return job;
}

static const char *quick_body = "{\"Event\":\"Quick\"}";

static struct hw_job *new_job_with_folder(int64_t number, const char *event)
{
    char body[160];
    snprintf(body, sizeof body, "{\"Event\":\"%s\",\"Folder\":\"%s\"}", event, folder.path);
    return new_job(number, body);
}

static struct hw_job *new_blocking(int64_t number)
{
    return new_job_with_folder(number, "Blocking");
}

/* ---- the leader's side ---- */

static void tidy(struct rig *r)
{
    hw_workers_tidy(&r->stages);
    hw_crew_tidy_free(r->crew);
}

static void open_gate(void);

/* The job blocks until the leader is here: it can't be done, and settled, before. With one worker,
 * `behind` runs when `job` is done; and nobody leads meanwhile. */
static void withdraw(struct rig *r, struct hw_job *job, const struct hw_job *behind)
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

static void on_inbox(uv_async_t *async)
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

static void settle_one(struct rig *r, struct hw_job *job, size_t *failed)
{
    r->times[job->n.from_row]++;
    *failed += job->n.outcome.code != 0 || !job->n.outcome.ran;
    if (r->born < r->total)
        hw_crew_submit(r->crew, new_job(++r->born, quick_body));
}

static void settle(void *owner, struct hw_job *done)
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

static void lost(void *owner, struct hw_job *job, bool replaced)
{
    struct rig *r = owner;
    assert_true(job->n.from_row > 0); /* it is still there to be looked at */
    uv_mutex_lock(&r->m);
    *(replaced ? &r->replaced : &r->unreplaced) += 1;
    uv_cond_broadcast(&r->changed);
    uv_mutex_unlock(&r->m);
}

/* ---- the test's side ---- */

static void new_rig(struct rig *r, unsigned workers, size_t jobs_max)
{
    char why[512];
    *r = (struct rig){.worker_count = workers};
    r->times = calloc(jobs_max + 1, 1);
    struct hw_release *release = calloc(1, sizeof *release);
    release->refs = 1;
    release->vm =
        (struct hw_vm_config){.memory_max = 64 << 20, .timeout_ms = 60000, .modules = &carried};
    release->keys = calloc(1, sizeof *release->keys); /* no key: nothing is verified here */
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

static void start_crew(struct rig *r, unsigned active_max)
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

static void start(struct rig *r, unsigned workers, unsigned active_max, size_t jobs_max)
{
    new_rig(r, workers, jobs_max);
    start_crew(r, active_max);
}

static void submit(struct rig *r, struct hw_job *job)
{
    uv_mutex_lock(&r->m);
    job->next = r->to_submit;
    r->to_submit = job;
    uv_mutex_unlock(&r->m);
    uv_async_send(&r->inbox);
}

/* Waits until `count` jobs came back; returns how many did. */
static size_t wait_for(struct rig *r, size_t count)
{
    uint64_t until = uv_hrtime() + (uint64_t)PATIENCE_MS * 1000000;
    uv_mutex_lock(&r->m);
    while (r->returned < count && uv_hrtime() < until)
        uv_cond_timedwait(&r->changed, &r->m, until - uv_hrtime());
    size_t returned = r->returned;
    uv_mutex_unlock(&r->m);
    return returned;
}

/* Waits until `count` handlers said that they began. */
static void wait_for_began(int count)
{
    char byte;
    struct pollfd fd = {.fd = began, .events = POLLIN};
    for (int i = 0; i < count; i++) {
        assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
        assert_int_equal(read(began, &byte, 1), 1);
    }
}

static void close_gate(void)
{
    if (gate >= 0)
        close(gate);
    gate = -1;
}

static void open_gate(void)
{
    char path[FOLDER_PATH_MAX];
    gate = open(folder_path(&folder, "gate", path), O_RDWR | O_CLOEXEC);
    HW_CHECK(gate >= 0);
}

static void stop(struct rig *r)
{
    uv_mutex_lock(&r->m);
    r->stop_wanted = true;
    uv_mutex_unlock(&r->m);
    uv_async_send(&r->inbox);
}

static void on_walk(uv_handle_t *handle, void *unused)
{
    (void)unused;
    uv_close(handle, NULL);
}

/* After the join: what was left over comes back, and everything is freed. Returns its number. */
static size_t finish(struct rig *r)
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

static void assert_each_came(struct rig *r, size_t jobs, unsigned times)
{
    for (size_t i = 1; i <= jobs; i++)
        if (r->times[i] != times)
            fail_msg("job %zu came back %d times", i, r->times[i]);
    free(r->times);
}

/* ---- promises ---- */

static void brings_every_job_back_exactly_once(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 4, 2, MANY);
    uv_mutex_lock(&r.m);
    r.total = MANY;
    uv_mutex_unlock(&r.m);
    uv_async_send(&r.inbox);
    assert_int_equal(wait_for(&r, MANY), MANY);
    stop(&r);
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
    assert_int_equal(finish(&r), 0);
    assert_int_equal(r.failed, 0);
    assert_each_came(&r, MANY, 1);
}

static void wait_for_lost(struct rig *r, size_t replaced, size_t unreplaced)
{
    uv_mutex_lock(&r->m);
    while (r->replaced < replaced || r->unreplaced < unreplaced)
        HW_CHECK(uv_cond_timedwait(&r->changed, &r->m, PATIENCE_MS * 1000000ull) == 0);
    uv_mutex_unlock(&r->m);
}

/* As many as there are workers; and what comes back after all is settled like any other. */
static void replaces_threads_that_compute_past_their_time(void **state)
{
    enum { WORKERS = 2, SPINNING = WORKERS + 1, JOBS = SPINNING + 3 };
    struct rig r;
    (void)state;
    new_rig(&r, WORKERS, JOBS);
    atomic_load(&r.stages.shelf.current)->vm.timeout_ms = 1;
    start_crew(&r, 2);
    for (int i = 1; i <= WORKERS; i++)
        submit(&r, new_job_with_folder(i, "Spinning"));
    wait_for_lost(&r, WORKERS, 0);
    submit(&r, new_job(4, quick_body));
    assert_int_equal(wait_for(&r, 1), 1);
    submit(&r, new_job_with_folder(SPINNING, "Spinning"));
    wait_for_lost(&r, WORKERS, 1);
    submit(&r, new_job(5, quick_body)); /* one worker is left */
    assert_int_equal(wait_for(&r, 2), 2);
    folder_write(&folder, "end", "");
    assert_int_equal(wait_for(&r, JOBS - 1), JOBS - 1);
    submit(&r, new_job(6, quick_body));
    assert_int_equal(wait_for(&r, JOBS), JOBS);
    stop(&r);
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
    assert_int_equal(finish(&r), 0);
    assert_int_equal(r.replaced + r.unreplaced, SPINNING);
    assert_each_came(&r, JOBS, 1);
    char path[FOLDER_PATH_MAX];
    unlink(folder_path(&folder, "end", path));
}

static struct hw_ledger_reader *no_reader(struct hw_ledger *ledger, char *why, size_t why_size)
{
    (void)ledger;
    snprintf(why, why_size, "no more readers");
    return NULL;
}

/* Whoever comes back is all that there is. */
static void keeps_a_thread_whose_worker_can_not_be_replaced(void **state)
{
    struct rig r;
    (void)state;
    new_rig(&r, 1, 2);
    atomic_load(&r.stages.shelf.current)->vm.timeout_ms = 1;
    const struct hw_ledger_type *before = r.stages.ledger->type;
    struct hw_ledger_type full = *before;
    full.reader_open = no_reader;
    r.stages.ledger->type = &full;
    start_crew(&r, 2);
    submit(&r, new_job_with_folder(1, "Spinning"));
    uv_mutex_lock(&r.m);
    while (r.replaced + r.unreplaced == 0) /* as what it counts depends on who is first */
        HW_CHECK(uv_cond_timedwait(&r.changed, &r.m, PATIENCE_MS * 1000000ull) == 0);
    uv_mutex_unlock(&r.m);
    folder_write(&folder, "end", "");
    assert_int_equal(wait_for(&r, 1), 1);
    submit(&r, new_job(2, quick_body));
    assert_int_equal(wait_for(&r, 2), 2);
    stop(&r);
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
    r.stages.ledger->type = before;
    assert_int_equal(finish(&r), 0);
    assert_each_came(&r, 2, 1);
    char path[FOLDER_PATH_MAX];
    unlink(folder_path(&folder, "end", path));
}

/* A call that waits may come back: nobody takes its place, however late it is. */
static void waits_for_threads_that_only_wait(void **state)
{
    struct rig r;
    (void)state;
    close_gate();
    new_rig(&r, 2, 3);
    atomic_load(&r.stages.shelf.current)->vm.timeout_ms = 1;
    start_crew(&r, 2);
    submit(&r, new_blocking(1));
    wait_for_began(1);
    submit(&r, new_job_with_folder(2, "Spinning")); /* as a clock: this one is given up meanwhile */
    wait_for_lost(&r, 1, 0);
    submit(&r, new_job(3, quick_body));
    assert_int_equal(wait_for(&r, 1), 1);
    assert_int_equal(r.replaced, 1);
    folder_write(&folder, "end", "");
    open_gate();
    assert_int_equal(wait_for(&r, 3), 3);
    stop(&r);
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
    assert_int_equal(finish(&r), 0);
    assert_int_equal(r.replaced + r.unreplaced, 1);
    assert_each_came(&r, 3, 1);
    char path[FOLDER_PATH_MAX];
    unlink(folder_path(&folder, "end", path));
}

/* The worker is free a moment after its job came back. */
static void tidy_until_began(struct rig *r)
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

/* No job is overdue in there. */
static void waits_for_threads_that_tidy_for_long(void **state)
{
    struct rig r;
    (void)state;
    close_gate();
    new_rig(&r, 2, 2);
    atomic_load(&r.stages.shelf.current)->vm.timeout_ms = 1;
    start_crew(&r, 2);
    submit(&r, new_job_with_folder(1, "Leaving"));
    assert_int_equal(wait_for(&r, 1), 1);
    tidy_until_began(&r);
    submit(&r, new_job_with_folder(2, "Spinning")); /* as a clock, as above */
    wait_for_lost(&r, 1, 0);
    folder_write(&folder, "end", "");
    open_gate();
    assert_int_equal(wait_for(&r, 2), 2);
    stop(&r);
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
    assert_int_equal(finish(&r), 0);
    assert_int_equal(r.replaced + r.unreplaced, 1);
    assert_each_came(&r, 2, 1);
    char path[FOLDER_PATH_MAX];
    unlink(folder_path(&folder, "end", path));
}

/* Nobody gives it up, so it must come to an end by itself. */
static void ends_a_finalizer_while_it_tidies(void **state)
{
    struct rig r;
    char body[160];
    (void)state;
    start(&r, 1, 2, 2);
    snprintf(body, sizeof body, "{\"Event\":\"Leaving\",\"Folder\":\"%s\",\"Endless\":true}",
             folder.path);
    submit(&r, new_job(1, body));
    assert_int_equal(wait_for(&r, 1), 1);
    tidy_until_began(&r);
    submit(&r, new_job(2, quick_body));
    assert_int_equal(wait_for(&r, 2), 2);
    stop(&r);
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
    assert_int_equal(finish(&r), 0);
    assert_each_came(&r, 2, 1);
}

/* Given up, and never coming back: the others end, and the crew says how many are left. */
static void ends_beside_threads_that_were_given_up(void **state)
{
    struct rig r;
    (void)state;
    new_rig(&r, 1, 1);
    atomic_load(&r.stages.shelf.current)->vm.timeout_ms = 1;
    start_crew(&r, 1);
    submit(&r, new_job_with_folder(1, "Spinning"));
    wait_for_lost(&r, 1, 0);
    stop(&r);
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 1);
    folder_write(&folder, "end", "");
    while (hw_crew_join(r.crew, PATIENCE_MS) > 0)
        ;
    assert_int_equal(finish(&r), 1);
    assert_each_came(&r, 1, 1);
    char path[FOLDER_PATH_MAX];
    unlink(folder_path(&folder, "end", path));
}

/* One of two cores' worth of threads would do: that the other workers are used at all is the
 * watchdog's work. */
static void runs_the_others_while_handlers_block(void **state)
{
    enum { BLOCKED = 3, QUICK = 2000 };
    struct rig r;
    (void)state;
    close_gate();
    start(&r, BLOCKED + 1, 1, BLOCKED + QUICK);
    for (int i = 1; i <= QUICK / 2; i++)
        submit(&r, new_job(BLOCKED + i, quick_body));
    assert_int_equal(wait_for(&r, QUICK / 2), QUICK / 2); /* by now the others are parked */
    for (int i = 1; i <= BLOCKED; i++)
        submit(&r, new_blocking(i));
    wait_for_began(BLOCKED);
    for (int i = 1 + QUICK / 2; i <= QUICK; i++)
        submit(&r, new_job(BLOCKED + i, quick_body));
    assert_int_equal(wait_for(&r, QUICK), QUICK);
    open_gate();
    assert_int_equal(wait_for(&r, BLOCKED + QUICK), BLOCKED + QUICK);
    stop(&r);
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
    assert_int_equal(finish(&r), 0);
    assert_int_equal(r.failed, 0);
    assert_each_came(&r, BLOCKED + QUICK, 1);
}

static void leads_on_while_every_worker_is_blocked(void **state)
{
    enum { WORKERS = 2 };
    struct rig r;
    (void)state;
    close_gate();
    start(&r, WORKERS, 2, WORKERS);
    for (int i = 1; i <= WORKERS; i++)
        submit(&r, new_blocking(i));
    wait_for_began(WORKERS);
    uv_mutex_lock(&r.m);
    for (int i = 0; i < 100; i++) {
        size_t turns = r.turns;
        uv_async_send(&r.inbox);
        while (r.turns == turns)
            assert_int_equal(uv_cond_timedwait(&r.changed, &r.m, (uint64_t)PATIENCE_MS * 1000000),
                             0);
    }
    assert_int_equal(r.returned, 0);
    uv_mutex_unlock(&r.m);
    open_gate();
    assert_int_equal(wait_for(&r, WORKERS), WORKERS);
    stop(&r);
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
    assert_int_equal(finish(&r), 0);
    assert_each_came(&r, WORKERS, 1);
}

static void leads_on_while_handlers_compute(void **state)
{
    enum { JOBS = 24 };
    struct rig r;
    (void)state;
    start(&r, 4, 2, JOBS);
    for (int i = 1; i <= JOBS; i++)
        submit(&r, new_job(i, "{\"Event\":\"Busy\",\"Rounds\":400000}"));
    assert_int_equal(wait_for(&r, JOBS), JOBS);
    stop(&r);
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
    assert_int_equal(finish(&r), 0);
    assert_int_equal(r.failed, 0);
    assert_each_came(&r, JOBS, 1);
}

static void settles_again_what_another_thread_returns(void **state)
{
    enum { JOBS = 500 };
    struct rig r;
    (void)state;
    start(&r, 2, 2, JOBS);
    r.keep = true;
    for (int i = 1; i <= JOBS; i++)
        submit(&r, new_job(i, quick_body));
    assert_int_equal(wait_for(&r, JOBS), JOBS);
    uv_mutex_lock(&r.m);
    struct hw_job *kept = r.kept;
    r.kept = NULL;
    r.keep = false;
    uv_mutex_unlock(&r.m);
    hw_crew_return(r.crew, kept);
    assert_int_equal(wait_for(&r, 2 * JOBS), 2 * JOBS);
    stop(&r);
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
    assert_int_equal(finish(&r), 0);
    assert_each_came(&r, JOBS, 2);
}

static void keeps_what_is_queued_when_it_stops(void **state)
{
    enum { WORKERS = 2, QUEUED = 300 };
    struct rig r;
    (void)state;
    close_gate();
    start(&r, WORKERS, 2, WORKERS + QUEUED);
    for (int i = 1; i <= WORKERS; i++)
        submit(&r, new_blocking(i));
    wait_for_began(WORKERS);
    for (int i = 1; i <= QUEUED; i++)
        submit(&r, new_job(WORKERS + i, quick_body));
    stop(&r);
    uint64_t until = uv_hrtime() + (uint64_t)PATIENCE_MS * 1000000;
    while (hw_crew_join(r.crew, 1) > WORKERS && uv_hrtime() < until)
        continue;
    assert_int_equal(hw_crew_join(r.crew, 1), WORKERS); /* they are inside, and are counted */
    open_gate();
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
    assert_int_equal(r.returned, 0);
    assert_int_equal(finish(&r), WORKERS + QUEUED);
    assert_each_came(&r, WORKERS + QUEUED, 1);
}

static void withdraws_nothing_that_is_done(void **state)
{
    struct rig r;
    struct hw_job *job = new_blocking(1), *behind = new_job(2, quick_body);
    (void)state;
    close_gate();
    start(&r, 1, 2, 2);
    submit(&r, job);
    wait_for_began(1);
    uv_mutex_lock(&r.m);
    r.to_withdraw = job;
    r.behind = behind;
    uv_mutex_unlock(&r.m);
    submit(&r, behind);
    assert_int_equal(wait_for(&r, 2), 2);
    assert_false(r.withdrawn);
    stop(&r);
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
    assert_int_equal(finish(&r), 0);
    assert_each_came(&r, 2, 1);
}

static void on_submit(uv_timer_t *timer)
{
    struct rig *r = timer->data;
    hw_crew_submit(r->crew, new_job(1, quick_body));
}

static void on_stop(uv_timer_t *timer)
{
    struct rig *r = timer->data;
    hw_crew_stop(r->crew);
}

/* The timer is due when the loop is first entered: it is called before the loop polls, where the
 * crew, which has nothing else to do, would sleep for good. */
static void start_with_timer(struct rig *r, uv_timer_cb on_timer)
{
    new_rig(r, 2, 1);
    r->timer.data = r;
    HW_CHECK(uv_timer_init(&r->loop, &r->timer) == 0);
    HW_CHECK(uv_timer_start(&r->timer, on_timer, 0, 0) == 0);
    start_crew(r, 2);
}

static void runs_what_a_timer_submits(void **state)
{
    struct rig r;
    (void)state;
    start_with_timer(&r, on_submit);
    assert_int_equal(wait_for(&r, 1), 1);
    stop(&r);
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
    assert_int_equal(finish(&r), 0);
    assert_each_came(&r, 1, 1);
}

static void stops_when_a_timer_says_so(void **state)
{
    struct rig r;
    (void)state;
    start_with_timer(&r, on_stop);
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
    assert_int_equal(finish(&r), 0);
    free(r.times);
}

static void stops_at_once_when_it_has_nothing_to_do(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct rig r;
        start(&r, 1, 1, 0);
        stop(&r);
        assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
        assert_int_equal(finish(&r), 0);
        free(r.times);
    }
}

static int open_all(void **state)
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

static int close_all(void **state)
{
    (void)state;
    close_gate();
    close(began);
    folder_close(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brings_every_job_back_exactly_once),
        cmocka_unit_test(replaces_threads_that_compute_past_their_time),
        cmocka_unit_test(keeps_a_thread_whose_worker_can_not_be_replaced),
        cmocka_unit_test(waits_for_threads_that_only_wait),
        cmocka_unit_test(waits_for_threads_that_tidy_for_long),
        cmocka_unit_test(ends_a_finalizer_while_it_tidies),
        cmocka_unit_test(ends_beside_threads_that_were_given_up),
        cmocka_unit_test(runs_the_others_while_handlers_block),
        cmocka_unit_test(leads_on_while_every_worker_is_blocked),
        cmocka_unit_test(leads_on_while_handlers_compute),
        cmocka_unit_test(settles_again_what_another_thread_returns),
        cmocka_unit_test(keeps_what_is_queued_when_it_stops),
        cmocka_unit_test(withdraws_nothing_that_is_done),
        cmocka_unit_test(runs_what_a_timer_submits),
        cmocka_unit_test(stops_when_a_timer_says_so),
        cmocka_unit_test(stops_at_once_when_it_has_nothing_to_do),
    };
    return cmocka_run_group_tests_name("crew", tests, open_all, close_all);
}
