/* What was accepted: its lane goes on, and the count of the backlog is exact, whatever becomes of
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "ledger/file_rig.h"

enum { MINUTE = 60000 };

static const struct hw_retries retries = {.count = 1, .delays_ms = {MINUTE}};

static int64_t now_ms(void)
{
    return (int64_t)(hw_now() * 1000);
}

static void commit(const struct rig *r, struct hw_notification *n)
{
    assert_int_equal(hw_ledger_commit(r->ledger, &n, 1), 0);
}

static void look_up(const struct rig *r, struct hw_notification *n)
{
    assert_int_equal(hw_ledger_look_up(r->ledger, r->reader, &n->identity, &n->known), 0);
    n->accepted |= n->known.accepted;
}

/* It starts at once, unless others of its lane are before it. */
static struct hw_notification *take_on(const struct rig *r, const char *id, const char *lane)
{
    struct hw_notification *n = new_delivery(r, id, "a");
    look_up(r, n);
    n->accepted = true;
    if (lane)
        n->lane = hw_arena_copy(n->arena, hw_str_of(lane));
    n->outcome.ran = false;
    hw_retry_start(n, now_ms(), 30000);
    commit(r, n);
    n->started = n->state == HW_STARTED;
    return n;
}

static void end(const struct rig *r, struct hw_notification *n, int code)
{
    n->outcome.ran = true;
    n->outcome.code = code;
    n->copies = 0;
    hw_retry_settle(&retries, n, now_ms(), 0);
    commit(r, n);
}

static void finish(const struct rig *r, struct hw_notification *n, int code)
{
    end(r, n, code);
    free_notification(n);
}

/* As a replay is, when a worker has loaded it. */
static struct hw_notification *load(const struct rig *r, int64_t row)
{
    struct hw_notification *n = revived_notification(row);
    assert_int_equal(hw_ledger_load(r->ledger, r->reader, n), 0);
    n->event = HW_STR("Badge.Created");
    return n;
}

static void start_again(const struct rig *r, struct hw_notification *n)
{
    hw_retry_start(n, now_ms(), 30000);
    commit(r, n);
    n->started = true;
}

static void purge(const struct rig *r, int64_t row)
{
    char text[80];
    struct hw_purge *p = calloc(1, sizeof *p + sizeof *p->rows);
    assert_non_null(p);
    snprintf(text, sizeof text, "SELECT settled_at FROM notifications WHERE seq = %d", (int)row);
    p->count = 1;
    p->rows[0] = (struct hw_ledger_row){row, number(text)};
    assert_int_equal(r->ledger->type->purge(r->ledger, p), 0);
    assert_int_equal(p->removed, 1);
    free(p);
}

static void assert_exact(const struct rig *r, int64_t backlog)
{
    assert_int_equal(number("SELECT count(*) FROM notifications WHERE accepted = 1"
                            " AND state IN (2, 5, 6)"),
                     backlog);
    assert_int_equal(number("SELECT value FROM counters WHERE name = 'backlog'"), backlog);
    assert_int_equal(hw_ledger_backlog(r->ledger), backlog);
}

/* Rows of lane x that may run, or wait for their time. */
static int64_t heads(void)
{
    return number(
        "SELECT count(*) FROM notifications WHERE lane = 'x' AND next_run_at IS NOT NULL");
}

/* ---- lanes ---- */

/* The oldest row of a lane need not be the first that was accepted: it may have failed before that,
 * for want of a handler. */
static void runs_one_of_a_lane_whatever_their_rows(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "old", "a", HW_ENO_HANDLER);
    struct hw_notification *head = take_on(&r, "head", "x");
    free_notification(take_on(&r, "old", "x"));
    free_notification(take_on(&r, "last", "x"));
    assert_int_equal(heads(), 1);
    purge(&r, 3);
    assert_int_equal(heads(), 1);
    finish(&r, head, 0);
    assert_int_equal(heads(), 1);
    assert_int_equal(number("SELECT seq FROM notifications WHERE next_run_at IS NOT NULL"), 1);
    assert_exact(&r, 1);
    close_rig(&r);
}

static void goes_on_behind_one_that_is_replayed(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *head = take_on(&r, "head", "x");
    free_notification(take_on(&r, "second", "x"));
    free_notification(take_on(&r, "third", "x"));
    struct hw_notification *replay = load(&r, 2);
    start_again(&r, replay);
    finish(&r, head, 0);
    assert_int_equal(heads(), 1); /* the replay itself */
    finish(&r, replay, 0);
    assert_int_equal(heads(), 1);
    assert_int_equal(number("SELECT seq FROM notifications WHERE next_run_at IS NOT NULL"), 3);
    assert_exact(&r, 1);
    close_rig(&r);
}

/* It was loaded as one that its sender would deliver again. */
static void keeps_what_was_accepted_while_its_replay_waited(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    free_notification(take_on(&r, "head", "x"));
    deliver(&r, "job", "a", HW_ENO_HANDLER);
    struct hw_notification *replay = load(&r, 2);
    free_notification(take_on(&r, "job", "x"));
    look_up(&r, replay);
    finish(&r, replay, HW_EHANDLER_REFUSED);
    assert_int_equal(number("SELECT state = 2 AND accepted = 1 AND lane = 'x' AND next_run_at > 0"
                            " FROM notifications WHERE seq = 2"),
                     1);
    assert_exact(&r, 2);
    close_rig(&r);
}

