/* Every job comes back committed and in order; a batch fails as a whole; a stop commits first.
 *
 * The ledger is a fake that records what it is given, and can delay a commit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "trip/committer.h"
#include "trip/sample_job.h"

enum { JOBS_MAX = 20000, PATIENCE_S = 60 };

struct fake {
    struct hw_ledger ledger;
    struct hw_committer *committer;

    /* constant while it runs */
    bool slow;    /* each commit waits until the test posts `may_commit` */
    int fails_at; /* the number of the commit that fails, from 1; 0: none */
    bool feeds;   /* jobs that come back are put in again until the ledger was tended */
    uv_sem_t may_commit, entered, tended;

    /* ledger thread only, until it has ended */
    int order[JOBS_MAX]; /* the jobs' attempts, as committed */
    size_t committed, biggest, smallest;
    int commits, idle_tends;

    /* guarded by m */
    uv_mutex_t m;
    uv_cond_t changed;
    struct hw_job *back, **back_end;
    size_t back_count;
};

/* ---- the fake ledger ---- */

static int fake_commit(struct hw_ledger *ledger, struct hw_notification *const *batch, size_t count)
{
    struct fake *f = (struct fake *)ledger;
    uv_sem_post(&f->entered);
    if (f->slow)
        uv_sem_wait(&f->may_commit);
    f->commits++;
    f->biggest = count > f->biggest ? count : f->biggest;
    f->smallest = f->smallest == 0 || count < f->smallest ? count : f->smallest;
    for (size_t i = 0; i < count; i++) {
        HW_CHECK(!((const struct hw_job *)batch[i])->committed); /* n is a job's first member */
        if (f->committed < JOBS_MAX)
            f->order[f->committed++] = (int)batch[i]->attempt;
    }
    return f->commits == f->fails_at ? HW_ELEDGER_UNAVAILABLE : 0;
}

static bool fake_tend(struct hw_ledger *ledger, bool idle)
{
    struct fake *f = (struct fake *)ledger;
    if (idle && f->idle_tends++ == 0)
        uv_sem_post(&f->tended);
    return idle;
}

static int no_claim(struct hw_ledger *ledger, struct hw_notification *const *batch, size_t count)
{
    (void)ledger;
    (void)batch;
    (void)count;
    return 0;
}

static const struct hw_ledger_type fake_type = {
    .name = "fake", .waits = true, .commit = fake_commit, .tend = fake_tend};
static const struct hw_ledger_type shared_type = {
    .name = "fake", .waits = true, .claim = no_claim, .commit = fake_commit, .tend = fake_tend};

static void on_committed(void *owner, struct hw_job *jobs)
{
    struct fake *f = owner;
    if (f->feeds && f->idle_tends == 0) {
        for (struct hw_job *job = jobs; job; job = job->next)
            job->committed = false;
        hw_committer_put(f->committer, jobs, 0);
        return;
    }
    uv_mutex_lock(&f->m);
    *f->back_end = jobs;
    for (; *f->back_end; f->back_end = &(*f->back_end)->next)
        f->back_count++;
    uv_cond_signal(&f->changed);
    uv_mutex_unlock(&f->m);
}

/* ---- the test's side ---- */

static struct fake *open_fake(void)
{
    struct fake *f = calloc(1, sizeof *f);
    HW_CHECK(f);
    hw_ledger_init(&f->ledger, &fake_type);
    f->back_end = &f->back;
    HW_CHECK(uv_mutex_init(&f->m) == 0 && uv_cond_init(&f->changed) == 0);
    HW_CHECK(uv_sem_init(&f->may_commit, 0) == 0 && uv_sem_init(&f->entered, 0) == 0);
    HW_CHECK(uv_sem_init(&f->tended, 0) == 0);
    return f;
}

static void start(struct fake *f)
{
    f->committer = hw_committer_start(&f->ledger, on_committed, f);
    assert_non_null(f->committer);
}

static void close_fake(struct fake *f)
{
    while (f->back) {
        struct hw_job *job = f->back;
        f->back = job->next;
        hw_job_free(job);
    }
    uv_sem_destroy(&f->may_commit);
    uv_sem_destroy(&f->entered);
    uv_sem_destroy(&f->tended);
    uv_cond_destroy(&f->changed);
    uv_mutex_destroy(&f->m);
    free(f);
}

