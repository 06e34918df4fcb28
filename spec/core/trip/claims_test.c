/* What is verified is claimed before it runs, and whatever was claimed is committed.
 *
 * The ledger is a fake that hosts share. The crew has ended before the first job, so the test is the
 * leader and the worker; the claim thread is a real one. */
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

/* What the ledger says to the next claim. */
struct answer {
    int rc, code; /* of the batch; of a notification */
    enum hw_claim claim;
    const char *reason;
};

struct fake {
    struct hw_ledger ledger;

    /* the test sets it while the claim thread waits */
    struct answer answer;
    bool blocks; /* a claim waits until the test posts `may_claim` */
    uv_sem_t may_claim, entered, claimed;

    /* claim thread only, until it has answered */
    int claims;
    size_t asked;
    bool waited, only_look, force;
    struct hw_fence before;

    /* leader only, until there is a committer */
    int commit_rc;
    bool fences, lines_up;
    size_t jobs;
    struct hw_fence fence; /* of the last one that was committed, like the rest */
    enum hw_claim claim;
    enum hw_ledger_state state;
    int64_t next_run_at, row;
    int code;
    bool ran, from_ledger, accepted;
    uint32_t copies;
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
    int ended, moot, room; /* of what the host runs by itself */
};

/* ---- the fake ledger ---- */

static int fake_claim(struct hw_ledger *ledger, struct hw_notification *const *batch, size_t count)
{
    struct fake *f = (struct fake *)ledger;
    uv_sem_post(&f->entered);
    if (f->blocks)
        uv_sem_wait(&f->may_claim);
    f->claims++;
    f->asked = count;
    for (size_t i = 0; i < count; i++) {
        struct hw_notification *n = batch[i];
        f->waited = n->waited;
        f->only_look = n->only_look;
        f->force = n->force;
        f->before = n->fence;
        if (f->answer.rc)
            continue;
        n->claim = f->answer.claim;
        n->fence = (struct hw_fence){7, n->fence.claim + 1};
        n->row = 70;
        n->outcome.code = f->answer.code;
        if (f->answer.reason)
            n->outcome.reason = hw_str_of(f->answer.reason);
        if (n->from_row && n->claim == HW_CLAIM_MINE)
            n->body = HW_STR("{}");
    }
    return f->answer.rc;
}

static int fake_commit(struct hw_ledger *ledger, struct hw_notification *const *batch, size_t count)
{
    struct fake *f = (struct fake *)ledger;
    f->jobs += count;
    for (size_t i = 0; i < count; i++) {
        struct hw_notification *n = batch[i];
        if (f->lines_up)
            n->state = HW_QUEUED;
        n->fenced = f->fences;
        f->fence = n->fence;
        f->claim = n->claim;
        f->state = n->state;
        f->next_run_at = n->next_run_at;
        f->row = n->outcome.from_ledger ? n->known.row : n->row;
        f->code = n->outcome.code;
        f->ran = n->outcome.ran;
        f->from_ledger = n->outcome.from_ledger;
        f->accepted = n->accepted;
        f->copies = n->copies;
    }
    return f->commit_rc;
}

static bool fake_holds(struct hw_ledger *ledger, const struct hw_fence *fence)
{
    (void)ledger;
    return fence->claim > 0;
}

/* ---- the rig ---- */

