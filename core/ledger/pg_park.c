/* pg_park.c -- what is paused at all hosts, and its rows; see postgres.h
 *
 * How     The patterns are in the database. Each host reads them with its beat into memory, where
 *         every notification is compared with them. What takes due work compares with the database
 *         itself, so a pause holds for that at once, at all hosts. A row that falls due meanwhile
 *         is set aside, as in park.c. After a resume each host that learns of it looks for rows to
 *         be brought back: one of them may have set one aside a moment too late for another. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "ledger/postgres.h"

static uint64_t deadline(void)
{
    return hw_now_ns() + HW_PG_STATEMENT_MS * UINT64_C(1000000);
}

void hw_pg_pausing_init(struct hw_postgres *p)
{
    pthread_mutex_init(&p->pausing.m, NULL);
    atomic_store(&p->unparking, true);
}

void hw_pg_pausing_fini(struct hw_postgres *p)
{
    pthread_mutex_destroy(&p->pausing.m);
}

/* ---- changes at this host ---- */

/* What a beat reads meanwhile is of no use: it may be older than the change. */
static void note_change(struct hw_postgres *p)
{
    pthread_mutex_lock(&p->pausing.m);
    p->pausing.changes++;
    pthread_mutex_unlock(&p->pausing.m);
}

static int code_of(struct hw_postgres *p, enum hw_pg_rc rc)
{
    if (rc == HW_PG_LATE || rc == HW_PG_AWAY || rc == HW_PG_REFUSED)
        hw_pg_pulse_fail(p, p->settles);
    return rc == HW_PG_OK ? 0 : HW_ELEDGER_UNAVAILABLE;
}

static enum hw_pg_rc run(struct hw_postgres *p, struct hw_pg_call *call)
{
    enum hw_pg_rc rc = hw_pg_run(p->settles, call, 1, deadline());
    if (rc == HW_PG_BROKEN || rc == HW_PG_AGAIN)
        rc = hw_pg_run(p->settles, call, 1, deadline());
    return rc;
}

static int begin(struct hw_postgres *p, struct hw_pause *pause, struct hw_pg_args *args)
{
    struct hw_pg_call call = {.statement = HW_PG_PAUSE, .args = args};
    hw_pg_arg_text(args, pause->pattern);
    hw_pg_arg_int(args, HW_PG_INT8, HW_PAUSES_MAX);
    int rc = code_of(p, run(p, &call));
    if (rc == 0 && hw_pg_rows(call.result) == 0)
        rc = HW_EOVERLOADED;
    if (rc == 0) {
        pause->since = hw_pg_int(call.result, 0, 0);
        pause->changed = hw_pg_int(call.result, 0, 1);
    }
    hw_pg_result_free(call.result);
    return rc ? rc : hw_pauses_add(&p->ledger.pauses, pause->pattern, pause->since);
}

static int end(struct hw_postgres *p, struct hw_pause *pause, struct hw_pg_args *args)
{
    struct hw_pg_call call = {.statement = HW_PG_RESUME, .args = args};
    hw_pg_arg_text(args, pause->pattern);
    int rc = code_of(p, run(p, &call));
    if (rc == 0) {
        pause->changed = hw_pg_changed(call.result) > 0;
        hw_pauses_remove(&p->ledger.pauses, pause->pattern);
        atomic_store(&p->unparking, true);
    }
    hw_pg_result_free(call.result);
    return rc;
}

int hw_pg_pause(struct hw_ledger *ledger, struct hw_pause *pause)
{
    struct hw_postgres *p = (struct hw_postgres *)ledger;
    struct hw_pg_args *args = hw_pg_args_new();
    pause->changed = false;
    if (!args)
        return HW_ENOMEM;
    note_change(p);
    int rc = hw_pg_is_away(p) ? HW_ELEDGER_UNAVAILABLE
             : pause->resume  ? end(p, pause, args)
                              : begin(p, pause, args);
    note_change(p);
    hw_pg_args_free(args);
    if (rc == 0 && pause->changed)
        hw_pauses_log(pause);
    return rc;
}

/* ---- changes at another host ---- */

