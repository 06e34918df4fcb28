/* What follows an outcome: the table of decisions, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "trip/retry.h"

enum { NOW = 1000000, MINUTE = 60000, HOUR = 60 * MINUTE };

static const struct hw_retries two = {.count = 2, .delays_ms = {MINUTE, HOUR}};
static const struct hw_retries none = {.count = 0};

static struct hw_notification settled(const struct hw_retries *retries, struct hw_notification n)
{
    hw_retry_settle(retries, &n, NOW, 0);
    return n;
}

/* One that came with this attempt, and ran. */
static struct hw_notification delivery(uint32_t attempt, int code)
{
    return (struct hw_notification){.attempt = attempt,
                                    .outcome = {.code = code, .ran = true, .authentic = true}};
}

/* The host's own retry of this number. */
static struct hw_notification retry(uint32_t number, int code)
{
    struct hw_notification n = delivery(0, code);
    n.from_row = 1;
    n.by_host = true;
    n.retry = number;
    n.known.state = HW_FAILED;
    n.known.retries = number;
    return n;
}

static void assert_settled(struct hw_notification n, enum hw_ledger_state state, int64_t wait_ms,
                           uint32_t retries)
{
    assert_int_equal(n.state, state);
    assert_int_equal(n.next_run_at, wait_ms ? NOW + wait_ms : 0);
    assert_int_equal(n.retries, retries);
    assert_int_equal(n.settled_at, NOW);
}

static void takes_a_success_for_one_whoever_ran_it(void **state)
{
    (void)state;
    assert_settled(settled(&two, delivery(0, 0)), HW_SUCCEEDED, 0, 0);
    assert_settled(settled(&two, delivery(5, 0)), HW_SUCCEEDED, 0, 0);
    assert_settled(settled(&two, retry(2, 0)), HW_SUCCEEDED, 0, 2);
    struct hw_notification n = delivery(0, 0);
    n.outcome.unhandled = true;
    assert_settled(settled(&two, n), HW_UNHANDLED, 0, 0);
}

static void forgets_the_time_of_its_recorded_start(void **state)
{
    static const int codes[] = {0, HW_EINVALID_JSON, HW_EGIVEN_UP};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct hw_notification n = retry(1, codes[i]);
        hw_retry_start(&n, NOW, 30000);
        assert_int_equal(settled(&two, n).next_run_at, 0);
    }
}

static void leaves_a_failure_to_its_sender_while_that_delivers_again(void **state)
{
    static const int codes[] = {HW_EHANDLER_REFUSED, HW_EINVALID_JSON, HW_ELEDGER_UNAVAILABLE};
    (void)state;
    for (int i = 0; i < 3; i++)
        for (uint32_t attempt = 0; attempt < HW_ATTEMPT_LAST; attempt++)
            assert_settled(settled(&two, delivery(attempt, codes[i])), HW_FAILED, 0, 0);
}

static void runs_again_what_may_be_mended_after_the_last_attempt(void **state)
{
    static const int codes[] = {HW_EHANDLER_REFUSED, HW_EHANDLER_ERROR, HW_EHANDLER_TIMEOUT,
                                HW_EHOST_LOST,       HW_ENO_HANDLER,    HW_ESCHEMA_VIOLATION,
                                HW_EOVERLOADED};
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        assert_settled(settled(&two, delivery(5, codes[i])), HW_FAILED, MINUTE, 1);
}

static void is_dead_at_once_of_what_stays_in_the_body(void **state)
{
    static const int codes[] = {HW_EINVALID_JSON, HW_EMISSING_EVENT, HW_ETOO_OLD};
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_settled(settled(&two, delivery(5, codes[i])), HW_DEAD, 0, 0);
        assert_settled(settled(&two, retry(1, codes[i])), HW_DEAD, 0, 1);
    }
}

static void counts_the_highest_attempt_that_is_known(void **state)
{
    struct hw_notification n = delivery(0, HW_EHANDLER_ERROR);
    (void)state;
    n.copies_attempt = 5;
    assert_int_equal(settled(&two, n).retries, 1);
    n.copies_attempt = 0;
    n.known.attempt = 5;
    assert_int_equal(settled(&two, n).retries, 1);
}

