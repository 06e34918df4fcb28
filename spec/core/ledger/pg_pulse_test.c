/* The lease, what hosts leave behind, outcomes that wait, old rows: with the server that
 * HOOKWARD_TEST_POSTGRES names. The other hosts are rows that the tests write. */
#include "ledger/postgres.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/config.h"
#include "sample.h"

enum { LEASE_MS = 1000, SECOND_NS = 1000000000 };

#define DATABASE "hw_pulse_test"

static char server_url[512], url[600];
static struct hw_pg *sql; /* the tests' own connection, to another database of the server */
static struct hw_pg *db;  /* … and to the ledger's */
static struct hw_config config;

/* ---- the rig ---- */

static uint64_t in_ms(uint64_t ms)
{
    return hw_now_ns() + ms * 1000000;
}

static void exec_on(struct hw_pg *pg, const char *text)
{
    if (hw_pg_exec(pg, text, in_ms(10000)) != HW_PG_OK)
        fail_msg("%s: %s", text, hw_pg_why(pg));
}

static void exec(const char *text)
{
    exec_on(db, text);
}

static int64_t number(const char *text)
{
    struct hw_pg_result *result;
    if (hw_pg_query(db, text, NULL, &result, in_ms(10000)) != HW_PG_OK)
        fail_msg("%s: %s", text, hw_pg_why(db));
    int64_t value = hw_pg_rows(result) ? hw_pg_int(result, 0, 0) : -1;
    hw_pg_result_free(result);
    return value;
}

/* So that a test that fails leaves none behind. */
static struct hw_postgres *open_hosts[4];

static struct hw_postgres **place_of(const struct hw_postgres *p)
{
    for (size_t i = 0; i < sizeof open_hosts / sizeof *open_hosts; i++)
        if (open_hosts[i] == p)
            return &open_hosts[i];
    fail_msg("too many hosts");
    return NULL;
}

static struct hw_postgres *open_host(const char *name)
{
    char why[512] = "";
    config.host_name = name;
    struct hw_ledger *ledger = hw_ledger_postgres_open(&config, why, sizeof why);
    if (!ledger)
        fail_msg("%s", why);
    return *place_of(NULL) = (struct hw_postgres *)ledger;
}

static void close_host(struct hw_postgres *p)
{
    *place_of(p) = NULL;
    p->ledger.type->close(&p->ledger);
}

static int close_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof open_hosts / sizeof *open_hosts; i++)
        if (open_hosts[i])
            close_host(open_hosts[i]);
    return 0;
}

static bool eventually(bool (*is_so)(void *), void *ud)
{
    for (uint64_t until = in_ms(15000); hw_now_ns() < until; usleep(20000))
        if (is_so(ud))
            return true;
    return false;
}

static bool is_nonzero(void *ud)
{
    return number(ud) > 0;
}

static void wait_for(const char *text)
{
    if (!eventually(is_nonzero, (void *)text))
        fail_msg("it never came: %s", text);
}

static bool is_away(void *ud)
{
    return hw_pg_is_away(ud);
}

static bool is_back(void *ud)
{
    return !hw_pg_is_away(ud);
}

static int begin(void **state)
{
    (void)state;
    config = (struct hw_config){.ledger = url, .lease_ms = LEASE_MS, .max_queue = 1000};
    exec("DROP SCHEMA IF EXISTS hookward CASCADE");
    return 0;
}

#define ROWS "hookward.notifications"
#define ROW                                                                                        \
    "INSERT INTO " ROWS                                                                            \
    " (owner, claim, received_at, attempt, runs, state, dedupe_id, digest, job_id, accepted,"      \
    " body, next_run_at, lost, pool, event) SELECT "
/* owner, claim, attempt, id, accepted, body, next_run_at, lost */
#define RUNS(owner, claim, attempt, id, accepted, body, next, lost)                                \
    ROW #owner ", " #claim ", now(), " #attempt ", 1, 6, '" id "', 'x', '" id "', " #accepted      \
               ", " body ", " next ", " #lost ", NULL, NULL"

static void put_dead_host(void)
{
    exec("INSERT INTO hookward.hosts (name, version, alive_until) VALUES"
         " ('dead', '1', now() - interval '1 s')");
}

/* ---- the lease ---- */

static void joins_renews_and_leaves(void **state)
{
    (void)state;
    struct hw_postgres *p = open_host("one");
    struct hw_fence fence = {.owner = atomic_load(&p->owner), .claim = 1};
    assert_false(hw_pg_is_away(p));
    assert_int_equal(hw_ledger_health(&p->ledger), HW_LEDGER_WELL);
    assert_true(fence.owner > 0);
    assert_true(hw_pg_holds(&p->ledger, &fence));
    assert_int_equal(number("SELECT count(*) FROM hookward.hosts WHERE name = 'one'"
                            " AND gone_at IS NULL AND alive_until > now()"),
                     1);
    usleep(LEASE_MS * 1000);
    assert_true(hw_pg_holds(&p->ledger, &fence));
    struct hw_postgres *other = open_host("two");
    wait_for("SELECT (count(*) = 2)::int FROM hookward.hosts WHERE gone_at IS NULL");
    usleep(LEASE_MS * 500);
    struct hw_ledger_fleet fleet;
    hw_pg_fleet(&p->ledger, &fleet);
    assert_int_equal(fleet.hosts_alive, 2);
    assert_string_equal(fleet.host_name, "one");
    assert_true(fleet.lease_left > 0);
    close_host(other);
    assert_int_equal(number("SELECT count(*) FROM hookward.hosts WHERE gone_at IS NOT NULL"), 1);
    close_host(p);
    assert_int_equal(number("SELECT count(*) FROM hookward.hosts WHERE gone_at IS NULL"), 0);
}