/* Jobs number `first` to `last`, as a list. The number travels as the attempt. */
static struct hw_job *jobs_from(int first, int last)
{
    struct hw_job *list = NULL;
    for (int i = last; i >= first; i--) {
        struct hw_job *job = numbered_job(i);
        job->n.attempt = (uint32_t)i;
        job->n.outcome.reason = HW_STR("the handler's");
        job->next = list;
        list = job;
    }
    return list;
}

static void wait_for(struct fake *f, size_t count)
{
    int rc = 0;
    uv_mutex_lock(&f->m);
    while (f->back_count < count && rc == 0)
        rc = uv_cond_timedwait(&f->changed, &f->m, (uint64_t)PATIENCE_S * 1000000000);
    size_t came = f->back_count;
    uv_mutex_unlock(&f->m);
    assert_int_equal(came, count);
}

static void let_commit(struct fake *f, int times)
{
    for (int i = 0; i < times; i++)
        uv_sem_post(&f->may_commit);
}

static void assert_committed_in_order(const struct fake *f, size_t count)
{
    assert_int_equal(f->committed, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(f->order[i], i + 1);
    int number = 0;
    for (const struct hw_job *job = f->back; job; job = job->next) {
        assert_true(job->committed);
        assert_int_equal(job->n.attempt, ++number);
    }
    assert_int_equal(number, count);
}

/* ---- promises ---- */

static void brings_every_job_back_committed_and_in_order(void **state)
{
    struct fake *f = open_fake();
    (void)state;
    start(f);
    for (int i = 1; i <= JOBS_MAX; i += 4)
        hw_committer_put(f->committer, jobs_from(i, i + 3), 0);
    wait_for(f, JOBS_MAX);
    hw_committer_stop(f->committer);
    assert_committed_in_order(f, JOBS_MAX);
    assert_true(f->biggest <= HW_LEDGER_BATCH_MAX);
    for (const struct hw_job *job = f->back; job; job = job->next)
        assert_int_equal(job->n.outcome.code, 0);
    close_fake(f);
}

static void commits_together_what_came_during_a_commit(void **state)
{
    struct fake *f = open_fake();
    (void)state;
    f->slow = true;
    start(f);
    hw_committer_put(f->committer, jobs_from(1, 1), 0);
    uv_sem_wait(&f->entered);
    for (int i = 2; i <= 1 + HW_LEDGER_BATCH_MAX; i++)
        hw_committer_put(f->committer, jobs_from(i, i), 0);
    let_commit(f, 2);
    wait_for(f, 1 + HW_LEDGER_BATCH_MAX);
    hw_committer_stop(f->committer);
    assert_int_equal(f->commits, 2);
    assert_int_equal(f->biggest, HW_LEDGER_BATCH_MAX);
    assert_committed_in_order(f, 1 + HW_LEDGER_BATCH_MAX);
    close_fake(f);
}

static void leaves_one_over_a_batch_for_the_next(void **state)
{
    struct fake *f = open_fake();
    (void)state;
    start(f);
    hw_committer_put(f->committer, jobs_from(1, HW_LEDGER_BATCH_MAX + 1), 0);
    wait_for(f, HW_LEDGER_BATCH_MAX + 1);
    hw_committer_stop(f->committer);
    assert_int_equal(f->commits, 2);
    assert_int_equal(f->biggest, HW_LEDGER_BATCH_MAX);
    assert_int_equal(f->smallest, 1);
    assert_committed_in_order(f, HW_LEDGER_BATCH_MAX + 1);
    close_fake(f);
}

static void fails_the_whole_batch_and_no_other(void **state)
{
    struct fake *f = open_fake();
    (void)state;
    f->fails_at = 2;
    start(f);
    hw_committer_put(f->committer, jobs_from(1, 3 * HW_LEDGER_BATCH_MAX), 0);
    wait_for(f, 3 * HW_LEDGER_BATCH_MAX);
    hw_committer_stop(f->committer);
    assert_int_equal(f->commits, 3);
    for (const struct hw_job *job = f->back; job; job = job->next) {
        bool failed =
            job->n.attempt > HW_LEDGER_BATCH_MAX && job->n.attempt <= 2 * HW_LEDGER_BATCH_MAX;
        assert_true(job->committed);
        assert_int_equal(job->n.outcome.code, failed ? HW_ELEDGER_UNAVAILABLE : 0);
        assert_int_equal(job->n.outcome.reason.ptr == NULL, failed);
    }
    close_fake(f);
}

/* A recorded success stays one, even when the repeat can't be counted. One that was read from a
 * ledger that hosts share may be lost with a failover: only a commit after it shows that it is
 * not. */
static void leaves_a_repeat_a_success_when_its_count_fails(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        struct fake *f = open_fake();
        f->ledger.type = shared ? &shared_type : &fake_type;
        f->fails_at = 1;
        start(f);
        struct hw_job *jobs = jobs_from(1, 3);
        jobs->n.outcome.from_ledger = true;
        jobs->next->n.outcome.from_ledger = true;
        jobs->next->n.outcome.code = HW_EGIVEN_UP;
        hw_committer_put(f->committer, jobs, 0);
        wait_for(f, 3);
        hw_committer_stop(f->committer);
        assert_int_equal(f->back->n.outcome.code, shared ? HW_ELEDGER_UNAVAILABLE : 0);
        assert_int_equal(f->back->next->n.outcome.code, HW_EGIVEN_UP);
        assert_int_equal(f->back->next->next->n.outcome.code, HW_ELEDGER_UNAVAILABLE);
        close_fake(f);
    }
}

