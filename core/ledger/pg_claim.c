/* pg_claim.c -- which notifications of a batch may run here; see postgres.h
 *
 * How     HW_PG_CLAIM inserts a row for each, and what comes back is ours. The rest is known: a
 *         second statement, with a snapshot that sees what the first one collided with, reads it,
 *         and takes over what failed or whose host is gone. A row that another host has, or that
 *         is locked just now, is to be asked for again.
 *         The batch is sorted by identity: two hosts that insert the same ones in different
 *         orders would wait for each other.
 *         A connection that broke is opened anew, and what has no answer yet is asked once more
 *         with new numbers. The old one goes along: what the lost statement took is ours.
 * Not     when to ask again, and what a waiting sender is told: trip/.
 * Thread  the claim thread. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "http/kept_headers.h"
#include "ledger/postgres.h"

enum { BODIES_MAX = 1024 * 1024 /* bytes of one transaction, which has only so much time */ };

struct ask {
    struct hw_notification *n;
    int64_t claim;
    int64_t old;  /* sent before for this one, perhaps recorded; 0: none */
    int64_t held; /* what it has until then, under whatever owner; 0: nothing */
    enum { OPEN, DONE, FAILED } answer;
};

/* ---- the order ---- */

static int compare_texts(struct hw_str a, struct hw_str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare(const void *a, const void *b)
{
    const struct hw_identity *x = &((const struct ask *)a)->n->identity;
    const struct hw_identity *y = &((const struct ask *)b)->n->identity;
    int order = compare_texts(x->id, y->id);
    return order ? order : memcmp(x->digest, y->digest, HW_DIGEST_SIZE);
}

/* ---- parameters: an array for each column ---- */

static struct hw_str dedupe_id(const struct hw_notification *n)
{
    return n->identity.id.ptr ? n->identity.id : HW_STR("");
}

static struct hw_str digest(const struct hw_notification *n)
{
    return (struct hw_str){(const char *)n->identity.digest, HW_DIGEST_SIZE};
}

static bool is_new(const struct ask *ask)
{
    return ask->answer == OPEN && !ask->n->only_look && !ask->n->from_row;
}

static bool is_open(const struct ask *ask)
{
    return ask->answer == OPEN;
}

typedef bool filter_fn(const struct ask *ask);

#define EACH(args, type, filter, item)                                                             \
    do {                                                                                           \
        hw_pg_array_begin(args, type);                                                             \
        for (const struct ask *ask = asks; ask < asks + count; ask++)                              \
            if (filter(ask))                                                                       \
                item;                                                                              \
        hw_pg_array_end(args);                                                                     \
    } while (0)

static void add_identities(struct hw_pg_args *args, const struct ask *asks, size_t count,
                           filter_fn *filter)
{
    EACH(args, HW_PG_TEXT, filter, hw_pg_item_text(args, dedupe_id(ask->n)));
    EACH(args, HW_PG_BYTEA, filter, hw_pg_item_bytes(args, digest(ask->n)));
}

static int64_t age_ms(const struct hw_notification *n, uint64_t now_ns)
{
    return n->cut_ns && now_ns > n->cut_ns ? (int64_t)((now_ns - n->cut_ns) / 1000000) : 0;
}

/* After this attempt nobody delivers it again: should this host end, another can run it. */
static bool is_last(const struct hw_notification *n)
{
    return hw_notification_last_attempt(n) >= HW_ATTEMPT_LAST;
}

static void add_headers(struct hw_pg_args *args, const struct hw_notification *n)
{
    char text[HW_KEPT_HEADERS_MAX];
    if (is_last(n) && n->request)
        hw_pg_item_text(args, (struct hw_str){text, hw_kept_headers_write(n->request, text)});
    else
        hw_pg_item_null(args);
}

static void fill_new(struct hw_pg_args *args, int64_t owner, const struct ask *asks, size_t count)
{
    uint64_t now_ns = hw_now_ns();
    hw_pg_args_clear(args);
    hw_pg_arg_int(args, HW_PG_INT8, owner);
    add_identities(args, asks, count, is_new);
    EACH(args, HW_PG_TEXT, is_new, hw_pg_item_text(args, ask->n->id));
    EACH(args, HW_PG_INT4, is_new, hw_pg_item_int(args, hw_pg_attempt(ask->n)));
    EACH(args, HW_PG_INT8, is_new, hw_pg_item_int(args, age_ms(ask->n, now_ns)));
    EACH(args, HW_PG_INT8, is_new, hw_pg_item_int(args, ask->claim));
    EACH(args, HW_PG_TEXT, is_new,
         hw_pg_item_text(args, is_last(ask->n) ? ask->n->key : HW_STR_NONE));
    EACH(args, HW_PG_TEXT, is_new, add_headers(args, ask->n));
    EACH(args, HW_PG_BYTEA, is_new,
         hw_pg_item_bytes(args, is_last(ask->n) ? ask->n->body : HW_STR_NONE));
}

static void fill_known(struct hw_pg_args *args, int64_t owner, const struct ask *asks, size_t count)
{
    hw_pg_args_clear(args);
    hw_pg_arg_int(args, HW_PG_INT8, owner);
    add_identities(args, asks, count, is_open);
    EACH(args, HW_PG_INT8, is_open, hw_pg_item_int(args, ask->claim));
    EACH(args, HW_PG_BOOL, is_open, hw_pg_item_int(args, ask->n->waited));
    EACH(args, HW_PG_INT8, is_open, hw_pg_item_int(args, ask->old));
    EACH(args, HW_PG_BOOL, is_open, hw_pg_item_int(args, ask->n->only_look));
}

/* ---- answers ---- */

/* It had a claim before this one. */
static void end_old(struct hw_postgres *p, struct ask *ask)
{
    if (ask->held)
        hw_pg_live_end(p->live, ask->held);
    ask->held = 0;
}

static void fail(struct hw_postgres *p, struct ask *ask, int code)
{
    hw_pg_live_got(p->live, ask->claim, 0, 0);
    ask->answer = FAILED;
    hw_notification_fail(ask->n, code);
}

/* What it got is looked up by its number: those that are asked for are in the order of their
 * claims. */
static struct ask *find(struct ask *asks, size_t count, int64_t claim)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (asks[middle].claim < claim)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && asks[low].claim == claim ? &asks[low] : NULL;
}

