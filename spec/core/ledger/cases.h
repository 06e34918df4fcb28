/* cases.h -- what every ledger promises, in a file or in memory.
 *
 * A test program defines open_ledger() and includes this file; LEDGER_CASES are its tests. */
#ifndef HW_SPEC_LEDGER_CASES_H
#define HW_SPEC_LEDGER_CASES_H

#include <stdatomic.h>
#include <stdint.h>
#include <uv.h>

#include "ledger/rig.h"

/* ---- promises ---- */

static void has_never_seen_what_is_new(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    assert_known(&r, "job-1", "a", HW_NEVER_SEEN, 0, false);
    deliver(&r, "job-2", "b", 0);
    assert_known(&r, "job-1", "a", HW_NEVER_SEEN, 0, false);
    close_rig(&r);
}

static void remembers_each_outcome(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "well", "a", 0);
    deliver(&r, "badly", "a", HW_EHANDLER_REFUSED);
    struct hw_notification *n = new_delivery(&r, "unhandled", "a");
    n->outcome.unhandled = true;
    deliver_as(&r, n, 0, 1);
    assert_known(&r, "well", "a", HW_SUCCEEDED, 1, false);
    assert_known(&r, "badly", "a", HW_FAILED, 1, false);
    assert_known(&r, "unhandled", "a", HW_UNHANDLED, 1, false);
    close_rig(&r);
}

static void knows_the_senders_last_attempt_as_dead(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    for (uint32_t attempt = HW_ATTEMPT_LAST - 1; attempt <= HW_ATTEMPT_LAST + 1; attempt++) {
        struct hw_notification *n = new_delivery(&r, "job", "a");
        n->attempt = attempt;
        deliver_as(&r, n, HW_EHANDLER_ERROR, 1);
        enum hw_ledger_state expected = attempt < HW_ATTEMPT_LAST ? HW_FAILED : HW_DEAD;
        assert_int_equal(look(&r, "job", "a").state, expected);
    }
    close_rig(&r);
}

/* Deliveries overtake each other: the last attempt may come first. */
static void leaves_what_is_dead_dead_whatever_comes_later(void **state)
{
    static const uint32_t attempts[] = {0, 4, 1};
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = new_delivery(&r, "job", "a");
    n->attempt = HW_ATTEMPT_LAST;
    deliver_as(&r, n, HW_EHANDLER_ERROR, 1);
    for (int i = 0; i < 3; i++) {
        n = new_delivery(&r, "job", "a");
        n->attempt = attempts[i];
        deliver_as(&r, n, HW_EHANDLER_ERROR, 1);
        assert_known(&r, "job", "a", HW_DEAD, (unsigned)i + 2, false);
        assert_int_equal(look(&r, "job", "a").attempt, HW_ATTEMPT_LAST);
    }
    deliver(&r, "job", "a", 0);
    assert_known(&r, "job", "a", HW_SUCCEEDED, 5, false);
    deliver(&r, "job", "a", 0);
    assert_int_equal(look(&r, "job", "a").attempt, HW_ATTEMPT_LAST);
    close_rig(&r);
}

static void lets_a_failed_one_succeed(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "job", "a", HW_EHANDLER_ERROR);
    deliver(&r, "job", "a", HW_EHANDLER_ERROR);
    assert_known(&r, "job", "a", HW_FAILED, 2, false);
    deliver(&r, "job", "a", 0);
    assert_known(&r, "job", "a", HW_SUCCEEDED, 3, false);
    close_rig(&r);
}

static void counts_repeats_and_leaves_their_state(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "job", "a", 0);
    deliver(&r, "job", "a", HW_EHANDLER_ERROR); /* the outcome that a run would have */
    assert_known(&r, "job", "a", HW_SUCCEEDED, 2, false);
    deliver_as(&r, new_delivery(&r, "job", "a"), 0, 5); /* four more joined */
    assert_known(&r, "job", "a", HW_SUCCEEDED, 7, false);
    struct hw_notification *n = new_delivery(&r, "unhandled", "a");
    n->outcome.unhandled = true;
    deliver_as(&r, n, 0, 1);
    deliver(&r, "unhandled", "a", 0);
    assert_known(&r, "unhandled", "a", HW_UNHANDLED, 2, false);
    close_rig(&r);
}

static void counts_the_copies_that_joined_the_first(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver_as(&r, new_delivery(&r, "job", "a"), HW_EHANDLER_ERROR, 3);
    assert_known(&r, "job", "a", HW_FAILED, 3, false);
    deliver_as(&r, new_delivery(&r, "job", "a"), 0, 2);
    assert_known(&r, "job", "a", HW_SUCCEEDED, 5, false);
    close_rig(&r);
}

static void tells_that_an_id_came_with_another_body(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "job", "a", 0);
    assert_known(&r, "job", "b", HW_NEVER_SEEN, 0, true);
    deliver(&r, "job", "b", HW_EHANDLER_ERROR);
    assert_known(&r, "job", "b", HW_FAILED, 1, false); /* it has a row of its own now */
    assert_known(&r, "job", "a", HW_SUCCEEDED, 1, false);
    assert_known(&r, "job", "c", HW_NEVER_SEEN, 0, true);
    close_rig(&r);
}

static void keeps_one_body_under_two_ids_apart(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "job-1", "a", 0);
    assert_known(&r, "job-2", "a", HW_NEVER_SEEN, 0, false);
    deliver(&r, "job-2", "a", HW_EHANDLER_ERROR);
    assert_known(&r, "job-1", "a", HW_SUCCEEDED, 1, false);
    assert_known(&r, "job-2", "a", HW_FAILED, 1, false);
    close_rig(&r);
}