struct learning {
    struct hw_postgres *p;
    const struct hw_pg_result *found;
    struct hw_str
        gone[HW_PAUSES_MAX]; /* in the list's own memory: it is changed here alone meanwhile */
    size_t gone_count;
};

static bool is_found(const struct hw_pg_result *found, struct hw_str pattern)
{
    for (size_t i = 0; i < hw_pg_rows(found); i++)
        if (hw_str_eq(hw_pg_text(found, i, 0), pattern))
            return true;
    return false;
}

static void look_for_gone(void *ud, struct hw_str pattern, int64_t since)
{
    struct learning *l = ud;
    (void)since;
    if (!is_found(l->found, pattern) && l->gone_count < HW_PAUSES_MAX)
        l->gone[l->gone_count++] = pattern;
}

static void forget_gone(struct learning *l)
{
    hw_pauses_each(&l->p->ledger.pauses, look_for_gone, l);
    for (size_t i = 0; i < l->gone_count; i++) {
        struct hw_pause pause = {.resume = true, .pattern = l->gone[i]};
        hw_pauses_log(&pause);
        hw_pauses_remove(&l->p->ledger.pauses, l->gone[i]);
        atomic_store(&l->p->unparking, true);
    }
}

static void learn_found(const struct learning *l)
{
    for (size_t i = 0; i < hw_pg_rows(l->found); i++) {
        struct hw_pause pause = {.pattern = hw_pg_text(l->found, i, 0),
                                 .since = hw_pg_int(l->found, i, 1)};
        if (!hw_pauses_has(&l->p->ledger.pauses, pause.pattern) &&
            hw_pauses_add(&l->p->ledger.pauses, pause.pattern, pause.since) == 0)
            hw_pauses_log(&pause);
    }
}

/* With the lock no change begins here; one that has begun may be in the answer or not. */
static void learn(struct hw_postgres *p, const struct hw_pg_result *found, uint64_t changes)
{
    struct learning l = {.p = p, .found = found};
    pthread_mutex_lock(&p->pausing.m);
    if (changes == p->pausing.changes && changes % 2 == 0) {
        forget_gone(&l);
        learn_found(&l);
    }
    pthread_mutex_unlock(&p->pausing.m);
}

enum hw_pg_rc hw_pg_pauses_read(struct hw_postgres *p, struct hw_pg *pg)
{
    struct hw_pg_call call = {.statement = HW_PG_PAUSES};
    pthread_mutex_lock(&p->pausing.m);
    uint64_t changes = p->pausing.changes;
    pthread_mutex_unlock(&p->pausing.m);
    enum hw_pg_rc rc = hw_pg_run(pg, &call, 1, deadline());
    if (rc == HW_PG_OK)
        learn(p, call.result, changes);
    hw_pg_result_free(call.result);
    return rc;
}

/* ---- the rows ---- */

/* What is behind a full step would be passed by one by one, so nothing is taken before the next. */
enum hw_pg_rc hw_pg_park(struct hw_postgres *p, bool *again, uint64_t deadline_ns)
{
    struct hw_pg_call calls[2];
    size_t count = 0;
    bool park = hw_pauses_are_any(&p->ledger.pauses);
    bool unpark = atomic_exchange(&p->unparking, false);
    if (!park && !unpark)
        return HW_PG_OK;
    struct hw_pg_args *args = hw_pg_args_new();
    if (!args)
        return HW_PG_DATA;
    hw_pg_arg_int(args, HW_PG_INT8, HW_PG_PARK_STEP);
    if (park)
        calls[count++] = (struct hw_pg_call){.statement = HW_PG_PARK, .args = args};
    if (unpark)
        calls[count++] = (struct hw_pg_call){.statement = HW_PG_UNPARK, .args = args};
    enum hw_pg_rc rc = hw_pg_run(p->settles, calls, count, deadline_ns);
    bool more = unpark && (rc != HW_PG_OK || hw_pg_changed(calls[count - 1].result) > 0);
    if (more)
        atomic_store(&p->unparking, true);
    *again = rc == HW_PG_OK && park && hw_pg_changed(calls[0].result) >= HW_PG_PARK_STEP;
    for (size_t i = 0; i < count; i++)
        hw_pg_result_free(calls[i].result);
    hw_pg_args_free(args);
    return rc;
}
