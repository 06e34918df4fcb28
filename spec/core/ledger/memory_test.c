/* The ledger in memory keeps every ledger's promises, for the last HW_LEDGER_MEMORY_MAX. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ledger/cases.h"

static struct hw_ledger *open_ledger(bool by_body)
{
    (void)by_body; /* new_delivery() leaves the id out of the identity */
    return hw_ledger_memory_open();
}

static void fill(const struct rig *r, int first, int count)
{
    struct hw_notification *n = numbered_notification(0);
    char id[32];
    for (int i = first; i < first + count; i++) {
        snprintf(id, sizeof id, "job-%d", i);
        n->id = n->identity.id = hw_str_of(id);
        assert_int_equal(hw_ledger_commit(r->ledger, &n, 1), 0);
    }
    free_notification(n);
}

static enum hw_ledger_state state_of(const struct rig *r, int number)
{
    char id[32];
    snprintf(id, sizeof id, "job-%d", number);
    return look(r, id, "{}").state;
}

static void forgets_the_oldest_at_one_over_its_bound(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, HW_LEDGER_MEMORY_MAX);
    assert_int_equal(state_of(&r, 0), HW_SUCCEEDED);
    fill(&r, HW_LEDGER_MEMORY_MAX, 1);
    assert_int_equal(state_of(&r, 0), HW_NEVER_SEEN);
    assert_int_equal(state_of(&r, 1), HW_SUCCEEDED);
    assert_int_equal(state_of(&r, HW_LEDGER_MEMORY_MAX), HW_SUCCEEDED);
    close_rig(&r);
}

static void keeps_its_bound_round_after_round(void **state)
{
    enum { ALL = 3 * HW_LEDGER_MEMORY_MAX + 100 };
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, ALL);
    for (int i = 0; i < ALL; i++)
        assert_int_equal(state_of(&r, i),
                         i < ALL - HW_LEDGER_MEMORY_MAX ? HW_NEVER_SEEN : HW_SUCCEEDED);
    close_rig(&r);
}

static void needs_no_room_for_a_repeat(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    fill(&r, 0, HW_LEDGER_MEMORY_MAX);
    fill(&r, 0, HW_LEDGER_MEMORY_MAX);
    assert_int_equal(state_of(&r, 0), HW_SUCCEEDED);
    assert_int_equal(look(&r, "job-0", "{}").deliveries, 2);
    close_rig(&r);
}

static void keeps_no_bodies(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "job", "a", HW_EHANDLER_ERROR);
    struct hw_notification *n = revived_notification(1);
    assert_int_equal(hw_ledger_load(r.ledger, r.reader, n), HW_ENOT_FOUND);
    free_notification(n);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_CASES,
        cmocka_unit_test(forgets_the_oldest_at_one_over_its_bound),
        cmocka_unit_test(keeps_its_bound_round_after_round),
        cmocka_unit_test(needs_no_room_for_a_repeat),
        cmocka_unit_test(keeps_no_bodies),
    };
    return cmocka_run_group_tests_name("ledger_memory", tests, NULL, NULL);
}
