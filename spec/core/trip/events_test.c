/* Each of the first hundred names of events has a row of its own; all others share one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "trip/events.h"

enum { INVENTED = 100000 };

static struct hw_event *numbered(struct hw_events *events, int number)
{
    char name[32];
    snprintf(name, sizeof name, "Invented.No%d", number);
    return hw_events_find(events, hw_str_of(name));
}

static size_t count_rows(const struct hw_events *events)
{
    size_t n = 0;
    while (hw_events_at(events, n))
        n++;
    return n;
}

static void is_bounded_under_a_stream_of_invented_names(void **state)
{
    (void)state;
    struct hw_events events = {0};
    for (int i = 0; i < INVENTED; i++)
        numbered(&events, i)->counts[HW_EVENT_FAILED]++;
    assert_int_equal(count_rows(&events), HW_EVENTS_MAX + 1);
    for (int i = 0; i < HW_EVENTS_MAX; i++)
        assert_int_equal(numbered(&events, i)->counts[HW_EVENT_FAILED], 1);
    const struct hw_event *other = hw_events_at(&events, HW_EVENTS_MAX);
    assert_string_equal(other->name, HW_EVENTS_OTHER);
    assert_int_equal(other->counts[HW_EVENT_FAILED], INVENTED - HW_EVENTS_MAX);
    hw_events_fini(&events);
}

static void the_last_name_has_a_row_and_the_one_after_it_has_not(void **state)
{
    (void)state;
    struct hw_events events = {0};
    for (int i = 0; i < HW_EVENTS_MAX - 1; i++)
        numbered(&events, i);
    assert_string_equal(numbered(&events, HW_EVENTS_MAX - 1)->name, "Invented.No99");
    assert_int_equal(count_rows(&events), HW_EVENTS_MAX);
    assert_string_equal(numbered(&events, HW_EVENTS_MAX)->name, HW_EVENTS_OTHER);
    assert_int_equal(count_rows(&events), HW_EVENTS_MAX + 1);
    hw_events_fini(&events);
}

static void finds_the_same_row_again(void **state)
{
    (void)state;
    struct hw_events events = {0};
    struct hw_event *badge = hw_events_find(&events, HW_STR("Badge.Created"));
    struct hw_event *person = hw_events_find(&events, HW_STR("Person.Created"));
    assert_ptr_not_equal(badge, person);
    assert_ptr_equal(hw_events_find(&events, HW_STR("Badge.Created")), badge);
    assert_ptr_equal(hw_events_find(&events, HW_STR("Person.Created")), person);
    assert_string_equal(person->name, "Person.Created");
    assert_string_equal(hw_events_find(&events, HW_STR_NONE)->name, HW_EVENTS_NONE);
    assert_int_equal(count_rows(&events), 3);
    hw_events_fini(&events);
}

static void a_name_that_is_too_long_is_another(void **state)
{
    (void)state;
    struct hw_events events = {0};
    char name[HW_EVENTS_NAME_MAX + 1];
    memset(name, 'a', sizeof name);
    struct hw_str longest = {name, HW_EVENTS_NAME_MAX}, longer = {name, sizeof name};
    assert_int_equal(hw_events_find(&events, longest)->name_len, HW_EVENTS_NAME_MAX);
    assert_string_equal(hw_events_find(&events, longer)->name, HW_EVENTS_OTHER);
    /* An event of that name must not have a second row. */
    assert_ptr_equal(hw_events_find(&events, HW_STR(HW_EVENTS_OTHER)), &events.other);
    assert_int_equal(count_rows(&events), 2);
    hw_events_fini(&events);
}

static void a_name_with_control_characters_is_another(void **state)
{
    (void)state;
    struct hw_events events = {0};
    static const struct hw_str names[] = {{"A\0B", 3}, {"A\nB", 3}, {"A\x7f", 2}, {"A\xff", 2}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_ptr_equal(hw_events_find(&events, names[i]), &events.other);
    assert_string_equal(hw_events_find(&events, HW_STR("A\"\\é"))->name, "A\"\\é");
    assert_int_equal(count_rows(&events), 2);
    hw_events_fini(&events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_bounded_under_a_stream_of_invented_names),
        cmocka_unit_test(the_last_name_has_a_row_and_the_one_after_it_has_not),
        cmocka_unit_test(finds_the_same_row_again),
        cmocka_unit_test(a_name_that_is_too_long_is_another),
        cmocka_unit_test(a_name_with_control_characters_is_another),
    };
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
