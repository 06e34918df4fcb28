/* Lanes, limits and histories hold for all hosts, in the transaction that accepts a run or ends
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "ledger/file.h"
#include "ledger/pg_hosts.h"
#include "trip/retry.h"

static const struct hw_retries retries = {.count = 2, .delays_ms = {60000, 3600000}};

static int64_t now_ms(void)
{
    return (int64_t)(hw_now() * 1000);
}

static void settle(struct hw_postgres *p, struct hw_notification *n)
{
    enum hw_pg_rc rc = hw_pg_settle(p, p->settles, p->settle_args, &n, 1);
    if (rc != HW_PG_OK)
        fail_msg("%d: %s", (int)rc, hw_pg_why(p->settles));
    if (n->state != HW_STARTED)
        hw_pg_live_end(p->live, n->fence.claim);
}

static struct hw_notification *claim(struct hw_postgres *p, const char *id, uint32_t attempt)
{
    struct hw_notification *n = empty_notification();
    sample_fill(n, id, id);
    n->attempt = attempt;
    n->cut_ns = hw_now_ns();
    n->outcome.ran = false;
    assert_int_equal(hw_pg_claim(&p->ledger, &n, 1), 0);
    assert_int_equal(n->claim, HW_CLAIM_MINE);
    return n;
}

/* Accepted; `start`: it would run at once, from memory. */
static struct hw_notification *accept_one(struct hw_postgres *p, const char *id, const char *lane,
                                          const char *pool, uint32_t most, bool start)
{
    struct hw_notification *n = claim(p, id, 0);
    n->lane = lane ? hw_str_of(lane) : HW_STR_NONE;
    n->pool = pool ? hw_str_of(pool) : HW_STR_NONE;
    n->pool_max = most;
    n->ack_first = n->accepted = true;
    if (start)
        hw_retry_start(n, now_ms(), 30000);
    else
        hw_retry_queue(n, now_ms());
    settle(p, n);
    n->started = n->state == HW_STARTED;
    return n;
}

static void end(struct hw_postgres *p, struct hw_notification *n, int code)
{
    n->outcome.ran = true;
    n->outcome.code = code;
    hw_retry_settle(&retries, n, now_ms(), 0);
    n->copies = 0;
    settle(p, n);
    free_notification(n);
}

/* What is due, at most one; NULL: nothing is. */
static struct hw_notification *take(struct hw_postgres *p)
{
    struct hw_arena arena;
    struct hw_ledger_due *due = calloc(1, sizeof *due + sizeof *due->rows);
    assert_non_null(due);
    hw_arena_init(&arena, NULL, 0);
    *due = (struct hw_ledger_due){.max = 1, .arena = &arena};
    if (hw_pg_pick(&p->ledger, due))
        fail_msg("%s", hw_pg_why(p->settles));
    struct hw_notification *n = NULL;
    if (due->count) {
        const struct hw_notification *from = due->rows[0].taken;
        n = empty_notification();
        struct hw_arena *own = n->arena;
        *n = *from;
        n->arena = own;
        struct hw_str *texts[] = {&n->id,   &n->body, &n->key,    &n->event,
                                  &n->lane, &n->pool, &n->headers};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            if (texts[i]->ptr)
                *texts[i] = hw_arena_copy(own, *texts[i]);
        n->identity.id = n->id;
    }
    hw_arena_fini(&arena);
    free(due);
    return n;
}

static bool runs_next(struct hw_postgres *p, const char *id)
{
    struct hw_notification *n = take(p);
    bool is = n && hw_str_eq(n->id, hw_str_of(id));
    if (n)
        end(p, n, 0);
    return is;
}

/* ---- lanes ---- */

static void starts_the_first_of_a_lane_and_lines_up_the_rest(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    struct hw_notification *first = accept_one(&r.a, "first", "lane", NULL, 0, true);
    assert_int_equal(first->state, HW_STARTED);
    struct hw_notification *second = accept_one(&r.b, "second", "lane", NULL, 0, true);
    assert_int_equal(second->state, HW_QUEUED);
    assert_int_equal(second->next_run_at, 0);
    struct hw_notification *third = accept_one(&r.a, "third", "lane", NULL, 0, false);
    assert_int_equal(third->state, HW_QUEUED);
    struct hw_notification *apart = accept_one(&r.a, "apart", "other", NULL, 0, true);
    assert_int_equal(apart->state, HW_STARTED);
    assert_int_equal(rig_number(&r,
                                "SELECT count(*) FROM @.notifications WHERE state = 5 AND runs = 0"
                                " AND trouble = 5 AND next_run_at IS NULL"),
                     2);
    assert_null(take(&r.b));
    end(&r.a, first, 0);
    assert_true(runs_next(&r.b, "second"));
    assert_true(runs_next(&r.a, "third"));
    assert_null(take(&r.a));
    assert_int_equal(hw_ledger_backlog(&r.a.ledger) + hw_ledger_backlog(&r.b.ledger), 1);
    assert_int_equal(rig_number(&r,
                                "SELECT count(*) FROM @.notifications WHERE state = 1 AND runs = 1"
                                " AND lane IS NULL"),
                     3);
    end(&r.a, apart, 0);
    free_notification(second);
    free_notification(third);
    rig_close(&r);
}