static void joins_anew_when_it_was_declared_gone(void **state)
{
    (void)state;
    struct hw_postgres *p = open_host("one");
    struct hw_fence fence = {.owner = atomic_load(&p->owner), .claim = 1};
    exec("UPDATE hookward.hosts SET gone_at = now()");
    wait_for("SELECT count(*) FROM hookward.hosts WHERE gone_at IS NULL");
    usleep(LEASE_MS * 300);
    assert_true(atomic_load(&p->owner) > fence.owner);
    assert_false(hw_pg_holds(&p->ledger, &fence));
    fence.owner = atomic_load(&p->owner);
    assert_true(hw_pg_holds(&p->ledger, &fence));
    close_host(p);
}

/* A failover may have forgotten this host, and have given its number to another. */
static void does_not_renew_the_lease_of_another_under_its_number(void **state)
{
    (void)state;
    struct hw_postgres *p = open_host("one");
    int64_t before = atomic_load(&p->owner);
    exec("UPDATE hookward.hosts SET started_at = started_at + interval '1 s'");
    wait_for("SELECT (count(*) = 2)::int FROM hookward.hosts");
    usleep(LEASE_MS * 300);
    assert_true(atomic_load(&p->owner) > before);
    close_host(p);
}

static void declares_gone_who_did_not_renew(void **state)
{
    (void)state;
    struct hw_postgres *p = open_host("one");
    put_dead_host();
    /* … but not before it has renewed its own for a whole ttl. */
    usleep((unsigned)p->beat_ms * 2 * 1000);
    assert_int_equal(number("SELECT count(*) FROM hookward.hosts WHERE gone_at IS NOT NULL"), 0);
    wait_for("SELECT count(*) FROM hookward.hosts WHERE name = 'dead' AND gone_at IS NOT NULL");
    assert_int_equal(number("SELECT count(*) FROM hookward.hosts WHERE gone_at IS NOT NULL"), 1);
    close_host(p);
}

/* ---- away, and back ---- */

static void cut_off(void)
{
    hw_pg_close(db);
    exec_on(sql, "UPDATE pg_database SET datallowconn = false WHERE datname = '" DATABASE "'");
    exec_on(sql, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" DATABASE
                 "'");
}

static void bring_back(void)
{
    exec_on(sql, "UPDATE pg_database SET datallowconn = true WHERE datname = '" DATABASE "'");
}

/* All leases have run out then, and nobody may bury anybody. */
static void buries_nobody_after_an_outage_longer_than_the_lease(void **state)
{
    (void)state;
    struct hw_postgres *one = open_host("one"), *two = open_host("two");
    int64_t owner = atomic_load(&one->owner);
    struct hw_fence fence = {.owner = owner, .claim = 1};
    usleep(LEASE_MS * 1000); /* each might declare others gone by now */
    cut_off();
    assert_true(eventually(is_away, one));
    assert_true(eventually(is_away, two));
    assert_int_equal(hw_ledger_health(&one->ledger), HW_LEDGER_FAILED);
    usleep(LEASE_MS * 1500);
    assert_false(hw_pg_holds(&one->ledger, &fence));
    bring_back();
    assert_true(eventually(is_back, one));
    assert_true(eventually(is_back, two));
    assert_int_equal(hw_ledger_health(&one->ledger), HW_LEDGER_WELL);
    usleep(LEASE_MS * 1500);
    assert_int_equal(number("SELECT count(*) FROM hookward.hosts WHERE gone_at IS NOT NULL"), 0);
    assert_int_equal(number("SELECT count(*) FROM hookward.hosts"), 2);
    assert_int_equal(atomic_load(&one->owner), owner);
    assert_true(hw_pg_holds(&one->ledger, &fence));
    close_host(one);
    close_host(two);
}

/* Its own lease has not run out then, but that of another may have. */
static void buries_nobody_right_after_an_outage(void **state)
{
    (void)state;
    struct hw_postgres *p = open_host("one");
    usleep(LEASE_MS * 1000); /* it might declare others gone by now */
    exec_on(sql, "UPDATE pg_database SET datallowconn = false WHERE datname = '" DATABASE "'");
    exec("UPDATE hookward.hosts SET alive_until = now() + interval '1 min';"
         "INSERT INTO hookward.hosts (name, version, alive_until)"
         " VALUES ('other', '1', now() - interval '1 s');"
         "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" DATABASE
         "' AND pid <> pg_backend_pid()");
    hw_pg_close(db);
    assert_true(eventually(is_away, p));
    bring_back();
    assert_true(eventually(is_back, p));
    usleep((unsigned)p->beat_ms * 2 * 1000);
    assert_int_equal(number("SELECT count(*) FROM hookward.hosts WHERE gone_at IS NOT NULL"), 0);
    wait_for("SELECT count(*) FROM hookward.hosts WHERE name = 'other' AND gone_at IS NOT NULL");
    close_host(p);
}