static void on_claimed(void *owner, struct hw_job *jobs)
{
    struct rig *r = owner;
    hw_crew_return(r->crew, jobs);
    uv_sem_post(&r->fake.claimed);
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

static void open_rig(struct rig *r, enum hw_claim claim)
{
    *r = (struct rig){
        .type = {.name = "fake", .claim = fake_claim, .commit = fake_commit, .holds = fake_holds}};
    start_crew(r);
    hw_ledger_init(&r->fake.ledger, &r->type);
    r->fake.answer.claim = claim;
    HW_CHECK(uv_sem_init(&r->fake.may_claim, 0) == 0 && uv_sem_init(&r->fake.entered, 0) == 0 &&
             uv_sem_init(&r->fake.claimed, 0) == 0);
    r->refusal_log.stats = &r->stats;
    hw_report_init(&r->report, &r->stats, &r->refusal_log);
    hw_requests_init(&r->requests, (struct hw_http_limits){16384, 1 << 20});
    HW_CHECK(hw_dispatch_init(&r->d, &r->loop, &r->fake.ledger, &r->requests, &r->report,
                              OPEN_MAX) == 0);
    r->d.crew = r->crew;
    r->d.claims.claimer = hw_claimer_start(&r->fake.ledger, on_claimed, r);
    HW_CHECK(r->d.claims.claimer);
    hw_patience_limit(&r->d.patience, PATIENCE_MS, PATIENCE_MS);
}

static void stop_claimer(struct rig *r)
{
    if (r->d.claims.claimer)
        hw_claimer_stop(r->d.claims.claimer);
    r->d.claims.claimer = NULL;
}

static void on_walk(uv_handle_t *handle, void *unused)
{
    (void)unused;
    uv_close(handle, NULL);
}

static void close_rig(struct rig *r)
{
    stop_claimer(r);
    assert_null(hw_crew_take_rest(r->crew));
    assert_int_equal(r->d.open, 0); /* every job that came in has left */
    assert_int_equal(r->d.with_crew, 0);
    assert_int_equal(hw_dispatch_elsewhere(&r->d), 0);
    for (size_t i = 0; i < r->d.in_flight.bucket_count; i++)
        assert_null(r->d.in_flight.buckets[i]);
    uv_walk(&r->loop, on_walk, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    hw_crew_free(r->crew);
    hw_dispatch_fini(&r->d);
    hw_report_fini(&r->report);
    hw_requests_fini(&r->requests);
    uv_sem_destroy(&r->fake.may_claim);
    uv_sem_destroy(&r->fake.entered);
    uv_sem_destroy(&r->fake.claimed);
}

/* ---- a job's steps ---- */

static void on_answer(struct hw_waiter *base, int code, struct hw_str reason)
{
    struct waiter *w = (struct waiter *)base;
    HW_CHECK(!base->link && !base->job);
    w->answers++;
    w->code = code;
    snprintf(w->reason, sizeof w->reason, "%.*s", HW_STR_ARG(reason));
}

static void deliver(struct rig *r, const char *id, const char *signature, struct waiter *waiter)
{
    struct hw_job *job = sample_job(id, "{}");
    job->n.signature = hw_str_of(signature);
    job->n.outcome = (struct hw_outcome){0};
    *waiter = (struct waiter){.base.answer = on_answer};
    assert_int_equal(hw_dispatch_enter_gate(&r->d), 0);
    assert_int_equal(hw_dispatch_admit(&r->d, job, &waiter->base), 0);
}

/* The one job that a worker may take now. */
static struct hw_job *take_one(struct rig *r)
{
    struct hw_job *job = hw_crew_take_rest(r->crew);
    assert_non_null(job);
    assert_null(job->next);
    assert_false(job->asked);
    return job;
}

/* The first trip of the one job that is with the crew. */
static struct hw_job *verify(struct rig *r)
{
    struct hw_job *job = take_one(r);
    job->n.outcome.authentic = true;
    job->to_claim = true;
    atomic_store(&job->progress, HW_CHECKING);
    hw_dispatch_settle(&r->d, job);
    return job;
}

/* The leader hears what a claim came to. */
static void hear(struct rig *r)
{
    uv_sem_wait(&r->fake.claimed);
    hw_dispatch_settle(&r->d, hw_crew_take_rest(r->crew));
}

/* The claim thread does not wake the loop here, so it must not sleep for long. */
static void turn(struct rig *r)
{
    uv_run(&r->loop, UV_RUN_NOWAIT);
    uv_sleep(1);
}

/* The loop turns until what is elsewhere was claimed again; then the leader hears of it. */
static void ask_again(struct rig *r)
{
    int claims = r->fake.claims;
    while (uv_sem_trywait(&r->fake.claimed))
        turn(r);
    assert_int_equal(r->fake.claims, claims + 1);
    hw_dispatch_settle(&r->d, hw_crew_take_rest(r->crew));
}

static struct hw_job *begin(struct rig *r, const char *id, struct waiter *waiter)
{
    deliver(r, id, "s", waiter);
    struct hw_job *job = verify(r);
    hear(r);
    return job;
}

/* The second trip: its handler has run. */
static void handle(struct rig *r, int code)
{
    struct hw_job *job = take_one(r);
    assert_int_equal(job->n.claim, HW_CLAIM_MINE);
    job->n.outcome.authentic = job->n.outcome.ran = true;
    job->n.outcome.code = code;
    hw_dispatch_settle(&r->d, job);
}

static void run_out_of_patience(struct rig *r, struct hw_job *job)
{
    atomic_store(&job->due_ns, 0);
    r->d.patience.impatient(r->d.patience.owner, job);
}

static void assert_answer(const struct waiter *w, int code)
{
    assert_int_equal(w->answers, 1);
    assert_int_equal(w->code, code);
}

/* Its row was let go, without a run. */
static void assert_given_back(const struct rig *r, size_t jobs, int code)
{
    assert_int_equal(r->fake.jobs, jobs);
    assert_int_equal(r->fake.claim, HW_CLAIM_MINE);
    assert_int_equal(r->fake.code, code);
    assert_false(r->fake.ran);
    assert_false(r->fake.from_ledger);
}

/* ---- mine ---- */

static void claims_what_is_verified_and_then_runs_it(void **state)
{
    struct rig r;
    struct waiter w[2];
    (void)state;
    open_rig(&r, HW_CLAIM_MINE);
    deliver(&r, "job", "s", &w[0]);
    assert_int_equal(r.fake.claims, 0);
    verify(&r);
    deliver(&r, "job", "s", &w[1]); /* a copy shares the claim */
    hear(&r);
    assert_int_equal(w[0].answers, 0);
    handle(&r, 0);
    assert_answer(&w[0], 0);
    assert_answer(&w[1], 0);
    assert_int_equal(r.fake.claims, 1);
    assert_int_equal(r.fake.jobs, 1);
    assert_int_equal(r.fake.copies, 2);
    assert_int_equal(r.fake.state, HW_SUCCEEDED);
    assert_int_equal(r.fake.fence.owner, 7);
    assert_int_equal(r.fake.fence.claim, 1);
    close_rig(&r);
}

static void claims_nothing_that_is_forged(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_MINE);
    deliver(&r, "job", "s", &w);
    struct hw_job *job = take_one(&r);
    job->n.outcome.code = HW_EINVALID_SIGNATURE;
    hw_dispatch_settle(&r.d, job);
    assert_answer(&w, HW_EINVALID_SIGNATURE);
    assert_int_equal(r.fake.claims, 0);
    assert_int_equal(r.fake.jobs, 0);
    close_rig(&r);
}

static void claims_in_one_batch_what_waits_meanwhile(void **state)
{
    struct rig r;
    struct waiter w[4];
    char id[16];
    (void)state;
    open_rig(&r, HW_CLAIM_KNOWN);
    r.fake.blocks = true;
    for (int i = 0; i < 4; i++) {
        snprintf(id, sizeof id, "job-%d", i);
        deliver(&r, id, "s", &w[i]);
        verify(&r);
        if (i == 0)
            uv_sem_wait(&r.fake.entered);
    }
    uv_sem_post(&r.fake.may_claim);
    uv_sem_post(&r.fake.may_claim);
    hear(&r);
    if (r.d.open > 0)
        hear(&r);
    assert_int_equal(r.fake.claims, 2);
    assert_int_equal(r.fake.asked, 3);
    for (int i = 0; i < 4; i++)
        assert_answer(&w[i], 0);
    close_rig(&r);
}

/* Its row would stay its own for as long as this host lives. */
static void gives_back_what_waits_too_long_for_a_worker(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_MINE);
    struct hw_job *job = begin(&r, "job", &w);
    run_out_of_patience(&r, job);
    assert_answer(&w, HW_EQUEUE_TIMEOUT);
    assert_given_back(&r, 1, HW_EQUEUE_TIMEOUT);
    assert_int_equal(r.fake.state, HW_FAILED);
    close_rig(&r);
}

