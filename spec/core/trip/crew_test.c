/* Every job comes back once; a stop loses none; some thread always leads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trip/crew_rig.h"

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

/* A thread that tidies is never given up, so the finalizer itself must be stopped. */
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
    for (int i = 1; i <= QUEUED; i++) {
        struct hw_job *job = new_job(WORKERS + i, quick_body);
        job->last_in_line = i % 3 == 0;
        submit(&r, job);
    }
    stop(&r);
    uint64_t until = uv_hrtime() + (uint64_t)PATIENCE_MS * 1000000;
    while (hw_crew_join(r.crew, 1) > WORKERS && uv_hrtime() < until)
        continue;
    assert_int_equal(hw_crew_join(r.crew, 1), WORKERS); /* those inside a handler */
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

/* Waits for one more turn of the loop. */
static void await_turn(struct rig *r)
{
    uv_mutex_lock(&r->m);
    size_t turns = r->turns;
    uv_async_send(&r->inbox);
    while (r->turns == turns)
        assert_int_equal(uv_cond_timedwait(&r->changed, &r->m, (uint64_t)PATIENCE_MS * 1000000), 0);
    uv_mutex_unlock(&r->m);
}

static struct hw_job *new_last(int64_t number)
{
    struct hw_job *job = new_job(number, quick_body);
    job->last_in_line = true;
    return job;
}

static void runs_what_is_last_in_line_when_nothing_else_waits(void **state)
{
    struct rig r;
    (void)state;
    close_gate();
    start(&r, 1, 2, 5);
    submit(&r, new_blocking(1));
    wait_for_began(1);
    for (int i = 2; i <= 5; i++) {
        submit(&r, i < 4 ? new_last(i) : new_job(i, quick_body));
        await_turn(&r);
        await_turn(&r); /* what was submitted in a turn is in the queue after it */
    }
    open_gate();
    assert_int_equal(wait_for(&r, 5), 5);
    stop(&r);
    assert_int_equal(hw_crew_join(r.crew, PATIENCE_MS), 0);
    static const int64_t expected[] = {1, 4, 5, 2, 3};
    assert_memory_equal(r.order, expected, sizeof expected);
    assert_int_equal(finish(&r), 0);
    assert_each_came(&r, 5, 1);
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

/* The timer is due when the loop first runs, so it is called before the loop polls. A crew that has
 * nothing else to do would sleep for good in that poll. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brings_every_job_back_exactly_once),
        cmocka_unit_test(ends_a_finalizer_while_it_tidies),
        cmocka_unit_test(leads_on_while_every_worker_is_blocked),
        cmocka_unit_test(leads_on_while_handlers_compute),
        cmocka_unit_test(settles_again_what_another_thread_returns),
        cmocka_unit_test(keeps_what_is_queued_when_it_stops),
        cmocka_unit_test(withdraws_nothing_that_is_done),
        cmocka_unit_test(runs_what_is_last_in_line_when_nothing_else_waits),
        cmocka_unit_test(runs_what_a_timer_submits),
        cmocka_unit_test(stops_when_a_timer_says_so),
        cmocka_unit_test(stops_at_once_when_it_has_nothing_to_do),
    };
    return cmocka_run_group_tests_name("crew", tests, open_all, close_all);
}