/* A connection that ends is opened again at once. */
static void takes_a_broken_connection_for_no_outage(void **state)
{
    (void)state;
    struct hw_postgres *p = open_host("one");
    for (int i = 0; i < 3; i++) {
        wait_for("SELECT count(*) FROM hookward.hosts h, pg_stat_activity a"
                 " WHERE h.alive_until > now() AND a.datname = '" DATABASE "' AND a.state = 'idle'"
                 " AND a.pid <> pg_backend_pid()");
        exec("UPDATE hookward.hosts SET alive_until = now()");
        exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" DATABASE
             "' AND pid <> pg_backend_pid()");
        wait_for("SELECT count(*) FROM hookward.hosts WHERE alive_until > now()");
        assert_false(hw_pg_is_away(p));
    }
    assert_int_equal(number("SELECT count(*) FROM hookward.hosts"), 1);
    close_host(p);
}

static void starts_away_and_joins_when_it_can(void **state)
{
    (void)state;
    char why[512], nowhere[] = "postgres://postgres@127.0.0.1:1/nothing";
    config.ledger = nowhere;
    struct hw_ledger *ledger = hw_ledger_postgres_open(&config, why, sizeof why);
    assert_non_null(ledger);
    assert_true(hw_pg_is_away((struct hw_postgres *)ledger));
    assert_int_equal(hw_ledger_health(ledger), HW_LEDGER_FAILED);
    ledger->type->close(ledger);
}

/* ---- what hosts leave behind ---- */

static void assert_row(const char *id, int state, const char *rest)
{
    char text[400];
    snprintf(text, sizeof text,
             "SELECT count(*) FROM " ROWS " WHERE job_id = '%s' AND state = %d AND (%s)", id, state,
             rest);
    if (number(text) != 1)
        fail_msg("no: %s", text);
}

static void lets_go_what_a_host_that_is_gone_left_behind(void **state)
{
    (void)state;
    config.retries.count = 1;
    config.retries.delays_ms[0] = 60000;
    struct hw_postgres *p = open_host("one");
    exec("INSERT INTO hookward.hosts (name, version, alive_until) VALUES"
         " ('dead', '1', now() + interval '1 min')"); /* number 2 */
    exec(RUNS(2, 6, 0, "accepted", true, "'b'", "'infinity'", 0));
    exec(RUNS(2, 9, 5, "took down three", false, "'b'", "'infinity'", 2));
    exec(RUNS(2, 4, 0, "of a pool", true, "'b'", "'infinity'", 0));
    exec("UPDATE " ROWS " SET pool = 'p' WHERE job_id = 'of a pool'");
    exec("UPDATE hookward.hosts SET low_seq = 4 WHERE id = 2"); /* these are not found by number */
    exec(RUNS(2, 5, 0, "asks again", false, "NULL", "NULL", 0));
    exec(RUNS(2, 7, 5, "last", false, "'b'", "NULL", 0));
    exec(RUNS(2, 8, 5, "last, no body", false, "NULL", "NULL", 0));
    exec(RUNS(1, 1000, 0, "of a live one", false, "NULL", "NULL", 0));
    exec("UPDATE hookward.hosts SET gone_at = now() WHERE id = 2");
    wait_for("SELECT (count(*) = 6)::int FROM " ROWS " WHERE error = 'host_lost'");
    assert_row("asks again", HW_FAILED, "lost = 1 AND next_run_at IS NULL AND trouble = 2");
    assert_row("accepted", HW_QUEUED, "next_run_at <= now() AND trouble = 5 AND claim = -6");
    assert_row("last", HW_FAILED, "next_run_at > now() + interval '50 s' AND retries = 1");
    assert_row("last, no body", HW_DEAD, "next_run_at IS NULL AND trouble = 4");
    assert_row("took down three", HW_DEAD, "lost = 3 AND next_run_at IS NULL");
    assert_row("of a live one", HW_STARTED, "claim = 1000 AND error IS NULL");
    assert_int_equal(number("SELECT count(*) FROM hookward.runs WHERE error = 'host_lost'"), 6);
    assert_row("of a pool", HW_QUEUED, "next_run_at <= now()");
    /* One of its statements may have been under way still, so it is not done with at once. */
    usleep(LEASE_MS * 1000);
    exec(RUNS(2, 10, 0, "late", false, "NULL", "NULL", 0));
    wait_for("SELECT count(*) FROM " ROWS " WHERE job_id = 'late' AND state = 2");
    exec("UPDATE hookward.hosts SET gone_at = gone_at - interval '1 min' WHERE id = 2");
    wait_for("SELECT count(*) FROM hookward.hosts WHERE id = 2 AND swept_at IS NOT NULL");
    close_host(p);
}

