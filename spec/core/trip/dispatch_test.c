/* Copies join, another signature waits, the gate counts, and no answer comes before its commit.
 *
 * The crew has ended before the first job, so the test is the leader: it takes submitted jobs out
 * again, gives them the outcome that the case needs, and settles them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "trip/dispatch.h"
#include "trip/sample_job.h"

enum { OPEN_MAX = 8, PATIENCE_MS = 60000 };

struct waiter {
    struct hw_waiter base;
    int answers, code;
    char reason[64];
};

/* A ledger that records what is committed. */
struct fake {
    struct hw_ledger ledger;
    int rc;
    struct waiter *unanswered; /* must have no answer when a commit begins */
    int commits, early_answers;
    size_t jobs;
    uint32_t copies;
    uint32_t attempt; /* of the last job */
    enum hw_ledger_state state;
    int64_t next_run_at;
    bool lines_up; /* what is accepted has others before it */
};

struct rig {
    uv_loop_t loop;
    uv_timer_t stopper;
    struct hw_crew *crew;
    struct hw_requests requests;
    struct hw_stats stats;
    struct hw_refusal_log refusal_log;
    struct hw_report report;
    struct fake fake;
    struct hw_ledger_type type;
    struct hw_dispatch d;
    int ended, moot;    /* of what was due */
    size_t found, asks; /* by the last pick */
    int room, added;    /* for what is accepted; what the ledger got meanwhile */
};

/* ---- the rig ---- */

static int fake_commit(struct hw_ledger *ledger, struct hw_notification *const *batch, size_t count)
{
    struct fake *f = (struct fake *)ledger;
    f->commits++;
    f->jobs += count;
    for (size_t i = 0; i < count; i++)
        f->copies += batch[i]->copies;
    if (f->lines_up)
        batch[0]->state = HW_QUEUED;
    f->attempt = hw_notification_last_attempt(batch[count - 1]);
    f->state = batch[count - 1]->state;
    f->next_run_at = batch[count - 1]->next_run_at;
    if (f->unanswered)
        f->early_answers += f->unanswered->answers;
    return f->rc;
}

static void on_stopper(uv_timer_t *timer)
{
    struct rig *r = timer->data;
    hw_crew_stop(r->crew);
}

static void on_settle(void *owner, struct hw_job *done)
{
    (void)owner;
    HW_CHECK(!done);
}

/* A crew that has ended already, so this thread has the lead from now on. */
static void start_crew(struct rig *r)
{
    const struct hw_crew_config config = {
        .loop = &r->loop, .active_max = 1, .settle = on_settle, .owner = r};
    HW_CHECK(uv_loop_init(&r->loop) == 0);
    HW_CHECK(uv_timer_init(&r->loop, &r->stopper) == 0);
    r->stopper.data = r;
    HW_CHECK(uv_timer_start(&r->stopper, on_stopper, 0, 0) == 0);
    HW_CHECK(hw_crew_start(&config, &r->crew) == 0);
    HW_CHECK(hw_crew_join(r->crew, PATIENCE_MS) == 0);
}

static void open_rig(struct rig *r)
{
    *r = (struct rig){.type = {.name = "fake", .commit = fake_commit}};
    start_crew(r);
    hw_ledger_init(&r->fake.ledger, &r->type);
    r->refusal_log.stats = &r->stats;
    hw_report_init(&r->report, &r->stats, &r->refusal_log);
    hw_requests_init(&r->requests, (struct hw_http_limits){16384, 1 << 20});
    HW_CHECK(hw_dispatch_init(&r->d, &r->loop, &r->fake.ledger, &r->requests, &r->report,
                              OPEN_MAX) == 0);
    r->d.crew = r->crew;
    hw_patience_limit(&r->d.patience, PATIENCE_MS, PATIENCE_MS);
}

static void on_walk(uv_handle_t *handle, void *unused)
{
    (void)unused;
    uv_close(handle, NULL);
}

static void close_rig(struct rig *r)
{
    assert_null(hw_crew_take_rest(r->crew));
    assert_int_equal(r->d.open, 0); /* every job that came in has left */
    for (size_t i = 0; i < r->d.in_flight.bucket_count; i++)
        assert_null(r->d.in_flight.buckets[i]);
    uv_walk(&r->loop, on_walk, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    hw_crew_free(r->crew);
    hw_dispatch_fini(&r->d);
    hw_report_fini(&r->report);
    hw_requests_fini(&r->requests);
}

static void on_answer(struct hw_waiter *base, int code, struct hw_str reason)
{
    struct waiter *w = (struct waiter *)base;
    HW_CHECK(!base->link && !base->job); /* it has left the job */
    w->answers++;
    w->code = code;
    snprintf(w->reason, sizeof w->reason, "%.*s", HW_STR_ARG(reason));
}

static struct waiter new_waiter(void)
{
    return (struct waiter){.base.answer = on_answer};
}

/* A delivery comes in at the gate, and `waiter` waits for its answer. */
static void deliver_attempt(struct rig *r, const char *id, const char *body, const char *signature,
                            uint32_t attempt, struct waiter *waiter)
{
    struct hw_job *job = sample_job(id, body);
    job->n.attempt = attempt;
    job->n.signature = hw_str_of(signature);
    job->n.outcome = (struct hw_outcome){0};
    *waiter = new_waiter();
    assert_int_equal(hw_dispatch_enter_gate(&r->d), 0);
    assert_int_equal(hw_dispatch_admit(&r->d, job, &waiter->base), 0);
    assert_int_equal(waiter->answers, 0);
}

static void deliver(struct rig *r, const char *id, const char *body, const char *signature,
                    struct waiter *waiter)
{
    deliver_attempt(r, id, body, signature, 0, waiter);
}

/* The one job that may run now. */
static struct hw_job *take_one(struct rig *r)
{
    struct hw_job *job = hw_crew_take_rest(r->crew);
    assert_non_null(job);
    assert_null(job->next);
    return job;
}

static void settle(struct rig *r, struct hw_job *job, bool authentic, int code)
{
    job->n.outcome.authentic = authentic;
    job->n.outcome.code = code;
    if (code == HW_EHANDLER_REFUSED)
        job->n.outcome.reason = hw_arena_copy(&job->arena, HW_STR("the handler's reason"));
    hw_dispatch_settle(&r->d, job);
}

static void assert_answer(const struct waiter *w, int code)
{
    assert_int_equal(w->answers, 1);
    assert_int_equal(w->code, code);
}

/* ---- the gate ---- */

static void lets_in_as_many_as_its_limit_and_not_one_more(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r);
    for (int i = 0; i < OPEN_MAX; i++)
        assert_int_equal(hw_dispatch_enter_gate(&r.d), 0);
    assert_int_equal(hw_dispatch_enter_gate(&r.d), HW_EOVERLOADED);
    hw_dispatch_leave_gate(&r.d);
    assert_int_equal(hw_dispatch_enter_gate(&r.d), 0);
    assert_int_equal(hw_dispatch_enter_gate(&r.d), HW_EOVERLOADED);
    for (int i = 0; i < OPEN_MAX; i++)
        hw_dispatch_leave_gate(&r.d);
    close_rig(&r);
}