static void take(struct hw_postgres *p, struct ask *ask, int64_t owner, int64_t row)
{
    end_old(p, ask);
    ask->answer = DONE;
    ask->n->claim = HW_CLAIM_MINE;
    ask->n->fence = (struct hw_fence){owner, ask->claim};
    ask->n->row = row;
}

static void read_new(struct hw_postgres *p, struct ask *asks, size_t count, int64_t owner,
                     const struct hw_pg_result *result)
{
    for (size_t i = 0; i < hw_pg_rows(result); i++) {
        struct ask *ask = find(asks, count, hw_pg_int(result, i, 0));
        if (!ask || ask->answer != OPEN)
            continue;
        int64_t seq = hw_pg_int(result, i, 1);
        hw_pg_live_got(p->live, ask->claim, 1, seq);
        take(p, ask, owner, seq);
        ask->n->known = (struct hw_known){.other_body = hw_pg_int(result, i, 2)};
    }
}

enum { CLAIM, SEQ, STATE, DELIVERIES, ATTEMPT, RUNS, RETRIES, ACCEPTED, ERROR, REASON, MINE, LOST };

static void read_record(struct hw_known *known, const struct hw_pg_result *result, size_t i)
{
    *known = (struct hw_known){.row = hw_pg_int(result, i, SEQ),
                               .state = (enum hw_ledger_state)hw_pg_int(result, i, STATE),
                               .deliveries = (uint32_t)hw_pg_int(result, i, DELIVERIES),
                               .attempt = (uint32_t)hw_pg_int(result, i, ATTEMPT),
                               .runs = (uint32_t)hw_pg_int(result, i, RUNS),
                               .retries = (uint32_t)hw_pg_int(result, i, RETRIES),
                               .accepted = hw_pg_int(result, i, ACCEPTED) != 0};
    known->given_up =
        known->state == HW_DEAD && hw_str_eq(hw_pg_text(result, i, ERROR), HW_STR("given_up"));
}