static void holds_a_lane_while_its_head_waits_for_a_retry(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    struct hw_notification *first = accept_one(&r.a, "first", "lane", NULL, 0, true);
    free_notification(accept_one(&r.a, "second", "lane", NULL, 0, true));
    end(&r.a, first, HW_EHANDLER_REFUSED);
    assert_null(take(&r.b));
    rig_number(&r, "UPDATE @.notifications SET next_run_at = now() WHERE state = 2");
    assert_true(runs_next(&r.b, "first"));
    assert_true(runs_next(&r.b, "second"));
    rig_close(&r);
}

static void goes_on_behind_one_that_is_dead(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    struct hw_notification *first = accept_one(&r.a, "first", "lane", NULL, 0, true);
    free_notification(accept_one(&r.a, "second", "lane", NULL, 0, true));
    end(&r.a, first, HW_EGIVEN_UP);
    assert_true(runs_next(&r.b, "second"));
    rig_close(&r);
}

/* The first was claimed before the second, and accepted after it. */
static void follows_the_order_of_accepting(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    struct hw_notification *late = claim(&r.a, "late", 0);
    struct hw_notification *first = accept_one(&r.b, "first", "lane", NULL, 0, true);
    late->lane = HW_STR("lane");
    late->ack_first = late->accepted = true;
    hw_retry_start(late, now_ms(), 30000);
    settle(&r.a, late);
    assert_int_equal(late->state, HW_QUEUED);
    end(&r.b, first, HW_EHANDLER_REFUSED);
    rig_number(&r, "UPDATE @.notifications SET next_run_at = now() WHERE state = 2");
    assert_true(runs_next(&r.a, "first"));
    assert_true(runs_next(&r.a, "late"));
    free_notification(late);
    rig_close(&r);
}

/* The answer to its settle was lost, and it is sent again. */
static void accepts_once_what_is_sent_twice(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    struct hw_notification *first = accept_one(&r.a, "first", "lane", NULL, 0, true);
    first->started = false;
    struct hw_notification *second = accept_one(&r.b, "second", "lane", NULL, 0, true);
    settle(&r.a, first);
    struct hw_notification *next = take(&r.b);
    if (first->state == HW_STARTED) {
        assert_null(next);
        first->started = true;
        end(&r.a, first, 0);
        next = take(&r.b);
        assert_true(next && hw_str_eq(next->id, HW_STR("second")));
        end(&r.b, next, 0);
    } else {
        assert_true(next && hw_str_eq(next->id, HW_STR("first")));
        end(&r.b, next, 0);
        assert_true(runs_next(&r.b, "second"));
        free_notification(first);
    }
    free_notification(second);
    rig_close(&r);
}

/* It was put behind others by a try whose answer was lost, so it does not start. */
static void starts_nothing_that_a_lost_answer_put_behind(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    struct hw_notification *first = accept_one(&r.b, "first", "lane", NULL, 0, true);
    struct hw_notification *second = accept_one(&r.a, "second", "lane", NULL, 0, true);
    struct hw_notification *third = accept_one(&r.b, "third", NULL, "pool", 1, true);
    struct hw_notification *fourth = accept_one(&r.a, "fourth", NULL, "pool", 1, true);
    struct hw_notification *behind[] = {second, fourth};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(behind[i]->state, HW_QUEUED);
        hw_retry_start(behind[i], now_ms(), 30000); /* as it was before that answer */
        settle(&r.a, behind[i]);
        assert_false(behind[i]->fenced);
        assert_int_equal(behind[i]->state, HW_QUEUED);
        free_notification(behind[i]);
    }
    end(&r.b, first, 0);
    end(&r.b, third, 0);
    assert_true(runs_next(&r.b, "second"));
    assert_true(runs_next(&r.b, "fourth"));
    assert_int_equal(rig_number(&r, "SELECT count(*) FROM @.notifications WHERE runs = 1"), 4);
    rig_close(&r);
}

/* ---- accepting, running and ending at once ---- */

enum { EACH = 150, LANES = 5, RUNNERS = 2 };

struct runner {
    pthread_t thread;
    struct hw_postgres *p;
    int number;
    atomic_int *lanes; /* how many run now */
    atomic_int *faults, *left;
};

