/* pg_minutes.c -- the saved numbers of each minute; see postgres.h
 *
 * How     They are each host's own, by its name. One record comes each minute, and waits in memory
 *         until there is time to write it. While the database is away the last KEPT are kept. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ledger/postgres.h"

enum {
    KEPT = 60,
    FORGET_EVERY = 60 /* minutes */
};

struct hw_pg_minute {
    struct hw_pg_minute *next;
    int64_t minute; /* since 1970 */
    size_t len;
    char bytes[];
};

void hw_pg_minutes_init(struct hw_postgres *p)
{
    pthread_mutex_init(&p->minutes.m, NULL);
}

static struct hw_pg_minute *take_first(struct hw_pg_minutes *minutes)
{
    pthread_mutex_lock(&minutes->m);
    struct hw_pg_minute *m = minutes->first;
    if (m)
        minutes->first = m->next;
    pthread_mutex_unlock(&minutes->m);
    return m;
}

static void put_back(struct hw_pg_minutes *minutes, struct hw_pg_minute *m)
{
    pthread_mutex_lock(&minutes->m);
    m->next = minutes->first;
    minutes->first = m;
    pthread_mutex_unlock(&minutes->m);
}

void hw_pg_minutes_fini(struct hw_postgres *p)
{
    for (struct hw_pg_minute *m; (m = take_first(&p->minutes));)
        free(m);
    pthread_mutex_destroy(&p->minutes.m);
}

/* Returns the oldest, when there are too many. */
static struct hw_pg_minute *append(struct hw_pg_minutes *minutes, struct hw_pg_minute *m)
{
    size_t count = 1;
    pthread_mutex_lock(&minutes->m);
    struct hw_pg_minute **last = &minutes->first, *spare = NULL;
    for (; *last; last = &(*last)->next)
        count++;
    *last = m;
    if (count > KEPT) {
        spare = minutes->first;
        minutes->first = spare->next;
    }
    pthread_mutex_unlock(&minutes->m);
    return spare;
}

void hw_pg_keep_minute(struct hw_ledger *ledger, int64_t minute, const void *bytes, size_t len)
{
    struct hw_postgres *p = (struct hw_postgres *)ledger;
    struct hw_pg_minute *m = malloc(sizeof *m + len);
    if (!m)
        return; /* a gap in a plot */
    *m = (struct hw_pg_minute){.minute = minute, .len = len};
    memcpy(m->bytes, bytes, len);
    free(append(&p->minutes, m));
}

/* ---- writing ---- */

static uint64_t deadline(void)
{
    return hw_now_ns() + HW_PG_STATEMENT_MS * UINT64_C(1000000);
}

static bool write_one(struct hw_postgres *p, const struct hw_pg_minute *m)
{
    struct hw_pg_args *args = hw_pg_args_new(), *before = hw_pg_args_new();
    struct hw_pg_call calls[2] = {{.statement = HW_PG_MINUTE, .args = args},
                                  {.statement = HW_PG_MINUTES_FORGET, .args = before}};
    enum hw_pg_rc rc = HW_PG_DATA;
    if (args && before) {
        hw_pg_arg_text(args, hw_str_of(p->host_name));
        hw_pg_arg_int(args, HW_PG_INT8, m->minute);
        hw_pg_arg_bytes(args, (struct hw_str){m->bytes, m->len});
        hw_pg_arg_int(before, HW_PG_INT8, m->minute - HW_LEDGER_MINUTES_KEPT);
        rc = hw_pg_run(p->settles, calls, m->minute % FORGET_EVERY ? 1 : 2, deadline());
    }
    hw_pg_result_free(calls[0].result);
    hw_pg_result_free(calls[1].result);
    hw_pg_args_free(args);
    hw_pg_args_free(before);
    return rc == HW_PG_OK;
}

void hw_pg_minutes_flush(struct hw_postgres *p)
{
    for (struct hw_pg_minute *m; !hw_pg_is_away(p) && (m = take_first(&p->minutes));) {
        if (!write_one(p, m)) {
            put_back(&p->minutes, m);
            return;
        }
        free(m);
    }
}

/* ---- reading ---- */

/* Over a connection of its own, since any thread may ask. */
int hw_pg_minutes(struct hw_ledger *ledger, int64_t since, hw_ledger_minute_fn *each, void *ud)
{
    struct hw_postgres *p = (struct hw_postgres *)ledger;
    struct hw_pg *pg = hw_pg_is_away(p) ? NULL : hw_pg_new(&p->options[0]);
    struct hw_pg_args *args = pg ? hw_pg_args_new() : NULL;
    struct hw_pg_call call = {.statement = HW_PG_MINUTES, .args = args};
    enum hw_pg_rc rc = HW_PG_AWAY;
    if (args) {
        hw_pg_arg_text(args, hw_str_of(p->host_name));
        hw_pg_arg_int(args, HW_PG_INT8, since);
        rc = hw_pg_run(pg, &call, 1, deadline());
    }
    for (size_t i = 0; rc == HW_PG_OK && i < hw_pg_rows(call.result); i++) {
        struct hw_str bytes = hw_pg_text(call.result, i, 1);
        each(ud, hw_pg_int(call.result, i, 0), bytes.ptr, bytes.len);
    }
    hw_pg_result_free(call.result);
    hw_pg_args_free(args);
    hw_pg_free(pg);
    return rc == HW_PG_OK ? 0 : HW_ELEDGER_UNAVAILABLE;
}