/* Says only that the host stood in its way: whoever waited for it runs it. As in HW_PG_KNOWN. */
static bool is_an_answer(int code)
{
    return code && code != HW_EHOST_LOST && code != HW_ELEDGER_UNAVAILABLE &&
           code != HW_EDRAINING && code != HW_EQUEUE_TIMEOUT && code != HW_EOVERLOADED;
}

/* What the record answers, in *code. Returns false when it has no answer. */
static bool find_answer(const struct hw_notification *n, int recorded, int *code)
{
    const struct hw_known *known = &n->known;
    *code = 0;
    if (known->accepted || known->state == HW_SUCCEEDED || known->state == HW_UNHANDLED)
        return true;
    *code = known->given_up ? HW_EGIVEN_UP : recorded;
    bool ended = known->state == HW_FAILED || known->state == HW_DEAD;
    return known->given_up || (n->waited && ended && is_an_answer(recorded));
}

static void read_answer(struct ask *ask, const struct hw_pg_result *result, size_t i)
{
    struct hw_notification *n = ask->n;
    struct hw_str reason = hw_pg_text(result, i, REASON);
    int code, recorded = hw_error_code(hw_pg_text(result, i, ERROR));
    n->claim = HW_CLAIM_ELSEWHERE;
    if (!find_answer(n, recorded, &code))
        return;
    n->claim = HW_CLAIM_KNOWN;
    n->row = n->known.row;
    n->outcome.code = code;
    n->outcome.reason = HW_STR_NONE;
    if (code && reason.ptr && !(n->outcome.reason = hw_arena_copy(n->arena, reason)).ptr)
        hw_notification_starve(n);
}

static void read_known(struct hw_postgres *p, struct ask *asks, size_t count, int64_t owner,
                       const struct hw_pg_result *result)
{
    for (size_t i = 0; i < hw_pg_rows(result); i++) {
        struct ask *ask = find(asks, count, hw_pg_int(result, i, CLAIM));
        if (!ask || ask->answer != OPEN)
            continue;
        read_record(&ask->n->known, result, i);
        if (hw_pg_int(result, i, MINE)) {
            hw_pg_live_got(p->live, ask->claim, 1, ask->n->known.row);
            hw_pg_live_is_due(p->live, ask->claim);
            take(p, ask, owner, ask->n->known.row);
            atomic_fetch_add_explicit(&p->taken_over, (uint64_t)hw_pg_int(result, i, LOST),
                                      memory_order_relaxed);
            continue;
        }
        hw_pg_live_got(p->live, ask->claim, 0, 0);
        end_old(p, ask);
        ask->answer = DONE;
        read_answer(ask, result, i);
    }
}

/* It is neither inserted nor seen: it was removed in between, or the copy of one that is. */
static void read_missing(struct hw_postgres *p, struct ask *asks, size_t count)
{
    for (struct ask *ask = asks; ask < asks + count; ask++) {
        if (ask->answer != OPEN)
            continue;
        if (ask->n->only_look) {
            fail(p, ask, HW_EOVERLOADED);
            continue;
        }
        hw_pg_live_got(p->live, ask->claim, 0, 0);
        end_old(p, ask);
        ask->answer = DONE;
        ask->n->claim = HW_CLAIM_ELSEWHERE;
    }
}

/* ---- asking ---- */

static bool are_any(const struct ask *asks, size_t count, filter_fn *filter)
{
    for (const struct ask *ask = asks; ask < asks + count; ask++)
        if (filter(ask))
            return true;
    return false;
}

/* A deadlock or the like was rolled back: it is tried once more. */
static enum hw_pg_rc run(struct hw_postgres *p, size_t statement, struct hw_pg_result **result)
{
    struct hw_pg_call call = {.statement = statement, .args = p->claim_args};
    enum hw_pg_rc rc = HW_PG_AGAIN;
    for (int i = 0; i < 2 && rc == HW_PG_AGAIN; i++)
        rc = hw_pg_run(p->claims, &call, 1, hw_now_ns() + HW_PG_STATEMENT_MS * 1000000ull);
    *result = call.result;
    return rc;
}

