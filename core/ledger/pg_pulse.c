/* pg_pulse.c -- see postgres.h
 *
 * How     A beat renews the lease (pg_lease.c), and brings what else comes by the second: what is
 *         paused, outcomes that wait to be recorded, what others left behind, the numbers of rows.
 *         While the database is away (pg_away.c) it is tried every RETRY_MS. Back: its schema is
 *         looked at, the lease is renewed, outcomes that wait are recorded, what nobody here knows
 *         is let go; then claims are let through again.
 * Thread  One of its own, with a connection of its own: a slow batch must not cost the lease. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/sigpipe.h"
#include "ledger/pg_pulse.h"
#include "ledger/pg_schema.h"

enum {
    RETRY_MS = 200,      /* between two tries while it is away */
    AUDIT_MS = 60000,    /* between two audits */
    SWEEP_PART = 3,      /* of the lease, between two sweeps for the same hosts */
    FORGET_MS = 3600000, /* between two looks for hosts that are gone for long */
    ROWS_SHARE = 50      /* counting rows may take this part of the time */
};

/* ---- outcomes that wait ---- */

/* Returns how many of them, from the first on, were recorded, or not taken by PostgreSQL in
 * whatever company, and so dropped. */
static size_t settle(struct hw_postgres *p, struct hw_notification **batch, size_t count,
                     enum hw_pg_rc *rc)
{
    *rc = hw_pg_settle(p, p->pulse, p->pulse_args, batch, count);
    if (*rc == HW_PG_AGAIN)
        *rc = hw_pg_settle(p, p->pulse, p->pulse_args, batch, count);
    if (*rc == HW_PG_OK) {
        hw_pg_unsettled_done(p->unsettled, batch, count);
        p->beat->recorded_late += count;
        return count;
    }
    if (*rc != HW_PG_DATA)
        return 0;
    *rc = HW_PG_OK;
    if (count == 1) {
        hw_log_say(HW_LOG_ERROR, "ledger: the outcome of job %.*s can't be recorded: %s",
                   HW_STR_ARG(batch[0]->id), hw_pg_why(p->pulse));
        hw_pg_unsettled_drop(p->unsettled, batch[0]);
        return 1;
    }
    size_t done = 0;
    while (*rc == HW_PG_OK && done < count)
        done += settle(p, batch + done, 1, rc);
    return done;
}

static enum hw_pg_rc settle_late(struct hw_postgres *p)
{
    struct hw_notification *batch[HW_LEDGER_BATCH_MAX];
    enum hw_pg_rc rc = HW_PG_OK;
    size_t count;
    while (rc == HW_PG_OK &&
           (count = hw_pg_unsettled_take(p->unsettled, batch, HW_LEDGER_BATCH_MAX)) > 0) {
        size_t done = settle(p, batch, count, &rc);
        hw_pg_unsettled_put_back(p->unsettled, batch + done, count - done);
        if (rc == HW_PG_OK)
            rc = hw_pg_lease_keep(p);
    }
    return rc;
}

/* ---- what comes with a beat ---- */

/* Whether it is time, and then when it is time again. */
static bool is_due(uint64_t *at_ns, uint64_t every_ms)
{
    uint64_t now = hw_now_ns();
    if (now < *at_ns)
        return false;
    *at_ns = now + hw_pg_ns(every_ms);
    return true;
}

static enum hw_pg_rc read_rows(struct hw_postgres *p)
{
    struct hw_pg_pulse *b = p->beat;
    uint64_t began_ns = hw_now_ns();
    if (began_ns < b->rows_ns)
        return HW_PG_OK;
    enum hw_pg_rc rc = hw_pg_rows_read(p, p->pulse);
    uint64_t now = hw_now_ns();
    b->rows_ns = now + (now - began_ns) * ROWS_SHARE;
    return rc;
}

static enum hw_pg_rc forget_hosts(struct hw_postgres *p)
{
    struct hw_pg_call call = {.statement = HW_PG_HOSTS_FORGET};
    enum hw_pg_rc rc = hw_pg_run(p->pulse, &call, 1, hw_pg_deadline());
    hw_pg_result_free(call.result);
    return rc;
}

/* A failure here is no reason to refuse claims: the next beat tells whether the database is
 * there. Copies, and what is behind it in its lane, wait for a row that a lost claim has
 * taken until the audit lets it go. */