static struct hw_job *held_from(int first, int last)
{
    struct hw_job *jobs = jobs_from(first, last);
    for (struct hw_job *job = jobs; job; job = job->next) {
        job->n.outcome.held = true;
        job->n.outcome.code = HW_ELEDGER_UNAVAILABLE;
    }
    return jobs;
}

/* One try decides for all that are held. It commits no more of them than a batch. */
static void check_refused(enum hw_ledger_health health)
{
    enum { COUNT = 2 * HW_LEDGER_BATCH_MAX };
    struct fake *f = open_fake();
    f->fails_at = 1;
    f->ledger.health = health;
    start(f);
    hw_committer_put(f->committer, held_from(1, COUNT), 0);
    wait_for(f, COUNT);
    hw_committer_stop(f->committer);
    assert_int_equal(f->commits, 1);
    assert_int_equal(f->biggest, HW_LEDGER_BATCH_MAX);
    for (const struct hw_job *job = f->back; job; job = job->next) {
        assert_false(job->let_go);
        assert_true(job->committed);
        assert_int_equal(job->n.outcome.code, HW_ELEDGER_UNAVAILABLE);
    }
    close_fake(f);
}

static void refuses_what_is_held_while_the_ledger_fails(void **state)
{
    (void)state;
    check_refused(HW_LEDGER_FAILED);
    check_refused(HW_LEDGER_HEALED);
}

static void lets_all_go_that_are_held_when_one_try_succeeds(void **state)
{
    enum { COUNT = 2 * HW_LEDGER_BATCH_MAX };
    struct fake *f = open_fake();
    (void)state;
    f->ledger.health = HW_LEDGER_FAILED;
    start(f);
    hw_committer_put(f->committer, held_from(1, COUNT), 0);
    wait_for(f, COUNT);
    hw_committer_stop(f->committer);
    assert_int_equal(f->commits, 1);
    assert_int_equal(hw_ledger_health(&f->ledger), HW_LEDGER_WELL);
    for (const struct hw_job *job = f->back; job; job = job->next) {
        assert_true(job->let_go);
        assert_false(job->committed);
    }
    close_fake(f);
}

/* The slow commit has succeeded meanwhile, so no try is needed. */
static void lets_go_at_once_what_a_slow_commit_held(void **state)
{
    struct fake *f = open_fake();
    (void)state;
    f->ledger.health = HW_LEDGER_SLOW;
    start(f);
    struct hw_job *jobs = jobs_from(1, 1);
    jobs->next = held_from(2, 3);
    hw_committer_put(f->committer, jobs, 0);
    wait_for(f, 3);
    hw_committer_stop(f->committer);
    assert_int_equal(f->commits, 1);
    assert_true(f->back->committed);
    assert_true(f->back->next->let_go);
    assert_true(f->back->next->next->let_go);
    close_fake(f);
}