static void run(struct runner *runner, struct hw_notification *n)
{
    atomic_int *lane = &runner->lanes[n->lane.ptr[0] - '0'];
    if (atomic_fetch_add(lane, 1) != 0)
        atomic_fetch_add(runner->faults, 1);
    usleep(300);
    atomic_fetch_sub(lane, 1);
    end(runner->p, n, 0);
    atomic_fetch_sub(runner->left, 1);
}

static void *accept_and_run(void *arg)
{
    struct runner *runner = arg;
    char id[32], lane[2] = "0";
    for (int i = 0; i < EACH; i++) {
        snprintf(id, sizeof id, "job-%d-%d", runner->number, i);
        lane[0] = (char)('0' + i % LANES);
        struct hw_notification *n = accept_one(runner->p, id, lane, NULL, 0, i % 2);
        n->lane = hw_arena_copy(n->arena, n->lane);
        if (n->state == HW_STARTED)
            run(runner, n);
        else
            free_notification(n);
        if ((n = take(runner->p)))
            run(runner, n);
    }
    for (struct hw_notification *n; atomic_load(runner->left) > 0;)
        if ((n = take(runner->p)))
            run(runner, n);
    return NULL;
}

static void runs_lanes_one_at_a_time_at_two_hosts(void **state)
{
    struct rig r;
    atomic_int lanes[LANES] = {0}, faults = 0, left = RUNNERS * EACH;
    (void)state;
    rig_open(&r);
    struct runner runners[RUNNERS] = {{.p = &r.a}, {.p = &r.b}};
    for (int i = 0; i < RUNNERS; i++) {
        runners[i].number = i;
        runners[i].lanes = lanes;
        runners[i].faults = &faults;
        runners[i].left = &left;
        assert_int_equal(pthread_create(&runners[i].thread, NULL, accept_and_run, &runners[i]), 0);
    }
    for (int i = 0; i < RUNNERS; i++)
        pthread_join(runners[i].thread, NULL);
    assert_int_equal(faults, 0);
    assert_int_equal(
        rig_number(&r, "SELECT count(*) FROM @.notifications WHERE state = 1 AND runs = 1"),
        RUNNERS * EACH);
    rig_close(&r);
}

/* ---- limits ---- */

static void starts_no_more_of_a_pool_than_may_run_at_all_hosts(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    struct hw_notification *first = accept_one(&r.a, "first", NULL, "pool", 2, true);
    struct hw_notification *second = accept_one(&r.b, "second", NULL, "pool", 2, true);
    struct hw_notification *third = accept_one(&r.b, "third", NULL, "pool", 2, true);
    assert_int_equal(first->state, HW_STARTED);
    assert_int_equal(second->state, HW_STARTED);
    assert_int_equal(third->state, HW_QUEUED);
    assert_true(third->next_run_at > 0);
    assert_null(take(&r.a));
    end(&r.a, first, 0);
    end(&r.b, second, 0);
    assert_true(runs_next(&r.a, "third"));
    free_notification(third);
    rig_close(&r);
}

static void counts_those_of_one_batch_too(void **state)
{
    struct rig r;
    char id[16];
    struct hw_notification *batch[5];
    size_t started = 0;
    (void)state;
    rig_open(&r);
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "job%d", i);
        batch[i] = claim(&r.a, id, 0);
        batch[i]->accepted = true;
        batch[i]->pool = HW_STR("pool");
        batch[i]->pool_max = 3;
        hw_retry_start(batch[i], now_ms(), 30000);
    }
    assert_int_equal(hw_pg_settle(&r.a, r.a.settles, r.a.settle_args, batch, 5), HW_PG_OK);
    for (int i = 0; i < 5; i++) {
        started += batch[i]->state == HW_STARTED;
        free_notification(batch[i]);
    }
    assert_int_equal(started, 3);
    assert_int_equal(rig_number(&r, "SELECT count(*) FROM @.notifications WHERE state = 6"), 3);
    rig_close(&r);
}

/* ---- what hosts ended with ---- */

static void gives_up_what_three_hosts_ended_with(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    free_notification(accept_one(&r.a, "poison", "lane", NULL, 0, false));
    free_notification(accept_one(&r.a, "next", "lane", NULL, 0, false));
    rig_number(&r, "UPDATE @.notifications SET lost = 3 WHERE job_id = 'poison'");
    struct hw_notification *n = take(&r.b);
    if (!n)
        n = take(&r.b);
    assert_true(n && hw_str_eq(n->id, HW_STR("next")));
    end(&r.b, n, 0);
    assert_int_equal(rig_number(&r, "SELECT count(*) FROM @.notifications WHERE job_id = 'poison'"
                                    " AND state = 4 AND trouble = 4 AND lane IS NULL AND runs = 0"
                                    " AND error = 'host_lost' AND next_run_at IS NULL"
                                    " AND body IS NOT NULL AND event = 'Badge.Created'"),
                     1);
    assert_int_equal(hw_pg_live_count(r.b.live), 0);
    rig_close(&r);
}

