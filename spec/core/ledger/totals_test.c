/* The numbers of rows by state are those of a count, whatever changed the rows, whoever did, and
 * however the host ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "ledger/file_rig.h"
#include "ledger/sqlite.h"

enum { IDS = 400, BATCH = 40, ROUNDS = 8, STEPS = 15, FRESH_MAX = 4096 };

static unsigned seed;

static int draw(int end)
{
    return rand_r(&seed) % end;
}

static int64_t count_of(int state)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM notifications WHERE state = %d", state);
    return number(sql);
}

static void assert_counted(const struct rig *r)
{
    for (int state = HW_SUCCEEDED; state < HW_LEDGER_STATE_END; state++)
        if (hw_ledger_rows(r->ledger, state) != count_of(state))
            fail_msg("%s: %lld, not %lld (seed %u)", hw_ledger_state_name(state),
                     (long long)hw_ledger_rows(r->ledger, state), (long long)count_of(state), seed);
}

/* ---- what changes rows ---- */

static struct hw_notification *any_notification(const struct rig *r)
{
    static const char *const lanes[] = {"a", "b", NULL, NULL};
    struct hw_notification *n = numbered_notification(draw(IDS));
    const char *lane = lanes[draw(4)];
    if (draw(8))
        assert_int_equal(hw_ledger_look_up(r->ledger, r->reader, &n->identity, &n->known), 0);
    n->state = 1 + draw(HW_LEDGER_STATE_END - 1);
    n->accepted = n->state >= HW_QUEUED || draw(3) == 0;
    n->started = draw(6) == 0;
    n->outcome.held = draw(10) == 0;
    n->outcome.from_ledger = n->known.row && draw(5) == 0;
    n->outcome.code = n->state == HW_SUCCEEDED ? 0 : HW_EHANDLER_ERROR;
    if (n->accepted && lane)
        n->lane = hw_str_of(lane);
    if (n->state == HW_QUEUED || (n->state == HW_FAILED && n->accepted))
        n->next_run_at = n->settled_at = 1000 + draw(1000);
    return n;
}

static void commit_some(struct rig *r)
{
    struct hw_notification *batch[BATCH];
    int count = 1 + draw(BATCH);
    for (int i = 0; i < count; i++)
        batch[i] = any_notification(r);
    assert_int_equal(hw_ledger_commit(r->ledger, batch, (size_t)count), 0);
    while (count)
        free_notification(batch[--count]);
}

static void purge_some(struct rig *r)
{
    size_t count = (size_t)(1 + draw(30));
    struct hw_purge *purge = calloc(1, sizeof *purge + count * sizeof *purge->rows);
    assert_non_null(purge);
    purge->count = count;
    for (size_t i = 0; i < count; i++) {
        char sql[96];
        purge->rows[i].seq =
            draw(2) ? draw(IDS) : number("SELECT max(seq) FROM notifications") - (int64_t)i;
        snprintf(sql, sizeof sql, "SELECT max(settled_at) FROM notifications WHERE seq = %lld",
                 (long long)purge->rows[i].seq);
        purge->rows[i].settled_at = number(sql);
    }
    assert_int_equal(r->ledger->type->purge(r->ledger, purge), 0);
    free(purge);
}

static void notice(struct rig *r)
{
    ((struct hw_sqlite *)r->ledger)->totals.looked_at -= 1000;
    tend_all(r);
}

static void purge_from_elsewhere(struct rig *r)
{
    char sql[160];
    snprintf(
        sql, sizeof sql,
        draw(2) ? "DELETE FROM notifications WHERE seq %% 9 = %d"
                : "DELETE FROM notifications WHERE seq > (SELECT max(seq) FROM notifications) - %d",
        draw(9));
    exec(sql);
    notice(r);
}

static void outlive_retention(struct rig *r)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "UPDATE notifications SET received_at = received_at - 7200000, settled_at = settled_at"
             " - 7200000 WHERE seq %% 5 = %d",
             draw(5));
    exec(sql);
    tend_all(r);
}

static void pause_or_resume(struct rig *r)
{
    struct hw_pause pause = {.since = 1000, .pattern = HW_STR("Badge.*")};
    struct hw_ledger_due *due = calloc(1, sizeof *due + 100 * sizeof *due->rows);
    struct hw_arena arena;
    assert_non_null(due);
    hw_arena_init(&arena, NULL, 0);
    *due = (struct hw_ledger_due){.now_ms = 1000000, .max = 100, .arena = &arena};
    pause.resume = hw_pauses_are_any(&r->ledger->pauses);
    assert_int_equal(r->ledger->type->pause(r->ledger, &pause), 0);
    assert_int_equal(r->ledger->type->pick(r->ledger, due), 0);
    hw_arena_fini(&arena);
    free(due);
}

static void change_some(struct rig *r)
{
    static void (*const changes[])(struct rig *) = {
        commit_some, commit_some,          commit_some,       commit_some,
        purge_some,  purge_from_elsewhere, outlive_retention, pause_or_resume};
    changes[draw(sizeof changes / sizeof *changes)](r);
}

/* ---- the tests ---- */

static void are_those_of_a_count_after_any_change(void **state)
{
    struct rig r;
    (void)state;
    config.retention_ms = 3600000;
    seed = 15;
    open_rig(&r, false);
    for (int i = 0; i < ROUNDS * STEPS; i++) {
        change_some(&r);
        assert_counted(&r);
        if (i % STEPS == 0)
            reopen(&r);
        assert_counted(&r);
    }
    close_rig(&r);
}

