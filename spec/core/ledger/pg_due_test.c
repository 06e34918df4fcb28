/* What is due is taken once, in its lane's order, and no more of a pool at once than it may have.
 * */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "ledger/pg_hosts.h"

enum { MOST = 64 };

/* The answer of a pick, until end_pick(). */
struct picked {
    struct hw_arena arena;
    struct hw_ledger_due *due;
};

static void pick_from(struct hw_postgres *p, struct picked *picked, size_t max,
                      const struct hw_ledger_room *rooms, size_t room_count)
{
    hw_arena_init(&picked->arena, NULL, 0);
    picked->due = calloc(1, sizeof *picked->due + max * sizeof *picked->due->rows);
    assert_non_null(picked->due);
    *picked->due = (struct hw_ledger_due){
        .max = max, .rooms = rooms, .room_count = room_count, .arena = &picked->arena};
    if (hw_pg_pick(&p->ledger, picked->due))
        fail_msg("%s", hw_pg_why(p->settles));
}

static void end_pick(struct picked *picked)
{
    hw_arena_fini(&picked->arena);
    free(picked->due);
}

/* Takes, and forgets. Returns how many, and their rows. */
static size_t pick(struct hw_postgres *p, size_t max, int64_t *rows)
{
    struct picked picked;
    pick_from(p, &picked, max, NULL, 0);
    size_t count = picked.due->count;
    for (size_t i = 0; i < count && rows; i++)
        rows[i] = picked.due->rows[i].seq;
    end_pick(&picked);
    return count;
}

/* Adds a row that waits. Returns its number. */
static int64_t add(struct rig *r, const char *id, const char *columns, const char *values)
{
    return rig_number(r,
                      "INSERT INTO @.notifications (owner, claim, received_at, settled_at, attempt,"
                      " deliveries, runs, state, trouble, accepted, dedupe_id, digest, job_id,"
                      " event, body%s) VALUES (0, 0, now(), now(), 1, 1, 0, 5, 5, true, '%s',"
                      " sha256('%s'), '%s', 'Badge.Created', 'body'%s) RETURNING seq",
                      columns, id, id, id, values);
}

static int64_t add_due(struct rig *r, const char *id)
{
    return add(r, id, ", next_run_at", ", now()");
}

static int64_t add_in_lane(struct rig *r, const char *id, const char *lane, bool due)
{
    char values[128];
    snprintf(values, sizeof values, ", '%s', %s", lane, due ? "now()" : "NULL");
    return add(r, id, ", lane, next_run_at", values);
}

static int64_t add_in_pool(struct rig *r, const char *id, const char *pool)
{
    char values[128];
    snprintf(values, sizeof values, ", '%s', now()", pool);
    return add(r, id, ", pool, next_run_at", values);
}

/* ---- what is due ---- */

static void takes_what_is_due_the_longest_due_first(void **state)
{
    struct rig r;
    struct picked picked;
    (void)state;
    rig_open(&r);
    add(&r, "later", ", next_run_at", ", now() + interval '1 hour'");
    int64_t second = add(&r, "second", ", next_run_at", ", now() - interval '1 s'");
    int64_t first = add(&r, "first", ", next_run_at, retries, headers, key",
                        ", now() - interval '1 h', 3, '{}', 'k'");
    rig_number(&r, "UPDATE @.notifications SET runs = 4 WHERE seq = %d", (int)first);
    pick_from(&r.a, &picked, 8, NULL, 0);
    assert_int_equal(picked.due->count, 2);
    assert_int_equal(picked.due->rows[0].seq, first);
    assert_int_equal(picked.due->rows[1].seq, second);
    const struct hw_notification *n = picked.due->rows[0].taken;
    assert_int_equal(n->claim, HW_CLAIM_MINE);
    assert_int_equal(n->fence.owner, r.a.owner);
    assert_int_equal(n->from_row, first);
    assert_int_equal(n->row, first);
    assert_int_equal(n->retry, 3);
    assert_int_equal(n->known.runs, 4);
    assert_int_equal(n->known.state, HW_QUEUED);
    assert_true(n->accepted && n->by_host);
    assert_true(hw_str_eq(n->id, HW_STR("first")));
    assert_true(hw_str_eq(n->identity.id, HW_STR("first")));
    assert_true(hw_str_eq(n->body, HW_STR("body")));
    assert_true(hw_str_eq(n->headers, HW_STR("{}")));
    assert_true(hw_str_eq(n->event, HW_STR("Badge.Created")));
    assert_null(n->lane.ptr);
    assert_true(n->received_at > hw_now() - 60 && n->received_at < hw_now() + 60);
    assert_int_equal(rig_number(&r,
                                "SELECT count(*) FROM @.notifications WHERE state = 6 AND runs = 5"
                                " AND next_run_at = 'infinity' AND trouble IS NULL AND owner = %d"
                                " AND claim = %d",
                                (int)n->fence.owner, (int)n->fence.claim),
                     1);
    assert_true(hw_pg_live_has(r.a.live, n->fence.claim));
    end_pick(&picked);
    assert_int_equal(pick(&r.b, 8, NULL), 0);
    rig_close(&r);
}

