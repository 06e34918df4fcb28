/* The ledger on PostgreSQL keeps every ledger's promises; of several hosts one runs a notification,
 * and only its outcome is recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <unistd.h>

#define LEDGER_CLAIMS
#include "base/config.h"
#include "base/log.h"
#include "ledger/cases.h"
#include "ledger/pg_schema.h"
#include "ledger/pg_server.h"
#include "ledger/postgres.h"

static const char *url;
static char schema[64];
static struct hw_config config;
static struct hw_pg *inspector; /* a connection of the test's own */

/* ---- the rig ---- */

static struct hw_ledger *open_as(const char *host)
{
    char why[512] = "";
    config.host_name = host;
    struct hw_ledger *ledger = hw_ledger_postgres_open(&config, why, sizeof why);
    if (!ledger)
        fail_msg("%s", why);
    return ledger;
}

static struct hw_ledger *open_ledger(bool by_body)
{
    config.by_body = by_body;
    return open_as("a");
}

static int64_t number(const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    char *sql = hw_pg_schema_fill(text, schema);
    int64_t value = number_of(inspector, sql);
    free(sql);
    return value;
}

static void exec(const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    char *sql = hw_pg_schema_fill(text, schema);
    run_sql(inspector, sql);
    free(sql);
}

/* A text of the only row there is. */
static void assert_text(const char *column, const char *expected)
{
    char text[512];
    struct hw_pg_result *result;
    snprintf(text, sizeof text, "SELECT %s::text FROM @.notifications", column);
    char *sql = hw_pg_schema_fill(text, schema);
    assert_int_equal(hw_pg_query(inspector, sql, NULL, &result, in_ms(10000)), HW_PG_OK);
    assert_int_equal(hw_pg_rows(result), 1);
    struct hw_str found = hw_pg_text(result, 0, 0);
    snprintf(text, sizeof text, "%.*s", HW_STR_ARG(found));
    assert_string_equal(text, expected);
    hw_pg_result_free(result);
    free(sql);
}

/* As the host's own look-up would say it. */
static void find_row(const struct hw_identity *identity, struct hw_known *known)
{
    char hex[2 * HW_DIGEST_SIZE + 1], where[256];
    for (int i = 0; i < HW_DIGEST_SIZE; i++)
        sprintf(hex + 2 * i, "%02x", identity->digest[i]);
    snprintf(where, sizeof where,
             "(dedupe_id = '%.*s' OR '%.*s' = '') AND digest = decode('%s', 'hex')",
             HW_STR_ARG(identity->id), HW_STR_ARG(identity->id), hex);
    *known = (struct hw_known){0};
    known->row = number("SELECT seq FROM @.notifications WHERE %s"
                        " ORDER BY accepted DESC, state NOT IN (1, 3), seq DESC",
                        where);
    known->state = (enum hw_ledger_state)number("SELECT state FROM @.notifications WHERE seq = %d",
                                                (int)known->row);
    known->deliveries =
        (uint32_t)number("SELECT deliveries FROM @.notifications WHERE seq = %d", (int)known->row);
    known->attempt =
        (uint32_t)number("SELECT attempt FROM @.notifications WHERE seq = %d", (int)known->row);
    known->other_body = !known->row && identity->id.len &&
                        number("SELECT count(*) FROM @.notifications WHERE dedupe_id = '%.*s'",
                               HW_STR_ARG(identity->id)) > 0;
}

/* The server counts deadlocks for each database, so this program has one of its own. */
static char database[64], database_url[512];
static struct hw_pg_options server;

static void exec_at_server(const char *what)
{
    char sql[128];
    struct hw_pg *pg = hw_pg_new(&server);
    snprintf(sql, sizeof sql, "%s %s", what, database);
    if (!pg || hw_pg_exec(pg, sql, in_ms(20000)) != HW_PG_OK)
        printf("%s: %s\n", sql, pg ? hw_pg_why(pg) : "out of memory");
    hw_pg_free(pg);
}

static bool open_database(const char *server_url)
{
    if (!server_url)
        return false;
    server = (struct hw_pg_options){.url = server_url, .name = "test"};
    snprintf(database, sizeof database, "hookward_postgres_test_%d", (int)getpid());
    snprintf(database_url, sizeof database_url, "%s%cdbname=%s", server_url,
             strchr(server_url, '?') ? '&' : '?', database);
    exec_at_server("CREATE DATABASE");
    url = database_url;
    return true;
}

static void drop_database(void)
{
    exec_at_server("DROP DATABASE");
}

static int new_schema(void **state)
{
    static int count;
    static struct hw_pg_options options;
    (void)state;
    snprintf(schema, sizeof schema, "ledger_%d_%d", (int)getpid(), ++count);
    config = (struct hw_config){.ledger = url, .ledger_schema = schema, .lease_ms = 15000};
    options = (struct hw_pg_options){.url = url, .name = "test"};
    inspector = hw_pg_new(&options);
    hw_log_set(HW_LOG_OFF, false);
    return inspector ? 0 : -1;
}