static void commits_what_was_claimed_to_be_refused(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_MINE);
    r.fake.answer.code = HW_EHOST_LOST;
    begin(&r, "job", &w);
    assert_answer(&w, HW_EHOST_LOST);
    assert_given_back(&r, 1, HW_EHOST_LOST);
    close_rig(&r);
}

/* It did not run, since it was paused, for example. */
static void commits_what_did_not_run(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_MINE);
    begin(&r, "job", &w);
    struct hw_job *job = take_one(&r);
    job->n.outcome.authentic = true;
    job->n.outcome.code = HW_EPAUSED;
    hw_dispatch_settle(&r.d, job);
    assert_answer(&w, HW_EPAUSED);
    assert_given_back(&r, 1, HW_EPAUSED);
    close_rig(&r);
}

/* ---- known, failed ---- */

static void answers_from_the_ledger_what_it_knows(void **state)
{
    struct rig r;
    struct waiter w[2];
    (void)state;
    open_rig(&r, HW_CLAIM_KNOWN);
    begin(&r, "job-1", &w[0]);
    assert_answer(&w[0], 0);
    assert_int_equal(r.fake.jobs, 1);
    assert_true(r.fake.from_ledger);
    assert_int_equal(r.fake.row, 70);
    assert_int_equal(r.fake.copies, 1);
    r.fake.answer.code = HW_EGIVEN_UP;
    r.fake.answer.reason = "no such badge";
    begin(&r, "job-2", &w[1]);
    assert_answer(&w[1], HW_EGIVEN_UP);
    assert_string_equal(w[1].reason, "no such badge");
    close_rig(&r);
}