/* Many at once, and beside rows that somebody else has locked. */
static void lets_go_many_rows_and_waits_for_none(void **state)
{
    (void)state;
    struct hw_postgres *p = open_host("one");
    exec("INSERT INTO hookward.hosts (name, version, alive_until) VALUES ('dead', '1', now())");
    exec(ROW "2, g, now(), 0, 1, 6, g::text, 'x', g::text, false, NULL, NULL, 0, NULL, NULL"
             " FROM generate_series(1, 3000) g");
    exec_on(sql, "SELECT 1");
    exec("BEGIN; SELECT 1 FROM " ROWS " WHERE job_id = '7' FOR UPDATE");
    exec("SELECT 1");
    struct hw_pg_options plain = {.url = url, .name = "other"};
    struct hw_pg *other = hw_pg_new(&plain), *mine = db;
    db = other;
    exec("UPDATE hookward.hosts SET gone_at = now() WHERE id = 2");
    wait_for("SELECT (count(*) = 2999)::int FROM " ROWS " WHERE state = 2");
    db = mine;
    exec("ROLLBACK");
    wait_for("SELECT (count(*) = 3000)::int FROM " ROWS " WHERE state = 2");
    hw_pg_free(other);
    close_host(p);
}

static void audit_lets_go_what_nobody_here_knows(void **state)
{
    (void)state;
    struct hw_postgres *p = open_host("one");
    int64_t known = hw_pg_live_begin(p->live, true), due = hw_pg_live_begin(p->live, false);
    char text[600];
    assert_int_equal(known, 1);
    assert_int_equal(due, 2);
    exec(RUNS(1, 1, 0, "known", false, "NULL", "NULL", 0));
    exec(RUNS(1, 2, 0, "known, due", true, "'b'", "'infinity'", 0));
    exec(RUNS(1, 77, 0, "unknown", false, "NULL", "NULL", 0));
    exec(RUNS(1, 78, 0, "unknown, accepted", true, "'b'", "'infinity'", 0));
    snprintf(text, sizeof text, "SELECT seq FROM " ROWS " WHERE job_id = 'known'");
    hw_pg_live_got(p->live, known, 1, number(text));
    hw_pg_pulse_set_away(p, "the test says so"); /* it comes back at once, and audits then */
    wait_for("SELECT (count(*) = 2)::int FROM " ROWS " WHERE error = 'ledger_unavailable'");
    assert_true(eventually(is_back, p));
    assert_row("known", HW_STARTED, "claim = 1");
    assert_row("known, due", HW_STARTED, "claim = 2");
    assert_row("unknown", HW_FAILED, "claim = -77 AND lost = 0 AND next_run_at IS NULL");
    assert_row("unknown, accepted", HW_QUEUED, "next_run_at <= now()");
    close_host(p);
}

/* Its copies wait for it, so that is not left to the audit of each minute. */
static void audit_lets_go_soon_what_a_lost_claim_took(void **state)
{
    (void)state;
    struct hw_postgres *p = open_host("one");
    assert_int_equal(hw_pg_live_begin(p->live, true), 1);
    exec(RUNS(1, 1, 0, "lost", false, "NULL", "NULL", 0));
    hw_pg_live_lost(p->live, 1);
    wait_for("SELECT count(*) FROM " ROWS " WHERE error = 'ledger_unavailable'");
    assert_row("lost", HW_FAILED, "claim = -1");
    close_host(p);
}

/* Likewise when it was no fresh one, and has taken its row some time after. */
static void audit_comes_soon_after_a_lost_answer(void **state)
{
    (void)state;
    struct hw_postgres *p = open_host("one");
    hw_pg_live_lost(p->live, hw_pg_live_begin(p->live, false));
    usleep((unsigned)p->beat_ms * 1500);
    exec(RUNS(1, 1, 0, "late", true, "'b'", "'infinity'", 0));
    wait_for("SELECT (count(*) = 1)::int FROM " ROWS " WHERE error = 'ledger_unavailable'");
    assert_row("late", HW_QUEUED, "next_run_at <= now()");
    assert_false(hw_pg_is_away(p));
    close_host(p);
}

/* ---- low_seq ---- */

/* Claims come and go in any order; some answers are lost. After each beat no row of this host's
 * that runs and is not in the index of what is due is below low_seq. */
static void low_seq_hides_no_row_from_the_sweep(void **state)
{
    enum { CLAIMS = 40, ROUNDS = 8 };
    static int64_t claims[CLAIMS];
    char text[600];
    (void)state;
    struct hw_postgres *p = open_host("one");
    srand(7);
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k < CLAIMS; k++) {
            int what = rand() % 5;
            if (!claims[k] && what < 3) {
                claims[k] = hw_pg_live_begin(p->live, true);
                snprintf(text, sizeof text,
                         ROW
                         "1, %lld, now(), 0, 1, 6, '%lld', 'x', 'j', false, NULL, NULL, 0, NULL,"
                         " NULL",
                         (long long)claims[k], (long long)claims[k]);
                exec(text);
                snprintf(text, sizeof text, "SELECT seq FROM " ROWS " WHERE claim = %lld",
                         (long long)claims[k]);
                if (what == 0)
                    hw_pg_live_lost(p->live, claims[k]);
                else
                    hw_pg_live_got(p->live, claims[k], 1, number(text));
                if (what == 0)
                    claims[k] = 0;
            } else if (claims[k] && what < 3) {
                snprintf(text, sizeof text, "UPDATE " ROWS " SET state = 1 WHERE claim = %lld",
                         (long long)claims[k]);
                exec(text);
                hw_pg_live_end(p->live, claims[k]);
                claims[k] = 0;
            }
        }
        usleep((unsigned)p->beat_ms * 1500);
        assert_int_equal(number("SELECT count(*) FROM " ROWS " n, hookward.hosts h WHERE h.id = 1"
                                " AND n.owner = 1 AND n.state = 6 AND n.seq < h.low_seq"),
                         0);
    }
    assert_true(number("SELECT low_seq FROM hookward.hosts") > 0);
    exec("UPDATE hookward.hosts SET gone_at = now()"); /* it joins anew, and sweeps its own */
    wait_for("SELECT (count(*) = 0)::int FROM " ROWS " WHERE owner = 1 AND state = 6");
    close_host(p);
}