static int drop_schema(void **state)
{
    (void)state;
    exec("DROP SCHEMA IF EXISTS @ CASCADE");
    hw_pg_free(inspector);
    return 0;
}

/* Two hosts. */
struct pair {
    struct hw_ledger *a, *b;
};

static void open_pair(struct pair *pair)
{
    pair->a = open_as("a");
    pair->b = open_as("b");
}

static void close_pair(struct pair *pair)
{
    pair->a->type->close(pair->a);
    pair->b->type->close(pair->b);
}

static struct hw_postgres *parts(struct hw_ledger *ledger)
{
    return (struct hw_postgres *)ledger;
}

static enum hw_claim claim(struct hw_ledger *ledger, struct hw_notification *n)
{
    assert_int_equal(ledger->type->claim(ledger, &n, 1), 0);
    return n->claim;
}

static struct hw_notification *claim_new(struct hw_ledger *ledger, const char *id, const char *body)
{
    struct hw_notification *n = notification(id, body);
    assert_int_equal(claim(ledger, n), HW_CLAIM_MINE);
    return n;
}

static int settle(struct hw_ledger *ledger, struct hw_notification *n, int code)
{
    n->outcome.code = code;
    hw_retry_settle(&no_retries, n, 0, 0);
    return hw_ledger_commit(ledger, &n, 1);
}

/* Claims it and records an outcome. */
static void process(struct hw_ledger *ledger, const char *id, const char *body, int code)
{
    struct hw_notification *n = claim_new(ledger, id, body);
    assert_int_equal(settle(ledger, n, code), 0);
    free_notification(n);
}

static enum hw_claim ask(struct hw_ledger *ledger, const char *id, bool waited)
{
    struct hw_notification *n = notification(id, "a");
    n->waited = waited;
    enum hw_claim answer = claim(ledger, n);
    free_notification(n);
    return answer;
}

/* ---- claims ---- */

static void lets_one_of_two_hosts_run_it(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    struct hw_notification *n = claim_new(pair.a, "job", "a");
    assert_true(n->row > 0);
    assert_int_equal(n->known.state, HW_NEVER_SEEN);
    assert_int_equal(ask(pair.b, "job", false), HW_CLAIM_ELSEWHERE);
    assert_int_equal(ask(pair.b, "job", true), HW_CLAIM_ELSEWHERE);
    assert_int_equal(ask(pair.a, "job", false), HW_CLAIM_ELSEWHERE); /* not that very job */
    assert_int_equal(settle(pair.a, n, 0), 0);
    assert_int_equal(ask(pair.b, "job", true), HW_CLAIM_KNOWN);
    assert_int_equal(number("SELECT runs FROM @.notifications"), 1);
    free_notification(n);
    close_pair(&pair);
}

static void answers_what_ended_well_from_its_record(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    process(pair.a, "well", "a", 0);
    struct hw_notification *n = claim_new(pair.a, "unhandled", "a");
    n->outcome.unhandled = true;
    assert_int_equal(settle(pair.a, n, 0), 0);
    free_notification(n);
    assert_int_equal(ask(pair.b, "well", false), HW_CLAIM_KNOWN);
    assert_int_equal(ask(pair.b, "unhandled", false), HW_CLAIM_KNOWN);
    close_pair(&pair);
}

static void never_takes_what_was_accepted(void **state)
{
    static const enum hw_ledger_state states[] = {HW_FAILED, HW_DEAD, HW_QUEUED, HW_STARTED};
    struct pair pair;
    (void)state;
    open_pair(&pair);
    process(pair.a, "job", "a", 0);
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        exec("UPDATE @.notifications SET accepted = true, state = %d", (int)states[i]);
        struct hw_notification *n = notification("job", "a");
        assert_int_equal(claim(pair.b, n), HW_CLAIM_KNOWN);
        assert_int_equal(n->outcome.code, 0);
        assert_true(n->known.accepted);
        free_notification(n);
    }
    close_pair(&pair);
}

static void runs_again_what_failed(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    process(pair.a, "job", "a", HW_EHANDLER_ERROR);
    struct hw_notification *n = claim_new(pair.b, "job", "a");
    assert_int_equal(n->known.state, HW_FAILED);
    assert_int_equal(n->known.deliveries, 1);
    assert_int_equal(n->known.runs, 1);
    assert_int_equal(number("SELECT (next_run_at = 'infinity')::int FROM @.notifications"), 1);
    assert_int_equal(settle(pair.b, n, HW_EHANDLER_ERROR), 0);
    free_notification(n);
    exec("UPDATE @.notifications SET state = 4, trouble = 4");
    assert_int_equal(ask(pair.a, "job", false), HW_CLAIM_MINE);
    assert_int_equal(number("SELECT runs FROM @.notifications"), 3);
    close_pair(&pair);
}

/* Whoever waited while it ran is answered as the first one is; what stood in the host's way is no
 * answer. */