static void lets_nobody_in_while_it_drains(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r);
    assert_int_equal(hw_dispatch_look_at_gate(&r.d), 0);
    r.d.draining = true;
    assert_int_equal(hw_dispatch_look_at_gate(&r.d), HW_EDRAINING);
    assert_int_equal(hw_dispatch_enter_gate(&r.d), 0); /* its head came before the drain */
    hw_dispatch_leave_gate(&r.d);
    close_rig(&r);
}

static void counts_a_job_until_its_death(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    deliver(&r, "job", "a", "s", &w);
    assert_int_equal(r.d.open, 1);
    settle(&r, take_one(&r), true, 0);
    assert_int_equal(r.d.open, 0);
    close_rig(&r);
}

/* ---- answers ---- */

static void answers_what_the_handler_came_to(void **state)
{
    struct rig r;
    struct waiter well, badly;
    (void)state;
    open_rig(&r);
    deliver(&r, "job-1", "a", "s", &well);
    settle(&r, take_one(&r), true, 0);
    assert_answer(&well, 0);
    deliver(&r, "job-2", "a", "s", &badly);
    settle(&r, take_one(&r), true, HW_EHANDLER_REFUSED);
    assert_answer(&badly, HW_EHANDLER_REFUSED);
    assert_string_equal(badly.reason, "the handler's reason");
    assert_int_equal(r.fake.jobs, 2);
    close_rig(&r);
}

static void commits_before_it_answers(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    deliver(&r, "job", "a", "s", &w);
    r.fake.unanswered = &w;
    settle(&r, take_one(&r), true, 0);
    assert_int_equal(r.fake.commits, 1);
    assert_int_equal(r.fake.early_answers, 0);
    assert_answer(&w, 0);
    close_rig(&r);
}

static void answers_a_commit_that_failed_as_a_failure(void **state)
{
    struct rig r;
    struct waiter w[3];
    (void)state;
    open_rig(&r);
    r.fake.rc = HW_ELEDGER_UNAVAILABLE;
    deliver(&r, "job-1", "a", "s", &w[0]);
    deliver(&r, "job-1", "a", "s", &w[1]);
    deliver(&r, "job-2", "a", "s", &w[2]);
    struct hw_job *first = hw_crew_take_rest(r.crew);
    first->n.outcome.authentic = first->next->n.outcome.authentic = true;
    first->n.outcome.reason = HW_STR("never to be seen");
    hw_dispatch_settle(&r.d, first);
    for (int i = 0; i < 3; i++) {
        assert_answer(&w[i], HW_ELEDGER_UNAVAILABLE);
        assert_string_equal(w[i].reason, "");
    }
    assert_int_equal(r.fake.commits, 1);
    close_rig(&r);
}

static void keeps_forgeries_out_of_the_ledger(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    deliver(&r, "job", "a", "s", &w);
    settle(&r, take_one(&r), false, HW_EINVALID_SIGNATURE);
    assert_answer(&w, HW_EINVALID_SIGNATURE);
    assert_int_equal(r.fake.commits, 0);
    close_rig(&r);
}

static void commits_more_than_a_batch_in_several(void **state)
{
    enum { JOBS = HW_LEDGER_BATCH_MAX + 1 };
    static struct waiter w[JOBS];
    struct rig r;
    char id[32];
    (void)state;
    open_rig(&r);
    r.d.open_max = JOBS;
    for (int i = 0; i < JOBS; i++) {
        snprintf(id, sizeof id, "job-%d", i);
        deliver(&r, id, "a", "s", &w[i]);
    }
    struct hw_job *all = hw_crew_take_rest(r.crew);
    for (struct hw_job *job = all; job; job = job->next)
        job->n.outcome.authentic = true;
    hw_dispatch_settle(&r.d, all);
    assert_int_equal(r.fake.commits, 2);
    assert_int_equal(r.fake.jobs, JOBS);
    for (int i = 0; i < JOBS; i++)
        assert_answer(&w[i], 0);
    close_rig(&r);
}

/* ---- copies ---- */

static void runs_once_for_copies_in_flight(void **state)
{
    struct rig r;
    struct waiter w[3];
    (void)state;
    open_rig(&r);
    for (int i = 0; i < 3; i++)
        deliver(&r, "job", "a", "s", &w[i]);
    assert_int_equal(r.d.open, 1); /* a copy that joins needs no place of its own */
    settle(&r, take_one(&r), true, HW_EHANDLER_REFUSED);
    for (int i = 0; i < 3; i++) {
        assert_answer(&w[i], HW_EHANDLER_REFUSED);
        assert_string_equal(w[i].reason, "the handler's reason");
    }
    assert_int_equal(r.fake.jobs, 1);
    assert_int_equal(r.fake.copies, 3);
    close_rig(&r);
}

/* In whatever order they arrive: after its last attempt the sender does not try again. */
static void ends_with_the_highest_attempt_of_its_copies(void **state)
{
    static const uint32_t attempts[][3] = {{0, 5, 1}, {5, 0, 1}, {0, 1, 5}};
    struct rig r;
    struct waiter w[3];
    (void)state;
    open_rig(&r);
    for (int n = 0; n < 3; n++) {
        for (int i = 0; i < 3; i++)
            deliver_attempt(&r, "job", "a", "s", attempts[n][i], &w[i]);
        struct hw_job *job = take_one(&r);
        settle(&r, job, true, HW_EHANDLER_REFUSED);
        assert_int_equal(r.fake.attempt, 5);
        assert_int_equal(r.fake.state, HW_DEAD);
    }
    close_rig(&r);
}

static void runs_another_id_or_body_beside_it(void **state)
{
    struct rig r;
    struct waiter w[3];
    int count = 0;
    (void)state;
    open_rig(&r);
    deliver(&r, "job-1", "a", "s", &w[0]);
    deliver(&r, "job-2", "a", "s", &w[1]);
    deliver(&r, "job-1", "b", "s", &w[2]);
    for (struct hw_job *job = hw_crew_take_rest(r.crew), *next; job; job = next, count++) {
        next = job->next;
        job->next = NULL;
        settle(&r, job, true, 0);
    }
    assert_int_equal(count, 3);
    for (int i = 0; i < 3; i++)
        assert_answer(&w[i], 0);
    close_rig(&r);
}

/* The one in flight may be a forgery, and the real one must not get its answer. Nor may a forgery
 * get the real one's. */
static void runs_another_signature_behind_it(void **state)
{
    struct rig r;
    struct waiter forged, real, copy, other;
    (void)state;
    open_rig(&r);
    deliver(&r, "job", "a", "forged", &forged);
    struct hw_job *first = take_one(&r);
    deliver(&r, "job", "a", "real", &real);
    deliver(&r, "job", "a", "other", &other);
    deliver(&r, "job", "a", "real", &copy); /* joins the one that waits */
    assert_null(hw_crew_take_rest(r.crew));
    assert_int_equal(r.d.open, 3);

    settle(&r, first, false, HW_EINVALID_SIGNATURE);
    assert_answer(&forged, HW_EINVALID_SIGNATURE);
    assert_int_equal(real.answers, 0);
    settle(&r, take_one(&r), true, 0);
    assert_answer(&real, 0);
    assert_answer(&copy, 0);
    assert_int_equal(other.answers, 0);
    settle(&r, take_one(&r), false, HW_EINVALID_SIGNATURE);
    assert_answer(&other, HW_EINVALID_SIGNATURE);
    assert_int_equal(r.fake.copies, 2);
    close_rig(&r);
}

