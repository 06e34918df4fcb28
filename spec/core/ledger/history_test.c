/* Each run of what did not succeed at its first is in the history, and goes with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "ledger/file.h"
#include "ledger/file_rig.h"

static const struct hw_retries retries = {.count = 2, .delays_ms = {60000, 3600000}};

static int64_t now_ms(void)
{
    return (int64_t)(hw_now() * 1000);
}

static int64_t count_runs(void)
{
    return number("SELECT count(*) FROM runs");
}

/* A run of it, with this outcome. */
static void end(const struct rig *r, struct hw_notification *n, int code)
{
    n->outcome.code = code;
    hw_retry_settle(&retries, n, now_ms(), 0);
    assert_int_equal(hw_ledger_commit(r->ledger, &n, 1), 0);
    free_notification(n);
}

static struct hw_notification *known_delivery(const struct rig *r, const char *id, uint32_t attempt)
{
    struct hw_notification *n = new_delivery(r, id, "a");
    n->attempt = attempt;
    assert_int_equal(hw_ledger_look_up(r->ledger, r->reader, &n->identity, &n->known), 0);
    return n;
}

/* The run of a row, by the host itself. */
static struct hw_notification *run_of(const struct rig *r, int64_t row, uint32_t retry)
{
    struct hw_notification *n = revived_notification(row);
    assert_int_equal(hw_ledger_load(r->ledger, r->reader, n), 0);
    n->outcome.ran = n->by_host = true;
    n->retry = retry;
    return n;
}

static void has_none_for_a_success_at_the_first_run(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "first", "a", 0);
    deliver(&r, "first", "a", 0); /* a repeat */
    struct hw_notification *n = new_delivery(&r, "unhandled", "a");
    n->outcome.unhandled = true;
    deliver_as(&r, n, 0, 1);
    n = known_delivery(&r, "started", HW_ATTEMPT_LAST);
    hw_retry_start(n, now_ms(), 30000);
    assert_int_equal(hw_ledger_commit(r.ledger, &n, 1), 0);
    n->started = true;
    end(&r, n, 0);
    assert_int_equal(number("SELECT sum(state = 1) FROM notifications"), 2);
    assert_int_equal(count_runs(), 0);
    close_rig(&r);
}

static void has_every_run_of_what_failed_at_its_first(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = known_delivery(&r, "job", 3);
    n->outcome.reason = HW_STR("the database is down");
    n->outcome.taken_ns = n->outcome.finished_ns - 20 * 1000000;
    n->cut_ns = n->outcome.taken_ns - 7 * 1000000;
    memcpy(n->version, "0123456789abcdef", 17);
    int64_t from = now_ms();
    end(&r, n, HW_EHANDLER_REFUSED);
    assert_int_equal(number("SELECT seq = 1 AND attempt = 3 AND retry = 0 AND waited_ms = 7"
                            " AND ms = 20 AND error = 'handler_refused'"
                            " AND reason = 'the database is down'"
                            " AND version = '0123456789abcdef' FROM runs"),
                     1);
    assert_in_range(number("SELECT began_at FROM runs"), from - 20, now_ms() - 20);
    end(&r, known_delivery(&r, "job", HW_ATTEMPT_LAST), HW_EHANDLER_ERROR);
    end(&r, run_of(&r, 1, 1), HW_EHANDLER_ERROR);
    end(&r, run_of(&r, 1, 2), 0);
    deliver(&r, "other", "a", 0);
    assert_int_equal(count_runs(), 4);
    assert_int_equal(number("SELECT count(*) FROM runs WHERE seq = 1 AND"
                            " attempt = CASE rowid WHEN 1 THEN 3 ELSE 5 END AND"
                            " retry = max(0, rowid - 2) AND (error IS NULL) = (rowid = 4)"),
                     4);
    close_rig(&r);
}

static void has_the_run_of_what_had_succeeded_before(void **state)
{
    struct rig r;
    (void)state;
    config.keep_bodies = true;
    open_rig(&r, false);
    deliver(&r, "job", "a", 0);
    end(&r, run_of(&r, 1, 0), 0);
    assert_int_equal(number("SELECT error IS NULL FROM runs WHERE seq = 1"), 1);
    assert_int_equal(count_runs(), 1);
    close_rig(&r);
}

static void has_the_success_of_what_failed_before_any_run(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = known_delivery(&r, "job", 0);
    n->outcome.ran = false;
    end(&r, n, HW_ENO_HANDLER);
    assert_int_equal(look(&r, "job", "a").runs, 0);
    end(&r, known_delivery(&r, "job", 1), 0);
    assert_int_equal(number("SELECT count(error) = 1 AND count(*) = 2 FROM runs"), 1);
    close_rig(&r);
}

/* The look-up failed, so nobody knew that there was a row. */
static void finds_the_row_of_what_was_not_looked_up(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "other", "a", 0);
    end(&r, known_delivery(&r, "job", 0), HW_EHANDLER_ERROR);
    deliver(&r, "another", "a", 0);
    end(&r, new_delivery(&r, "job", "a"), HW_EHANDLER_ERROR);
    assert_int_equal(number("SELECT count(*) FROM runs WHERE seq = 2"), 2);
    assert_int_equal(count_runs(), 2);
    close_rig(&r);
}