static void commits_what_is_there_before_it_stops(void **state)
{
    enum { COUNT = 3 * HW_LEDGER_BATCH_MAX + 7 };
    struct fake *f = open_fake();
    (void)state;
    f->slow = true;
    start(f);
    hw_committer_put(f->committer, jobs_from(1, 1), 0);
    uv_sem_wait(&f->entered);
    hw_committer_put(f->committer, jobs_from(2, COUNT), 0);
    let_commit(f, 10);
    hw_committer_stop(f->committer);
    assert_committed_in_order(f, COUNT);
    close_fake(f);
}

static void stops_without_ever_having_had_a_job(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct fake *f = open_fake();
        start(f);
        hw_committer_stop(f->committer);
        assert_int_equal(f->commits, 0);
        close_fake(f);
    }
}

static void tends_the_ledger_while_nothing_comes(void **state)
{
    struct fake *f = open_fake();
    (void)state;
    start(f);
    uv_sem_wait(&f->tended);
    hw_committer_stop(f->committer);
    assert_int_equal(f->commits, 0);
    close_fake(f);
}

/* The list is never empty: a ledger that is tended only when nothing comes would never be. */
static void tends_the_ledger_under_load(void **state)
{
    enum { COUNT = 2 * HW_LEDGER_BATCH_MAX };
    struct fake *f = open_fake();
    (void)state;
    f->feeds = true;
    start(f);
    hw_committer_put(f->committer, jobs_from(1, COUNT), 0);
    uv_sem_wait(&f->tended);
    wait_for(f, COUNT);
    hw_committer_stop(f->committer);
    close_fake(f);
}

/* Waits until the pulse is over `before`. */
static void wait_for_pulse(struct fake *f, uint64_t before)
{
    uint64_t until = uv_hrtime() + (uint64_t)PATIENCE_S * 1000000000;
    while (hw_committer_pulse(f->committer) == before && uv_hrtime() < until)
        usleep(100);
    assert_true(hw_committer_pulse(f->committer) > before);
}

static void has_a_pulse_when_somebody_knocks(void **state)
{
    struct fake *f = open_fake();
    (void)state;
    start(f);
    uv_sem_wait(&f->tended); /* from here on it sleeps for long */
    for (int i = 0; i < 100; i++) {
        uint64_t before = hw_committer_pulse(f->committer);
        hw_committer_knock(f->committer);
        wait_for_pulse(f, before);
    }
    hw_committer_stop(f->committer);
    close_fake(f);
}

static void has_no_pulse_while_a_commit_hangs_and_one_when_it_ends(void **state)
{
    struct fake *f = open_fake();
    (void)state;
    f->slow = true;
    f->fails_at = 1;
    start(f);
    hw_committer_put(f->committer, jobs_from(1, 1), 0);
    uv_sem_wait(&f->entered);
    uint64_t before = hw_committer_pulse(f->committer);
    for (int i = 0; i < 20; i++) {
        hw_committer_knock(f->committer);
        usleep(1000);
    }
    assert_int_equal(hw_committer_pulse(f->committer), before);
    let_commit(f, 1); /* which fails */
    wait_for_pulse(f, before);
    hw_committer_stop(f->committer);
    close_fake(f);
}

static void tends_the_ledger_while_somebody_knocks(void **state)
{
    struct fake *f = open_fake();
    (void)state;
    start(f);
    while (uv_sem_trywait(&f->tended))
        hw_committer_knock(f->committer);
    hw_committer_stop(f->committer);
    close_fake(f);
}

static int fake_pick(struct hw_ledger *ledger, struct hw_ledger_due *due)
{
    (void)ledger;
    due->count = due->max;
    return 0;
}

static struct hw_job *new_errand(void)
{
    struct hw_job *job = hw_job_revive(0, false, 0);
    HW_CHECK(job);
    job->pick = hw_arena_alloc(&job->arena, sizeof *job->pick + sizeof *job->pick->rows);
    HW_CHECK(job->pick);
    *job->pick = (struct hw_ledger_due){.max = 1};
    return job;
}

static struct fake *open_picking_fake(struct hw_ledger_type *picking)
{
    struct fake *f = open_fake();
    *picking = fake_type;
    picking->pick = fake_pick;
    f->ledger.type = picking;
    return f;
}