static void knows_a_body_under_any_id_when_asked_to(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, true);
    deliver(&r, "job-1", "a", HW_EHANDLER_ERROR);
    assert_known(&r, "job-2", "a", HW_FAILED, 1, false);
    deliver(&r, "job-2", "a", 0);
    assert_known(&r, "job-1", "a", HW_SUCCEEDED, 2, false);
    assert_known(&r, "job-3", "a", HW_SUCCEEDED, 2, false);
    assert_known(&r, "job-1", "b", HW_NEVER_SEEN, 0, false);
    close_rig(&r);
}

static void commits_the_largest_batch(void **state)
{
    struct rig r;
    struct hw_notification *batch[HW_LEDGER_BATCH_MAX];
    char id[32];
    (void)state;
    open_rig(&r, false);
    for (int i = 0; i < HW_LEDGER_BATCH_MAX; i++) {
        batch[i] = numbered_notification(i);
        sample_end(batch[i], i % 3 ? 0 : HW_EHANDLER_REFUSED);
    }
    assert_int_equal(hw_ledger_commit(r.ledger, batch, HW_LEDGER_BATCH_MAX), 0);
    for (int i = 0; i < HW_LEDGER_BATCH_MAX; i++) {
        snprintf(id, sizeof id, "job-%d", i);
        assert_known(&r, id, "{}", i % 3 ? HW_SUCCEEDED : HW_FAILED, 1, false);
        free_notification(batch[i]);
    }
    close_rig(&r);
}

/* ---- look-ups in several threads, while one commits ---- */

#ifndef LEDGER_CLAIMS

enum { RACE_BATCHES = 160, RACE_READERS = 2 };

struct race {
    struct hw_ledger *ledger;
    atomic_int committed; /* all jobs below this number are */
    atomic_int wrong, looks;
};

static void race_look(struct race *race, struct hw_ledger_reader *reader, int number,
                      enum hw_ledger_state expected)
{
    struct hw_known known;
    struct hw_notification *n = numbered_notification(number);
    int rc = hw_ledger_look_up(race->ledger, reader, &n->identity, &known);
    if (rc || known.state != expected)
        atomic_fetch_add(&race->wrong, 1);
    atomic_fetch_add(&race->looks, 1);
    free_notification(n);
}

static void on_race_reader(void *arg)
{
    char why[512];
    struct race *race = arg;
    struct hw_ledger_reader *reader = hw_ledger_reader_open(race->ledger, why, sizeof why);
    const int all = RACE_BATCHES * HW_LEDGER_BATCH_MAX;
    unsigned pick = 1;
    for (int committed = 0; committed < all;) {
        committed = atomic_load(&race->committed);
        pick = pick * 1664525 + 1013904223;
        if (committed)
            race_look(race, reader, (int)((pick >> 8) % (unsigned)committed), HW_SUCCEEDED);
        if (committed)
            race_look(race, reader, committed - 1, HW_SUCCEEDED); /* the latest */
        race_look(race, reader, all + (int)(pick >> 16), HW_NEVER_SEEN);
    }
    race->ledger->type->reader_close(reader);
}

static void race_commit(struct race *race, int batch_number)
{
    struct hw_notification *batch[HW_LEDGER_BATCH_MAX];
    int first = batch_number * HW_LEDGER_BATCH_MAX;
    for (int i = 0; i < HW_LEDGER_BATCH_MAX; i++)
        batch[i] = numbered_notification(first + i);
    assert_int_equal(hw_ledger_commit(race->ledger, batch, HW_LEDGER_BATCH_MAX), 0);
    atomic_store(&race->committed, first + HW_LEDGER_BATCH_MAX);
    for (int i = 0; i < HW_LEDGER_BATCH_MAX; i++)
        free_notification(batch[i]);
    if (race->ledger->type->tend)
        race->ledger->type->tend(race->ledger, true);
}

static void never_misses_what_was_committed(void **state)
{
    struct rig r;
    uv_thread_t readers[RACE_READERS];
    (void)state;
    open_rig(&r, false);
    struct race race = {.ledger = r.ledger};
    for (int i = 0; i < RACE_READERS; i++)
        assert_int_equal(uv_thread_create(&readers[i], on_race_reader, &race), 0);
    for (int i = 0; i < RACE_BATCHES; i++)
        race_commit(&race, i);
    for (int i = 0; i < RACE_READERS; i++)
        uv_thread_join(&readers[i]);
    assert_int_equal(race.wrong, 0);
    assert_true(race.looks > 0);
    close_rig(&r);
}

#define LEDGER_READER_CASES , cmocka_unit_test(never_misses_what_was_committed)
#else
#define LEDGER_READER_CASES
#endif

/* clang-format off */
#define LEDGER_CASES                                                                               \
    cmocka_unit_test(has_never_seen_what_is_new),                                                  \
    cmocka_unit_test(remembers_each_outcome),                                                      \
    cmocka_unit_test(knows_the_senders_last_attempt_as_dead),                                      \
    cmocka_unit_test(leaves_what_is_dead_dead_whatever_comes_later),                               \
    cmocka_unit_test(lets_a_failed_one_succeed),                                                   \
    cmocka_unit_test(counts_repeats_and_leaves_their_state),                                       \
    cmocka_unit_test(counts_the_copies_that_joined_the_first),                                     \
    cmocka_unit_test(tells_that_an_id_came_with_another_body),                                     \
    cmocka_unit_test(keeps_one_body_under_two_ids_apart),                                          \
    cmocka_unit_test(knows_a_body_under_any_id_when_asked_to),                                     \
    cmocka_unit_test(commits_the_largest_batch)                                                    \
    LEDGER_READER_CASES
/* clang-format on */

#endif