/* Otherwise, many forged signatures for one body would make a list that each delivery must walk. */
static void lets_so_many_wait_behind_and_not_one_more(void **state)
{
    static struct waiter w[HW_BEHIND_MAX + 1];
    struct rig r;
    struct waiter over, copy;
    static char signatures[HW_BEHIND_MAX + 1][12];
    (void)state;
    open_rig(&r);
    r.d.open_max = HW_BEHIND_MAX + 4;
    deliver(&r, "job", "a", "0", &w[0]);
    for (int i = 1; i <= HW_BEHIND_MAX; i++) {
        snprintf(signatures[i], sizeof signatures[i], "%d", i);
        deliver(&r, "job", "a", signatures[i], &w[i]);
    }
    struct hw_job *job = sample_job("job", "a");
    job->n.signature = HW_STR("one more");
    over = new_waiter();
    assert_int_equal(hw_dispatch_enter_gate(&r.d), 0);
    assert_int_equal(hw_dispatch_admit(&r.d, job, &over.base), HW_EOVERLOADED);
    assert_int_equal(r.d.open, HW_BEHIND_MAX + 1);
    deliver(&r, "job", "a", "16", &copy); /* a copy of the last still joins it */
    for (int i = 0; i <= HW_BEHIND_MAX; i++) {
        settle(&r, take_one(&r), false, HW_EINVALID_SIGNATURE);
        assert_answer(&w[i], HW_EINVALID_SIGNATURE);
    }
    assert_answer(&copy, HW_EINVALID_SIGNATURE);
    assert_int_equal(over.answers, 0);
    close_rig(&r);
}

/* ---- waiting too long ---- */

enum { SHORT_MS = 10, LONG_MS = 60000 };

static void run_out_of_patience(struct rig *r, struct waiter *w)
{
    while (!w->answers)
        uv_run(&r->loop, UV_RUN_ONCE);
}

static void set_stage(struct hw_job *job, enum hw_progress progress, uint64_t due_ns)
{
    atomic_store(&job->due_ns, due_ns);
    atomic_store(&job->progress, progress);
}

static void takes_back_what_waited_too_long(void **state)
{
    struct rig r;
    struct waiter first, behind, copy;
    (void)state;
    open_rig(&r);
    hw_patience_limit(&r.d.patience, SHORT_MS, LONG_MS);
    deliver(&r, "job", "a", "s", &first);
    deliver(&r, "job", "a", "other", &behind);
    deliver(&r, "job", "a", "s", &copy);
    run_out_of_patience(&r, &first);
    run_out_of_patience(&r, &behind);
    assert_answer(&first, HW_EQUEUE_TIMEOUT);
    assert_answer(&copy, HW_EQUEUE_TIMEOUT);
    assert_answer(&behind, HW_EQUEUE_TIMEOUT);
    assert_int_equal(r.d.open, 0);
    assert_int_equal(r.d.with_crew, 0);
    assert_int_equal(r.fake.commits, 0);
    close_rig(&r);
}

static void takes_back_what_waited_behind_a_handler(void **state)
{
    struct rig r;
    struct waiter first, behind, last;
    (void)state;
    open_rig(&r);
    hw_patience_limit(&r.d.patience, SHORT_MS, LONG_MS);
    deliver(&r, "job", "a", "s", &first);
    struct hw_job *job = take_one(&r);
    set_stage(job, HW_RUNNING, hw_now_ns() + LONG_MS * 1000000ull);
    deliver(&r, "job", "a", "2", &behind);
    deliver(&r, "job", "a", "3", &last);
    run_out_of_patience(&r, &last);
    assert_answer(&behind, HW_EQUEUE_TIMEOUT);
    assert_int_equal(first.answers, 0);
    settle(&r, job, true, 0);
    assert_answer(&first, 0);
    close_rig(&r);
}

/* The stage decides which error the sender is told. The job goes on all the same. */
static void tells_who_waits_whose_fault_it_is(void **state)
{
    static const struct {
        enum hw_progress progress;
        int code;
    } cases[] = {{HW_CHECKING, HW_ELEDGER_UNAVAILABLE},
                 {HW_RUNNING, HW_EHANDLER_TIMEOUT},
                 {HW_SETTLING, HW_ELEDGER_UNAVAILABLE}};
    struct rig r;
    struct waiter w, copy;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_rig(&r);
        hw_patience_limit(&r.d.patience, SHORT_MS, SHORT_MS);
        deliver(&r, "job", "a", "s", &w);
        struct hw_job *job = take_one(&r);
        set_stage(job, cases[i].progress, hw_now_ns());
        run_out_of_patience(&r, &w);
        assert_answer(&w, cases[i].code);
        deliver(&r, "job", "a", "s", &copy);
        run_out_of_patience(&r, &copy);
        assert_answer(&copy, cases[i].code);
        assert_int_equal(job->told, cases[i].code);
        settle(&r, job, true, 0);
        assert_int_equal(r.fake.jobs, 1);
        close_rig(&r);
    }
}

/* It is recorded at once. It stays in flight, and may still come back. */
static void records_a_job_whose_thread_was_given_up(void **state)
{
    struct rig r;
    struct waiter w, copy;
    (void)state;
    open_rig(&r);
    hw_patience_limit(&r.d.patience, SHORT_MS, SHORT_MS);
    deliver_attempt(&r, "job", "a", "s", 3, &w);
    struct hw_job *job = take_one(&r);
    set_stage(job, HW_RUNNING, hw_now_ns());
    hw_dispatch_lose(&r.d, job, true);
    assert_answer(&w, HW_EHANDLER_TIMEOUT);
    assert_int_equal(r.fake.jobs, 1);
    assert_int_equal(r.fake.attempt, 3);
    assert_int_equal(r.fake.state, HW_FAILED);
    assert_int_equal(r.d.open, 0); /* a stop does not wait for it */
    assert_int_equal(r.d.with_crew, 0);
    deliver(&r, "job", "a", "s", &copy);
    assert_null(hw_crew_take_rest(r.crew)); /* no copy runs beside it */
    run_out_of_patience(&r, &copy);
    assert_answer(&copy, HW_EHANDLER_TIMEOUT);
    settle(&r, job, true, 0);
    assert_int_equal(r.fake.jobs, 2);
    assert_int_equal(r.fake.state, HW_SUCCEEDED);
    assert_int_equal(r.fake.copies, 1);
    assert_int_equal(r.d.open, 0);
    close_rig(&r);
}

/* Its handler was done, but its thread hangs in a finalizer. The outcome counts and is answered. */
static void records_what_a_lost_job_had_come_to(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    deliver(&r, "job", "a", "s", &w);
    struct hw_job *job = take_one(&r);
    job->n.outcome.authentic = true;
    set_stage(job, HW_SETTLING, hw_now_ns());
    hw_dispatch_lose(&r.d, job, true);
    assert_answer(&w, 0);
    assert_int_equal(r.fake.state, HW_SUCCEEDED);
    settle(&r, job, true, 0);
    close_rig(&r);
}

