/* pg_take.c -- a row becomes a notification that runs here; see postgres.h
 *
 * How     the statement that gives it this host's fence returns the whole row, so there is no
 *         second look at it. A replay that finds its row with another host gets none. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ledger/postgres.h"

/* As ROW of pg_sql.c has them. */
enum column {
    SEQ,
    DEDUPE_ID,
    DIGEST,
    JOB_ID,
    ATTEMPT,
    DELIVERIES,
    RUNS,
    RETRIES,
    LOST,
    STATE,
    ACCEPTED,
    EVENT,
    KEY,
    LANE,
    POOL,
    RECEIVED_AT,
    NEXT_RUN_AT,
    HEADERS,
    BODY,
    /* of a replay only */
    MINE,
    HOST
};

/* A row that is being read. */
struct reading {
    const struct hw_pg_result *result;
    size_t row;
    struct hw_arena *arena;
    bool starved;
};

static struct hw_str text(struct reading *r, enum column column)
{
    struct hw_str from = hw_pg_text(r->result, r->row, column);
    if (!from.ptr)
        return HW_STR_NONE;
    struct hw_str copy = hw_arena_copy(r->arena, from);
    r->starved |= !copy.ptr;
    return copy;
}

static int64_t number(const struct reading *r, enum column column)
{
    return hw_pg_int(r->result, r->row, column);
}

static void read_known(const struct reading *r, struct hw_notification *n)
{
    n->known = (struct hw_known){
        .state = (enum hw_ledger_state)number(r, STATE),
        .deliveries = (uint32_t)number(r, DELIVERIES),
        .attempt = n->attempt,
        .runs = (uint32_t)number(r, RUNS),
        .retries = (uint32_t)number(r, RETRIES),
        .next_run_at = number(r, NEXT_RUN_AT),
        .accepted = number(r, ACCEPTED) != 0,
        .row = number(r, SEQ),
    };
}

int hw_pg_take_fill(const struct hw_postgres *p, const struct hw_pg_result *result, size_t row,
                    struct hw_arena *arena, struct hw_notification *n)
{
    struct reading r = {.result = result, .row = row, .arena = arena};
    struct hw_str digest = hw_pg_text(result, row, DIGEST);
    if (digest.len != HW_DIGEST_SIZE || hw_pg_is_null(result, row, BODY))
        return HW_ENOT_FOUND;
    memcpy(n->identity.digest, digest.ptr, HW_DIGEST_SIZE);
    n->id = text(&r, JOB_ID);
    n->has_id = true;
    n->identity.id = p->by_body ? HW_STR_NONE : n->id;
    n->attempt = (uint32_t)number(&r, ATTEMPT);
    n->received_at = (double)number(&r, RECEIVED_AT) / 1000;
    n->event = text(&r, EVENT);
    n->key = text(&r, KEY);
    n->lane = text(&r, LANE);
    n->pool = text(&r, POOL);
    n->headers = text(&r, HEADERS);
    n->body = text(&r, BODY);
    read_known(&r, n);
    n->accepted = n->known.accepted;
    n->row = n->from_row = n->known.row;
    return r.starved ? HW_ENOMEM : 0;
}

int64_t hw_pg_take_lost(const struct hw_pg_result *result, size_t row)
{
    return hw_pg_int(result, row, LOST);
}

/* ---- replays ---- */

static void refuse(struct hw_notification *n, int code, struct hw_str reason)
{
    n->claim = HW_CLAIM_NONE;
    n->outcome.code = code;
    n->outcome.reason = reason;
}

/* It was not taken: another host has it, or somebody writes it just now; or there is nothing to be
 * done any more. */
static void look_why(struct hw_notification *n)
{
    bool done = n->known.state == HW_SUCCEEDED || n->known.state == HW_UNHANDLED;
    n->claim = done ? HW_CLAIM_KNOWN : HW_CLAIM_ELSEWHERE;
    n->outcome.code = 0;
    n->outcome.unhandled = n->known.state == HW_UNHANDLED;
}

/* Returns how many rows it took: 0 or 1. */
static size_t read_taken(const struct hw_postgres *p, struct hw_notification *n,
                         const struct hw_pg_result *result, struct hw_fence fence)
{
    bool found = hw_pg_rows(result) > 0, mine = found && hw_pg_int(result, 0, MINE);
    int rc = found ? hw_pg_take_fill(p, result, 0, n->arena, n) : HW_ENOT_FOUND;
    if (rc == HW_ENOT_FOUND) {
        refuse(n, rc, HW_STR("no such row in the ledger, or its body was not kept"));
    } else if (rc) {
        refuse(n, HW_EOVERLOADED, HW_NOTIFICATION_STARVED);
    } else if (mine) {
        n->claim = HW_CLAIM_MINE;
        n->fence = fence;
        n->outcome.code = 0;
    } else {
        look_why(n);
    }
    return rc == 0 && mine;
}

static enum hw_pg_rc send_take(struct hw_postgres *p, struct hw_notification *n,
                               struct hw_fence fence, uint64_t deadline_ns)
{
    struct hw_pg_call call = {.statement = HW_PG_TAKE, .args = p->claim_args};
    hw_pg_args_clear(p->claim_args);
    hw_pg_arg_int(p->claim_args, HW_PG_INT8, fence.owner);
    hw_pg_arg_int(p->claim_args, HW_PG_INT8, fence.claim);
    hw_pg_arg_int(p->claim_args, HW_PG_INT8, n->from_row);
    hw_pg_arg_int(p->claim_args, HW_PG_BOOL, n->force);
    enum hw_pg_rc rc = hw_pg_run(p->claims, &call, 1, deadline_ns);
    if (rc == HW_PG_OK)
        hw_pg_live_got(p->live, fence.claim, read_taken(p, n, call.result, fence), 0);
    else
        hw_pg_live_lost(p->live, fence.claim);
    hw_pg_result_free(call.result);
    return rc;
}

/* What a lost answer took is let go by the audit. */
enum hw_pg_rc hw_pg_take(struct hw_postgres *p, struct hw_notification *n)
{
    enum hw_pg_rc rc = HW_PG_BROKEN;
    uint64_t deadline_ns = hw_now_ns() + HW_PG_STATEMENT_MS * UINT64_C(1000000);
    for (int i = 0; i < 2 && (rc == HW_PG_BROKEN || rc == HW_PG_AGAIN); i++) {
        struct hw_fence fence = {.owner = atomic_load(&p->owner),
                                 .claim = hw_pg_live_begin(p->live, false)};
        if (!fence.claim)
            return HW_PG_DATA;
        rc = send_take(p, n, fence, deadline_ns);
    }
    return rc;
}
