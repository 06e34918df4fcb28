/* pg_settle.c -- outcomes, each written where the fence still is ours; see postgres.h
 *
 * How     One transaction for a batch: what ended (HW_PG_SETTLE), what was delivered again
 *         (HW_PG_REPEAT), and what goes along with that (pg_along.c). A row that is not found with
 *         its fence is looked at: it was recorded before, by a try whose answer was lost; or
 *         another host has it; or it is gone, and the outcome is inserted.
 *         Rows are written in the order of their numbers. What ended here may have been delivered
 *         again there, and the other way round, so the rows of both statements are locked before.
 *         What can't be recorded is kept, to be recorded late (pg_unsettled.c).
 * Thread  commit: the ledger thread. hw_pg_settle: also the pulse's, over its own connection. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "ledger/pg_outcome.h"

enum { BODIES_MAX = 1024 * 1024 /* bytes of one transaction, which has only so much time */ };

/* The parts of a batch. */
struct settle {
    struct hw_postgres *p;
    struct hw_pg *pg;
    struct hw_pg_args *args;
    size_t rows_count, repeats_count, inserts_count;
    struct hw_notification *rows[HW_LEDGER_BATCH_MAX];    /* claimed, by their rows */
    struct hw_notification *repeats[HW_LEDGER_BATCH_MAX]; /* of what is recorded, by their rows */
    struct hw_notification *inserts[HW_LEDGER_BATCH_MAX]; /* have no row, as far as is known */
};

static uint64_t deadline(void)
{
    return hw_now_ns() + HW_PG_STATEMENT_MS * 1000000ull;
}

/* ---- the parts ---- */

static int compare(const void *a, const void *b)
{
    int64_t x = hw_pg_row_of(*(struct hw_notification *const *)a);
    int64_t y = hw_pg_row_of(*(struct hw_notification *const *)b);
    return (x > y) - (x < y);
}

/* What was never claimed was received, and refused. It is recorded if there is no row yet. */
static void divide(struct settle *s, struct hw_notification *const *batch, size_t count)
{
    s->rows_count = s->repeats_count = s->inserts_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct hw_notification *n = batch[i];
        if (!n->outcome.from_ledger && n->claim == HW_CLAIM_MINE)
            s->rows[s->rows_count++] = n;
        else if (!n->outcome.from_ledger)
            s->inserts[s->inserts_count++] = n;
        else if (hw_pg_row_of(n))
            s->repeats[s->repeats_count++] = n;
    }
    qsort(s->rows, s->rows_count, sizeof *s->rows, compare);
    qsort(s->repeats, s->repeats_count, sizeof *s->repeats, compare);
}

typedef struct hw_notification *const list;

/* Both are in order; a row may be in both. */
static void fill_locks(struct hw_pg_args *args, const struct settle *s)
{
    hw_pg_args_clear(args);
    hw_pg_array_begin(args, HW_PG_INT8);
    for (size_t i = 0; i < s->rows_count; i++)
        hw_pg_item_int(args, s->rows[i]->row);
    for (size_t i = 0; i < s->repeats_count; i++)
        hw_pg_item_int(args, hw_pg_row_of(s->repeats[i]));
    hw_pg_array_end(args);
}

/* ---- rows that were not found with their fence ---- */

enum { SEQ, OWNER, CLAIM, STATE, HOST };

/* The place of a row in the answer; -1: it is not there. */
static int find(const struct hw_pg_result *result, int64_t row)
{
    for (size_t i = 0; i < hw_pg_rows(result); i++)
        if (hw_pg_int(result, i, SEQ) == row)
            return (int)i;
    return -1;
}

static bool has_fence(const struct hw_pg_result *result, size_t at, const struct hw_fence *fence)
{
    return hw_pg_int(result, at, OWNER) == fence->owner &&
           hw_pg_int(result, at, CLAIM) == fence->claim;
}

static void fence_off(struct settle *s, struct hw_notification *n, struct hw_str host)
{
    n->fenced = true;
    atomic_fetch_add_explicit(&s->p->fenced, 1, memory_order_relaxed);
    hw_log_say(HW_LOG_ERROR,
               "ledger: job %.*s was taken over by %.*s while it ran here; what it came to here "
               "is not recorded",
               HW_STR_ARG(n->id), HW_STR_ARG(host.ptr ? host : HW_STR("another host")));
}

static enum hw_pg_rc look(struct settle *s, list *batch, size_t count, struct hw_pg_result **result)
{
    struct hw_pg_call call = {.statement = HW_PG_LOOK, .args = s->args};
    hw_pg_outcome_seqs(s->args, batch, count);
    enum hw_pg_rc rc = hw_pg_run(s->pg, &call, 1, deadline());
    *result = call.result;
    return rc;
}