static void answers_what_it_knows_though_it_can_not_count_it(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_KNOWN);
    hw_ledger_set_health(&r.fake.ledger, HW_LEDGER_FAILED);
    begin(&r, "job", &w);
    assert_answer(&w, 0);
    assert_int_equal(r.fake.jobs, 0);
    close_rig(&r);
}

static void runs_nothing_that_could_not_be_claimed(void **state)
{
    struct rig r;
    struct waiter w[2];
    (void)state;
    open_rig(&r, HW_CLAIM_NONE);
    r.fake.answer.rc = HW_ELEDGER_UNAVAILABLE;
    begin(&r, "job-1", &w[0]);
    assert_answer(&w[0], HW_ELEDGER_UNAVAILABLE);
    r.fake.answer = (struct answer){.code = HW_EOVERLOADED, .reason = "this one alone"};
    begin(&r, "job-2", &w[1]);
    assert_answer(&w[1], HW_EOVERLOADED);
    assert_string_equal(w[1].reason, "this one alone");
    assert_int_equal(r.fake.jobs, 0);
    close_rig(&r);
}

/* ---- elsewhere ---- */

static void gives_the_answer_of_the_host_that_has_it(void **state)
{
    struct rig r;
    struct waiter w[2];
    (void)state;
    open_rig(&r, HW_CLAIM_ELSEWHERE);
    begin(&r, "job", &w[0]);
    assert_false(r.fake.waited);
    assert_int_equal(hw_dispatch_elsewhere(&r.d), 1);
    deliver(&r, "job", "s", &w[1]); /* a copy waits with it */
    ask_again(&r);
    assert_true(r.fake.waited);
    assert_int_equal(w[0].answers, 0);
    r.fake.answer =
        (struct answer){.claim = HW_CLAIM_KNOWN, .code = HW_EHANDLER_REFUSED, .reason = "sold out"};
    ask_again(&r);
    for (int i = 0; i < 2; i++) {
        assert_answer(&w[i], HW_EHANDLER_REFUSED);
        assert_string_equal(w[i].reason, "sold out");
    }
    assert_int_equal(r.fake.copies, 2);
    close_rig(&r);
}

static void runs_what_another_host_let_go(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_ELSEWHERE);
    begin(&r, "job", &w);
    r.fake.answer.claim = HW_CLAIM_MINE;
    ask_again(&r);
    handle(&r, 0);
    assert_answer(&w, 0);
    assert_int_equal(r.fake.state, HW_SUCCEEDED);
    close_rig(&r);
}

static void refuses_what_stays_elsewhere_when_the_ledger_is_away(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_ELSEWHERE);
    begin(&r, "job", &w);
    r.fake.answer.rc = HW_ELEDGER_UNAVAILABLE;
    ask_again(&r);
    assert_answer(&w, HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(r.fake.jobs, 0);
    close_rig(&r);
}

static void asks_ever_more_seldom(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_ELSEWHERE);
    struct hw_job *job = begin(&r, "job", &w);
    static const uint32_t delays[] = {20, 40, 80, 160, 320, 500, 500};
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        assert_int_equal(job->ask_ms, delays[i]);
        uint64_t in_ns = job->ask_at_ns - hw_now_ns();
        assert_true(in_ns <= delays[i] * 1250000ull);
        assert_true(hw_claims_leave(&r.d.claims, job));
        hw_claims_wait(&r.d.claims, job);
    }
    hw_waiter_leave(&w.base);
    while (r.d.open > 0)
        turn(&r);
    close_rig(&r);
}