/* ---- live claims ---- */

static void counts_claims_and_their_rows(void **state)
{
    (void)state;
    struct hw_pg_live *live = hw_pg_live_new();
    hw_pg_live_mark(live, 100);
    assert_int_equal(hw_pg_live_low_seq(live), 100);
    int64_t a = hw_pg_live_begin(live, true), b = hw_pg_live_begin(live, false);
    hw_pg_live_mark(live, 200);
    assert_int_equal(hw_pg_live_low_seq(live), 100); /* a may have any row from 100 on */
    hw_pg_live_got(live, a, 1, 150);
    assert_int_equal(hw_pg_live_low_seq(live), 150);
    hw_pg_live_got(live, b, 3, 20);
    assert_int_equal(hw_pg_live_low_seq(live), 150); /* b is found in the index of what is due */
    hw_pg_live_end(live, b);
    hw_pg_live_lost(live, b);
    assert_true(hw_pg_live_has(live, b));
    hw_pg_live_end(live, b);
    assert_false(hw_pg_live_has(live, b));
    hw_pg_live_lost(live, a);
    assert_false(hw_pg_live_has(live, a));
    assert_int_equal(hw_pg_live_low_seq(live), 150);
    hw_pg_live_audited(live, hw_now_ns());
    assert_int_equal(hw_pg_live_low_seq(live), 150); /* its statement may be under way still */
    hw_pg_live_audited(live, hw_now_ns() + UINT64_C(11) * SECOND_NS);
    assert_int_equal(hw_pg_live_low_seq(live), 200);
    int64_t c = hw_pg_live_begin(live, true);
    hw_pg_live_is_due(live, c);
    hw_pg_live_mark(live, 300);
    assert_int_equal(hw_pg_live_low_seq(live), 300);
    hw_pg_live_got(live, c, 0, 0);
    assert_false(hw_pg_live_has(live, c));
    assert_int_equal(hw_pg_live_count(live), 0);
    hw_pg_live_free(live);
}

static void knows_each_of_many_claims(void **state)
{
    enum { MANY = 20000 };
    static bool live_now[MANY + 1];
    (void)state;
    struct hw_pg_live *live = hw_pg_live_new();
    size_t count = 0;
    srand(3);
    for (int i = 1; i <= MANY; i++) {
        assert_int_equal(hw_pg_live_begin(live, i % 2), i);
        live_now[i] = true;
        count++;
        for (int k = 0; k < 2; k++) {
            int old = 1 + rand() % i;
            if (rand() % 3 == 0 && live_now[old]) {
                hw_pg_live_end(live, old);
                live_now[old] = false;
                count--;
            }
        }
    }
    assert_int_equal(hw_pg_live_count(live), count);
    for (int i = 1; i <= MANY; i++)
        assert_int_equal(hw_pg_live_has(live, i), live_now[i]);
    hw_pg_live_free(live);
}

/* ---- outcomes that wait ---- */

static struct hw_notification *outcome(struct hw_pg_live *live, const char *id, int code)
{
    struct hw_notification *n = notification(id, "body of 12 b");
    n->fence.claim = hw_pg_live_begin(live, true);
    sample_end(n, code);
    return n;
}

static void keep(struct hw_pg_unsettled *list, struct hw_notification *n)
{
    assert_true(hw_pg_unsettled_keep(list, n));
    free_notification(n);
}

static void keeps_as_many_outcomes_as_there_may_be(void **state)
{
    (void)state;
    struct hw_notification *batch[HW_LEDGER_BATCH_MAX];
    struct hw_pg_live *live = hw_pg_live_new();
    struct hw_pg_unsettled *list = hw_pg_unsettled_new(live, 3, 24, false);
    keep(list, outcome(live, "1", HW_EHANDLER_ERROR));
    keep(list, outcome(live, "2", HW_EHANDLER_ERROR)); /* 24 bytes of bodies */
    keep(list, outcome(live, "3", 0));                 /* needs no body */
    assert_int_equal(hw_pg_unsettled_count(list), 3);
    assert_true(hw_pg_live_has(live, 1));
    keep(list, outcome(live, "4", 0)); /* one over: the oldest goes */
    assert_int_equal(hw_pg_unsettled_count(list), 3);
    assert_false(hw_pg_live_has(live, 1));
    keep(list, outcome(live, "5", HW_EHANDLER_ERROR)); /* 24 bytes again */
    assert_int_equal(hw_pg_unsettled_count(list), 3);  /* 3, 4, 5 */
    keep(list, outcome(live, "6", HW_EHANDLER_ERROR));
    keep(list, outcome(live, "7", HW_EHANDLER_ERROR)); /* 36 bytes: 5 goes too */
    size_t count = hw_pg_unsettled_take(list, batch, HW_LEDGER_BATCH_MAX);
    assert_int_equal(count, 2);
    assert_memory_equal(batch[0]->id.ptr, "6", 1);
    assert_memory_equal(batch[0]->body.ptr, "body of 12 b", 12);
    assert_int_equal(hw_pg_unsettled_count(list), 0);
    hw_pg_unsettled_put_back(list, batch, count);
    assert_int_equal(hw_pg_unsettled_take(list, batch, 1), 1);
    assert_memory_equal(batch[0]->id.ptr, "6", 1);
    assert_true(hw_pg_live_has(live, batch[0]->fence.claim));
    int64_t claim = batch[0]->fence.claim;
    hw_pg_unsettled_done(list, batch, 1);
    assert_false(hw_pg_live_has(live, claim));
    hw_pg_unsettled_free(list);
    hw_pg_live_free(live);
}