static enum hw_pg_rc ask_new(struct hw_postgres *p, struct ask *asks, size_t count, int64_t owner)
{
    struct hw_pg_result *result;
    if (!are_any(asks, count, is_new))
        return HW_PG_OK;
    fill_new(p->claim_args, owner, asks, count);
    enum hw_pg_rc rc = run(p, HW_PG_CLAIM, &result);
    if (rc == HW_PG_OK) {
        read_new(p, asks, count, owner, result);
        hw_pg_result_free(result);
    }
    return rc;
}

static enum hw_pg_rc ask_known(struct hw_postgres *p, struct ask *asks, size_t count, int64_t owner)
{
    struct hw_pg_result *result;
    if (!are_any(asks, count, is_open))
        return HW_PG_OK;
    fill_known(p->claim_args, owner, asks, count);
    enum hw_pg_rc rc = run(p, HW_PG_KNOWN, &result);
    if (rc == HW_PG_OK) {
        read_known(p, asks, count, owner, result);
        read_missing(p, asks, count);
        hw_pg_result_free(result);
    }
    return rc;
}

static enum hw_pg_rc ask_once(struct hw_postgres *p, struct ask *asks, size_t count, int64_t owner)
{
    enum hw_pg_rc rc = ask_new(p, asks, count, owner);
    return rc == HW_PG_OK ? ask_known(p, asks, count, owner) : rc;
}

/* One of them can't be written: only that one is refused. */
static enum hw_pg_rc ask_each(struct hw_postgres *p, struct ask *asks, size_t count, int64_t owner)
{
    enum hw_pg_rc rc = HW_PG_OK;
    for (struct ask *ask = asks; rc == HW_PG_OK && ask < asks + count; ask++) {
        if (ask->answer != OPEN)
            continue;
        rc = ask_once(p, ask, 1, owner);
        if (rc == HW_PG_DATA || rc == HW_PG_AGAIN) {
            fail(p, ask, HW_ELEDGER_UNAVAILABLE);
            rc = HW_PG_OK;
        }
    }
    return rc;
}

/* Without memory for it one is refused, and left out. Returns how many are left. */
static size_t number_claims(struct hw_postgres *p, struct ask *asks, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        asks[i].claim = hw_pg_live_begin(p->live, is_new(&asks[i]));
        if (asks[i].claim)
            asks[kept++] = asks[i];
        else
            hw_notification_fail(asks[i].n, HW_ELEDGER_UNAVAILABLE);
    }
    return kept;
}

/* Nobody knows what became of those that have no answer. */
static size_t lose(struct hw_postgres *p, struct ask *asks, size_t count)
{
    size_t open = 0;
    for (size_t i = 0; i < count; i++) {
        if (asks[i].answer != OPEN)
            continue;
        hw_pg_live_lost(p->live, asks[i].claim);
        asks[open++] = asks[i];
    }
    return open;
}

static enum hw_pg_rc ask_all(struct hw_postgres *p, struct ask *asks, size_t *count, int64_t owner)
{
    *count = number_claims(p, asks, *count);
    enum hw_pg_rc rc = ask_once(p, asks, *count, owner);
    return rc == HW_PG_DATA ? ask_each(p, asks, *count, owner) : rc;
}

/* After one that is MINE already, a claim that can't be made leaves it as it is: its row has to be
 * released. */
static void fail_open(struct ask *asks, size_t count)
{
    for (struct ask *ask = asks; ask < asks + count; ask++) {
        hw_notification_fail(ask->n, HW_ELEDGER_UNAVAILABLE);
        if (!ask->held)
            ask->n->fence.claim = ask->claim ? ask->claim : ask->old;
    }
}

static enum hw_pg_rc ask_twice(struct hw_postgres *p, struct ask *asks, size_t count, int64_t owner)
{
    enum hw_pg_rc rc = ask_all(p, asks, &count, owner);
    if (rc == HW_PG_OK)
        return rc;
    count = lose(p, asks, count);
    if (rc == HW_PG_BROKEN) {
        for (struct ask *ask = asks; ask < asks + count; ask++)
            if (!ask->held)
                ask->old = ask->claim;
        rc = ask_all(p, asks, &count, owner);
        if (rc == HW_PG_OK)
            return rc;
        count = lose(p, asks, count);
    }
    fail_open(asks, count);
    return rc;
}

/* ---- the interface ---- */