/* Our claim was recorded, and does not run: so a try whose answer was lost was committed. */
static bool was_written(const struct hw_pg_result *result, int at, const struct hw_notification *n)
{
    return at >= 0 && has_fence(result, (size_t)at, &n->fence) &&
           hw_pg_int(result, (size_t)at, STATE) != HW_STARTED;
}

/* One that was to start was put behind another one by that try. */
static void follow(const struct hw_pg_result *result, int at, struct hw_notification *n)
{
    if (n->state == HW_STARTED && was_written(result, at, n))
        n->state = HW_QUEUED;
}

static enum hw_pg_rc look_at_missing(struct settle *s, list *missing, size_t count)
{
    struct hw_pg_result *result;
    enum hw_pg_rc rc = look(s, missing, count, &result);
    if (rc != HW_PG_OK)
        return rc;
    for (size_t i = 0; i < count; i++) {
        int at = find(result, missing[i]->row);
        if (at < 0)
            s->inserts[s->inserts_count++] = missing[i];
        else if (!has_fence(result, (size_t)at, &missing[i]->fence))
            fence_off(s, missing[i], hw_pg_text(result, (size_t)at, HOST));
        else
            follow(result, at, missing[i]);
    }
    hw_pg_result_free(result);
    return rc;
}

/* Those of s->rows that the answer does not name. */
static size_t find_missing(struct settle *s, const struct hw_pg_result *result,
                           struct hw_notification **missing)
{
    bool found[HW_LEDGER_BATCH_MAX] = {false};
    size_t count = 0;
    for (size_t i = 0; i < hw_pg_rows(result); i++) {
        int64_t row = hw_pg_int(result, i, SEQ);
        size_t low = 0, high = s->rows_count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (s->rows[middle]->row < row)
                low = middle + 1;
            else
                high = middle;
        }
        for (; low < s->rows_count && s->rows[low]->row == row; low++)
            found[low] = true;
    }
    for (size_t i = 0; i < s->rows_count; i++)
        if (!found[i])
            missing[count++] = s->rows[i];
    return count;
}

/* What another host made of it meanwhile stays. */
static void read_inserted(struct settle *s, const struct hw_pg_result *result)
{
    for (size_t i = 0; i < s->inserts_count; i++) {
        struct hw_notification *n = s->inserts[i];
        bool done = !hw_pg_was_claimed(n);
        for (size_t k = 0; !done && k < hw_pg_rows(result); k++) {
            done = hw_pg_int(result, k, 0) == n->fence.claim;
            n->row = done ? hw_pg_int(result, k, 1) : n->row;
        }
        if (!done)
            fence_off(s, n, HW_STR_NONE);
    }
}

static enum hw_pg_rc insert(struct settle *s)
{
    struct hw_pg_call call = {.statement = HW_PG_INSERT, .args = s->args};
    if (s->inserts_count == 0)
        return HW_PG_OK;
    hw_pg_outcome_inserts(s->args, s->p, s->inserts, s->inserts_count);
    enum hw_pg_rc rc = hw_pg_run(s->pg, &call, 1, deadline());
    if (rc == HW_PG_OK)
        read_inserted(s, call.result);
    hw_pg_result_free(call.result);
    return rc;
}

/* ---- a batch ---- */

/* What else was changed for those that were found is in the same transaction. */
static enum hw_pg_rc read_settled(struct settle *s, const struct hw_pg_result *result)
{
    struct hw_notification *missing[HW_LEDGER_BATCH_MAX];
    if (hw_pg_rows(result) >= s->rows_count)
        return HW_PG_OK;
    size_t count = find_missing(s, result, missing);
    return count ? look_at_missing(s, missing, count) : HW_PG_OK;
}

static void free_results(struct hw_pg_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hw_pg_result_free(calls[i].result);
}