static void drops_what_nobody_waits_for(void **state)
{
    struct rig r;
    struct waiter w[2];
    (void)state;
    open_rig(&r, HW_CLAIM_ELSEWHERE);
    begin(&r, "job", &w[0]);
    deliver(&r, "job", "other", &w[1]); /* it waits behind the first, and takes its place */
    hw_waiter_leave(&w[0].base);
    while (hw_dispatch_elsewhere(&r.d) > 0)
        turn(&r);
    assert_int_equal(r.fake.claims, 1);
    assert_int_equal(r.fake.jobs, 0);
    r.fake.answer.claim = HW_CLAIM_KNOWN;
    verify(&r);
    hear(&r);
    assert_answer(&w[1], 0);
    close_rig(&r);
}

static void tells_who_waits_too_long(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_ELSEWHERE);
    struct hw_job *job = begin(&r, "job", &w);
    uint64_t left_ns = atomic_load(&job->due_ns) - hw_now_ns();
    assert_true(left_ns > PATIENCE_MS * 1900000ull && left_ns <= PATIENCE_MS * 2000000ull);
    run_out_of_patience(&r, job);
    assert_answer(&w, HW_EQUEUE_TIMEOUT);
    assert_int_equal(r.fake.jobs, 0);
    close_rig(&r);
}

/* The claim thread has it just then. What it gets is run, and recorded. */
static void tells_who_waits_too_long_during_a_claim(void **state)
{
    static const enum hw_claim then[] = {HW_CLAIM_ELSEWHERE, HW_CLAIM_MINE};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rig r;
        struct waiter w;
        open_rig(&r, HW_CLAIM_ELSEWHERE);
        struct hw_job *job = begin(&r, "job", &w);
        uv_sem_wait(&r.fake.entered);
        r.fake.blocks = true;
        while (uv_sem_trywait(&r.fake.entered))
            turn(&r);
        run_out_of_patience(&r, job);
        assert_answer(&w, HW_EQUEUE_TIMEOUT);
        r.fake.answer.claim = then[i];
        uv_sem_post(&r.fake.may_claim);
        hear(&r);
        if (then[i] == HW_CLAIM_MINE)
            handle(&r, 0);
        assert_int_equal(r.fake.jobs, then[i] == HW_CLAIM_MINE);
        assert_int_equal(w.answers, 1);
        close_rig(&r);
    }
}

/* ---- not this host's any more ---- */

static void answers_what_was_fenced_as_a_failure(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_MINE);
    begin(&r, "job", &w);
    r.fake.fences = true;
    handle(&r, 0);
    assert_answer(&w, HW_ELEDGER_UNAVAILABLE);
    close_rig(&r);
}

/* A worker found that it may not be this host's any more. */
static void lapse(struct rig *r)
{
    struct hw_job *job = take_one(r);
    job->n.outcome.authentic = job->to_claim = true;
    hw_dispatch_settle(&r->d, job);
    hear(r);
}

static void claims_again_what_may_be_anothers_by_now(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_MINE);
    begin(&r, "job", &w);
    lapse(&r);
    assert_int_equal(r.fake.before.claim, 1);
    handle(&r, 0);
    assert_answer(&w, 0);
    assert_int_equal(r.fake.fence.claim, 2);
    close_rig(&r);
}

static void gives_back_what_can_not_be_claimed_again(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_MINE);
    begin(&r, "job", &w);
    r.fake.answer.rc = HW_ELEDGER_UNAVAILABLE;
    lapse(&r);
    assert_answer(&w, HW_ELEDGER_UNAVAILABLE);
    assert_given_back(&r, 1, HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(r.fake.fence.claim, 1);
    close_rig(&r);
}

static void waits_for_who_took_it_meanwhile(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_MINE);
    begin(&r, "job", &w);
    r.fake.answer.claim = HW_CLAIM_ELSEWHERE;
    lapse(&r);
    r.fake.answer.claim = HW_CLAIM_KNOWN;
    ask_again(&r);
    assert_answer(&w, 0);
    assert_true(r.fake.from_ledger);
    close_rig(&r);
}

/* While its thread is in the handler no other host may run it. */
static void records_nothing_for_a_claimed_one_whose_thread_was_given_up(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_MINE);
    begin(&r, "job", &w);
    struct hw_job *job = take_one(&r);
    atomic_store(&job->progress, HW_RUNNING);
    hw_dispatch_lose(&r.d, job, true);
    assert_answer(&w, HW_EHANDLER_TIMEOUT);
    assert_int_equal(r.fake.jobs, 0);
    assert_int_equal(r.d.open, 0);
    job->n.outcome.authentic = job->n.outcome.ran = true; /* it comes back */
    hw_dispatch_settle(&r.d, job);
    assert_int_equal(r.fake.jobs, 1);
    assert_int_equal(r.fake.copies, 1);
    assert_int_equal(r.fake.state, HW_SUCCEEDED);
    close_rig(&r);
}