static void takes_nothing_while_away_or_without_a_lease(void **state)
{
    struct rig r;
    struct hw_arena arena;
    (void)state;
    rig_open(&r);
    add_due(&r, "job");
    hw_arena_init(&arena, NULL, 0);
    struct hw_ledger_due *due = calloc(1, sizeof *due + sizeof *due->rows);
    *due = (struct hw_ledger_due){.max = 1, .arena = &arena};
    atomic_store(&r.a.lease_until_ns, 1);
    assert_int_equal(hw_pg_pick(&r.a.ledger, due), HW_ELEDGER_UNAVAILABLE);
    atomic_store(&r.a.lease_until_ns, UINT64_MAX);
    atomic_store(&r.a.away, true);
    assert_int_equal(hw_pg_pick(&r.a.ledger, due), HW_ELEDGER_UNAVAILABLE);
    atomic_store(&r.a.away, false);
    assert_int_equal(hw_pg_pick(&r.a.ledger, due), 0);
    assert_int_equal(due->count, 1);
    hw_arena_fini(&arena);
    free(due);
    rig_close(&r);
}

struct taker {
    pthread_t thread;
    struct hw_postgres *p;
    size_t taken;
};

static void *take_until_empty(void *arg)
{
    struct taker *taker = arg;
    for (size_t got = 1, empty = 0; empty < 3; empty = got ? 0 : empty + 1)
        taker->taken += got = pick(taker->p, 7, NULL);
    return NULL;
}

static void gives_each_row_to_one_of_two_hosts(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    rig_number(&r, "INSERT INTO @.notifications (owner, claim, received_at, settled_at, attempt,"
                   " state, trouble, accepted, dedupe_id, digest, job_id, body, next_run_at, pool)"
                   " SELECT 0, 0, now(), now(), 1, 5, 5, true, i::text, sha256(i::text::bytea),"
                   " i::text, 'body', now(), CASE i %% 5 WHEN 0 THEN 'pool' END"
                   " FROM generate_series(1, 1000) i");
    struct taker takers[2] = {{.p = &r.a}, {.p = &r.b}};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&takers[i].thread, NULL, take_until_empty, &takers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(takers[i].thread, NULL);
    assert_int_equal(takers[0].taken + takers[1].taken, 801); /* of the pool one */
    assert_int_equal(rig_number(&r, "SELECT count(*) FROM @.notifications WHERE runs = 1"), 801);
    assert_int_equal(rig_number(&r, "SELECT count(*) FROM @.notifications WHERE runs > 1"), 0);
    rig_close(&r);
}

/* ---- lanes ---- */

static void takes_of_a_lane_its_head_only(void **state)
{
    struct rig r;
    int64_t rows[MOST];
    (void)state;
    rig_open(&r);
    int64_t first = add_in_lane(&r, "first", "lane", true);
    int64_t second = add_in_lane(&r, "second", "lane", true); /* by mistake: it is behind */
    assert_int_equal(pick(&r.a, 8, rows), 1);
    assert_int_equal(rows[0], first);
    assert_int_equal(pick(&r.b, 8, rows), 0);
    rig_number(&r, "UPDATE @.notifications SET state = 2, next_run_at = now() + interval '1 h'"
                   " WHERE state = 6");
    assert_int_equal(pick(&r.b, 8, rows), 0); /* it waits for its retry, and the lane with it */
    rig_number(&r, "UPDATE @.notifications SET parked = true, next_run_at = NULL WHERE state = 2");
    assert_int_equal(pick(&r.b, 8, rows), 0);
    rig_number(&r, "UPDATE @.notifications SET parked = false, lane = NULL WHERE state = 2");
    assert_int_equal(pick(&r.b, 8, rows), 1);
    assert_int_equal(rows[0], second);
    rig_close(&r);
}