static void has_nothing_of_what_was_put_off(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = known_delivery(&r, "held", 0);
    n->outcome.ran = false;
    n->outcome.held = true;
    end(&r, n, HW_ELEDGER_UNAVAILABLE);
    end(&r, known_delivery(&r, "late", HW_ATTEMPT_LAST), HW_EHANDLER_ERROR);
    n = run_of(&r, 2, 1);
    n->outcome.ran = false;
    end(&r, n, HW_EQUEUE_TIMEOUT);
    assert_int_equal(count_runs(), 1);
    n = run_of(&r, 2, 1);
    n->outcome.ran = false; /* nothing was begun, but it counts as a retry */
    end(&r, n, HW_ENO_HANDLER);
    assert_int_equal(number("SELECT version IS NULL AND error = 'no_handler' FROM runs"
                            " ORDER BY rowid DESC"),
                     1);
    end(&r, known_delivery(&r, "held", 1), 0); /* its first run */
    assert_int_equal(count_runs(), 2);
    close_rig(&r);
}

static void has_the_runs_that_their_host_did_not_survive(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = known_delivery(&r, "job", HW_ATTEMPT_LAST);
    int64_t at = now_ms();
    hw_retry_start(n, at, 30000);
    assert_int_equal(hw_ledger_commit(r.ledger, &n, 1), 0);
    free_notification(n);
    reopen(&r);
    assert_int_equal(number("SELECT began_at FROM runs WHERE seq = 1 AND attempt = 5 AND retry = 0"
                            " AND ms = 0 AND error = 'host_lost'"),
                     at);
    reopen(&r);
    assert_int_equal(count_runs(), 1);
    end(&r, run_of(&r, 1, 0), 0);
    assert_int_equal(count_runs(), 2);
    close_rig(&r);
}

/* Its thread was given up, and a stand-in was recorded; then the job came back. */
static void has_what_a_lost_job_came_to_after_all(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = known_delivery(&r, "job", 0);
    end(&r, known_delivery(&r, "job", 0), HW_EHANDLER_TIMEOUT);
    n->has_stand_in = true;
    end(&r, n, 0);
    assert_int_equal(number("SELECT count(error) = 1 AND count(*) = 2 FROM runs"), 1);
    close_rig(&r);
}

static void keeps_the_latest_of_very_many(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    end(&r, known_delivery(&r, "other", 1), HW_EHANDLER_ERROR);
    for (uint32_t i = 0; i < HW_LEDGER_RUNS_MAX + 3; i++)
        end(&r, known_delivery(&r, "job", i), HW_EHANDLER_ERROR);
    assert_int_equal(number("SELECT count(*) FROM runs WHERE seq = 2"), HW_LEDGER_RUNS_MAX);
    assert_int_equal(number("SELECT min(attempt) FROM runs WHERE seq = 2"), 3);
    assert_int_equal(number("SELECT count(*) FROM runs WHERE seq = 1"), 1);
    close_rig(&r);
}

static void cuts_a_long_reason(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = known_delivery(&r, "job", 0);
    char *text = hw_arena_alloc(n->arena, HW_LEDGER_ERROR_MAX + 1);
    memset(text, 'x', HW_LEDGER_ERROR_MAX + 1);
    n->outcome.reason = (struct hw_str){text, HW_LEDGER_ERROR_MAX + 1};
    end(&r, n, HW_EHANDLER_REFUSED);
    assert_int_equal(number("SELECT length(reason) FROM runs"), HW_LEDGER_ERROR_MAX);
    close_rig(&r);
}

/* The number of a removed row is used again. */
static void forgets_them_with_their_notification(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "kept", "a", HW_EHANDLER_ERROR);
    deliver(&r, "job", "a", HW_EHANDLER_ERROR);
    assert_int_equal(count_runs(), 2);
    struct hw_purge *purge = calloc(1, sizeof *purge + sizeof *purge->rows);
    assert_non_null(purge);
    purge->count = 1;
    purge->rows[0] =
        (struct hw_ledger_row){2, number("SELECT settled_at FROM notifications WHERE seq = 2")};
    assert_int_equal(r.ledger->type->purge(r.ledger, purge), 0);
    assert_int_equal(purge->removed, 1);
    free(purge);
    assert_int_equal(number("SELECT seq FROM runs"), 1);
    deliver(&r, "new", "a", 0);
    assert_int_equal(number("SELECT seq FROM notifications WHERE job_id = 'new'"), 2);
    assert_int_equal(count_runs(), 1);
    close_rig(&r);
}

static void forgets_them_when_retention_does(void **state)
{
    struct rig r;
    (void)state;
    config.retention_ms = 86400000;
    open_rig(&r, false);
    struct hw_notification *n = known_delivery(&r, "old", 0);
    n->received_at -= 2 * 86400;
    end(&r, n, HW_EHANDLER_ERROR);
    deliver(&r, "young", "a", HW_EHANDLER_ERROR);
    exec("UPDATE notifications SET settled_at = received_at WHERE job_id = 'old'");
    tend_all(&r);
    assert_int_equal(number("SELECT count(*) FROM notifications"), 1);
    assert_int_equal(number("SELECT seq FROM runs"), 2);
    close_rig(&r);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, new_file, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(has_none_for_a_success_at_the_first_run),
        CASE(has_every_run_of_what_failed_at_its_first),
        CASE(has_the_run_of_what_had_succeeded_before),
        CASE(has_the_success_of_what_failed_before_any_run),
        CASE(finds_the_row_of_what_was_not_looked_up),
        CASE(has_nothing_of_what_was_put_off),
        CASE(has_the_runs_that_their_host_did_not_survive),
        CASE(has_what_a_lost_job_came_to_after_all),
        CASE(keeps_the_latest_of_very_many),
        CASE(cuts_a_long_reason),
        CASE(forgets_them_with_their_notification),
        CASE(forgets_them_when_retention_does),
    };
    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
