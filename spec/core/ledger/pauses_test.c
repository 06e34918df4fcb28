/* A pattern pauses what it matches and nothing else, from the moment it is added to the one it is
 * taken away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "ledger/pauses.h"

static void knows_a_pattern(void **state)
{
    static const char *const good[] = {"A", "A.B",   "A.*",   "*.B",
                                       "*", "A.B.*", "*.B.C", "Zo\xc3\xab.*"};
    static const char *const bad[] = {"",   "**",   "A*",   "*A",    "A.*.B", "*.*", ".*",
                                      "*.", "A.*B", "A\nB", "A\x7f", "\xff",  "*A.*"};
    char longest[HW_PAUSES_PATTERN_MAX + 1];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!hw_pauses_is_pattern(hw_str_of(good[i])))
            fail_msg("%s is a pattern", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (hw_pauses_is_pattern(hw_str_of(bad[i])))
            fail_msg("%s is no pattern", bad[i]);
    memset(longest, 'a', sizeof longest);
    assert_true(hw_pauses_is_pattern((struct hw_str){longest, HW_PAUSES_PATTERN_MAX}));
    assert_false(hw_pauses_is_pattern((struct hw_str){longest, HW_PAUSES_PATTERN_MAX + 1}));
}

static void matches_as_hook_on_does(void **state)
{
    static const struct {
        const char *pattern, *event;
        bool matches;
    } cases[] = {
        {"A.B", "A.B", true},     {"A.B", "A.Bc", false},  {"A.B", "A", false},
        {"A.*", "A.B", true},     {"A.*", "A.B.C", true},  {"A.*", "A.", true},
        {"A.*", "A", false},      {"A.*", "AB.C", false},  {"A.*", "", false},
        {"A.B.*", "A.B.C", true}, {"A.B.*", "A.C", false}, {"*.B", "A.B", true},
        {"*.B", "C.A.B", true},   {"*.B", "A.BB", false},  {"*.B", "B", false},
        {"*.B", ".B", true},      {"*", "A.B", true},      {"*", "", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (hw_pauses_matches(hw_str_of(cases[i].pattern), hw_str_of(cases[i].event)) !=
            cases[i].matches)
            fail_msg("%s, %s", cases[i].pattern, cases[i].event);
}

static void holds_until_it_is_removed(void **state)
{
    struct hw_pauses p;
    (void)state;
    hw_pauses_init(&p);
    assert_false(hw_pauses_hold(&p, HW_STR("A.B")));
    assert_int_equal(hw_pauses_add(&p, HW_STR("A.*"), 1), 0);
    assert_int_equal(hw_pauses_add(&p, HW_STR("A.*"), 2), 0); /* again */
    assert_int_equal(hw_pauses_add(&p, HW_STR("A.B"), 3), 0);
    assert_int_equal(p.count, 2);
    assert_true(hw_pauses_has(&p, HW_STR("A.B")));
    assert_false(hw_pauses_has(&p, HW_STR("A.C")));
    assert_true(hw_pauses_hold(&p, HW_STR("A.C")));
    hw_pauses_remove(&p, HW_STR("A.*"));
    assert_false(hw_pauses_hold(&p, HW_STR("A.C")));
    assert_true(hw_pauses_hold(&p, HW_STR("A.B"))); /* by the other */
    hw_pauses_remove(&p, HW_STR("A.*"));
    hw_pauses_remove(&p, HW_STR("A.B"));
    assert_false(hw_pauses_are_any(&p));
    assert_false(hw_pauses_hold(&p, HW_STR("A.B")));
    hw_pauses_fini(&p);
}

static void keeps_no_more_than_it_can_compare(void **state)
{
    struct hw_pauses p;
    char text[16];
    (void)state;
    hw_pauses_init(&p);
    for (int i = 0; i < HW_PAUSES_MAX; i++) {
        snprintf(text, sizeof text, "A.%d", i);
        assert_int_equal(hw_pauses_add(&p, hw_str_of(text), i), 0);
    }
    assert_int_equal(hw_pauses_add(&p, HW_STR("B"), 1), HW_EOVERLOADED);
    assert_int_equal(hw_pauses_add(&p, HW_STR("A.0"), 1), 0);
    hw_pauses_remove(&p, HW_STR("A.0"));
    assert_int_equal(hw_pauses_add(&p, HW_STR("B"), 1), 0);
    hw_pauses_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_a_pattern),
        cmocka_unit_test(matches_as_hook_on_does),
        cmocka_unit_test(holds_until_it_is_removed),
        cmocka_unit_test(keeps_no_more_than_it_can_compare),
    };
    return cmocka_run_group_tests_name("pauses", tests, NULL, NULL);
}