static void waits_for_a_replay_of_its_lane(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    add_in_lane(&r, "first", "lane", true);
    int64_t second = add_in_lane(&r, "second", "lane", false);
    struct hw_notification *n = revived_notification(second);
    assert_int_equal(hw_pg_take(&r.a, n), HW_PG_OK);
    assert_int_equal(n->claim, HW_CLAIM_MINE);
    assert_true(hw_str_eq(n->lane, HW_STR("lane")));
    assert_int_equal(pick(&r.b, 8, NULL), 0);
    free_notification(n);
    rig_close(&r);
}

/* ---- pools ---- */

static void takes_of_a_pool_as_many_as_may_run_at_all_hosts(void **state)
{
    struct rig r;
    struct picked picked;
    struct hw_ledger_room rooms[] = {
        {HW_STR("three"), 3}, {HW_STR("none"), 0}, {HW_STR("any"), SIZE_MAX}};
    char id[16];
    (void)state;
    rig_open(&r);
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "job%d", i);
        add_in_pool(&r, id, i < 5 ? "three" : i < 10 ? "none" : i < 15 ? "any" : "unknown");
    }
    pick_from(&r.a, &picked, 32, rooms, 3);
    assert_int_equal(picked.due->count, 3 + 5 + 1);
    end_pick(&picked);
    pick_from(&r.b, &picked, 32, rooms, 3);
    assert_int_equal(picked.due->count, 0);
    end_pick(&picked);
    assert_int_equal(rig_number(&r, "UPDATE @.notifications SET state = 1, next_run_at = NULL WHERE"
                                    " pool = 'three' AND state = 6 AND seq < 3"),
                     2);
    pick_from(&r.b, &picked, 32, rooms, 3);
    assert_int_equal(picked.due->count, 2);
    assert_true(hw_str_eq(picked.due->rows[0].pool, HW_STR("three")));
    end_pick(&picked);
    rig_close(&r);
}

static void lets_pools_and_the_rest_take_turns(void **state)
{
    struct rig r;
    int64_t rows[MOST];
    char id[16];
    bool pool = false, rest = false;
    (void)state;
    rig_open(&r);
    int64_t in_pool = add_in_pool(&r, "pool", "pool");
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "job%d", i);
        add(&r, id, ", next_run_at", ", now() - interval '1 h'");
    }
    for (int i = 0; i < 2; i++) {
        size_t count = pick(&r.a, 4, rows);
        assert_int_equal(count, 4);
        for (size_t k = 0; k < count; k++) {
            pool |= rows[k] == in_pool;
            rest |= rows[k] != in_pool;
        }
    }
    assert_true(pool && rest);
    rig_close(&r);
}

/* ---- pauses ---- */

static struct hw_pause pause_of(const char *pattern, bool resume)
{
    return (struct hw_pause){.resume = resume, .pattern = hw_str_of(pattern)};
}

static void sets_aside_what_is_paused_and_brings_it_back(void **state)
{
    static const char *const patterns[] = {"*", "Badge.*", "*.Created", "Badge.Created"};
    struct rig r;
    (void)state;
    rig_open(&r);
    add_due(&r, "job");
    add_in_pool(&r, "pooled", "pool");
    for (size_t i = 0; i < 4; i++) {
        struct hw_pause pause = pause_of(patterns[i], false);
        assert_int_equal(hw_pg_pause(&r.a.ledger, &pause), 0);
        assert_true(pause.changed);
        assert_int_equal(pick(&r.b, 8, NULL), 0); /* b has not heard of it */
        assert_int_equal(pick(&r.a, 8, NULL), 0);
        assert_int_equal(rig_number(&r, "SELECT count(*) FROM @.notifications WHERE parked"), 2);
        pause.resume = true;
        assert_int_equal(hw_pg_pause(&r.a.ledger, &pause), 0);
        assert_true(pause.changed);
        assert_int_equal(pick(&r.a, 8, NULL), 2);
        rig_number(&r, "UPDATE @.notifications SET state = 5, next_run_at = now()");
    }
    struct hw_pause pause = pause_of("Badge.Creat*", false);
    pause.pattern = HW_STR("Other.*");
    assert_int_equal(hw_pg_pause(&r.a.ledger, &pause), 0);
    assert_int_equal(pick(&r.a, 8, NULL), 2);
    rig_close(&r);
}