/* A stop does not wait for it, although there is nothing to record yet. */
static void takes_a_lost_job_off_the_gate_before_it_ran(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    deliver(&r, "job", "a", "s", &w);
    struct hw_job *job = take_one(&r);
    set_stage(job, HW_CHECKING, hw_now_ns());
    hw_dispatch_lose(&r.d, job, true);
    assert_int_equal(w.answers, 1);
    assert_int_equal(r.fake.commits, 0);
    assert_int_equal(r.d.open, 0);
    assert_int_equal(r.d.with_crew, 0);
    settle(&r, job, true, 0);
    assert_int_equal(r.fake.copies, 1);
    assert_int_equal(r.d.with_crew, 0);
    close_rig(&r);
}

static void waits_while_a_stage_has_time_left(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    hw_patience_limit(&r.d.patience, SHORT_MS, SHORT_MS);
    deliver(&r, "job", "a", "s", &w);
    struct hw_job *job = take_one(&r);
    uint64_t due = hw_now_ns() + 30 * SHORT_MS * 1000000ull;
    set_stage(job, HW_RUNNING, due);
    run_out_of_patience(&r, &w);
    assert_true(hw_now_ns() >= due);
    settle(&r, job, true, 0);
    close_rig(&r);
}

/* It was found overdue while it waited; then a worker took it. */
static void tells_nobody_of_a_stage_that_just_began(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    deliver(&r, "job", "a", "s", &w);
    struct hw_job *job = take_one(&r);
    set_stage(job, HW_CHECKING, hw_now_ns() + LONG_MS * 1000000ull);
    r.d.patience.impatient(&r.d, job);
    assert_int_equal(w.answers, 0);
    settle(&r, job, true, 0);
    assert_answer(&w, 0);
    close_rig(&r);
}

static void takes_a_copy_anew_after_the_answer(void **state)
{
    struct rig r;
    struct waiter first, second;
    (void)state;
    open_rig(&r);
    deliver(&r, "job", "a", "s", &first);
    settle(&r, take_one(&r), true, 0);
    deliver(&r, "job", "a", "s", &second);
    settle(&r, take_one(&r), true, HW_EHANDLER_REFUSED);
    assert_answer(&first, 0);
    assert_answer(&second, HW_EHANDLER_REFUSED);
    close_rig(&r);
}

/* ---- clients that are gone ---- */