/* Its sender was refused, so nothing starts from memory any more. */
static void queues_what_was_to_start(void **state)
{
    (void)state;
    struct hw_notification *batch[1];
    struct hw_pg_live *live = hw_pg_live_new();
    struct hw_pg_unsettled *list = hw_pg_unsettled_new(live, 3, 100, false);
    struct hw_notification *n = outcome(live, "1", 0);
    n->accepted = true;
    n->state = HW_STARTED;
    n->settled_at = 1000;
    n->next_run_at = 5000;
    keep(list, n);
    assert_int_equal(hw_pg_unsettled_take(list, batch, 1), 1);
    assert_int_equal(batch[0]->state, HW_QUEUED);
    assert_int_equal(batch[0]->next_run_at, 1000);
    assert_int_equal(batch[0]->body.len, 12);
    hw_pg_unsettled_done(list, batch, 1);
    hw_pg_unsettled_free(list);
    hw_pg_live_free(live);
}

static void records_outcomes_late(void **state)
{
    enum { MANY = 600 };
    (void)state;
    static struct hw_notification *all[MANY];
    struct hw_postgres *p = open_host("one");
    for (int from = 0; from < MANY; from += 200) {
        for (int i = from; i < from + 200; i++) {
            char id[16];
            snprintf(id, sizeof id, "job-%d", i);
            all[i] = notification(id, "body");
            all[i]->outcome.ran = false;
        }
        assert_int_equal(hw_pg_claim(&p->ledger, all + from, 200), 0);
    }
    cut_off();
    assert_true(eventually(is_away, p));
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(all[i]->claim, HW_CLAIM_MINE);
        all[i]->outcome.ran = true;
        all[i]->copies = 1;
        sample_end(all[i], i % 7 ? 0 : HW_EHANDLER_ERROR);
    }
    for (int from = 0; from < MANY; from += 200)
        assert_int_equal(hw_pg_commit(&p->ledger, all + from, 200), HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(hw_pg_unsettled_count(p->unsettled), MANY);
    usleep(LEASE_MS * 1200);
    bring_back();
    assert_true(eventually(is_back, p));
    assert_int_equal(hw_pg_unsettled_count(p->unsettled), 0);
    assert_int_equal(number("SELECT count(*) FROM " ROWS " WHERE state = 1"), MANY - 86);
    assert_int_equal(number("SELECT count(*) FROM " ROWS " WHERE state = 2 AND body IS NOT NULL"),
                     86);
    assert_int_equal(number("SELECT sum(runs)::bigint FROM " ROWS), MANY);
    assert_int_equal(hw_pg_live_count(p->live), 0);
    for (int i = 0; i < MANY; i++)
        free_notification(all[i]);
    close_host(p);
}

/* ---- all threads at once ---- */

enum { BATCHES = 80, BATCH = 20, KILLS = 15 };

struct load {
    struct hw_postgres *p;
    struct hw_notification *all[BATCHES][BATCH];
    atomic_int claimed, settled; /* batches */
    atomic_bool ended;
};

/* As the claim thread: until each is this host's, as its sender would. */
static void *claim_all(void *ud)
{
    struct load *load = ud;
    for (int b = 0; b < BATCHES; b++) {
        for (int k = 0; k < BATCH; k++) {
            struct hw_notification *n = load->all[b][k];
            while (n->claim != HW_CLAIM_MINE) {
                n->outcome.code = 0;
                if (hw_pg_claim(&load->p->ledger, &load->all[b][k], BATCH - (size_t)k) != 0)
                    usleep(5000);
                if (n->claim == HW_CLAIM_KNOWN)
                    break;
            }
        }
        atomic_store(&load->claimed, b + 1);
    }
    return NULL;
}

static void *settle_all(void *ud)
{
    struct load *load = ud;
    for (int b = 0; b < BATCHES; b++) {
        while (atomic_load(&load->claimed) <= b)
            usleep(500);
        for (int k = 0; k < BATCH; k++) {
            load->all[b][k]->outcome.ran = true;
            load->all[b][k]->copies = 1;
            sample_end(load->all[b][k], 0);
        }
        hw_pg_commit(&load->p->ledger, load->all[b], BATCH);
        atomic_store(&load->settled, b + 1);
    }
    atomic_store(&load->ended, true);
    return NULL;
}