static void gives_who_waited_the_same_answer(void **state)
{
    static const char *const no_answers[] = {"host_lost", "ledger_unavailable", "draining"};
    struct pair pair;
    (void)state;
    open_pair(&pair);
    struct hw_notification *n = claim_new(pair.a, "job", "a");
    n->outcome.reason = HW_STR("no room on the shelf");
    assert_int_equal(settle(pair.a, n, HW_EHANDLER_REFUSED), 0);
    free_notification(n);
    n = notification("job", "a");
    n->waited = true;
    assert_int_equal(claim(pair.b, n), HW_CLAIM_KNOWN);
    assert_int_equal(n->outcome.code, HW_EHANDLER_REFUSED);
    assert_true(hw_str_eq(n->outcome.reason, HW_STR("no room on the shelf")));
    free_notification(n);
    for (size_t i = 0; i < sizeof no_answers / sizeof *no_answers; i++) {
        exec("UPDATE @.notifications SET state = 2, error = '%s'", no_answers[i]);
        assert_int_equal(ask(pair.b, "job", true), HW_CLAIM_MINE);
    }
    close_pair(&pair);
}

static void answers_what_was_given_up_from_its_record(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    struct hw_notification *n = claim_new(pair.a, "job", "a");
    n->outcome.reason = HW_STR("never");
    assert_int_equal(settle(pair.a, n, HW_EGIVEN_UP), 0);
    free_notification(n);
    n = notification("job", "a");
    assert_int_equal(claim(pair.b, n), HW_CLAIM_KNOWN);
    assert_int_equal(n->outcome.code, HW_EGIVEN_UP);
    assert_true(hw_str_eq(n->outcome.reason, HW_STR("never")));
    assert_true(n->known.given_up);
    free_notification(n);
    close_pair(&pair);
}

static void takes_over_from_a_host_that_is_gone(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    free_notification(claim_new(pair.a, "job", "a"));
    assert_int_equal(ask(pair.b, "job", true), HW_CLAIM_ELSEWHERE);
    exec("UPDATE @.hosts SET gone_at = now() WHERE name LIKE 'a%%'");
    struct hw_notification *n = notification("job", "a");
    n->waited = true;
    assert_int_equal(claim(pair.b, n), HW_CLAIM_MINE);
    assert_int_equal(n->known.state, HW_STARTED);
    assert_int_equal(n->known.runs, 1);
    assert_int_equal(number("SELECT lost FROM @.notifications"), 1);
    assert_int_equal(atomic_load(&parts(pair.b)->taken_over), 1);
    free_notification(n);
    close_pair(&pair);
}

/* Its claim was recorded, and its answer was lost. */
static void takes_its_own_lost_claim(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    struct hw_notification *n = claim_new(pair.a, "job", "a");
    struct hw_fence first = n->fence;
    n->claim = HW_CLAIM_NONE; /* as far as it knows */
    assert_int_equal(claim(pair.a, n), HW_CLAIM_MINE);
    assert_true(n->fence.claim > first.claim);
    assert_int_equal(settle(pair.a, n, 0), 0);
    assert_false(n->fenced);
    free_notification(n);
    close_pair(&pair);
}

/* It may not begin any more by the clock, so it is claimed again. */
static void claims_again_what_it_has(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    struct hw_notification *n = claim_new(pair.a, "job", "a");
    struct hw_fence first = n->fence;
    assert_int_equal(claim(pair.a, n), HW_CLAIM_MINE);
    assert_false(hw_pg_live_has(parts(pair.a)->live, first.claim));
    assert_true(hw_pg_live_has(parts(pair.a)->live, n->fence.claim));
    exec("UPDATE @.notifications SET owner = %d", (int)atomic_load(&parts(pair.b)->owner));
    assert_int_equal(claim(pair.a, n), HW_CLAIM_ELSEWHERE);
    assert_int_equal(hw_pg_live_count(parts(pair.a)->live), 0);
    free_notification(n);
    close_pair(&pair);
}

/* It was declared gone, and joined anew. A claim that stays would hold low_seq back for ever. */
static void claims_anew_what_it_had_under_its_old_number(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    struct hw_postgres *a = parts(pair.a);
    struct hw_notification *taken = claim_new(pair.a, "taken", "a");
    struct hw_notification *kept = claim_new(pair.a, "kept", "a");
    int64_t old = atomic_load(&a->owner);
    exec("UPDATE @.hosts SET gone_at = now() WHERE id = %d", (int)old);
    for (int i = 0; i < 1000 && atomic_load(&a->owner) <= old; i++)
        usleep(10000);
    exec("UPDATE @.notifications SET state = 6, owner = %d, claim = 900 WHERE job_id = 'taken'",
         (int)atomic_load(&parts(pair.b)->owner));
    assert_int_equal(claim(pair.a, taken), HW_CLAIM_ELSEWHERE);
    assert_int_equal(claim(pair.a, kept), HW_CLAIM_MINE);
    assert_int_equal(kept->fence.owner, atomic_load(&a->owner));
    assert_int_equal(hw_pg_live_count(a->live), 1);
    assert_int_equal(settle(pair.a, kept, 0), 0);
    assert_int_equal(hw_pg_live_count(a->live), 0);
    free_notification(taken);
    free_notification(kept);
    close_pair(&pair);
}