static void learns_what_another_host_has_paused(void **state)
{
    struct rig r;
    struct hw_pause pause = pause_of("Badge.*", false), again = pause;
    (void)state;
    rig_open(&r);
    assert_int_equal(hw_pg_pause(&r.a.ledger, &pause), 0);
    assert_true(hw_pauses_hold(&r.a.ledger.pauses, HW_STR("Badge.Created")));
    assert_false(hw_pauses_hold(&r.b.ledger.pauses, HW_STR("Badge.Created")));
    assert_int_equal(hw_pg_pauses_read(&r.b, r.b.pulse), HW_PG_OK);
    assert_true(hw_pauses_hold(&r.b.ledger.pauses, HW_STR("Badge.Created")));
    assert_int_equal(hw_pg_pause(&r.b.ledger, &again), 0);
    assert_false(again.changed);
    assert_int_equal(again.since, pause.since);
    again.resume = true;
    assert_int_equal(hw_pg_pause(&r.b.ledger, &again), 0);
    assert_true(again.changed);
    atomic_store(&r.a.unparking, false);
    assert_int_equal(hw_pg_pauses_read(&r.a, r.a.pulse), HW_PG_OK);
    assert_false(hw_pauses_are_any(&r.a.ledger.pauses));
    assert_true(atomic_load(&r.a.unparking));
    assert_int_equal(hw_pg_pause(&r.a.ledger, &again), 0);
    assert_false(again.changed);
    rig_close(&r);
}

static void pauses_no_more_patterns_than_there_may_be(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    rig_number(&r, "INSERT INTO @.pauses SELECT 'A.' || i, now() FROM generate_series(1, %d) i",
               HW_PAUSES_MAX);
    struct hw_pause pause = pause_of("B.*", false);
    assert_int_equal(hw_pg_pause(&r.a.ledger, &pause), HW_EOVERLOADED);
    pause = pause_of("A.1", false);
    assert_int_equal(hw_pg_pause(&r.a.ledger, &pause), 0);
    assert_false(pause.changed);
    rig_close(&r);
}

/* ---- replays ---- */

static enum hw_claim take(struct hw_postgres *p, int64_t row, bool force, int *code)
{
    struct hw_notification *n = revived_notification(row);
    n->force = force;
    assert_int_equal(hw_pg_take(p, n), HW_PG_OK);
    enum hw_claim claim = n->claim;
    *code = n->outcome.code;
    assert_int_equal(hw_pg_live_has(p->live, n->fence.claim), claim == HW_CLAIM_MINE);
    free_notification(n);
    return claim;
}

static void replays_a_row_unless_it_runs_elsewhere(void **state)
{
    struct rig r;
    int code;
    (void)state;
    rig_open(&r);
    int64_t row = add_due(&r, "job");
    assert_int_equal(take(&r.a, row, false, &code), HW_CLAIM_MINE);
    assert_int_equal(take(&r.b, row, false, &code), HW_CLAIM_ELSEWHERE);
    assert_int_equal(take(&r.a, row, false, &code), HW_CLAIM_ELSEWHERE);
    rig_number(&r, "UPDATE @.hosts SET gone_at = now() WHERE name = 'a'");
    assert_int_equal(take(&r.b, row, false, &code), HW_CLAIM_MINE);
    rig_number(&r, "UPDATE @.notifications SET state = 1, next_run_at = NULL");
    assert_int_equal(take(&r.b, row, false, &code), HW_CLAIM_KNOWN);
    assert_int_equal(code, 0);
    assert_int_equal(take(&r.b, row, true, &code), HW_CLAIM_MINE);
    rig_number(&r, "UPDATE @.notifications SET state = 4, next_run_at = NULL, body = NULL");
    assert_int_equal(take(&r.b, row, true, &code), HW_CLAIM_NONE);
    assert_int_equal(code, HW_ENOT_FOUND);
    assert_int_equal(take(&r.b, row + 1, true, &code), HW_CLAIM_NONE);
    assert_int_equal(code, HW_ENOT_FOUND);
    rig_close(&r);
}