static enum hw_pg_rc write_rows(struct settle *s, struct hw_pg_args *repeats,
                                struct hw_pg_args *locks)
{
    struct hw_pg_call calls[HW_PG_CALLS_MAX] = {{0}};
    struct hw_pg_along along = {0};
    size_t count = hw_pg_along_before(&along, s->rows, s->rows_count, calls), settled = 0;
    if (s->rows_count && s->repeats_count) {
        fill_locks(locks, s);
        calls[count++] = (struct hw_pg_call){.statement = HW_PG_ROWS_LOCK, .args = locks};
    }
    if (s->rows_count) {
        hw_pg_outcome_rows(s->args, s->p, s->rows, s->rows_count);
        settled = count;
        calls[count++] = (struct hw_pg_call){.statement = HW_PG_SETTLE, .args = s->args};
    }
    if (s->repeats_count) {
        hw_pg_outcome_repeats(repeats, s->repeats, s->repeats_count);
        calls[count++] = (struct hw_pg_call){.statement = HW_PG_REPEAT, .args = repeats};
    }
    count += hw_pg_along_after(&along, calls + count);
    enum hw_pg_rc rc = count ? hw_pg_run(s->pg, calls, count, deadline()) : HW_PG_OK;
    if (rc == HW_PG_OK)
        hw_pg_along_read(&along, &s->p->ledger);
    if (rc == HW_PG_OK && s->rows_count)
        rc = read_settled(s, calls[settled].result);
    hw_pg_along_end(&along);
    free_results(calls, count);
    return rc;
}

static enum hw_pg_rc write_batch(struct settle *s, list *batch, size_t count)
{
    struct hw_pg_args *repeats = NULL, *locks = NULL;
    divide(s, batch, count);
    if (s->repeats_count) {
        repeats = hw_pg_args_new();
        locks = hw_pg_args_new();
    }
    bool ready = s->repeats_count == 0 || (repeats && locks);
    enum hw_pg_rc rc = ready ? write_rows(s, repeats, locks) : HW_PG_DATA;
    hw_pg_args_free(repeats);
    hw_pg_args_free(locks);
    return rc == HW_PG_OK ? insert(s) : rc;
}

/* ---- after a failure ---- */

/* Sets *done when the batch was committed before the connection broke. */
static enum hw_pg_rc look_whether_done(struct settle *s, list *batch, size_t count, bool *done)
{
    struct hw_pg_result *result;
    *done = false;
    divide(s, batch, count);
    if (s->rows_count == 0)
        return HW_PG_OK;
    enum hw_pg_rc rc = look(s, s->rows, s->rows_count, &result);
    if (rc != HW_PG_OK)
        return rc;
    for (size_t i = 0; !*done && i < s->rows_count; i++)
        *done = was_written(result, find(result, s->rows[i]->row), s->rows[i]);
    for (size_t i = 0; *done && i < s->rows_count; i++)
        follow(result, find(result, s->rows[i]->row), s->rows[i]);
    hw_pg_result_free(result);
    return rc;
}

/* Those that were not found with their fence are told apart by the next try, since the others are
 * found as recorded. */
static enum hw_pg_rc write_again(struct settle *s, list *batch, size_t count)
{
    bool done;
    enum hw_pg_rc rc = look_whether_done(s, batch, count, &done);
    if (rc != HW_PG_OK)
        return rc;
    if (!done)
        return write_batch(s, batch, count);
    s->repeats_count = 0;
    rc = write_rows(s, NULL, NULL);
    return rc == HW_PG_OK ? insert(s) : rc;
}

static enum hw_pg_rc write_or_again(struct settle *s, list *batch, size_t count)
{
    enum hw_pg_rc rc = write_batch(s, batch, count);
    if (rc == HW_PG_AGAIN)
        rc = write_batch(s, batch, count);
    return rc == HW_PG_BROKEN ? write_again(s, batch, count) : rc;
}

/* Something in it can't be written: its row is released, and its sender asks again. */
static enum hw_pg_rc write_plain(struct settle *s, struct hw_notification *n)
{
    struct hw_notification plain = *n;
    hw_log_say(HW_LOG_ERROR, "ledger: what job %.*s came to can't be recorded: %s",
               HW_STR_ARG(n->id), hw_pg_why(s->pg));
    plain.event = plain.lane = plain.pool = plain.headers = HW_STR_NONE;
    plain.outcome = (struct hw_outcome){.code = HW_ELEDGER_UNAVAILABLE, .ran = n->outcome.ran};
    plain.request = NULL;
    plain.version[0] = '\0';
    plain.accepted = n->known.accepted;
    plain.state = HW_FAILED;
    bool by_host = plain.accepted || hw_notification_last_attempt(n) >= HW_ATTEMPT_LAST;
    plain.next_run_at = 0;
    if (by_host && s->p->first_retry_ms >= 0)
        plain.next_run_at = plain.settled_at + s->p->first_retry_ms;
    else if (by_host)
        plain.state = HW_DEAD;
    n->fenced = true; /* it is answered as such */
    struct hw_notification *one = &plain;
    enum hw_pg_rc rc = write_or_again(s, &one, 1);
    return rc == HW_PG_DATA ? HW_PG_OK : rc; /* nothing more can be done; the audit lets it go */
}