/* Each runs once, and each outcome is recorded, sooner or later. */
static void loses_no_outcome_while_connections_end(void **state)
{
    (void)state;
    static struct load load;
    pthread_t claimer, settler;
    memset(&load, 0, sizeof load);
    config.max_queue = BATCHES * BATCH; /* no outcome is dropped, however long it is away */
    load.p = open_host("one");
    for (int b = 0; b < BATCHES; b++)
        for (int k = 0; k < BATCH; k++) {
            char id[32];
            snprintf(id, sizeof id, "job-%d", b * BATCH + k);
            load.all[b][k] = notification(id, "body");
            load.all[b][k]->outcome.ran = false;
        }
    assert_int_equal(pthread_create(&claimer, NULL, claim_all, &load), 0);
    assert_int_equal(pthread_create(&settler, NULL, settle_all, &load), 0);
    for (int i = 0; i < KILLS && !atomic_load(&load.ended); i++) {
        usleep(10000 + (unsigned)rand() % 200000);
        exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" DATABASE
             "' AND pid <> pg_backend_pid()");
    }
    pthread_join(claimer, NULL);
    pthread_join(settler, NULL);
    assert_true(eventually(is_back, load.p));
    wait_for("SELECT (count(*) = 1600)::int FROM " ROWS " WHERE state = 1");
    assert_int_equal(number("SELECT sum(runs)::bigint FROM " ROWS), BATCHES * BATCH);
    assert_int_equal(atomic_load(&load.p->fenced), 0);
    for (int b = 0; b < BATCHES; b++)
        for (int k = 0; k < BATCH; k++)
            free_notification(load.all[b][k]);
    close_host(load.p);
}

/* ---- tending ---- */

static void tend_all(struct hw_postgres *p)
{
    p->retention.rest_at = 0;
    for (int i = 0; i < 100 && hw_pg_tend(&p->ledger, true); i++)
        ;
}

static void removes_old_rows_and_keeps_what_waits(void **state)
{
    (void)state;
    config.retention_ms = 30ull * 86400000;
    for (int limited = 0; limited < 2; limited++) {
        begin(NULL);
        config.retention_ms = 30ull * 86400000;
        config.dead_retention_ms = limited * 60ull * 86400000;
        struct hw_postgres *p = open_host("one");
        exec(ROW
             "1, 1, now() - interval '61 days', 0, 1, 1, g::text, 'x', g::text, false, NULL, NULL,"
             " 0, NULL, NULL FROM generate_series(1, 1000) g");
        exec("UPDATE " ROWS " SET settled_at = now() - interval '31 days'");
        exec("UPDATE " ROWS " SET settled_at = now() WHERE seq = 2");
        exec("UPDATE " ROWS " SET state = 2, next_run_at = now() + interval '1 h' WHERE seq = 3");
        exec("UPDATE " ROWS " SET state = 5, lane = 'l' WHERE seq = 4");
        exec("UPDATE " ROWS " SET state = 6 WHERE seq = 5");
        exec("UPDATE " ROWS " SET state = 4 WHERE seq = 6");
        exec("UPDATE " ROWS
             " SET state = 4, settled_at = now() - interval '61 days' WHERE seq = 7");
        exec("INSERT INTO hookward.runs (seq, began_at, attempt, retry, waited_ms, ms) VALUES"
             " (8, now(), 0, 0, 0, 0), (2, now(), 0, 0, 0, 0)");
        exec(ROW "1, 1, now(), 0, 1, 1, 'new', 'x', 'new', false, NULL, NULL, 0, NULL, NULL");
        tend_all(p);
        assert_int_equal(number("SELECT count(*) FROM " ROWS), 7 - limited);
        assert_int_equal(number("SELECT count(*) FROM " ROWS " WHERE seq IN (2, 3, 4, 5, 6, 1001)"),
                         6);
        assert_int_equal(number("SELECT count(*) FROM hookward.runs"), 1);
        close_host(p);
    }
}

static void removes_nothing_without_a_retention_or_while_another_host_does(void **state)
{
    (void)state;
    struct hw_pg_options plain = {.url = url, .name = "other"};
    struct hw_pg *other = hw_pg_new(&plain);
    struct hw_postgres *p = open_host("one");
    exec(ROW "1, 1, now() - interval '61 days', 0, 1, 1, 'a', 'x', 'a', false, NULL, NULL, 0, NULL,"
             " NULL");
    exec("UPDATE " ROWS " SET settled_at = received_at");
    tend_all(p);
    assert_int_equal(number("SELECT count(*) FROM " ROWS), 1);
    close_host(p);
    config.retention_ms = 86400000;
    p = open_host("one");
    exec_on(other, "BEGIN; SELECT pg_advisory_xact_lock(1751346283, 2)");
    tend_all(p);
    assert_int_equal(number("SELECT count(*) FROM " ROWS), 1);
    exec_on(other, "ROLLBACK");
    tend_all(p);
    assert_int_equal(number("SELECT count(*) FROM " ROWS), 0);
    hw_pg_free(other);
    close_host(p);
}