static void ends_a_run_whose_row_was_purged_before_its_start(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    finish(&r, take_on(&r, "job", NULL), HW_EHANDLER_REFUSED);
    struct hw_notification *n = load(&r, 1);
    deliver(&r, "other", "a", 0);
    purge(&r, 1);
    assert_exact(&r, 0);
    start_again(&r, n);
    assert_exact(&r, 1);
    finish(&r, n, 0);
    assert_int_equal(number("SELECT state FROM notifications WHERE job_id = 'job'"), HW_SUCCEEDED);
    assert_exact(&r, 0);
    close_rig(&r);
}

static void goes_on_at_the_next_start(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    free_notification(take_on(&r, "head", "x"));
    free_notification(take_on(&r, "second", "x"));
    exec("UPDATE notifications SET lost = 2 WHERE seq = 1");
    reopen(&r);
    assert_int_equal(heads(), 1);
    assert_int_equal(number("SELECT seq FROM notifications WHERE next_run_at IS NOT NULL"), 2);
    assert_exact(&r, 1);
    close_rig(&r);
}

/* Another row of its body may be there, of a delivery whose look-up failed. */
static void knows_by_body_what_was_accepted(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, true);
    free_notification(take_on(&r, "job", NULL));
    struct hw_notification *n = new_delivery(&r, "copy", "a");
    n->outcome.code = HW_ELEDGER_UNAVAILABLE;
    hw_retry_settle(&no_retries, n, 0, 0);
    commit(&r, n);
    free_notification(n);
    assert_int_equal(number("SELECT count(*) FROM notifications"), 2);
    assert_true(look(&r, "third", "a").accepted);
    close_rig(&r);
}

/* ---- the count ---- */

/* Its thread was given up: what was recorded in its place is dead, and then it comes back. */
static void counts_a_lost_run_once(void **state)
{
    static const int codes[] = {0, HW_EHANDLER_REFUSED};
    struct rig r;
    (void)state;
    open_rig(&r, false);
    for (int i = 0; i < 2; i++) {
        char id[] = "job0";
        id[3] = (char)('0' + i);
        struct hw_notification *n = take_on(&r, id, NULL);
        assert_exact(&r, 1);
        n->outcome.ran = true;
        n->outcome.code = HW_EHANDLER_TIMEOUT;
        hw_retry_settle(&no_retries, n, now_ms(), 0);
        commit(&r, n);
        assert_exact(&r, 0);
        n->has_stand_in = true;
        n->outcome.code = codes[i];
        hw_retry_settle(&no_retries, n, now_ms(), 0);
        commit(&r, n);
        assert_exact(&r, 0);
        free_notification(n);
    }
    close_rig(&r);
}

/* Loaded while it was under way, and run when that was over. */
static void counts_a_forced_replay_as_its_row_is(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = take_on(&r, "job", NULL), *replay = load(&r, 1);
    finish(&r, n, 0);
    assert_exact(&r, 0);
    start_again(&r, replay);
    assert_exact(&r, 1);
    finish(&r, replay, 0);
    assert_exact(&r, 0);
    close_rig(&r);
}

static void counts_by_what_is_in_the_file(void **state)
{
    struct rig r;
    struct hw_notification *under_way[8] = {0};
    unsigned seed = 7;
    (void)state;
    open_rig(&r, false);
    for (int i = 0; i < 250; i++) {
        char id[] = "job0";
        seed = seed * 1103515245 + 12345;
        unsigned which = seed >> 16 & 7, what = seed >> 20 & 7;
        struct hw_notification **n = &under_way[which];
        id[3] = (char)('0' + which);
        struct hw_known known = look(&r, id, "a");
        if (*n && what < 4) {
            finish(&r, *n, what == 0 ? HW_EHANDLER_REFUSED : what == 1 ? HW_EGIVEN_UP : 0);
            *n = NULL;
        } else if (*n && what == 4) {
            end(&r, *n, HW_EQUEUE_TIMEOUT);
        } else if (!*n && !known.accepted) {
            *n = take_on(&r, id, what & 1 ? "x" : "y");
            if ((*n)->state == HW_QUEUED)
                free_notification(*n), *n = NULL;
        } else if (!*n && known.state != HW_SUCCEEDED) {
            start_again(&r, *n = load(&r, known.row));
        } else if (known.row && what < 6) {
            purge(&r, known.row);
        }
        assert_exact(&r, number("SELECT count(*) FROM notifications WHERE accepted = 1"
                                " AND state IN (2, 5, 6)"));
        assert_int_equal(number("SELECT count(DISTINCT lane) FROM notifications"),
                         number("SELECT count(DISTINCT lane) FROM notifications"
                                " WHERE next_run_at IS NOT NULL"));
    }
    for (int i = 0; i < 8; i++)
        if (under_way[i])
            free_notification(under_way[i]);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(runs_one_of_a_lane_whatever_their_rows, new_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(goes_on_behind_one_that_is_replayed, new_file, remove_file),
        cmocka_unit_test_setup_teardown(keeps_what_was_accepted_while_its_replay_waited, new_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(goes_on_at_the_next_start, new_file, remove_file),
        cmocka_unit_test_setup_teardown(ends_a_run_whose_row_was_purged_before_its_start, new_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(knows_by_body_what_was_accepted, new_file, remove_file),
        cmocka_unit_test_setup_teardown(counts_a_lost_run_once, new_file, remove_file),
        cmocka_unit_test_setup_teardown(counts_a_forced_replay_as_its_row_is, new_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(counts_by_what_is_in_the_file, new_file, remove_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