static void leaves_a_locked_row_for_later(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    process(pair.a, "job", "a", HW_EHANDLER_ERROR);
    exec("BEGIN; SELECT FROM @.notifications FOR UPDATE");
    assert_int_equal(ask(pair.b, "job", false), HW_CLAIM_ELSEWHERE);
    exec("COMMIT");
    assert_int_equal(ask(pair.b, "job", false), HW_CLAIM_MINE);
    close_pair(&pair);
}

static void only_looks_when_asked_to(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    struct hw_notification *n = notification("job", "a");
    n->only_look = true;
    assert_int_equal(claim(pair.a, n), HW_CLAIM_NONE);
    assert_int_equal(n->outcome.code, HW_EOVERLOADED);
    assert_int_equal(number("SELECT count(*) FROM @.notifications"), 0);
    process(pair.b, "job", "a", HW_EHANDLER_ERROR);
    n->outcome.code = 0;
    assert_int_equal(claim(pair.a, n), HW_CLAIM_ELSEWHERE);
    exec("UPDATE @.notifications SET accepted = true");
    assert_int_equal(claim(pair.a, n), HW_CLAIM_KNOWN);
    free_notification(n);
    close_pair(&pair);
}

/* Nobody would deliver it again. */
static void stores_the_body_with_the_senders_last_attempt(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = notification("job", "a");
    n->attempt = HW_ATTEMPT_LAST;
    n->headers = HW_STR("{}");
    assert_int_equal(claim(r.ledger, n), HW_CLAIM_MINE);
    assert_text("convert_from(body, 'UTF8')", "a");
    assert_text("key", "test.pem");
    assert_int_equal(settle(r.ledger, n, 0), 0);
    assert_text("coalesce(convert_from(body, 'UTF8'), '-')", "-");
    free_notification(n);
    close_rig(&r);
}

static void refuses_at_once_while_it_has_no_lease(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = notification("job", "a");
    atomic_store(&parts(r.ledger)->lease_until_ns, 1);
    assert_int_equal(r.ledger->type->claim(r.ledger, &n, 1), HW_ELEDGER_UNAVAILABLE);
    assert_int_equal(n->claim, HW_CLAIM_NONE);
    free_notification(n);
    close_rig(&r);
}

/* ---- many at once ---- */

enum { ORDER_BATCHES = 1000, ORDER_SIZE = 64, ORDER_SLOW_MS = 900, ORDER_SLOW_MAX = 3 };

struct order {
    struct hw_ledger *ledger;
    pthread_barrier_t *barrier;
    unsigned random;
    const struct order *other;
    size_t mine;
    int batches, failed, slow;
    int64_t row;
};

static void shuffle(struct order *o, struct hw_notification **batch)
{
    for (size_t i = ORDER_SIZE - 1; i > 0; i--) {
        o->random = o->random * 1664525 + 1013904223;
        size_t k = (o->random >> 8) % (i + 1);
        struct hw_notification *other = batch[i];
        batch[i] = batch[k];
        batch[k] = other;
    }
}

/* A deadlock is found after a second: a few tell enough. Both see the same, so both end. */
static bool go_on(const struct order *o)
{
    pthread_barrier_wait(o->barrier);
    bool more = o->failed == 0 && o->slow < ORDER_SLOW_MAX && o->other->failed == 0 &&
                o->other->slow < ORDER_SLOW_MAX;
    pthread_barrier_wait(o->barrier);
    return more;
}

static void *claim_in_any_order(void *arg)
{
    struct order *o = arg;
    for (; o->batches < ORDER_BATCHES && go_on(o); o->batches++) {
        struct hw_notification *batch[ORDER_SIZE];
        for (int i = 0; i < ORDER_SIZE; i++)
            batch[i] = numbered_notification(o->batches * ORDER_SIZE + i);
        shuffle(o, batch);
        pthread_barrier_wait(o->barrier);
        uint64_t late = in_ms(ORDER_SLOW_MS);
        o->failed += o->ledger->type->claim(o->ledger, batch, ORDER_SIZE) != 0;
        o->slow += hw_now_ns() > late;
        for (int i = 0; i < ORDER_SIZE; i++) {
            o->mine += batch[i]->claim == HW_CLAIM_MINE;
            o->failed += batch[i]->claim == HW_CLAIM_NONE;
            free_notification(batch[i]);
        }
    }
    return NULL;
}