/* ---- what was accepted ---- */

static void on_ended(void *owner, int64_t row, bool moot)
{
    struct rig *r = owner;
    (void)row;
    r->ended++;
    r->moot += moot;
}

static bool on_take(void *owner)
{
    struct rig *r = owner;
    return r->room-- > 0;
}

static void on_added(void *owner)
{
    (void)owner;
}

static void on_picked(void *owner, int code, const struct hw_ledger_due *due)
{
    (void)owner;
    (void)code;
    (void)due;
}

static void open_due(struct rig *r, enum hw_claim claim, int room)
{
    open_rig(r, claim);
    r->room = room;
    r->d.in_hand.backlog_max = 100;
    r->d.in_hand.owner = r;
    r->d.in_hand.ended = on_ended;
    r->d.in_hand.take = on_take;
    r->d.in_hand.added = on_added;
    r->d.picked = on_picked;
    r->d.retries = (struct hw_retries){.count = 1, .delays_ms = {1000}};
}

/* The second trip of an ack-first one: it is matched. */
static void match(struct rig *r)
{
    struct hw_job *job = take_one(r);
    job->n.outcome.authentic = job->n.ack_first = job->accepting = true;
    hw_dispatch_settle(&r->d, job);
}

static void accepts_and_runs_with_the_same_claim(void **state)
{
    struct rig r;
    struct waiter w[2];
    (void)state;
    open_due(&r, HW_CLAIM_MINE, 1);
    begin(&r, "job", &w[0]);
    match(&r);
    assert_answer(&w[0], 0);
    assert_int_equal(r.fake.state, HW_STARTED);
    assert_true(r.fake.accepted);
    deliver(&r, "job", "other", &w[1]); /* a copy with another signature is only looked for */
    struct hw_job *jobs = hw_crew_take_rest(r.crew), *copy = jobs->next;
    jobs->next = NULL;
    r.fake.answer.claim = HW_CLAIM_KNOWN;
    copy->n.outcome.authentic = copy->to_claim = true;
    hw_dispatch_settle(&r.d, copy);
    hear(&r);
    assert_true(r.fake.only_look);
    assert_answer(&w[1], 0);
    jobs->n.outcome.authentic = jobs->n.outcome.ran = true;
    hw_dispatch_settle(&r.d, jobs);
    assert_int_equal(r.fake.fence.claim, 1);
    assert_int_equal(r.fake.state, HW_SUCCEEDED);
    assert_int_equal(r.fake.jobs, 3);
    assert_int_equal(r.ended, 1);
    close_rig(&r);
}

static void leaves_to_the_fleet_what_has_no_place_here(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_due(&r, HW_CLAIM_MINE, 0);
    begin(&r, "job", &w);
    match(&r);
    assert_answer(&w, 0);
    assert_int_equal(r.fake.state, HW_QUEUED);
    assert_int_equal(r.fake.jobs, 1);
    close_rig(&r);
}

static void never_runs_an_accepted_one_that_was_fenced(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_due(&r, HW_CLAIM_MINE, 1);
    begin(&r, "job", &w);
    r.fake.fences = true;
    match(&r);
    assert_answer(&w, HW_ELEDGER_UNAVAILABLE);
    assert_null(hw_crew_take_rest(r.crew));
    assert_int_equal(r.ended, 1);
    close_rig(&r);
}

static void gives_back_what_there_is_no_room_to_accept(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_due(&r, HW_CLAIM_MINE, 1);
    r.d.in_hand.backlog_max = 0;
    begin(&r, "job", &w);
    match(&r);
    assert_answer(&w, HW_EOVERLOADED);
    assert_given_back(&r, 1, HW_EOVERLOADED);
    assert_false(r.fake.accepted);
    close_rig(&r);
}

/* ---- what is due, and replays ---- */

static struct hw_notification *new_taken(void)
{
    struct hw_notification *n = notification("job", "{}");
    n->outcome = (struct hw_outcome){0};
    n->claim = HW_CLAIM_MINE;
    n->fence = (struct hw_fence){7, 3};
    n->from_row = n->row = 5;
    n->accepted = true;
    return n;
}