static void goes_through_the_delays_in_order_and_then_it_is_dead(void **state)
{
    (void)state;
    assert_settled(settled(&two, retry(1, HW_EHANDLER_ERROR)), HW_FAILED, HOUR, 2);
    assert_settled(settled(&two, retry(2, HW_EHANDLER_ERROR)), HW_DEAD, 0, 2);
    assert_settled(settled(&two, retry(3, HW_EHANDLER_ERROR)), HW_DEAD, 0, 3); /* once more */
}

/* Whatever its attempt: a retry of one that was replayed is not its sender's affair. */
static void never_leaves_to_the_sender_what_the_host_runs(void **state)
{
    (void)state;
    assert_settled(settled(&two, retry(0, HW_EHANDLER_ERROR)), HW_FAILED, MINUTE, 1);
    struct hw_notification n = delivery(0, HW_EHANDLER_ERROR);
    n.known.state = HW_DEAD;
    assert_settled(settled(&two, n), HW_FAILED, MINUTE, 1);
}

static void starts_anew_with_a_replay(void **state)
{
    struct hw_notification n = delivery(5, HW_EHANDLER_ERROR);
    (void)state;
    n.from_row = 1;
    n.known.state = HW_DEAD;
    n.known.retries = 2;
    assert_false(hw_retry_is_last(&two, &n));
    assert_settled(settled(&two, n), HW_FAILED, MINUTE, 1);
}

/* A delivery that comes late stands for the retry that was to come. */
static void goes_on_where_it_was_with_a_delivery(void **state)
{
    struct hw_notification n = delivery(5, HW_EHANDLER_ERROR);
    (void)state;
    n.known.state = HW_FAILED;
    n.known.retries = 1;
    assert_settled(settled(&two, n), HW_FAILED, HOUR, 2);
    n.known.retries = 2;
    assert_settled(settled(&two, n), HW_DEAD, 0, 2);
}

/* So that a run is never made again and not counted. */
static void puts_off_nothing_that_has_run(void **state)
{
    (void)state;
    assert_settled(settled(&two, delivery(5, HW_EQUEUE_TIMEOUT)), HW_DEAD, 0, 0);
    assert_settled(settled(&two, retry(1, HW_EDRAINING)), HW_DEAD, 0, 1);
}

static void puts_off_what_did_not_run_and_counts_no_retry(void **state)
{
    static const int codes[] = {HW_ELEDGER_UNAVAILABLE, HW_EQUEUE_TIMEOUT, HW_EDRAINING};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct hw_notification n = delivery(5, codes[i]), last = retry(2, codes[i]);
        n.outcome.ran = last.outcome.ran = false;
        assert_settled(settled(&two, n), HW_FAILED, MINUTE, 0);
        assert_settled(settled(&two, last), HW_FAILED, HOUR, 2);
        assert_settled(settled(&none, n), HW_DEAD, 0, 0);
    }
}

static void is_dead_when_its_handler_gives_it_up(void **state)
{
    (void)state;
    assert_settled(settled(&two, delivery(0, HW_EGIVEN_UP)), HW_DEAD, 0, 0);
    assert_settled(settled(&two, retry(1, HW_EGIVEN_UP)), HW_DEAD, 0, 1);
}

static void waits_as_long_as_the_handler_says(void **state)
{
    struct hw_notification n = delivery(5, HW_EHANDLER_REFUSED);
    (void)state;
    n.outcome.retry_after_ms = 1234;
    assert_settled(settled(&two, n), HW_FAILED, 1234, 1);
    n.attempt = 0; /* its sender does not know */
    assert_settled(settled(&two, n), HW_FAILED, 0, 0);
}

static void has_no_retries_when_they_are_turned_off(void **state)
{
    struct hw_notification n = delivery(5, HW_EHANDLER_ERROR);
    (void)state;
    assert_settled(settled(&none, n), HW_DEAD, 0, 0);
    assert_true(hw_retry_is_last(&none, &n));
    assert_false(hw_retry_records_start(&none, &n));
    n.attempt = 4; /* its sender delivers it once more */
    assert_false(hw_retry_is_last(&none, &n));
}