static enum hw_pg_rc write_each(struct settle *s, list *batch, size_t count)
{
    enum hw_pg_rc rc = HW_PG_OK;
    for (size_t i = 0; rc == HW_PG_OK && i < count; i++) {
        rc = write_or_again(s, &batch[i], 1);
        if (rc == HW_PG_DATA && !batch[i]->outcome.from_ledger)
            rc = write_plain(s, batch[i]);
        if (rc == HW_PG_DATA || rc == HW_PG_AGAIN)
            rc = HW_PG_OK;
    }
    return rc;
}

enum hw_pg_rc hw_pg_settle(struct hw_postgres *p, struct hw_pg *pg, struct hw_pg_args *args,
                           struct hw_notification *const *batch, size_t count)
{
    struct settle s = {.p = p, .pg = pg, .args = args};
    enum hw_pg_rc rc = write_or_again(&s, batch, count);
    return rc == HW_PG_DATA ? write_each(&s, batch, count) : rc;
}

/* ---- the interface ---- */

static bool has_outcome(const struct hw_notification *n)
{
    return hw_pg_was_claimed(n) && !n->outcome.from_ledger;
}

/* A run that goes on keeps its claim. It is no first claim any more: it is found among what is
 * due. */
static void end_claims(struct hw_postgres *p, list *batch, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!has_outcome(batch[i]))
            continue;
        if (batch[i]->state == HW_STARTED && !batch[i]->fenced)
            hw_pg_live_is_due(p->live, batch[i]->fence.claim);
        else
            hw_pg_live_end(p->live, batch[i]->fence.claim);
    }
}

static void count_accepted(struct hw_postgres *p, list *batch, size_t count)
{
    int64_t change = 0;
    for (size_t i = 0; i < count; i++) {
        const struct hw_notification *n = batch[i];
        bool is_new = n->accepted && !n->known.accepted && n->from_row == 0 && !n->started;
        change += has_outcome(n) && is_new && (n->state == HW_QUEUED || n->state == HW_STARTED);
    }
    if (change) /* the pulse reads the exact number */
        atomic_fetch_add_explicit(&p->ledger.backlog, change, memory_order_relaxed);
}

/* One that is accepted does not start from memory then: its sender is told that it was not. */
static void keep(struct hw_postgres *p, list *batch, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct hw_notification late = *batch[i];
        if (!has_outcome(&late))
            continue;
        if (late.fenced) {
            hw_pg_live_end(p->live, late.fence.claim);
            continue;
        }
        if (late.state == HW_STARTED) {
            late.state = HW_QUEUED;
            late.next_run_at = late.settled_at;
        }
        hw_pg_unsettled_keep(p->unsettled, &late);
    }
}

static void note_failure(struct hw_postgres *p, enum hw_pg_rc rc)
{
    if (rc != HW_PG_AGAIN && rc != HW_PG_UNSURE)
        hw_pg_pulse_fail(p, p->settles);
}

/* How many of a batch go into one transaction; one at least. */
static size_t count_part(const struct hw_postgres *p, list *batch, size_t count)
{
    size_t part = 0;
    for (size_t bytes = 0; part < count && bytes < BODIES_MAX; part++)
        bytes += hw_pg_keeps_body(p, batch[part]) ? batch[part]->body.len : 0;
    return part;
}

/* Returns how many were recorded. */
static size_t commit(struct hw_postgres *p, list *batch, size_t count, enum hw_pg_rc *rc)
{
    size_t done = 0;
    while (done < count) {
        size_t part = count_part(p, batch + done, count - done);
        *rc = hw_pg_settle(p, p->settles, p->settle_args, batch + done, part);
        if (*rc != HW_PG_OK)
            break;
        end_claims(p, batch + done, part);
        count_accepted(p, batch + done, part);
        done += part;
    }
    return done;
}

int hw_pg_commit(struct hw_ledger *ledger, struct hw_notification *const *batch, size_t count)
{
    struct hw_postgres *p = (struct hw_postgres *)ledger;
    enum hw_pg_rc rc = HW_PG_OK;
    HW_CRASH_POINT("before-settle");
    HW_STOP_POINT("before-settle");
    if (hw_pg_is_away(p)) {
        keep(p, batch, count);
        return HW_ELEDGER_UNAVAILABLE;
    }
    size_t done = commit(p, batch, count, &rc);
    HW_CRASH_POINT("after-settle");
    HW_STOP_POINT("after-settle");
    if (done == count)
        return 0;
    note_failure(p, rc);
    keep(p, batch + done, count - done);
    return HW_ELEDGER_UNAVAILABLE;
}