static void run_due(struct rig *r)
{
    struct hw_notification *taken = new_taken();
    const struct hw_ledger_due_row row = {.seq = 5, .next_run_at = 1000, .taken = taken};
    assert_int_equal(hw_dispatch_run_due(&r->d, &row), 0);
    free_notification(taken);
}

static void runs_what_the_ledger_took(void **state)
{
    struct rig r;
    (void)state;
    open_due(&r, HW_CLAIM_NONE, 0);
    run_due(&r);
    handle(&r, 0);
    assert_int_equal(r.fake.claims, 0);
    assert_int_equal(r.fake.fence.claim, 3);
    assert_int_equal(r.fake.state, HW_SUCCEEDED);
    assert_int_equal(r.ended, 1);
    close_rig(&r);
}

static void gives_back_in_a_drain_what_the_ledger_took(void **state)
{
    struct rig r;
    (void)state;
    open_due(&r, HW_CLAIM_NONE, 0);
    r.d.draining = true;
    run_due(&r);
    assert_given_back(&r, 1, HW_EDRAINING);
    assert_int_equal(r.fake.state, HW_QUEUED);
    assert_true(r.fake.next_run_at > 0);
    assert_int_equal(r.ended, 1);
    close_rig(&r);
}

/* The delivery waits in the ledger for the very row that was taken. */
static void runs_what_was_taken_beside_a_delivery_that_waits_for_it(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_due(&r, HW_CLAIM_ELSEWHERE, 0);
    begin(&r, "job", &w);
    run_due(&r);
    handle(&r, 0);
    assert_int_equal(r.ended, 1);
    r.fake.answer.claim = HW_CLAIM_KNOWN;
    ask_again(&r);
    assert_answer(&w, 0);
    close_rig(&r);
}

static void revive(struct rig *r, bool force, struct waiter *waiter)
{
    *waiter = (struct waiter){.base.answer = on_answer};
    assert_int_equal(hw_dispatch_enter_gate(&r->d), 0);
    assert_int_equal(hw_dispatch_revive(&r->d, 5, force, &waiter->base), 0);
    hear(r);
}

static void takes_a_row_to_replay_it(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_due(&r, HW_CLAIM_MINE, 0);
    revive(&r, true, &w);
    assert_true(r.fake.force);
    handle(&r, 0);
    assert_answer(&w, 0);
    assert_int_equal(r.fake.copies, 0);
    close_rig(&r);
}

static void refuses_a_replay_of_what_runs_elsewhere(void **state)
{
    struct rig r;
    struct waiter w[2];
    (void)state;
    open_due(&r, HW_CLAIM_ELSEWHERE, 0);
    revive(&r, false, &w[0]);
    assert_answer(&w[0], HW_EOVERLOADED);
    assert_string_equal(w[0].reason, "it runs at another host just now; try again later");
    r.fake.answer = (struct answer){.claim = HW_CLAIM_NONE, .code = HW_ENOT_FOUND};
    revive(&r, false, &w[1]);
    assert_answer(&w[1], HW_ENOT_FOUND);
    assert_int_equal(r.fake.jobs, 0);
    close_rig(&r);
}

/* ---- the end ---- */

static void turn_down(struct rig *r)
{
    struct hw_job *jobs;
    stop_claimer(r);
    hw_dispatch_settle(&r->d, hw_crew_take_rest(r->crew)); /* all that came back */
    hw_dispatch_drop(&r->d, hw_claims_take_all(&r->d.claims));
    while ((jobs = hw_crew_take_rest(r->crew)))
        hw_dispatch_drop(&r->d, jobs);
}

static void let_claim_later(void *arg)
{
    struct rig *r = arg;
    uv_sleep(100); /* the claim thread is told to stop meanwhile */
    uv_sem_post(&r->fake.may_claim);
    uv_sem_post(&r->fake.may_claim); /* one too many, unless it claims on */
}

static void gives_back_a_claim_that_was_under_way_at_the_end(void **state)
{
    struct rig r;
    struct waiter w[2];
    uv_thread_t thread;
    (void)state;
    open_rig(&r, HW_CLAIM_MINE);
    r.fake.blocks = true;
    deliver(&r, "job-1", "s", &w[0]);
    verify(&r);
    uv_sem_wait(&r.fake.entered);
    deliver(&r, "job-2", "s", &w[1]); /* it is not claimed any more */
    verify(&r);
    HW_CHECK(uv_thread_create(&thread, let_claim_later, &r) == 0);
    turn_down(&r);
    uv_thread_join(&thread);
    assert_answer(&w[0], HW_EDRAINING);
    assert_answer(&w[1], HW_EDRAINING);
    assert_int_equal(r.fake.claims, 1);
    assert_given_back(&r, 1, HW_EDRAINING);
    close_rig(&r);
}