/* ---- on request ---- */

static void removes_rows_that_have_not_settled_again(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    add_in_lane(&r, "head", "lane", true);
    int64_t next = add_in_lane(&r, "next", "lane", false);
    add_due(&r, "changed");
    rig_number(&r, "INSERT INTO @.runs (seq, began_at, attempt, retry, waited_ms, ms)"
                   " VALUES (1, now(), 0, 0, 0, 0), (2, now(), 0, 0, 0, 0)");
    struct hw_purge *purge = calloc(1, sizeof *purge + 2 * sizeof *purge->rows);
    purge->count = 2;
    purge->rows[0] = (struct hw_ledger_row){
        1, rig_number(&r, "SELECT (extract(epoch FROM settled_at) * 1000)::bigint"
                          " FROM @.notifications WHERE seq = 1")};
    purge->rows[1] = (struct hw_ledger_row){3, 1};
    assert_int_equal(hw_pg_purge(&r.a.ledger, purge), 0);
    assert_int_equal(purge->looked_at, 2);
    assert_int_equal(purge->removed, 1);
    assert_int_equal(rig_number(&r, "SELECT count(*) FROM @.notifications"), 2);
    assert_int_equal(rig_number(&r, "SELECT count(*) FROM @.runs"), 1);
    assert_int_equal(rig_number(&r, "SELECT seq FROM @.notifications WHERE lane = 'lane'"
                                    " AND next_run_at <= now()"),
                     next);
    free(purge);
    rig_close(&r);
}

static void keep_seen(void *ud, int64_t minute, const void *bytes, size_t len)
{
    char *seen = ud;
    sprintf(seen + strlen(seen), "%lld:%.*s ", (long long)minute, (int)len, (const char *)bytes);
}

static void saves_minutes_by_the_hosts_name(void **state)
{
    struct rig r;
    char seen[128] = "";
    (void)state;
    rig_open(&r);
    hw_pg_keep_minute(&r.a.ledger, 20000, "old", 3);
    hw_pg_keep_minute(&r.a.ledger, 20000, "one", 3);
    hw_pg_keep_minute(&r.a.ledger, 20002, "two", 3);
    hw_pg_keep_minute(&r.b.ledger, 20001, "other", 5);
    atomic_store(&r.a.away, true);
    hw_pg_minutes_flush(&r.a);
    assert_int_equal(rig_number(&r, "SELECT count(*) FROM @.minutes"), 0);
    atomic_store(&r.a.away, false);
    hw_pg_minutes_flush(&r.a);
    hw_pg_minutes_flush(&r.b);
    assert_int_equal(hw_pg_minutes(&r.a.ledger, 20000, keep_seen, seen), 0);
    assert_string_equal(seen, "20000:one 20002:two ");
    int64_t late = 20060 + HW_LEDGER_MINUTES_KEPT;
    hw_pg_keep_minute(&r.a.ledger, late - late % 60, "late", 4);
    hw_pg_minutes_flush(&r.a);
    assert_int_equal(rig_number(&r, "SELECT count(*) FROM @.minutes"), 1);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_is_due_the_longest_due_first),
        cmocka_unit_test(takes_nothing_while_away_or_without_a_lease),
        cmocka_unit_test(gives_each_row_to_one_of_two_hosts),
        cmocka_unit_test(takes_of_a_lane_its_head_only),
        cmocka_unit_test(waits_for_a_replay_of_its_lane),
        cmocka_unit_test(takes_of_a_pool_as_many_as_may_run_at_all_hosts),
        cmocka_unit_test(lets_pools_and_the_rest_take_turns),
        cmocka_unit_test(sets_aside_what_is_paused_and_brings_it_back),
        cmocka_unit_test(learns_what_another_host_has_paused),
        cmocka_unit_test(pauses_no_more_patterns_than_there_may_be),
        cmocka_unit_test(replays_a_row_unless_it_runs_elsewhere),
        cmocka_unit_test(removes_rows_that_have_not_settled_again),
        cmocka_unit_test(saves_minutes_by_the_hosts_name),
    };
    if (rig_is_skipped("pg_due_test"))
        return 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