static void follow_up(struct hw_postgres *p)
{
    struct hw_pg_pulse *b = p->beat;
    enum hw_pg_rc rc = hw_pg_pauses_read(p, p->pulse);
    if (rc == HW_PG_OK && hw_pg_unsettled_count(p->unsettled) > 0)
        rc = settle_late(p);
    if (rc == HW_PG_OK && b->unswept && is_due(&b->sweep_ns, p->lease_ms / SWEEP_PART))
        rc = hw_pg_sweep(p);
    if (rc == HW_PG_OK)
        rc = hw_pg_lease_keep(p);
    if (rc == HW_PG_OK && (is_due(&b->audit_ns, AUDIT_MS) || hw_pg_live_has_lost(p->live)))
        rc = hw_pg_audit(p);
    if (rc == HW_PG_OK && is_due(&b->forget_ns, FORGET_MS))
        rc = forget_hosts(p);
    if (rc == HW_PG_OK)
        read_rows(p);
}

/* A connection that broke is opened anew at once: that alone is no outage. */
static void go_on(struct hw_postgres *p)
{
    enum hw_pg_rc rc = hw_pg_lease_beat(p);
    if (rc != HW_PG_OK && rc != HW_PG_LATE)
        rc = hw_pg_lease_beat(p);
    if (rc == HW_PG_OK && p->beat->outdated) {
        hw_pg_close(p->pulse);
        hw_pg_pulse_set_away(p, "its schema is of a newer hookward by now; update this one");
    } else if (rc == HW_PG_OK) {
        follow_up(p);
    } else {
        hw_pg_pulse_fail(p, p->pulse);
    }
}

/* ---- back ---- */

/* The number of its schema may have changed while it was away: no connection, no way past that. */
static enum hw_pg_rc connect_again(struct hw_postgres *p, char *why, size_t size)
{
    if (!p->ready) {
        enum hw_pg_rc rc = hw_pg_ready(p, why, size);
        if (rc != HW_PG_OK)
            return rc;
    }
    if (hw_pg_is_open(p->pulse))
        return HW_PG_OK;
    enum hw_pg_rc rc = hw_pg_connect(p->pulse, hw_now_ns() + hw_pg_ns(HW_PG_CONNECT_MS));
    if (rc != HW_PG_OK)
        snprintf(why, size, "%s", hw_pg_why(p->pulse));
    else if ((rc = hw_pg_schema_check(p->pulse, p->schema, p->by_body, why, size)) != HW_PG_OK)
        hw_pg_close(p->pulse);
    return rc;
}

static enum hw_pg_rc try_another_connection(struct hw_postgres *p, char *why, size_t size)
{
    struct hw_pg *pg = hw_pg_new(&p->options[0]);
    if (!pg)
        return HW_PG_OK;
    enum hw_pg_rc rc = hw_pg_connect(pg, hw_now_ns() + hw_pg_ns(HW_PG_CONNECT_MS));
    if (rc != HW_PG_OK)
        snprintf(why, size, "%s", hw_pg_why(pg));
    hw_pg_free(pg);
    return rc;
}

/* The pulse's own connection may do while claims can't be made: for want of a right, or since the
 * server takes no further connection. It is back when they can. After an outage that took the pulse's
 * connection too, nothing speaks against the others. */
static enum hw_pg_rc prove(struct hw_postgres *p, bool was_open, char *why, size_t size)
{
    enum hw_pg_rc rc = hw_pg_schema_rights(p->pulse, p->schema, why, size);
    bool shut_out = was_open && atomic_load(&p->shut_out);
    return rc == HW_PG_OK && shut_out ? try_another_connection(p, why, size) : rc;
}

static void say_what_it_is(struct hw_postgres *p)
{
    bool durable = hw_pg_facts(p->pulse)->durable || getenv("HOOKWARD_TEST");
    if (!durable && !p->beat->told_of_durability)
        hw_log_say(HW_LOG_WARN,
                   "ledger: PostgreSQL runs with fsync or full_page_writes off: a crash of its "
                   "machine loses what was processed");
    p->beat->told_of_durability = !durable;
}

static enum hw_pg_rc come_back(struct hw_postgres *p, char *why, size_t size)
{
    why[0] = '\0';
    p->beat->recorded_late = 0;
    bool was_open = hw_pg_is_open(p->pulse);
    enum hw_pg_rc rc = connect_again(p, why, size);
    if (rc == HW_PG_OK)
        rc = prove(p, was_open, why, size);
    if (rc != HW_PG_OK)
        return rc;
    say_what_it_is(p);
    rc = hw_pg_lease_beat(p);
    if (rc == HW_PG_OK)
        rc = hw_pg_pauses_read(p, p->pulse);
    if (rc == HW_PG_OK)
        rc = settle_late(p);
    if (rc == HW_PG_OK)
        rc = hw_pg_audit(p);
    if (rc == HW_PG_OK)
        hw_pg_away_end(p);
    else
        snprintf(why, size, "%s", hw_pg_why(p->pulse));
    return rc;
}

