/* A handler that blocks holds up no other job; one that computes past its time loses its thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trip/crew_rig.h"

static void wait_for_lost(struct rig *r, size_t replaced, size_t unreplaced)
{
    uv_mutex_lock(&r->m);
    while (r->replaced < replaced || r->unreplaced < unreplaced)
        HW_CHECK(uv_cond_timedwait(&r->changed, &r->m, PATIENCE_MS * 1000000ull) == 0);
    uv_mutex_unlock(&r->m);
}

/* It replaces as many as there are workers. A job that comes back after all is settled like any
 * other. */
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

/* There is no other worker: the thread must go on when it comes back. */
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
    while (r.replaced + r.unreplaced == 0) /* which one depends on which thread is first */
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

/* A call that waits may come back, so its thread is not replaced, however late it is. */
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
    submit(&r, new_job_with_folder(2, "Spinning")); /* as a clock: it is given up meanwhile */
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

/* A thread that tidies has no job that could be overdue. */
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

/* The threads that were given up may never come back. The others end, and the crew says how many
 * are left. */
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

/* Only one thread may be active here. The other workers are used only because the watchdog notices
 * that handlers block. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_threads_that_compute_past_their_time),
        cmocka_unit_test(keeps_a_thread_whose_worker_can_not_be_replaced),
        cmocka_unit_test(waits_for_threads_that_only_wait),
        cmocka_unit_test(waits_for_threads_that_tidy_for_long),
        cmocka_unit_test(ends_beside_threads_that_were_given_up),
        cmocka_unit_test(runs_the_others_while_handlers_block),
    };
    return cmocka_run_group_tests_name("watchdog", tests, open_all, close_all);
}
