/* Saved minutes are written with what is written anyway, and outlive the host; the oldest go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "ledger/file_rig.h"
#include "ledger/sqlite.h"

enum { MANY = 500 };

struct found {
    int64_t minutes[HW_LEDGER_MINUTES_WAIT * 2];
    char last[16];
    size_t count;
};

static void on_minute(void *ud, int64_t minute, const void *bytes, size_t len)
{
    struct found *found = ud;
    assert_true(found->count < sizeof found->minutes / sizeof *found->minutes);
    found->minutes[found->count++] = minute;
    snprintf(found->last, sizeof found->last, "%.*s", (int)len, (const char *)bytes);
}

static struct found find(const struct rig *r, int64_t since)
{
    struct found found = {.count = 0};
    assert_int_equal(hw_ledger_minutes(r->ledger, since, on_minute, &found), 0);
    return found;
}

static void keep(const struct rig *r, int64_t minute, const char *text)
{
    hw_ledger_keep_minute(r->ledger, minute, text, strlen(text));
}

static void are_written_with_the_next_commit(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    keep(&r, 100, "a");
    keep(&r, 101, "b");
    assert_int_equal(find(&r, 0).count, 0);
    fill(&r, 0, 1);
    assert_int_equal(find(&r, 0).count, 2);
    assert_int_equal(find(&r, 101).count, 1);
    assert_string_equal(find(&r, 0).last, "b");
    keep(&r, 101, "c"); /* the host has counted on since */
    fill(&r, 1, 1);
    assert_int_equal(find(&r, 0).count, 2);
    assert_string_equal(find(&r, 0).last, "c");
    close_rig(&r);
}

static void are_written_while_there_is_nothing_to_do_and_at_the_end(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    keep(&r, 1, "");
    r.ledger->type->tend(r.ledger, false);
    assert_int_equal(find(&r, 0).count, 0);
    r.ledger->type->tend(r.ledger, true);
    assert_int_equal(find(&r, 0).count, 1);
    keep(&r, 2, "b");
    reopen(&r);
    assert_int_equal(find(&r, 0).count, 2);
    close_rig(&r);
}

static void go_after_a_week(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    keep(&r, 1000, "a");
    keep(&r, 1001, "b");
    keep(&r, 1000 + HW_LEDGER_MINUTES_KEPT, "c");
    fill(&r, 0, 1);
    assert_int_equal(find(&r, 0).count, 2);
    assert_int_equal(find(&r, 0).minutes[0], 1001);
    close_rig(&r);
}

static void wait_while_the_ledger_fails_but_for_the_oldest(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    exec("CREATE TRIGGER refuse BEFORE INSERT ON notifications BEGIN SELECT raise(ABORT, 'no'); "
         "END");
    keep(&r, 1, "a");
    assert_int_equal(commit_one(&r, 1), HW_ELEDGER_UNAVAILABLE);
    for (int i = 2; i <= HW_LEDGER_MINUTES_WAIT + 1; i++)
        keep(&r, i, "b");
    assert_int_equal(commit_one(&r, 1), HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(find(&r, 0).count, 0);
    exec("DROP TRIGGER refuse");
    assert_int_equal(commit_one(&r, 1), 0);
    tend_all(&r);
    struct found found = find(&r, 0);
    assert_int_equal(found.count, HW_LEDGER_MINUTES_WAIT);
    assert_int_equal(found.minutes[0], 2);
    close_rig(&r);
}

/* An error that ends the transaction takes the outcomes with it, and the minutes wait; after any
 * other the outcomes are recorded. */
static void do_no_harm_to_outcomes(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    exec("CREATE TRIGGER refuse BEFORE INSERT ON minutes BEGIN SELECT raise(ABORT, 'no'); END");
    keep(&r, 1, "a");
    assert_int_equal(commit_one(&r, 1), 0);
    exec("DROP TRIGGER refuse;"
         "CREATE TRIGGER refuse BEFORE INSERT ON minutes BEGIN SELECT raise(ROLLBACK, 'no'); END");
    keep(&r, 2, "b");
    assert_int_equal(commit_one(&r, 2), HW_ELEDGER_UNAVAILABLE);
    keep(&r, 3, "c");
    exec("DROP TRIGGER refuse");
    assert_int_equal(commit_one(&r, 2), 0);
    tend_all(&r);
    assert_int_equal(find(&r, 0).count, 2);
    assert_int_equal(find(&r, 0).minutes[0], 2);
    assert_int_equal(hw_ledger_rows(r.ledger, HW_SUCCEEDED), 2);
    close_rig(&r);
}

static void are_none_in_memory(void **state)
{
    (void)state;
    struct hw_ledger *ledger = hw_ledger_memory_open();
    struct found found = {.count = 0};
    hw_ledger_keep_minute(ledger, 1, "a", 1);
    assert_int_equal(hw_ledger_minutes(ledger, 0, on_minute, &found), 0);
    assert_int_equal(found.count, 0);
    ledger->type->close(ledger);
}

static void *keep_many(void *ud)
{
    for (int i = 0; i < MANY; i++) {
        keep(ud, i % HW_LEDGER_MINUTES_WAIT, "x");
        assert_true(hw_ledger_rows(((struct rig *)ud)->ledger, HW_SUCCEEDED) >= 0);
    }
    return NULL;
}

static void may_be_handed_over_by_any_thread(void **state)
{
    struct rig r;
    pthread_t thread;
    (void)state;
    open_rig(&r, false);
    assert_int_equal(pthread_create(&thread, NULL, keep_many, &r), 0);
    for (int i = 0; i < 20; i++)
        fill(&r, i, 1);
    pthread_join(thread, NULL);
    tend_all(&r);
    assert_int_equal(find(&r, 0).count, HW_LEDGER_MINUTES_WAIT);
    close_rig(&r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_file, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(are_written_with_the_next_commit),
        TEST(are_written_while_there_is_nothing_to_do_and_at_the_end),
        TEST(go_after_a_week),
        TEST(wait_while_the_ledger_fails_but_for_the_oldest),
        TEST(do_no_harm_to_outcomes),
        TEST(are_none_in_memory),
        TEST(may_be_handed_over_by_any_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