/* A replay. What was due was taken already; when its claim ran out it is asked for by its
 * identity. */
static bool comes_by_row(const struct hw_notification *n)
{
    return n->from_row && n->claim != HW_CLAIM_MINE;
}

static size_t collect(struct hw_notification *const *batch, size_t count, int64_t owner,
                      struct ask *asks)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        struct hw_notification *n = batch[i];
        bool was_mine = n->claim == HW_CLAIM_MINE;
        if (!was_mine)
            n->claim = HW_CLAIM_NONE;
        if (comes_by_row(n))
            continue;
        asks[found++] = (struct ask){.n = n,
                                     .old = n->fence.owner == owner ? n->fence.claim : 0,
                                     .held = was_mine ? n->fence.claim : 0};
        if (!was_mine)
            n->fence = (struct hw_fence){owner, 0};
    }
    qsort(asks, found, sizeof *asks, compare);
    return found;
}

static enum hw_pg_rc take_rows(struct hw_postgres *p, struct hw_notification *const *batch,
                               size_t count)
{
    enum hw_pg_rc rc = HW_PG_OK;
    for (size_t i = 0; i < count; i++) {
        if (!comes_by_row(batch[i]))
            continue;
        if (rc == HW_PG_OK || rc == HW_PG_DATA)
            rc = hw_pg_take(p, batch[i]);
        if (rc != HW_PG_OK)
            hw_notification_fail(batch[i], HW_ELEDGER_UNAVAILABLE);
    }
    return rc;
}

/* How many of them go into one transaction; one at least. */
static size_t count_part(const struct ask *asks, size_t count)
{
    size_t part = 0;
    for (size_t bytes = 0; part < count && bytes < BODIES_MAX; part++)
        bytes += is_last(asks[part].n) ? asks[part].n->body.len : 0;
    return part;
}

static enum hw_pg_rc ask_in_parts(struct hw_postgres *p, struct ask *asks, size_t count,
                                  int64_t owner)
{
    enum hw_pg_rc rc = HW_PG_OK;
    for (size_t done = 0, part; done < count; done += part) {
        part = count_part(asks + done, count - done);
        if (rc == HW_PG_OK)
            rc = ask_twice(p, asks + done, part, owner);
        else
            fail_open(asks + done, part);
    }
    return rc;
}

static bool may_claim(struct hw_postgres *p, int64_t owner)
{
    struct hw_fence fence = {.owner = owner};
    return owner && !hw_pg_is_away(p) && hw_pg_holds(&p->ledger, &fence);
}

static void note_failure(struct hw_postgres *p, enum hw_pg_rc rc)
{
    atomic_fetch_add_explicit(&p->claims_failed, 1, memory_order_relaxed);
    if (rc != HW_PG_DATA && rc != HW_PG_AGAIN && rc != HW_PG_UNSURE)
        hw_pg_pulse_fail(p, p->claims);
}

int hw_pg_claim(struct hw_ledger *ledger, struct hw_notification *const *batch, size_t count)
{
    struct hw_postgres *p = (struct hw_postgres *)ledger;
    int64_t owner = atomic_load_explicit(&p->owner, memory_order_acquire);
    struct ask asks[HW_LEDGER_BATCH_MAX];
    size_t found = collect(batch, count, owner, asks);
    if (!may_claim(p, owner)) {
        atomic_fetch_add_explicit(&p->claims_failed, 1, memory_order_relaxed);
        return HW_ELEDGER_UNAVAILABLE;
    }
    uint64_t began_ns = hw_now_ns();
    HW_CRASH_POINT("before-claim");
    HW_STOP_POINT("before-claim");
    enum hw_pg_rc rc = ask_in_parts(p, asks, found, owner);
    if (rc == HW_PG_OK || rc == HW_PG_DATA)
        rc = take_rows(p, batch, count);
    HW_CRASH_POINT("after-claim");
    HW_STOP_POINT("after-claim");
    if (rc != HW_PG_OK) {
        note_failure(p, rc);
        return 0; /* each says by itself whether it may run */
    }
    hw_histogram_add(&p->claim_times, hw_now_ns() - began_ns);
    hw_histogram_add(&p->claim_sizes, count);
    return 0;
}