static void claims_in_one_order_everywhere(void **state)
{
    struct pair pair;
    pthread_t other;
    pthread_barrier_t barrier;
    (void)state;
    open_pair(&pair);
    pthread_barrier_init(&barrier, NULL, 2);
    struct order a = {.ledger = pair.a, .barrier = &barrier, .random = 1};
    struct order b = {.ledger = pair.b, .barrier = &barrier, .random = 2, .other = &a};
    a.other = &b;
    assert_int_equal(pthread_create(&other, NULL, claim_in_any_order, &b), 0);
    claim_in_any_order(&a);
    pthread_join(other, NULL);
    pthread_barrier_destroy(&barrier);
    close_pair(&pair); /* its connections tell what they counted when they end */
    assert_int_equal(
        number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"), 0);
    assert_int_equal(a.failed + b.failed, 0);
    assert_int_equal(a.mine + b.mine, a.batches * ORDER_SIZE);
}

enum { COUNT_ROUNDS = 300 };

/* What ended here was delivered again at the other, and the other way round. */
static void *settle_and_count(void *arg)
{
    struct order *o = arg;
    for (; o->batches < COUNT_ROUNDS && go_on(o); o->batches++) {
        char id[32];
        snprintf(id, sizeof id, "%u-%d", o->random, o->batches);
        struct hw_notification *own = claim_new(o->ledger, id, "a");
        struct hw_notification *copy = notification("copy", "a");
        o->row = own->row;
        pthread_barrier_wait(o->barrier);
        copy->outcome.from_ledger = true;
        copy->known.row = o->other->row;
        own->outcome.code = 0;
        hw_retry_settle(&no_retries, own, 0, 0);
        struct hw_notification *batch[] = {own, copy};
        pthread_barrier_wait(o->barrier);
        uint64_t late = in_ms(ORDER_SLOW_MS);
        o->failed += o->ledger->type->commit(o->ledger, batch, 2) != 0;
        o->slow += hw_now_ns() > late;
        free_notification(own);
        free_notification(copy);
    }
    return NULL;
}

static void settles_and_counts_in_one_order(void **state)
{
    struct pair pair;
    pthread_t other;
    pthread_barrier_t barrier;
    (void)state;
    open_pair(&pair);
    int before =
        number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");
    pthread_barrier_init(&barrier, NULL, 2);
    struct order a = {.ledger = pair.a, .barrier = &barrier, .random = 1};
    struct order b = {.ledger = pair.b, .barrier = &barrier, .random = 2, .other = &a};
    a.other = &b;
    assert_int_equal(pthread_create(&other, NULL, settle_and_count, &b), 0);
    settle_and_count(&a);
    pthread_join(other, NULL);
    pthread_barrier_destroy(&barrier);
    close_pair(&pair);
    assert_int_equal(
        number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"),
        before);
    assert_int_equal(a.failed + b.failed, 0);
    assert_int_equal(a.batches + b.batches, 2 * COUNT_ROUNDS);
    assert_int_equal(number("SELECT count(*) FROM @.notifications WHERE deliveries = 2"),
                     2 * COUNT_ROUNDS);
}

/* An index takes no value of this length. */
static struct hw_str unwritable(struct hw_notification *n)
{
    enum { LENGTH = 20000 };
    unsigned random = 7;
    char *text = hw_arena_alloc(n->arena, LENGTH);
    for (int i = 0; i < LENGTH; i++) {
        random = random * 1664525 + 1013904223;
        text[i] = (char)('!' + (random >> 16) % 90);
    }
    return (struct hw_str){text, LENGTH};
}

static void refuses_only_what_cannot_be_written(void **state)
{
    struct rig r;
    struct hw_notification *batch[HW_LEDGER_BATCH_MAX];
    enum { BAD = 100 };
    (void)state;
    open_rig(&r, false);
    for (int i = 0; i < HW_LEDGER_BATCH_MAX; i++)
        batch[i] = numbered_notification(i);
    assert_int_equal(r.ledger->type->claim(r.ledger, batch, HW_LEDGER_BATCH_MAX), 0);
    for (int i = 0; i < HW_LEDGER_BATCH_MAX; i++)
        sample_end(batch[i], HW_EHANDLER_ERROR);
    batch[BAD]->lane = unwritable(batch[BAD]);
    batch[BAD]->next_run_at = 1000;
    assert_int_equal(hw_ledger_commit(r.ledger, batch, HW_LEDGER_BATCH_MAX), 0);
    for (int i = 0; i < HW_LEDGER_BATCH_MAX; i++) {
        assert_int_equal(batch[i]->fenced, i == BAD);
        free_notification(batch[i]);
    }
    assert_int_equal(number("SELECT count(*) FROM @.notifications WHERE state = 2"
                            " AND error = 'handler_error'"),
                     HW_LEDGER_BATCH_MAX - 1);
    assert_int_equal(number("SELECT count(*) FROM @.notifications WHERE state = 2"
                            " AND error = 'ledger_unavailable'"),
                     1);
    assert_int_equal(hw_pg_live_count(parts(r.ledger)->live), 0);
    close_rig(&r);
}

static void claims_all_but_what_cannot_be_written(void **state)
{
    struct rig r;
    struct hw_notification *batch[HW_LEDGER_BATCH_MAX];
    enum { BAD = 100 };
    (void)state;
    open_rig(&r, false);
    for (int i = 0; i < HW_LEDGER_BATCH_MAX; i++)
        batch[i] = numbered_notification(i);
    batch[BAD]->identity.id = unwritable(batch[BAD]);
    assert_int_equal(r.ledger->type->claim(r.ledger, batch, HW_LEDGER_BATCH_MAX), 0);
    for (int i = 0; i < HW_LEDGER_BATCH_MAX; i++) {
        assert_int_equal(batch[i]->claim, i == BAD ? HW_CLAIM_NONE : HW_CLAIM_MINE);
        assert_int_equal(batch[i]->outcome.code, i == BAD ? HW_ELEDGER_UNAVAILABLE : 0);
        free_notification(batch[i]);
    }
    assert_false(hw_pg_is_away(parts(r.ledger)));
    close_rig(&r);
}

static void writes_any_bytes_as_text(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = claim_new(r.ledger, "job", "a");
    n->event = HW_STR("Badge\0.\xff");
    n->outcome.reason = HW_STR("\xc3\x28 is no UTF-8, \xf0\x9f\x90\x98 is");
    assert_int_equal(settle(r.ledger, n, HW_EHANDLER_REFUSED), 0);
    assert_text("event", "Badge\xef\xbf\xbd.\xef\xbf\xbd");
    assert_text("reason", "\xef\xbf\xbd( is no UTF-8, \xf0\x9f\x90\x98 is");
    free_notification(n);
    close_rig(&r);
}

/* ---- settles ---- */

static void gives_a_run_back_that_did_not_begin(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = claim_new(r.ledger, "job", "a");
    n->outcome.ran = false;
    assert_int_equal(settle(r.ledger, n, HW_EDRAINING), 0);
    assert_int_equal(number("SELECT runs FROM @.notifications"), 0);
    assert_int_equal(look(&r, "job", "a").state, HW_FAILED);
    free_notification(n);
    close_rig(&r);
}

/* An index with a column that a first success changes would slow down each of them. */
static void settles_without_touching_an_index(void **state)
{
    enum { ROWS = 300 };
    struct rig r;
    char id[32];
    (void)state;
    open_rig(&r, false);
    for (int i = 0; i < ROWS; i++) {
        snprintf(id, sizeof id, "job-%d", i);
        process(r.ledger, id, "a", 0);
    }
    close_rig(&r); /* its connections tell what they counted when they end */
    for (int i = 0; i < 500 && number("SELECT n_tup_upd FROM pg_stat_user_tables WHERE relid ="
                                      " '@.notifications'::regclass") < ROWS;
         i++)
        usleep(10000);
    assert_int_equal(number("SELECT n_tup_upd - n_tup_hot_upd FROM pg_stat_user_tables"
                            " WHERE relid = '@.notifications'::regclass"),
                     0);
}

/* A transaction has only so much time, so they go in several. */
static void records_bodies_of_any_size(void **state)
{
    enum { ROWS = 12, SIZE = 300 * 1024 };
    struct rig r;
    struct hw_notification *batch[ROWS];
    char *body = calloc(1, SIZE);
    (void)state;
    open_rig(&r, false);
    for (int i = 0; i < ROWS; i++) {
        batch[i] = numbered_notification(i);
        batch[i]->body = (struct hw_str){body, SIZE};
        batch[i]->attempt = HW_ATTEMPT_LAST;
    }
    assert_int_equal(r.ledger->type->claim(r.ledger, batch, ROWS), 0);
    assert_int_equal(number("SELECT count(*) FROM @.notifications WHERE length(body) = %d", SIZE),
                     ROWS);
    for (int i = 0; i < ROWS; i++)
        sample_end(batch[i], HW_EHANDLER_ERROR);
    assert_int_equal(hw_ledger_commit(r.ledger, batch, ROWS), 0);
    assert_int_equal(number("SELECT count(*) FROM @.notifications WHERE state = 2"), ROWS);
    for (int i = 0; i < ROWS; i++)
        free_notification(batch[i]);
    free(body);
    close_rig(&r);
}

/* The answer of the first try was lost. */
static void finds_what_it_recorded_before(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = claim_new(r.ledger, "job", "a");
    assert_int_equal(settle(r.ledger, n, 0), 0);
    assert_int_equal(settle(r.ledger, n, 0), 0);
    assert_false(n->fenced);
    assert_known(&r, "job", "a", HW_SUCCEEDED, 1, false);
    free_notification(n);
    close_rig(&r);
}

static void fences_off_who_lost_its_row(void **state)
{
    struct pair pair;
    struct hw_notification *batch[3];
    (void)state;
    open_pair(&pair);
    for (int i = 0; i < 3; i++)
        batch[i] = numbered_notification(i);
    assert_int_equal(pair.a->type->claim(pair.a, batch, 3), 0);
    exec("UPDATE @.hosts SET gone_at = now() WHERE name LIKE 'a%%'");
    struct hw_notification *taken = claim_new(pair.b, "job-1", "{}");
    for (int i = 0; i < 3; i++)
        sample_end(batch[i], HW_EHANDLER_ERROR);
    assert_int_equal(hw_ledger_commit(pair.a, batch, 3), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(batch[i]->fenced, i == 1);
    assert_int_equal(atomic_load(&parts(pair.a)->fenced), 1);
    assert_int_equal(hw_pg_live_count(parts(pair.a)->live), 0);
    assert_int_equal(number("SELECT state FROM @.notifications WHERE job_id = 'job-1'"),
                     HW_STARTED);
    assert_int_equal(settle(pair.b, taken, 0), 0);
    assert_false(taken->fenced);
    assert_int_equal(hw_ledger_commit(pair.a, &batch[1], 1), 0); /* also when that has ended */
    assert_int_equal(number("SELECT state FROM @.notifications WHERE job_id = 'job-1'"),
                     HW_SUCCEEDED);
    free_notification(taken);
    for (int i = 0; i < 3; i++)
        free_notification(batch[i]);
    close_pair(&pair);
}

/* Claims count up within a host, and each host begins at one. */
static void compares_both_parts_of_a_fence(void **state)
{
    static const char *const changes[] = {"claim = claim + 1", "owner = owner + 1"};
    struct rig r;
    (void)state;
    open_rig(&r, false);
    for (int i = 0; i < 2; i++) {
        struct hw_notification *n = numbered_notification(i);
        assert_int_equal(claim(r.ledger, n), HW_CLAIM_MINE);
        exec("UPDATE @.notifications SET %s WHERE seq = %d", changes[i], (int)n->row);
        assert_int_equal(settle(r.ledger, n, 0), 0);
        assert_true(n->fenced);
        assert_int_equal(number("SELECT state FROM @.notifications WHERE seq = %d", (int)n->row),
                         HW_STARTED);
        free_notification(n);
    }
    close_rig(&r);
}

/* It was let go, and nobody has taken it since. */
static void records_what_was_let_go(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = claim_new(r.ledger, "job", "a");
    exec("UPDATE @.notifications SET state = 2, trouble = 2, claim = -claim, error = 'host_lost'");
    assert_int_equal(settle(r.ledger, n, 0), 0);
    assert_false(n->fenced);
    assert_known(&r, "job", "a", HW_SUCCEEDED, 1, false);
    free_notification(n);
    close_rig(&r);
}

static void inserts_what_has_no_row_any_more(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair);
    struct hw_notification *n = claim_new(pair.a, "job", "a");
    exec("DELETE FROM @.notifications");
    assert_int_equal(settle(pair.a, n, HW_EHANDLER_ERROR), 0);
    assert_false(n->fenced);
    assert_int_equal(number("SELECT state FROM @.notifications"), HW_FAILED);
    assert_int_equal(number("SELECT runs FROM @.notifications"), 1);
    assert_int_equal(number("SELECT seq FROM @.notifications"), n->row);
    free_notification(n);
    n = claim_new(pair.a, "other", "a");
    exec("DELETE FROM @.notifications");
    process(pair.b, "other", "a", 0); /* what another host made of it stays */
    assert_int_equal(settle(pair.a, n, HW_EHANDLER_ERROR), 0);
    assert_true(n->fenced);
    assert_int_equal(number("SELECT state FROM @.notifications"), HW_SUCCEEDED);
    free_notification(n);
    close_pair(&pair);
}

/* ---- the connection, and the start ---- */

static void goes_on_over_a_broken_connection(void **state)
{
    static const char end_all[] =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name = 'hookward/broken' AND pid <> pg_backend_pid()";
    struct rig r;
    (void)state;
    r.by_body = false;
    r.ledger = open_as("broken");
    process(r.ledger, "job-1", "a", 0);
    assert_true(number(end_all) > 0);
    struct hw_notification *n = claim_new(r.ledger, "job-2", "a");
    assert_true(number(end_all) > 0);
    assert_int_equal(settle(r.ledger, n, 0), 0);
    assert_known(&r, "job-2", "a", HW_SUCCEEDED, 1, false);
    free_notification(n);
    r.ledger->type->close(r.ledger);
}

/* Ends the connections while a settle waits for its row, which the test has locked. */
static void *end_connections(void *committed)
{
    usleep(300000);
    exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
         " WHERE application_name = 'hookward/broken'");
    if (committed)
        exec("UPDATE @.notifications SET state = 1, deliveries = 1, settled_at = now()");
    exec("COMMIT");
    return NULL;
}