static void try_to_come_back(struct hw_postgres *p)
{
    char why[sizeof p->beat->why];
    if (come_back(p, why, sizeof why) == HW_PG_OK)
        follow_up(p);
    else
        hw_pg_away_note(p, why);
}

/* ---- the thread ---- */

/* Of several hosts not all at once. */
static uint64_t pause_ns(struct hw_postgres *p)
{
    if (hw_pg_is_away(p))
        return hw_pg_ns(RETRY_MS) + (hw_now_ns() / 1000) % hw_pg_ns(RETRY_MS / 4);
    uint64_t next = p->beat->sent_ns + hw_pg_ns(p->beat_ms), now = hw_now_ns();
    return next > now ? next - now : 0;
}

/* Returns false when it is to end. */
static bool wait(struct hw_postgres *p)
{
    struct hw_pg_pulse *b = p->beat;
    struct timespec until;
    uint64_t ns = pause_ns(p);
    clock_gettime(CLOCK_MONOTONIC, &until);
    ns += (uint64_t)until.tv_nsec;
    until.tv_sec += (time_t)(ns / 1000000000u);
    until.tv_nsec = (long)(ns % 1000000000u);
    pthread_mutex_lock(&b->m);
    while (!b->stopping && !b->woken)
        if (pthread_cond_timedwait(&b->wake, &b->m, &until) == ETIMEDOUT)
            break;
    b->woken = false;
    bool goes_on = !b->stopping;
    pthread_mutex_unlock(&b->m);
    return goes_on;
}

static void *run(void *ud)
{
    struct hw_postgres *p = ud;
    hw_sigpipe_block_for_good();
    while (wait(p)) {
        if (hw_pg_is_away(p))
            try_to_come_back(p);
        else
            go_on(p);
    }
    return NULL;
}

/* ---- start and stop ---- */

static struct hw_pg_pulse *pulse_new(void)
{
    pthread_condattr_t monotonic;
    struct hw_pg_pulse *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    pthread_mutex_init(&b->m, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&b->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    b->audit_ns = hw_now_ns() + hw_pg_ns(AUDIT_MS);
    return b;
}

static void pulse_free(struct hw_pg_pulse *b)
{
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->m);
    free(b);
}

/* It is away until it has joined. Returns false for a mistake of the user's. */
static bool start_joined(struct hw_postgres *p, char *why, size_t why_size)
{
    hw_pg_away_begin(p);
    enum hw_pg_rc rc = come_back(p, why, why_size);
    if (rc == HW_PG_OK || rc == HW_PG_REFUSED)
        return rc == HW_PG_OK;
    hw_pg_away_note(p, why);
    return true;
}

int hw_pg_pulse_start(struct hw_postgres *p, char *why, size_t why_size)
{
    p->beat = pulse_new();
    if (!p->beat) {
        snprintf(why, why_size, "out of memory");
        return HW_EFAILED;
    }
    int rc = start_joined(p, why, why_size) ? 0 : HW_EFAILED;
    if (rc == 0) {
        int error = pthread_create(&p->beat->thread, NULL, run, p);
        rc = error ? hw_error_no_thread(error, why, why_size) : 0;
    }
    if (rc) {
        pulse_free(p->beat);
        p->beat = NULL;
    }
    return rc;
}

void hw_pg_pulse_stop(struct hw_postgres *p)
{
    struct hw_pg_pulse *b = p->beat;
    if (!b)
        return;
    pthread_mutex_lock(&b->m);
    b->stopping = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->m);
    pthread_join(b->thread, NULL);
    if (!hw_pg_is_away(p) && settle_late(p) == HW_PG_OK)
        hw_pg_lease_leave(p);
    size_t lost = hw_pg_unsettled_count(p->unsettled);
    if (lost > 0)
        hw_log_say(HW_LOG_ERROR,
                   "ledger: PostgreSQL did not come back in time: %zu outcome%s not recorded, and "
                   "may run again",
                   lost, lost == 1 ? " was" : "s were");
    p->beat = NULL;
    pulse_free(b);
}