static void change_and_die(void)
{
    struct rig r;
    open_rig(&r, false);
    for (int steps = 1 + draw(STEPS); steps > 0; steps--)
        change_some(&r);
    kill(getpid(), SIGKILL);
}

static void are_those_of_a_count_after_kill_9(void **state)
{
    struct rig r;
    int status;
    (void)state;
    config.retention_ms = 3600000;
    for (int i = 0; i < ROUNDS; i++) {
        seed = (unsigned)i;
        pid_t pid = fork();
        if (pid == 0)
            change_and_die();
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        open_rig(&r, false);
        assert_counted(&r);
        assert_int_equal(hw_ledger_rows(r.ledger, HW_STARTED), 0); /* they were found */
        close_rig(&r);
    }
}

/* A start counts only what came after the last count of all, and that is never much. */
static void are_not_counted_anew_at_a_start(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, FRESH_MAX - 1);
    assert_int_equal(number("SELECT upto FROM totals"), 0);
    fill(&r, FRESH_MAX - 1, 1);
    assert_int_equal(number("SELECT upto FROM totals"), FRESH_MAX);
    assert_int_equal(number("SELECT rows FROM totals"), FRESH_MAX);
    for (int i = FRESH_MAX; i < 4 * FRESH_MAX; i += 1000)
        fill(&r, i, 1000);
    assert_true(number("SELECT max(seq) - upto FROM notifications, totals") < FRESH_MAX);
    reopen(&r);
    assert_counted(&r);
    close_rig(&r);
}

/* SQLite gives the numbers of removed rows to new ones. */
static void hold_when_row_numbers_are_used_again(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, FRESH_MAX);
    fill(&r, FRESH_MAX, 10);
    exec("DELETE FROM notifications WHERE seq > 4000");
    notice(&r);
    assert_counted(&r);
    fill(&r, 10000, 200);
    reopen(&r);
    assert_int_equal(hw_ledger_rows(r.ledger, HW_SUCCEEDED), 4200);
    exec("DELETE FROM notifications");
    notice(&r);
    fill(&r, 20000, 3);
    reopen(&r);
    assert_int_equal(hw_ledger_rows(r.ledger, HW_SUCCEEDED), 3);
    close_rig(&r);
}

static void are_as_before_after_a_commit_that_failed(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, 10);
    exec("CREATE TRIGGER refuse BEFORE INSERT ON notifications WHEN new.job_id = 'job-12'"
         " BEGIN SELECT raise(ABORT, 'no'); END");
    struct hw_notification *batch[3] = {numbered_notification(10), numbered_notification(11),
                                        numbered_notification(12)};
    assert_int_equal(hw_ledger_commit(r.ledger, batch, 3), HW_ELEDGER_UNAVAILABLE);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(batch[i]->row, 0);
        free_notification(batch[i]);
    }
    assert_counted(&r);
    exec("DROP TRIGGER refuse");
    fill(&r, 10, 3);
    assert_counted(&r);
    close_rig(&r);
}

static void are_counted_once_in_a_ledger_of_the_version_before(void **state)
{
    struct rig r;
    (void)state;
    seed = 3;
    open_rig(&r, false);
    for (int i = 0; i < 5; i++)
        commit_some(&r);
    close_rig(&r);
    exec("DROP INDEX by_trouble; DROP TRIGGER leave_totals; DROP TABLE totals; DROP TABLE minutes;"
         "PRAGMA user_version = 2");
    open_rig(&r, false);
    assert_counted(&r);
    fill(&r, 10000, 3);
    reopen(&r);
    assert_counted(&r);
    close_rig(&r);
}

/* ---- n->row ---- */

static int64_t commit_row(const struct rig *r, int id, bool look_up, bool repeat)
{
    struct hw_notification *n = numbered_notification(id);
    if (look_up)
        assert_int_equal(hw_ledger_look_up(r->ledger, r->reader, &n->identity, &n->known), 0);
    n->outcome.from_ledger = repeat;
    assert_int_equal(hw_ledger_commit(r->ledger, &n, 1), 0);
    int64_t row = n->row;
    free_notification(n);
    return row;
}

static void tells_where_a_notification_is(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, 5);
    assert_int_equal(commit_row(&r, 5, true, false), 6);
    assert_int_equal(commit_row(&r, 5, true, false), 6);  /* it ran again */
    assert_int_equal(commit_row(&r, 2, true, true), 3);   /* a copy */
    assert_int_equal(commit_row(&r, 2, false, true), 3);  /* one that joined */
    assert_int_equal(commit_row(&r, 4, false, false), 5); /* its look-up failed */
    assert_int_equal(commit_row(&r, 7, false, true), 0);
    assert_int_equal(commit_row(&r, 8, false, false), 7);
    close_rig(&r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_file, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(are_those_of_a_count_after_any_change),
        TEST(are_those_of_a_count_after_kill_9),
        TEST(are_not_counted_anew_at_a_start),
        TEST(hold_when_row_numbers_are_used_again),
        TEST(are_as_before_after_a_commit_that_failed),
        TEST(are_counted_once_in_a_ledger_of_the_version_before),
        TEST(tells_where_a_notification_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