/* Nobody knows whether the first try was committed, so the second one looks. */
static void settles_once_over_a_broken_connection(void **state)
{
    struct rig r;
    pthread_t thread;
    (void)state;
    r.by_body = false;
    r.ledger = open_as("broken");
    for (int committed = 0; committed < 2; committed++) {
        struct hw_notification *n = claim_new(r.ledger, "job", "a");
        exec("BEGIN; SELECT FROM @.notifications FOR UPDATE");
        assert_int_equal(pthread_create(&thread, NULL, end_connections, committed ? n : NULL), 0);
        assert_int_equal(settle(r.ledger, n, committed ? 0 : HW_EHANDLER_ERROR), 0);
        pthread_join(thread, NULL);
        assert_false(n->fenced);
        assert_known(&r, "job", "a", committed ? HW_SUCCEEDED : HW_FAILED, 1, false);
        assert_int_equal(hw_pg_unsettled_count(parts(r.ledger)->unsettled), 0);
        free_notification(n);
    }
    r.ledger->type->close(r.ledger);
}

static void records_late_what_it_could_not(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    struct hw_notification *n = claim_new(r.ledger, "job", "a");
    hw_pg_pulse_set_away(parts(r.ledger), "a test says so");
    assert_int_equal(settle(r.ledger, n, 0), HW_ELEDGER_UNAVAILABLE);
    free_notification(n);
    for (int i = 0; i < 500 && look(&r, "job", "a").state != HW_SUCCEEDED; i++)
        usleep(10000);
    assert_known(&r, "job", "a", HW_SUCCEEDED, 1, false);
    close_rig(&r);
}