static void knows_how_many_rows_there_are_of_each_state(void **state)
{
    (void)state;
    struct hw_postgres *p = open_host("one");
    hw_pg_live_begin(p->live, true); /* so that what runs is looked for from here on */
    for (int st = 1; st <= 6; st++) {
        char text[600];
        snprintf(text, sizeof text,
                 ROW
                 "1, %d, now() - interval '%d s', 0, 1, %d, g::text || '-%d', 'x', 'j', %s, NULL,"
                 " %s, 0, NULL, NULL FROM generate_series(1, %d) g",
                 st, 100 - st, st, st, st == 5 ? "true" : "false",
                 st == 5 ? "now() + interval '1 h'" : "NULL", st);
        exec(text);
    }
    exec("UPDATE " ROWS " SET trouble = state WHERE state NOT IN (1, 6)");
    exec("UPDATE " ROWS " SET next_run_at = 'infinity', accepted = true WHERE seq ="
         " (SELECT max(seq) FROM " ROWS ")");
    assert_int_equal(hw_pg_rows_read(p, p->settles), HW_PG_OK);
    for (int st = 1; st <= 6; st++)
        assert_int_equal(hw_ledger_rows(&p->ledger, st), st);
    assert_int_equal(hw_ledger_backlog(&p->ledger), 5 + 1);
    int64_t waited_ms = (int64_t)(hw_now() * 1000) - hw_ledger_oldest_waiting(&p->ledger);
    assert_true(waited_ms >= 95000 && waited_ms < 125000);
    close_host(p);
}

int main(void)
{
    const char *server = getenv("HOOKWARD_TEST_POSTGRES");
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(counts_claims_and_their_rows),
        cmocka_unit_test(knows_each_of_many_claims),
        cmocka_unit_test(keeps_as_many_outcomes_as_there_may_be),
        cmocka_unit_test(queues_what_was_to_start),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(joins_renews_and_leaves, begin, close_all),
        cmocka_unit_test_setup_teardown(joins_anew_when_it_was_declared_gone, begin, close_all),
        cmocka_unit_test_setup_teardown(does_not_renew_the_lease_of_another_under_its_number, begin,
                                        close_all),
        cmocka_unit_test_setup_teardown(declares_gone_who_did_not_renew, begin, close_all),
        cmocka_unit_test_setup_teardown(buries_nobody_after_an_outage_longer_than_the_lease, begin,
                                        close_all),
        cmocka_unit_test_setup_teardown(buries_nobody_right_after_an_outage, begin, close_all),
        cmocka_unit_test_setup_teardown(takes_a_broken_connection_for_no_outage, begin, close_all),
        cmocka_unit_test_setup_teardown(starts_away_and_joins_when_it_can, begin, close_all),
        cmocka_unit_test_setup_teardown(lets_go_what_a_host_that_is_gone_left_behind, begin,
                                        close_all),
        cmocka_unit_test_setup_teardown(lets_go_many_rows_and_waits_for_none, begin, close_all),
        cmocka_unit_test_setup_teardown(audit_lets_go_what_nobody_here_knows, begin, close_all),
        cmocka_unit_test_setup_teardown(audit_lets_go_soon_what_a_lost_claim_took, begin,
                                        close_all),
        cmocka_unit_test_setup_teardown(audit_comes_soon_after_a_lost_answer, begin, close_all),
        cmocka_unit_test_setup_teardown(low_seq_hides_no_row_from_the_sweep, begin, close_all),
        cmocka_unit_test_setup_teardown(records_outcomes_late, begin, close_all),
        cmocka_unit_test_setup_teardown(loses_no_outcome_while_connections_end, begin, close_all),
        cmocka_unit_test_setup_teardown(removes_old_rows_and_keeps_what_waits, begin, close_all),
        cmocka_unit_test_setup_teardown(
            removes_nothing_without_a_retention_or_while_another_host_does, begin, close_all),
        cmocka_unit_test_setup_teardown(knows_how_many_rows_there_are_of_each_state, begin,
                                        close_all),
    };
    hw_log_set(getenv("HW_TEST_LOG") ? HW_LOG_DEBUG : HW_LOG_OFF, false);
    int failed = cmocka_run_group_tests(alone, NULL, NULL);
    if (!server) {
        printf("pg_pulse_test: HOOKWARD_TEST_POSTGRES names no server; the rest is skipped\n");
        return failed;
    }
    snprintf(server_url, sizeof server_url, "%s", server);
    char *path = strrchr(server_url, '/');
    snprintf(url, sizeof url, "%.*s/" DATABASE, (int)(path - server_url), server_url);
    struct hw_pg_options server_options = {.url = server, .name = "test"};
    struct hw_pg_options db_options = {.url = url, .name = "test"};
    sql = hw_pg_new(&server_options);
    db = hw_pg_new(&db_options);
    hw_pg_exec(sql, "UPDATE pg_database SET datallowconn = true WHERE datname = '" DATABASE "'",
               in_ms(5000));
    hw_pg_exec(sql, "DROP DATABASE IF EXISTS " DATABASE, in_ms(10000));
    hw_pg_exec(sql, "CREATE DATABASE " DATABASE, in_ms(30000));
    failed += cmocka_run_group_tests(tests, NULL, NULL);
    hw_pg_free(db);
    hw_pg_exec(sql, "DROP DATABASE IF EXISTS " DATABASE, in_ms(10000));
    hw_pg_free(sql);
    return failed;
}