static void answers_nobody_who_is_gone(void **state)
{
    struct rig r;
    struct waiter w[3];
    (void)state;
    for (int gone = 0; gone < 3; gone++) { /* the last, the middle and the first of its list */
        open_rig(&r);
        for (int i = 0; i < 3; i++)
            deliver(&r, "job", "a", "s", &w[i]);
        hw_waiter_leave(&w[gone].base);
        hw_waiter_leave(&w[gone].base); /* leaving twice does no harm */
        settle(&r, take_one(&r), true, 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(w[i].answers, i != gone);
        close_rig(&r);
    }
}

static void records_a_job_that_nobody_waits_for(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    deliver(&r, "job", "a", "s", &w);
    hw_waiter_leave(&w.base);
    settle(&r, take_one(&r), true, 0);
    assert_int_equal(w.answers, 0);
    assert_int_equal(r.fake.jobs, 1);
    close_rig(&r);
}

/* ---- from the ledger ---- */

static void revive(struct rig *r, struct waiter *waiter)
{
    *waiter = new_waiter();
    assert_int_equal(hw_dispatch_enter_gate(&r->d), 0);
    assert_int_equal(hw_dispatch_revive(&r->d, 1, false, &waiter->base), 0);
}

/* What a worker does with a revived job at first: it loads the job from its row. */
static void load(struct rig *r, const char *id, const char *body)
{
    struct hw_job *job = take_one(r), *from = sample_job(id, body);
    job->n.identity = from->n.identity;
    job->n.id = job->n.identity.id = hw_arena_copy(&job->arena, from->n.id);
    job->n.body = hw_arena_copy(&job->arena, from->n.body);
    hw_job_free(from);
    hw_dispatch_settle(&r->d, job);
}

static void runs_a_revived_job_once_it_is_loaded(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    revive(&r, &w);
    load(&r, "job", "a");
    assert_int_equal(w.answers, 0);
    settle(&r, take_one(&r), true, 0);
    assert_answer(&w, 0);
    assert_int_equal(r.fake.jobs, 1);
    assert_int_equal(r.fake.copies, 0); /* a revived job is no delivery */
    close_rig(&r);
}

/* It is recorded before its thread comes back, if it ever does. */
static void records_a_revived_job_whose_thread_was_given_up(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    revive(&r, &w);
    load(&r, "job", "a");
    struct hw_job *job = take_one(&r);
    job->n.outcome.authentic = true;
    set_stage(job, HW_SETTLING, hw_now_ns());
    hw_dispatch_lose(&r.d, job, true);
    assert_answer(&w, 0);
    assert_int_equal(r.fake.state, HW_SUCCEEDED);
    assert_int_equal(r.d.open, 0);
    settle(&r, job, true, 0);
    close_rig(&r);
}

/* A revived job goes to the crew a second time once it is loaded. */
static void counts_a_revived_job_again_that_was_lost_while_it_was_loaded(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    revive(&r, &w);
    struct hw_job *job = hw_crew_take_rest(r.crew);
    set_stage(job, HW_CHECKING, hw_now_ns());
    hw_dispatch_lose(&r.d, job, true);
    assert_int_equal(r.d.open, 0);
    hw_crew_return(r.crew, job);
    load(&r, "job", "a");
    assert_int_equal(r.d.open, 1);
    assert_int_equal(r.d.with_crew, 1);
    settle(&r, take_one(&r), true, 0);
    assert_int_equal(r.d.with_crew, 0);
    close_rig(&r);
}

static void answers_a_revived_job_that_is_not_there(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    revive(&r, &w);
    settle(&r, take_one(&r), false, HW_ENOT_FOUND);
    assert_answer(&w, HW_ENOT_FOUND);
    assert_int_equal(r.fake.commits, 0);
    close_rig(&r);
}

static void runs_a_revived_job_behind_the_same_in_flight(void **state)
{
    struct rig r;
    struct waiter delivered, revived;
    (void)state;
    open_rig(&r);
    revive(&r, &revived);
    struct hw_job *loading = take_one(&r);
    deliver(&r, "job", "a", "s", &delivered);
    struct hw_job *first = take_one(&r);
    hw_crew_submit(r.crew, loading);
    load(&r, "job", "a");
    assert_null(hw_crew_take_rest(r.crew));
    settle(&r, first, true, 0);
    assert_answer(&delivered, 0);
    assert_int_equal(revived.answers, 0);
    settle(&r, take_one(&r), true, 0);
    assert_answer(&revived, 0);
    close_rig(&r);
}

/* ---- with the ledger thread ---- */

static void on_committed(void *owner, struct hw_job *jobs)
{
    struct rig *r = owner;
    hw_crew_return(r->crew, jobs);
}

static void answers_when_the_ledger_thread_is_done(void **state)
{
    enum { JOBS = 5 };
    struct rig r;
    struct waiter w[JOBS + 1];
    char id[32];
    (void)state;
    open_rig(&r);
    r.type.waits = true;
    r.d.committer = hw_committer_start(&r.fake.ledger, on_committed, &r);
    assert_non_null(r.d.committer);
    for (int i = 0; i < JOBS; i++) {
        snprintf(id, sizeof id, "job-%d", i);
        deliver(&r, id, "a", "s", &w[i]);
    }
    /* All are taken before the first is settled: from then on the ledger thread returns jobs. */
    struct hw_job *jobs = hw_crew_take_rest(r.crew);
    for (int i = 0; i < JOBS; i++) {
        struct hw_job *job = jobs;
        jobs = job->next;
        job->next = NULL;
        settle(&r, job, true, i % 2 ? HW_EHANDLER_REFUSED : 0);
        assert_int_equal(w[i].answers, 0);
    }
    hw_committer_stop(r.d.committer);
    struct hw_job *committed = hw_crew_take_rest(r.crew);
    deliver(&r, "job-0", "a", "s", &w[JOBS]); /* job-0 is still in flight: this joins it */
    hw_dispatch_settle(&r.d, committed);
    for (int i = 0; i < JOBS; i++)
        assert_answer(&w[i], i % 2 ? HW_EHANDLER_REFUSED : 0);
    assert_answer(&w[JOBS], 0);
    assert_int_equal(r.fake.jobs, JOBS);
    close_rig(&r);
}

static void frees_what_will_never_run(void **state)
{
    struct rig r;
    struct waiter w[4];
    (void)state;
    open_rig(&r);
    deliver(&r, "job-1", "a", "s", &w[0]);
    deliver(&r, "job-1", "a", "other", &w[1]);
    deliver(&r, "job-1", "a", "third", &w[2]);
    deliver(&r, "job-2", "a", "s", &w[3]);
    for (int i = 0; i < 4; i++)
        hw_waiter_leave(&w[i].base);
    hw_dispatch_drop(&r.d, hw_crew_take_rest(r.crew));
    assert_int_equal(r.d.open, 0);
    memset(r.d.in_flight.buckets, 0,
           r.d.in_flight.bucket_count * sizeof *r.d.in_flight.buckets); /* the host has stopped */
    close_rig(&r);
}

/* ---- the host's own retries ---- */

static void on_due_ended(void *owner, int64_t row, bool moot)
{
    struct rig *r = owner;
    HW_CHECK(row == 1);
    r->ended++;
    r->moot += moot;
}

static void on_picked(void *owner, int code, const struct hw_ledger_due *due)
{
    struct rig *r = owner;
    HW_CHECK(code == 0);
    r->asks++;
    r->found = due->count;
}

static void open_retries(struct rig *r)
{
    open_rig(r);
    r->d.retries = (struct hw_retries){.count = 1, .delays_ms = {1000}};
    r->d.in_hand.owner = r;
    r->d.in_hand.ended = on_due_ended;
    r->d.picked = on_picked;
}

/* What a worker does with one whose start is to be recorded. */
static struct hw_job *start(struct rig *r, struct hw_job *job)
{
    job->starting = true;
    settle(r, job, true, 0);
    assert_int_equal(r->fake.state, HW_STARTED);
    job = take_one(r);
    assert_true(job->n.started);
    assert_false(job->let_go || job->committed || job->starting);
    return job;
}

static void run_due(struct rig *r)
{
    const struct hw_ledger_due_row row = {.seq = 1, .next_run_at = 10, .retry = 1};
    assert_int_equal(hw_dispatch_run_due(&r->d, &row), 0);
    load(r, "job", "a");
}

static void records_a_start_and_goes_on(void **state)
{
    struct rig r;
    struct waiter w[3];
    (void)state;
    open_retries(&r);
    deliver_attempt(&r, "job", "a", "s", 5, &w[0]);
    struct hw_job *job = take_one(&r);
    deliver(&r, "job", "a", "s", &w[1]);
    job = start(&r, job);
    assert_int_equal(r.fake.copies, 2);
    assert_int_equal(w[0].answers, 0);
    assert_int_equal(r.d.with_crew, 1);
    deliver(&r, "job", "a", "s", &w[2]); /* it joins meanwhile */
    settle(&r, job, true, HW_EHANDLER_REFUSED);
    assert_int_equal(r.fake.state, HW_FAILED);
    assert_int_not_equal(r.fake.next_run_at, 0);
    assert_int_equal(r.fake.copies, 3); /* each was counted once */
    assert_int_equal(r.d.with_crew, 0);
    for (int i = 0; i < 3; i++)
        assert_answer(&w[i], HW_EHANDLER_REFUSED);
    close_rig(&r);
}

static void runs_nothing_whose_start_is_not_recorded(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_retries(&r);
    deliver_attempt(&r, "job", "a", "s", 5, &w);
    struct hw_job *job = take_one(&r);
    job->starting = true;
    r.fake.rc = HW_ELEDGER_UNAVAILABLE;
    settle(&r, job, true, 0);
    assert_answer(&w, HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(r.d.with_crew, 0);
    close_rig(&r);
}

/* Its thread hung in the look-up, and came back. */
static void counts_one_again_that_was_lost_before_its_start(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_retries(&r);
    deliver_attempt(&r, "job", "a", "s", 5, &w);
    struct hw_job *job = take_one(&r);
    set_stage(job, HW_CHECKING, hw_now_ns());
    hw_dispatch_lose(&r.d, job, true);
    assert_int_equal(r.d.open, 0);
    assert_int_equal(r.fake.commits, 0);
    job = start(&r, job);
    assert_int_equal(r.d.open, 1);
    assert_int_equal(r.d.with_crew, 1);
    settle(&r, job, true, 0);
    assert_int_equal(r.fake.state, HW_SUCCEEDED);
    assert_int_equal(r.d.with_crew, 0);
    close_rig(&r);
}

static void records_a_started_one_whose_thread_was_given_up(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_retries(&r);
    deliver_attempt(&r, "job", "a", "s", 5, &w);
    struct hw_job *job = start(&r, take_one(&r));
    job->n.outcome.authentic = true;
    set_stage(job, HW_RUNNING, hw_now_ns());
    hw_dispatch_lose(&r.d, job, true);
    assert_answer(&w, HW_EHANDLER_TIMEOUT);
    assert_int_equal(r.fake.state, HW_FAILED);
    assert_int_not_equal(r.fake.next_run_at, 0);
    assert_int_equal(r.fake.copies, 1);
    settle(&r, job, true, 0); /* it comes back after all */
    assert_int_equal(r.fake.state, HW_SUCCEEDED);
    assert_int_equal(r.fake.next_run_at, 0);
    assert_int_equal(r.fake.copies, 1);
    close_rig(&r);
}

static void puts_a_started_one_off_that_waits_too_long(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_retries(&r);
    hw_patience_limit(&r.d.patience, SHORT_MS, LONG_MS);
    deliver_attempt(&r, "job", "a", "s", 5, &w);
    hw_crew_submit(r.crew, start(&r, take_one(&r)));
    run_out_of_patience(&r, &w);
    assert_answer(&w, HW_EQUEUE_TIMEOUT);
    assert_int_equal(r.fake.state, HW_FAILED);
    assert_int_not_equal(r.fake.next_run_at, 0);
    assert_int_equal(r.d.with_crew, 0);
    close_rig(&r);
}

/* The host ends: the crew is gone, and the ledger thread too. */
static void leaves_a_start_to_the_next_host_that_came_too_late(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    for (int recorded = 0; recorded < 2; recorded++) {
        open_retries(&r);
        deliver_attempt(&r, "job", "a", "s", 5, &w);
        struct hw_job *job = take_one(&r);
        if (recorded) {
            job = start(&r, job);
            job->let_go = true; /* as it comes back from the committer */
            job->counted = 0;
            r.d.with_crew = 0;
        } else {
            job->starting = true;
        }
        r.type.waits = true;
        settle(&r, job, true, 0);
        assert_answer(&w, HW_EDRAINING);
        assert_int_equal(r.fake.state, HW_FAILED);
        assert_int_not_equal(r.fake.next_run_at, 0);
        assert_int_equal(r.fake.copies, 1);
        assert_int_equal(r.d.with_crew, 0);
        close_rig(&r);
    }
}

static void runs_what_is_due(void **state)
{
    struct rig r;
    (void)state;
    open_retries(&r);
    run_due(&r);
    assert_int_equal(r.d.open, 1);
    settle(&r, start(&r, take_one(&r)), true, 0);
    assert_int_equal(r.fake.state, HW_SUCCEEDED);
    assert_int_equal(r.fake.copies, 0);
    assert_int_equal(r.ended, 1);
    assert_int_equal(r.moot, 0);
    close_rig(&r);
}

static void says_nothing_of_what_is_not_due_any_more(void **state)
{
    struct rig r;
    (void)state;
    open_retries(&r);
    run_due(&r);
    settle(&r, take_one(&r), false, HW_ENOT_FOUND);
    assert_int_equal(r.fake.commits, 0);
    assert_int_equal(r.ended, 1);
    assert_int_equal(r.moot, 1);
    assert_int_equal(r.stats.counts[HW_COUNT_RETRIES_FAILED], 0);
    close_rig(&r);
}

/* The row says so still. */
static void leaves_what_is_due_to_the_next_host(void **state)
{
    struct rig r;
    (void)state;
    open_retries(&r);
    run_due(&r);
    struct hw_job *job = take_one(&r);
    job->starting = true;
    r.type.waits = true;
    settle(&r, job, true, 0);
    assert_int_equal(r.fake.commits, 0);
    assert_int_equal(r.moot, 1);
    close_rig(&r);
}

/* Nobody waits for it, so it waits for a worker as long as it takes. But what is behind a run that
 * never comes back makes room for others. */
static void puts_off_what_is_due_behind_a_lost_run(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_retries(&r);
    hw_patience_limit(&r.d.patience, SHORT_MS, LONG_MS);
    deliver_attempt(&r, "job", "a", "s", 5, &w);
    struct hw_job *lost = start(&r, take_one(&r));
    run_due(&r);
    set_stage(lost, HW_RUNNING, hw_now_ns() + LONG_MS * 1000000ull);
    uint64_t until = hw_now_ns() + 6 * SHORT_MS * 1000000ull;
    while (hw_now_ns() < until)
        uv_run(&r.loop, UV_RUN_NOWAIT);
    assert_int_equal(r.ended, 0);
    lost->n.outcome.authentic = true;
    hw_dispatch_lose(&r.d, lost, true);
    while (!r.ended)
        uv_run(&r.loop, UV_RUN_ONCE);
    assert_int_equal(r.moot, 0);
    assert_int_equal(r.fake.state, HW_FAILED);
    assert_int_not_equal(r.fake.next_run_at, 0);
    assert_int_equal(r.d.open, 0);
    assert_int_equal(r.d.with_crew, 0);
    settle(&r, lost, true, 0);
    assert_int_equal(r.ended, 1);
    close_rig(&r);
}

static void ends_what_is_due_once_when_its_thread_is_given_up(void **state)
{
    struct rig r;
    (void)state;
    open_retries(&r);
    run_due(&r);
    struct hw_job *job = start(&r, take_one(&r));
    job->n.outcome.authentic = true;
    set_stage(job, HW_RUNNING, hw_now_ns());
    hw_dispatch_lose(&r.d, job, true);
    assert_int_equal(r.ended, 1);
    assert_int_equal(r.d.open, 0);
    settle(&r, job, true, 0);
    assert_int_equal(r.ended, 1);
    close_rig(&r);
}

static int fake_pick(struct hw_ledger *ledger, struct hw_ledger_due *due)
{
    (void)ledger;
    due->count = due->max;
    return 0;
}

static void has_the_ledger_thread_look_for_what_is_due(void **state)
{
    struct rig r;
    (void)state;
    open_retries(&r);
    r.type.waits = true;
    r.type.pick = fake_pick;
    r.d.committer = hw_committer_start(&r.fake.ledger, on_committed, &r);
    assert_non_null(r.d.committer);
    assert_int_equal(hw_dispatch_pick(&r.d, 3), 0);
    assert_int_equal(r.d.open, 1); /* a host that stops waits for it */
    hw_committer_stop(r.d.committer);
    r.d.committer = NULL;
    hw_dispatch_settle(&r.d, hw_crew_take_rest(r.crew));
    assert_int_equal(r.asks, 1);
    assert_int_equal(r.found, 3);
    assert_int_equal(r.fake.commits, 0);
    close_rig(&r);
}

static int be_silent(void **state)
{
    (void)state;
    hw_log_set(HW_LOG_OFF, false);
    return 0;
}

/* ---- ack-first ---- */

static void on_taken_ended(void *owner, int64_t row, bool moot)
{
    struct rig *r = owner;
    (void)moot;
    HW_CHECK(row == 0); /* they ran from memory */
    r->ended++;
}

static bool on_take(void *owner)
{
    struct rig *r = owner;
    return r->room > 0 && r->room--;
}

static void on_added(void *owner)
{
    struct rig *r = owner;
    r->added++;
}

static void open_accepting(struct rig *r, int room)
{
    open_retries(r);
    r->room = room;
    r->d.in_hand.backlog_max = 3;
    r->d.in_hand.ended = on_taken_ended;
    r->d.in_hand.take = on_take;
    r->d.in_hand.added = on_added;
}

static void close_accepting(struct rig *r, int taken)
{
    assert_int_equal(r->ended, taken); /* each gave its place back once */
    assert_int_equal(r->d.in_hand.accepting, 0);
    assert_int_equal(r->d.with_crew, 0);
    close_rig(r);
}

/* What a worker does with one that is to be accepted. */
static void match(struct rig *r, struct hw_job *job)
{
    job->accepting = true;
    settle(r, job, true, 0);
}

static void answers_what_it_accepts_and_then_runs_it(void **state)
{
    struct rig r;
    struct waiter w[3];
    (void)state;
    open_accepting(&r, 1);
    deliver(&r, "job", "a", "s", &w[0]);
    struct hw_job *job = take_one(&r);
    deliver(&r, "job", "a", "s", &w[1]); /* it joins: it gets the same answer */
    r.fake.unanswered = &w[0];
    match(&r, job);
    assert_int_equal(r.fake.early_answers, 0);
    assert_int_equal(r.fake.state, HW_STARTED);
    assert_answer(&w[0], 0);
    assert_answer(&w[1], 0);
    assert_int_equal(r.fake.copies, 2);
    r.fake.unanswered = NULL;
    job = take_one(&r);
    assert_true(job->n.started && job->n.accepted && job->accepted);
    deliver(&r, "job", "a", "2", &w[2]);
    struct hw_job *copy = take_one(&r); /* it is verified, and looked up, without waiting */
    assert_true(copy->beside);
    copy->n.outcome.from_ledger = true;
    settle(&r, copy, true, 0);
    assert_answer(&w[2], 0);
    assert_int_equal(r.fake.copies, 3);
    settle(&r, job, true, HW_EHANDLER_REFUSED);
    assert_int_equal(r.fake.state, HW_FAILED);
    assert_int_not_equal(r.fake.next_run_at, 0);
    assert_int_equal(r.fake.copies, 3);
    close_accepting(&r, 1);
}

static void answers_copies_of_what_it_accepted_while_that_runs(void **state)
{
    struct rig r;
    struct waiter first, copy;
    (void)state;
    open_accepting(&r, 1);
    deliver(&r, "job", "a", "s", &first);
    match(&r, take_one(&r));
    struct hw_job *job = take_one(&r), *second = sample_job("job", "a");
    second->n.signature = HW_STR("s");
    second->n.outcome = (struct hw_outcome){0};
    copy = new_waiter();
    assert_int_equal(hw_dispatch_enter_gate(&r.d), 0);
    assert_int_equal(hw_dispatch_admit(&r.d, second, &copy.base), 0);
    assert_answer(&copy, 0); /* without a disk to wait for, at once */
    assert_int_equal(r.fake.copies, 2);
    assert_null(hw_crew_take_rest(r.crew));
    settle(&r, job, true, 0);
    assert_int_equal(r.fake.copies, 2);
    close_accepting(&r, 1);
}

static void leaves_to_the_ledger_what_has_no_place(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    for (int draining = 0; draining < 2; draining++) {
        open_accepting(&r, draining);
        deliver(&r, "job", "a", "s", &w);
        r.d.draining = draining;
        match(&r, take_one(&r));
        assert_answer(&w, 0);
        assert_int_equal(r.fake.state, HW_QUEUED);
        assert_int_not_equal(r.fake.next_run_at, 0);
        assert_int_equal(r.added, 1);
        close_accepting(&r, 0);
    }
}

/* The ledger finds others of its lane before it. */
static void gives_back_the_place_of_one_that_is_lined_up(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_accepting(&r, 1);
    r.fake.lines_up = true;
    deliver(&r, "job", "a", "s", &w);
    match(&r, take_one(&r));
    assert_answer(&w, 0);
    assert_null(hw_crew_take_rest(r.crew));
    close_accepting(&r, 1);
}

static void gives_back_the_place_of_one_that_is_not_recorded(void **state)
{
    static const struct hw_str pool = {"p", 1};
    struct rig r;
    struct waiter w;
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        open_accepting(&r, 1);
        deliver(&r, "job", "a", "s", &w);
        struct hw_job *job = take_one(&r);
        if (lost) { /* its thread hung in its `key` */
            job->n.outcome.authentic = true;
            set_stage(job, HW_RUNNING, hw_now_ns());
            hw_dispatch_lose(&r.d, job, true);
        }
        job->n.pool = pool;
        job->n.pool_max = 1;
        r.fake.rc = HW_ELEDGER_UNAVAILABLE;
        match(&r, job);
        assert_answer(&w, lost ? HW_EHANDLER_TIMEOUT : HW_ELEDGER_UNAVAILABLE);
        assert_int_equal(hw_pools_room(&r.d.in_hand.pools, pool), 1);
        close_accepting(&r, 1);
    }
}

static void turns_away_what_is_over_the_backlog(void **state)
{
    static const int64_t backlogs[] = {2, 3, -1};
    struct rig r;
    struct waiter w;
    (void)state;
    for (int i = 0; i < 3; i++) {
        open_accepting(&r, 0);
        atomic_store(&r.fake.ledger.backlog, backlogs[i]);
        deliver(&r, "job", "a", "s", &w);
        match(&r, take_one(&r));
        assert_answer(&w, i == 1 ? HW_EOVERLOADED : 0);
        assert_int_equal(r.fake.jobs, i != 1);
        close_accepting(&r, 0);
    }
}

/* The limit is one, until a job of the pool says otherwise. */
static void starts_of_a_pool_what_it_has_room_for(void **state)
{
    struct rig r;
    struct waiter w[2];
    (void)state;
    open_accepting(&r, 2);
    struct hw_job *jobs[2];
    for (int i = 0; i < 2; i++) {
        deliver(&r, i ? "job-2" : "job-1", "a", "s", &w[i]);
        jobs[i] = take_one(&r);
        jobs[i]->n.pool = HW_STR("p");
        jobs[i]->n.pool_max = 1;
        match(&r, jobs[i]);
        assert_int_equal(r.fake.state, i ? HW_QUEUED : HW_STARTED);
        if (i == 0)
            jobs[0] = take_one(&r);
    }
    settle(&r, jobs[0], true, 0);
    assert_int_equal(hw_pools_room(&r.d.in_hand.pools, HW_STR("p")), 1);
    assert_int_equal(r.added, 2); /* the one that was queued; then the place that is free */
    close_accepting(&r, 1);
}

/* Its row had no pool, and its handler has got a limit since. */
static void gives_back_no_place_that_it_did_not_have(void **state)
{
    struct rig r;
    (void)state;
    open_retries(&r);
    r.d.in_hand.added = on_added;
    run_due(&r);
    struct hw_job *job = take_one(&r);
    job->n.pool = HW_STR("p");
    job->n.pool_max = 2;
    job->n.outcome.place = HW_STR("a.lua:1");
    job = start(&r, job);
    assert_int_equal(hw_pools_room(&r.d.in_hand.pools, HW_STR("p")), 1);
    job->n.outcome.place = HW_STR("a.lua:1");
    settle(&r, job, true, 0);
    assert_int_equal(hw_pools_room(&r.d.in_hand.pools, HW_STR("p")), 2);
    assert_int_equal(r.added, 2); /* its limit became known; then its place is free */
    close_rig(&r);
}

/* The ledger thread has ended: the next host runs it. */
static void puts_off_what_was_accepted_too_late_to_run(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_accepting(&r, 1);
    deliver(&r, "job", "a", "s", &w);
    match(&r, take_one(&r));
    struct hw_job *job = take_one(&r);
    job->let_go = true; /* as it comes back from the committer */
    r.d.with_crew = 0;
    r.d.draining = r.type.waits = true;
    settle(&r, job, true, 0);
    assert_answer(&w, 0);
    assert_int_equal(r.fake.state, HW_QUEUED);
    assert_int_not_equal(r.fake.next_run_at, 0);
    close_accepting(&r, 1);
}

/* ---- a ledger that can't be written ---- */

static void answers_a_repeat_that_can_not_be_counted(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    r.fake.ledger.health = HW_LEDGER_FAILED;
    deliver(&r, "job", "a", "s", &w);
    struct hw_job *job = take_one(&r);
    job->n.outcome.from_ledger = true;
    settle(&r, job, true, 0);
    assert_answer(&w, 0);
    assert_int_equal(r.fake.commits, 0);
    close_rig(&r);
}

static void refuses_what_is_held_when_nobody_would_let_it_go(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    r.fake.ledger.health = HW_LEDGER_FAILED;
    deliver(&r, "job", "a", "s", &w);
    struct hw_job *job = take_one(&r);
    job->n.outcome.held = true;
    settle(&r, job, true, HW_ELEDGER_UNAVAILABLE);
    assert_answer(&w, HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(r.fake.commits, 0);
    close_rig(&r);
}

static void runs_anew_what_is_let_go(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    deliver(&r, "job", "a", "s", &w);
    struct hw_job *job = take_one(&r);
    job->let_go = job->n.outcome.held = true; /* as it comes back from the committer */
    r.d.held = 1;
    r.d.with_crew = 0;
    settle(&r, job, true, HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(w.answers, 0);
    assert_int_equal(r.d.held, 0);
    job = take_one(&r);
    assert_false(job->n.outcome.held);
    assert_false(job->let_go);
    assert_int_equal(job->n.outcome.code, 0);
    settle(&r, job, true, 0);
    assert_answer(&w, 0);
    close_rig(&r);
}

/* Its handler was not run; its thread hangs in a finalizer that an earlier job left behind. That is
 * no outcome. */
static void lets_a_held_job_go_that_was_lost_meanwhile(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r);
    deliver(&r, "job", "a", "s", &w);
    struct hw_job *job = take_one(&r);
    job->n.outcome = (struct hw_outcome){.authentic = true, .code = HW_ELEDGER_UNAVAILABLE};
    job->n.outcome.held = true;
    set_stage(job, HW_SETTLING, hw_now_ns());
    hw_dispatch_lose(&r.d, job, true);
    assert_int_equal(w.answers, 1);
    assert_int_equal(r.fake.commits, 0);
    job->let_go = true; /* as it comes back from the committer */
    r.d.held = 1;
    hw_dispatch_settle(&r.d, job);
    assert_int_equal(r.d.held, 0);
    assert_int_equal(r.d.open, 1);
    assert_int_equal(r.d.with_crew, 1);
    settle(&r, take_one(&r), true, 0);
    assert_int_equal(r.fake.copies, 1);
    assert_int_equal(r.d.with_crew, 0);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_in_as_many_as_its_limit_and_not_one_more),
        cmocka_unit_test(lets_nobody_in_while_it_drains),
        cmocka_unit_test(counts_a_job_until_its_death),
        cmocka_unit_test(answers_what_the_handler_came_to),
        cmocka_unit_test(commits_before_it_answers),
        cmocka_unit_test(answers_a_commit_that_failed_as_a_failure),
        cmocka_unit_test(keeps_forgeries_out_of_the_ledger),
        cmocka_unit_test(commits_more_than_a_batch_in_several),
        cmocka_unit_test(runs_once_for_copies_in_flight),
        cmocka_unit_test(ends_with_the_highest_attempt_of_its_copies),
        cmocka_unit_test(runs_another_id_or_body_beside_it),
        cmocka_unit_test(runs_another_signature_behind_it),
        cmocka_unit_test(lets_so_many_wait_behind_and_not_one_more),
        cmocka_unit_test(takes_back_what_waited_too_long),
        cmocka_unit_test(takes_back_what_waited_behind_a_handler),
        cmocka_unit_test(tells_who_waits_whose_fault_it_is),
        cmocka_unit_test(records_a_job_whose_thread_was_given_up),
        cmocka_unit_test(records_what_a_lost_job_had_come_to),
        cmocka_unit_test(takes_a_lost_job_off_the_gate_before_it_ran),
        cmocka_unit_test(waits_while_a_stage_has_time_left),
        cmocka_unit_test(tells_nobody_of_a_stage_that_just_began),
        cmocka_unit_test(takes_a_copy_anew_after_the_answer),
        cmocka_unit_test(answers_nobody_who_is_gone),
        cmocka_unit_test(records_a_job_that_nobody_waits_for),
        cmocka_unit_test(runs_a_revived_job_once_it_is_loaded),
        cmocka_unit_test(records_a_revived_job_whose_thread_was_given_up),
        cmocka_unit_test(counts_a_revived_job_again_that_was_lost_while_it_was_loaded),
        cmocka_unit_test(answers_a_revived_job_that_is_not_there),
        cmocka_unit_test(runs_a_revived_job_behind_the_same_in_flight),
        cmocka_unit_test(answers_when_the_ledger_thread_is_done),
        cmocka_unit_test(frees_what_will_never_run),
        cmocka_unit_test(answers_what_it_accepts_and_then_runs_it),
        cmocka_unit_test(answers_copies_of_what_it_accepted_while_that_runs),
        cmocka_unit_test(leaves_to_the_ledger_what_has_no_place),
        cmocka_unit_test(gives_back_the_place_of_one_that_is_lined_up),
        cmocka_unit_test(gives_back_the_place_of_one_that_is_not_recorded),
        cmocka_unit_test(turns_away_what_is_over_the_backlog),
        cmocka_unit_test(starts_of_a_pool_what_it_has_room_for),
        cmocka_unit_test(gives_back_no_place_that_it_did_not_have),
        cmocka_unit_test(puts_off_what_was_accepted_too_late_to_run),
        cmocka_unit_test(answers_a_repeat_that_can_not_be_counted),
        cmocka_unit_test(refuses_what_is_held_when_nobody_would_let_it_go),
        cmocka_unit_test(runs_anew_what_is_let_go),
        cmocka_unit_test(lets_a_held_job_go_that_was_lost_meanwhile),
        cmocka_unit_test(records_a_start_and_goes_on),
        cmocka_unit_test(runs_nothing_whose_start_is_not_recorded),
        cmocka_unit_test(counts_one_again_that_was_lost_before_its_start),
        cmocka_unit_test(records_a_started_one_whose_thread_was_given_up),
        cmocka_unit_test(puts_a_started_one_off_that_waits_too_long),
        cmocka_unit_test(leaves_a_start_to_the_next_host_that_came_too_late),
        cmocka_unit_test(runs_what_is_due),
        cmocka_unit_test(says_nothing_of_what_is_not_due_any_more),
        cmocka_unit_test(leaves_what_is_due_to_the_next_host),
        cmocka_unit_test(puts_off_what_is_due_behind_a_lost_run),
        cmocka_unit_test(ends_what_is_due_once_when_its_thread_is_given_up),
        cmocka_unit_test(has_the_ledger_thread_look_for_what_is_due),
    };
    return cmocka_run_group_tests_name("dispatch", tests, be_silent, NULL);
}