static void assert_refused(const char *message)
{
    char why[512] = "";
    assert_null(hw_ledger_postgres_open(&config, why, sizeof why));
    if (!strstr(why, message))
        fail_msg("\"%s\" is not in: %s", message, why);
}

static void does_not_start_with_a_mistake(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    close_rig(&r);
    config.by_body = true;
    assert_refused("by-job");
    config.by_body = false;
    exec("UPDATE @.meta SET schema = 1000, compat = 1000");
    assert_refused("newer");
    config.ledger = "postgres://nobody-by-this-name@127.0.0.1:1/x?port=x";
    assert_refused("port");
}

static void starts_without_a_server(void **state)
{
    char why[512] = "";
    (void)state;
    config.ledger = "postgres://127.0.0.1:1/hookward";
    struct hw_ledger *ledger = hw_ledger_postgres_open(&config, why, sizeof why);
    assert_non_null(ledger);
    struct hw_notification *n = notification("job", "a");
    assert_int_equal(ledger->type->claim(ledger, &n, 1), HW_ELEDGER_UNAVAILABLE);
    free_notification(n);
    ledger->type->close(ledger);
}

/* ---- by-body ---- */

static void finds_a_body_that_was_recorded_under_an_id(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    deliver(&r, "job-1", "a", HW_EHANDLER_ERROR);
    deliver(&r, "job-2", "a", 0);
    deliver(&r, "job-3", "b", HW_EHANDLER_ERROR);
    close_rig(&r);
    exec("UPDATE @.meta SET duplicates = 'by-body'");
    exec("CREATE INDEX IF NOT EXISTS by_digest ON @.notifications (digest)");
    open_rig(&r, true);
    deliver(&r, "job-4", "a", HW_EHANDLER_ERROR); /* it is a copy of the best one */
    deliver(&r, "job-5", "b", 0);
    assert_int_equal(number("SELECT count(*) FROM @.notifications"), 3);
    assert_int_equal(number("SELECT deliveries FROM @.notifications WHERE job_id = 'job-2'"), 2);
    assert_int_equal(number("SELECT state FROM @.notifications WHERE job_id = 'job-3'"),
                     HW_SUCCEEDED);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_CASES,
        cmocka_unit_test(lets_one_of_two_hosts_run_it),
        cmocka_unit_test(answers_what_ended_well_from_its_record),
        cmocka_unit_test(never_takes_what_was_accepted),
        cmocka_unit_test(runs_again_what_failed),
        cmocka_unit_test(gives_who_waited_the_same_answer),
        cmocka_unit_test(answers_what_was_given_up_from_its_record),
        cmocka_unit_test(takes_over_from_a_host_that_is_gone),
        cmocka_unit_test(takes_its_own_lost_claim),
        cmocka_unit_test(claims_again_what_it_has),
        cmocka_unit_test(claims_anew_what_it_had_under_its_old_number),
        cmocka_unit_test(leaves_a_locked_row_for_later),
        cmocka_unit_test(only_looks_when_asked_to),
        cmocka_unit_test(stores_the_body_with_the_senders_last_attempt),
        cmocka_unit_test(refuses_at_once_while_it_has_no_lease),
        cmocka_unit_test(claims_in_one_order_everywhere),
        cmocka_unit_test(settles_and_counts_in_one_order),
        cmocka_unit_test(refuses_only_what_cannot_be_written),
        cmocka_unit_test(claims_all_but_what_cannot_be_written),
        cmocka_unit_test(writes_any_bytes_as_text),
        cmocka_unit_test(gives_a_run_back_that_did_not_begin),
        cmocka_unit_test(settles_without_touching_an_index),
        cmocka_unit_test(records_bodies_of_any_size),
        cmocka_unit_test(finds_what_it_recorded_before),
        cmocka_unit_test(fences_off_who_lost_its_row),
        cmocka_unit_test(compares_both_parts_of_a_fence),
        cmocka_unit_test(records_what_was_let_go),
        cmocka_unit_test(inserts_what_has_no_row_any_more),
        cmocka_unit_test(goes_on_over_a_broken_connection),
        cmocka_unit_test(settles_once_over_a_broken_connection),
        cmocka_unit_test(records_late_what_it_could_not),
        cmocka_unit_test(does_not_start_with_a_mistake),
        cmocka_unit_test(starts_without_a_server),
        cmocka_unit_test(finds_a_body_that_was_recorded_under_an_id),
    };
    if (!open_database(test_server("postgres_test")))
        return 0;
    struct CMUnitTest each[sizeof tests / sizeof *tests];
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        each[i] = tests[i];
        each[i].setup_func = new_schema;
        each[i].teardown_func = drop_schema;
    }
    int failed = cmocka_run_group_tests(each, NULL, NULL);
    drop_database();
    return failed;
}