static void lets_go_whose_start_is_recorded(void **state)
{
    struct fake *f = open_fake();
    (void)state;
    f->fails_at = 2;
    for (int round = 0; round < 2; round++) {
        struct hw_job *job = jobs_from(1, 2);
        job->starting = true;
        job->n.state = HW_STARTED;
        assert_null(hw_commit_batch(&f->ledger, job));
        assert_int_equal(job->let_go, round == 0);
        assert_int_equal(job->n.started, round == 0);
        assert_int_equal(job->committed, round == 1);
        assert_false(job->starting);
        assert_true(job->next->committed);
        assert_false(job->next->let_go);
        hw_job_free(job->next);
        hw_job_free(job);
    }
    close_fake(f);
}

/* It may have to wait in the ledger: then it does not run now. */
static void lets_go_what_is_accepted(void **state)
{
    struct fake *f = open_fake();
    (void)state;
    f->fails_at = 3;
    for (int round = 0; round < 3; round++) {
        struct hw_job *job = jobs_from(1, 1);
        job->accepting = job->n.accepted = true;
        job->n.state = round == 0 ? HW_STARTED : HW_QUEUED;
        assert_null(hw_commit_batch(&f->ledger, job));
        assert_int_equal(job->let_go, round < 2);
        assert_int_equal(job->n.started, round == 0);
        assert_int_equal(job->n.accepted, round < 2);
        assert_int_equal(job->committed, round == 2);
        assert_false(job->accepting);
        hw_job_free(job);
    }
    close_fake(f);
}

static void runs_an_errand_after_what_is_to_be_committed(void **state)
{
    struct hw_ledger_type picking;
    struct fake *f = open_picking_fake(&picking);
    (void)state;
    struct hw_job *errand = new_errand();
    errand->next = jobs_from(1, 1);
    start(f);
    hw_committer_put(f->committer, errand, 0);
    wait_for(f, 2);
    hw_committer_stop(f->committer);
    assert_int_equal(f->committed, 1);
    assert_ptr_equal(f->back->next, errand);
    assert_true(errand->committed);
    assert_int_equal(errand->pick->count, 1);
    close_fake(f);
}

/* It is never idle for as long as it waits between two rounds of tending. */
static void tends_the_ledger_with_an_errand_now_and_then(void **state)
{
    struct hw_ledger_type picking;
    struct fake *f = open_picking_fake(&picking);
    (void)state;
    start(f);
    size_t count = 0;
    do {
        hw_committer_put(f->committer, new_errand(), 0);
        wait_for(f, ++count);
    } while (uv_sem_trywait(&f->tended));
    hw_committer_stop(f->committer);
    close_fake(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brings_every_job_back_committed_and_in_order),
        cmocka_unit_test(commits_together_what_came_during_a_commit),
        cmocka_unit_test(leaves_one_over_a_batch_for_the_next),
        cmocka_unit_test(fails_the_whole_batch_and_no_other),
        cmocka_unit_test(leaves_a_repeat_a_success_when_its_count_fails),
        cmocka_unit_test(refuses_what_is_held_while_the_ledger_fails),
        cmocka_unit_test(lets_all_go_that_are_held_when_one_try_succeeds),
        cmocka_unit_test(lets_go_at_once_what_a_slow_commit_held),
        cmocka_unit_test(commits_what_is_there_before_it_stops),
        cmocka_unit_test(stops_without_ever_having_had_a_job),
        cmocka_unit_test(tends_the_ledger_while_nothing_comes),
        cmocka_unit_test(tends_the_ledger_under_load),
        cmocka_unit_test(has_a_pulse_when_somebody_knocks),
        cmocka_unit_test(has_no_pulse_while_a_commit_hangs_and_one_when_it_ends),
        cmocka_unit_test(tends_the_ledger_while_somebody_knocks),
        cmocka_unit_test(lets_go_whose_start_is_recorded),
        cmocka_unit_test(lets_go_what_is_accepted),
        cmocka_unit_test(runs_an_errand_after_what_is_to_be_committed),
        cmocka_unit_test(tends_the_ledger_with_an_errand_now_and_then),
    };
    alarm(2 * PATIENCE_S); /* ends a test that waits for the ledger thread in vain */
    return cmocka_run_group_tests_name("committer", tests, NULL, NULL);
}