static void drops_at_the_end_what_is_elsewhere(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_ELSEWHERE);
    begin(&r, "job", &w);
    hw_waiter_leave(&w.base); /* its connection was cut off */
    turn_down(&r);
    assert_int_equal(r.fake.jobs, 0);
    close_rig(&r);
}

static void gives_back_at_the_end_what_did_not_run(void **state)
{
    struct rig r;
    struct waiter w[2];
    (void)state;
    open_rig(&r, HW_CLAIM_MINE);
    begin(&r, "job", &w[0]);
    deliver(&r, "job", "other", &w[1]); /* behind the first */
    for (int i = 0; i < 2; i++)
        hw_waiter_leave(&w[i].base);
    r.d.with_crew = 0; /* it never comes back */
    stop_claimer(&r);
    struct hw_job *jobs;
    while ((jobs = hw_crew_take_rest(r.crew)))
        hw_dispatch_drop(&r.d, jobs);
    assert_given_back(&r, 1, HW_EDRAINING);
    close_rig(&r);
}

static void claims_nothing_more_at_the_end(void **state)
{
    struct rig r;
    struct waiter w;
    (void)state;
    open_rig(&r, HW_CLAIM_MINE);
    deliver(&r, "job", "s", &w);
    stop_claimer(&r);
    verify(&r);
    assert_answer(&w, HW_EDRAINING);
    assert_int_equal(r.fake.claims, 0);
    assert_int_equal(r.fake.jobs, 0);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_what_is_verified_and_then_runs_it),
        cmocka_unit_test(claims_nothing_that_is_forged),
        cmocka_unit_test(claims_in_one_batch_what_waits_meanwhile),
        cmocka_unit_test(gives_back_what_waits_too_long_for_a_worker),
        cmocka_unit_test(commits_what_was_claimed_to_be_refused),
        cmocka_unit_test(commits_what_did_not_run),
        cmocka_unit_test(answers_from_the_ledger_what_it_knows),
        cmocka_unit_test(answers_what_it_knows_though_it_can_not_count_it),
        cmocka_unit_test(runs_nothing_that_could_not_be_claimed),
        cmocka_unit_test(gives_the_answer_of_the_host_that_has_it),
        cmocka_unit_test(runs_what_another_host_let_go),
        cmocka_unit_test(refuses_what_stays_elsewhere_when_the_ledger_is_away),
        cmocka_unit_test(asks_ever_more_seldom),
        cmocka_unit_test(drops_what_nobody_waits_for),
        cmocka_unit_test(tells_who_waits_too_long),
        cmocka_unit_test(tells_who_waits_too_long_during_a_claim),
        cmocka_unit_test(answers_what_was_fenced_as_a_failure),
        cmocka_unit_test(claims_again_what_may_be_anothers_by_now),
        cmocka_unit_test(gives_back_what_can_not_be_claimed_again),
        cmocka_unit_test(waits_for_who_took_it_meanwhile),
        cmocka_unit_test(records_nothing_for_a_claimed_one_whose_thread_was_given_up),
        cmocka_unit_test(accepts_and_runs_with_the_same_claim),
        cmocka_unit_test(leaves_to_the_fleet_what_has_no_place_here),
        cmocka_unit_test(never_runs_an_accepted_one_that_was_fenced),
        cmocka_unit_test(gives_back_what_there_is_no_room_to_accept),
        cmocka_unit_test(runs_what_the_ledger_took),
        cmocka_unit_test(gives_back_in_a_drain_what_the_ledger_took),
        cmocka_unit_test(runs_what_was_taken_beside_a_delivery_that_waits_for_it),
        cmocka_unit_test(takes_a_row_to_replay_it),
        cmocka_unit_test(refuses_a_replay_of_what_runs_elsewhere),
        cmocka_unit_test(gives_back_a_claim_that_was_under_way_at_the_end),
        cmocka_unit_test(drops_at_the_end_what_is_elsewhere),
        cmocka_unit_test(gives_back_at_the_end_what_did_not_run),
        cmocka_unit_test(claims_nothing_more_at_the_end),
    };
    hw_log_set(HW_LOG_OFF, false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