/* ---- histories ---- */

static void has_a_history_of_what_failed_and_none_of_a_success(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    end(&r.a, claim(&r.a, "fine", 0), 0);
    struct hw_notification *n = claim(&r.a, "job", 3);
    n->outcome.reason = HW_STR("the database is down");
    n->outcome.finished_ns = hw_now_ns();
    n->outcome.taken_ns = n->outcome.finished_ns - 20 * 1000000;
    n->cut_ns = n->outcome.taken_ns - 7 * 1000000;
    memcpy(n->version, "0123456789abcdef", 17);
    end(&r.a, n, HW_EHANDLER_REFUSED);
    assert_int_equal(rig_number(&r,
                                "SELECT count(*) FROM @.runs WHERE attempt = 3 AND retry = 0"
                                " AND waited_ms = 7 AND ms = 20 AND error = 'handler_refused'"
                                " AND reason = 'the database is down' AND host = %d"
                                " AND version = '0123456789abcdef'"
                                " AND began_at < now() - interval '20 ms'",
                                (int)r.a.owner),
                     1);
    end(&r.b, claim(&r.b, "job", 4), 0);
    assert_int_equal(rig_number(&r, "SELECT count(*) FROM @.runs"), 2);
    assert_int_equal(rig_number(&r, "SELECT count(*) FROM @.runs WHERE error IS NULL"), 1);
    rig_close(&r);
}

static void adds_no_run_twice_and_none_of_what_another_host_has(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    struct hw_notification *n = claim(&r.a, "job", 3);
    n->outcome.ran = true;
    n->outcome.code = HW_EHANDLER_ERROR;
    hw_retry_settle(&retries, n, now_ms(), 0);
    settle(&r.a, n);
    settle(&r.a, n); /* its answer was lost */
    assert_false(n->fenced);
    assert_int_equal(rig_number(&r, "SELECT count(*) FROM @.runs"), 1);
    free_notification(n);
    n = claim(&r.a, "taken", 3);
    rig_number(&r, "UPDATE @.notifications SET owner = %d, claim = 99 WHERE job_id = 'taken'",
               (int)r.b.owner);
    n->outcome.ran = true;
    n->outcome.code = HW_EHANDLER_ERROR;
    hw_retry_settle(&retries, n, now_ms(), 0);
    settle(&r.a, n);
    assert_true(n->fenced);
    assert_int_equal(rig_number(&r, "SELECT count(*) FROM @.runs"), 1);
    free_notification(n);
    rig_close(&r);
}

static void keeps_the_newest_runs_of_very_many(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    struct hw_notification *n = claim(&r.a, "job", 3);
    end(&r.a, n, HW_EHANDLER_ERROR);
    rig_number(&r,
               "INSERT INTO @.runs (seq, began_at, attempt, retry, waited_ms, ms)"
               " SELECT 1, now() - i * interval '1 h', 0, 0, 0, i FROM generate_series(1, %d) i",
               HW_LEDGER_RUNS_MAX);
    rig_number(&r, "UPDATE @.notifications SET runs = %d", HW_LEDGER_RUNS_MAX + 1);
    end(&r.a, claim(&r.a, "job", 4), 0);
    assert_int_equal(rig_number(&r, "SELECT count(*) FROM @.runs"), HW_LEDGER_RUNS_MAX);
    assert_int_equal(rig_number(&r, "SELECT max(ms) FROM @.runs"), HW_LEDGER_RUNS_MAX - 2);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_the_first_of_a_lane_and_lines_up_the_rest),
        cmocka_unit_test(holds_a_lane_while_its_head_waits_for_a_retry),
        cmocka_unit_test(goes_on_behind_one_that_is_dead),
        cmocka_unit_test(follows_the_order_of_accepting),
        cmocka_unit_test(accepts_once_what_is_sent_twice),
        cmocka_unit_test(starts_nothing_that_a_lost_answer_put_behind),
        cmocka_unit_test(runs_lanes_one_at_a_time_at_two_hosts),
        cmocka_unit_test(starts_no_more_of_a_pool_than_may_run_at_all_hosts),
        cmocka_unit_test(counts_those_of_one_batch_too),
        cmocka_unit_test(gives_up_what_three_hosts_ended_with),
        cmocka_unit_test(has_a_history_of_what_failed_and_none_of_a_success),
        cmocka_unit_test(adds_no_run_twice_and_none_of_what_another_host_has),
        cmocka_unit_test(keeps_the_newest_runs_of_very_many),
    };
    if (rig_is_skipped("pg_along_test"))
        return 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