static void spreads_a_delay_over_a_tenth_either_way(void **state)
{
    int64_t least = INT64_MAX, most = 0;
    (void)state;
    for (uint64_t random = 0; random < 2 * MINUTE; random += 7) {
        struct hw_notification n = delivery(5, HW_EHANDLER_ERROR);
        hw_retry_settle(&two, &n, NOW, random);
        int64_t wait = n.next_run_at - NOW;
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_in_range(least, MINUTE * 9 / 10, MINUTE * 9 / 10 + 7);
    assert_in_range(most, MINUTE * 11 / 10 - 7, MINUTE * 11 / 10);
}

static void tells_which_run_is_the_last(void **state)
{
    struct hw_notification n[] = {delivery(4, 0), delivery(5, 0), retry(1, 0), retry(2, 0)};
    static const bool last[] = {false, false, false, true};
    static const bool recorded[] = {false, true, true, true};
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(hw_retry_is_last(&two, &n[i]), last[i]);
        assert_int_equal(hw_retry_records_start(&two, &n[i]), recorded[i]);
    }
    assert_true(hw_retry_records_start(&none, &n[2])); /* its row is due: a kill would repeat it */
}

static void records_a_start_with_a_time_long_after_it(void **state)
{
    struct hw_notification n = retry(1, 0);
    (void)state;
    hw_retry_start(&n, NOW, 30000);
    assert_settled(n, HW_STARTED, 30000 + MINUTE, 1);
}

/* One that was claimed to run again, and did not. */
static struct hw_notification unrun(struct hw_notification n, int code)
{
    n.claim = HW_CLAIM_MINE;
    n.from_row = 1;
    n.outcome = (struct hw_outcome){.code = code, .authentic = true};
    return n;
}

static void puts_back_what_was_claimed_and_did_not_run(void **state)
{
    (void)state;
    struct hw_notification due = unrun(retry(1, 0), HW_EDRAINING);
    assert_int_equal(settled(&two, due).state, HW_FAILED);
    assert_int_equal(settled(&none, due).state, HW_FAILED);
    assert_int_equal(settled(&none, due).next_run_at, NOW);
    due.outcome.code = HW_ELEDGER_UNAVAILABLE;
    assert_settled(settled(&none, due), HW_FAILED, 1000, 1);
    due.accepted = true;
    due.retry = 0;
    assert_settled(settled(&two, due), HW_QUEUED, 1000, 0);
}

static void puts_a_replay_back_to_what_it_was(void **state)
{
    static const enum hw_ledger_state states[] = {HW_SUCCEEDED, HW_UNHANDLED, HW_DEAD};
    (void)state;
    struct hw_notification n = unrun(delivery(2, 0), HW_ELEDGER_UNAVAILABLE);
    n.known.retries = 2;
    for (int i = 0; i < 3; i++) {
        n.known.state = states[i];
        assert_settled(settled(&two, n), states[i], 0, 2);
    }
    n.known.state = HW_FAILED; /* its sender delivers it again */
    assert_settled(settled(&two, n), HW_FAILED, 0, 2);
    n.attempt = 5;
    assert_settled(settled(&two, n), HW_FAILED, 1000, 2);
    n.accepted = true;
    n.known.retries = 0;
    assert_settled(settled(&two, n), HW_QUEUED, 1000, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_back_what_was_claimed_and_did_not_run),
        cmocka_unit_test(puts_a_replay_back_to_what_it_was),
        cmocka_unit_test(takes_a_success_for_one_whoever_ran_it),
        cmocka_unit_test(forgets_the_time_of_its_recorded_start),
        cmocka_unit_test(leaves_a_failure_to_its_sender_while_that_delivers_again),
        cmocka_unit_test(runs_again_what_may_be_mended_after_the_last_attempt),
        cmocka_unit_test(is_dead_at_once_of_what_stays_in_the_body),
        cmocka_unit_test(counts_the_highest_attempt_that_is_known),
        cmocka_unit_test(goes_through_the_delays_in_order_and_then_it_is_dead),
        cmocka_unit_test(never_leaves_to_the_sender_what_the_host_runs),
        cmocka_unit_test(starts_anew_with_a_replay),
        cmocka_unit_test(goes_on_where_it_was_with_a_delivery),
        cmocka_unit_test(puts_off_nothing_that_has_run),
        cmocka_unit_test(puts_off_what_did_not_run_and_counts_no_retry),
        cmocka_unit_test(is_dead_when_its_handler_gives_it_up),
        cmocka_unit_test(waits_as_long_as_the_handler_says),
        cmocka_unit_test(has_no_retries_when_they_are_turned_off),
        cmocka_unit_test(spreads_a_delay_over_a_tenth_either_way),
        cmocka_unit_test(tells_which_run_is_the_last),
        cmocka_unit_test(records_a_start_with_a_time_long_after_it),
    };
    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
