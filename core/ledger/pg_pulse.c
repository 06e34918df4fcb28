/* pg_pulse.c -- see postgres.h
 *
 * Lease     Each beat renews it. ttl is two thirds of `lease`, a beat comes every lease / 7.5, so a host
 *           that died is declared gone within the lease. Who declares others gone has renewed its own
 *           without a gap for a whole ttl: after an outage of the database all leases have run out, and
 *           nobody is buried before all had the time to come back.
 *           A host that finds itself declared gone joins anew, under a new number. What it has under the
 *           old one is fenced.
 *
 * Clock     lease_until_ns is when the last successful renewal was *sent*, plus ttl less a margin, by
 *           CLOCK_BOOTTIME. Past it nothing is claimed and nothing begins: a host that was frozen
 *           between the two must not run beside its successor.
 *
 * Away      Set by whoever finds that the database can't be used. From then on claims are refused without
 *           a system call. This thread tries again every RETRY_MS. Back: its schema is looked at, the
 *           lease is renewed, outcomes that wait are recorded, what nobody here knows is let go; then
 *           the flag is taken down.
 *
 * Thread    One of its own, with a connection of its own: a slow batch must not cost the lease. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sigpipe.h"
#include "base/version.h"
#include "ledger/pg_schema.h"
#include "ledger/postgres.h"

enum {
    RETRY_MS = 200,      /* between two tries while it is away */
    MARGIN_MS = 500,     /* of the lease by the local clock; a quarter of a short one */
    AUDIT_MS = 60000,    /* between two audits */
    SWEEP_PART = 3,      /* of the lease, between two sweeps for the same hosts */
    FORGET_MS = 3600000, /* between two looks for hosts that are gone for long */
    FLUTTER_MS = 2000,   /* after it came back */
    TELL_MS = 60000,     /* what else stands in the way is told when it lasts */
    ROWS_SHARE = 50,     /* counting rows may take this part of the time */
    SCRIPTS_MAX = 32     /* bytes of their version */
};

struct hw_pg_pulse {
    /* constant after start */
    pthread_t thread;

    /* guarded by m */
    pthread_mutex_t m;
    pthread_cond_t wake;
    bool stopping, woken;
    char scripts[SCRIPTS_MAX];

    /* pulse thread only; ns by hw_now_ns */
    uint64_t sent_ns;                                /* the last beat */
    uint64_t audit_ns, sweep_ns, forget_ns, rows_ns; /* the next of each */
    int64_t
        started_us; /* of this host's row, by the database: its number alone may come again after
                             a failover that forgot it */
    size_t recorded_late; /* since it was away */
    bool told_of_durability;
    bool unswept;        /* a host that is gone has left something behind */
    bool outdated;       /* the schema may only be used by newer ones */
    char why[512];       /* it is away for this … */
    uint64_t changed_ns; /* … since then; 0: the log was told */

    /* atomic */
    _Atomic uint64_t back_ns; /* when the log was told that it is back; 0: it never was */
    atomic_bool told;         /* the log was told that it is away */
};

uint64_t hw_pg_boot_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t ns_of(uint64_t ms)
{
    return ms * 1000000u;
}

static uint64_t deadline(void)
{
    return hw_now_ns() + ns_of(HW_PG_STATEMENT_MS);
}

/* ---- away ---- */

static void wake(struct hw_pg_pulse *b)
{
    pthread_mutex_lock(&b->m);
    b->woken = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->m);
}

static void say_away(struct hw_pg_pulse *b, const char *why)
{
    atomic_store(&b->told, true);
    hw_log_say(HW_LOG_ERROR,
               "ledger: PostgreSQL is away: %s; notifications are answered 400 until it is back",
               why);
}

/* Away again so soon: the log was told a moment ago, and is told again only if it lasts. */
static bool flutters(struct hw_pg_pulse *b)
{
    uint64_t back_ns = atomic_load(&b->back_ns);
    return back_ns && hw_now_ns() - back_ns < ns_of(FLUTTER_MS);
}

void hw_pg_pulse_set_away(struct hw_postgres *p, const char *why)
{
    struct hw_pg_pulse *b = p->beat;
    if (atomic_exchange(&p->away, true))
        return;
    atomic_store(&p->away_since, (int64_t)(hw_now() * 1000));
    hw_ledger_set_health(&p->ledger, HW_LEDGER_FAILED);
    if (!b)
        return;
    if (flutters(b))
        hw_log_say(HW_LOG_DEBUG, "ledger: PostgreSQL is away: %s", why);
    else
        say_away(b, why);
    wake(b);
}

static void set_back(struct hw_postgres *p)
{
    struct hw_pg_pulse *b = p->beat;
    int64_t since = atomic_exchange(&p->away_since, 0);
    bool told = atomic_exchange(&b->told, false);
    if (told)
        atomic_store(&b->back_ns, hw_now_ns());
    b->why[0] = '\0';
    hw_ledger_set_health(&p->ledger, HW_LEDGER_WELL);
    atomic_store_explicit(&p->away, false, memory_order_release);
    if (told)
        hw_log_say(HW_LOG_INFO,
                   "ledger: PostgreSQL is back after %.1f seconds; %zu outcome%s recorded late",
                   hw_now() - (double)since / 1000, b->recorded_late,
                   b->recorded_late == 1 ? " was" : "s were");
}

/* While a server restarts what stands in the way changes by the moment: the log is told of what lasts. */
static void note_why(struct hw_pg_pulse *b, const char *why)
{
    bool is_known = strncmp(b->why, why, sizeof b->why - 1) == 0;
    if (!is_known) {
        b->changed_ns = hw_now_ns();
        hw_log_say(HW_LOG_DEBUG, "ledger: PostgreSQL is away: %s", why);
    }
    bool lasts = b->changed_ns && hw_now_ns() - b->changed_ns >= ns_of(TELL_MS);
    if (!atomic_load(&b->told) && !flutters(b)) {
        say_away(b, why);
        b->changed_ns = 0;
    } else if (lasts) {
        hw_log_say(HW_LOG_WARN, "ledger: PostgreSQL is still away: %s", why);
        b->changed_ns = 0;
    }
    if (!is_known)
        snprintf(b->why, sizeof b->why, "%s", why);
}

/* ---- the lease ---- */

static void hold_until(struct hw_postgres *p, uint64_t sent_boot_ns)
{
    uint64_t margin_ms = p->ttl_ms / 4 < MARGIN_MS ? p->ttl_ms / 4 : MARGIN_MS;
    atomic_store_explicit(&p->lease_until_ns, sent_boot_ns + ns_of(p->ttl_ms - margin_ms),
                          memory_order_release);
}

bool hw_pg_holds(struct hw_ledger *ledger, const struct hw_fence *fence)
{
    struct hw_postgres *p = (struct hw_postgres *)ledger;
    return fence->owner == atomic_load_explicit(&p->owner, memory_order_acquire) &&
           hw_pg_boot_ns() < atomic_load_explicit(&p->lease_until_ns, memory_order_acquire);
}

static void add_scripts(struct hw_pg_pulse *b, struct hw_pg_args *args)
{
    pthread_mutex_lock(&b->m);
    hw_pg_arg_text(args, b->scripts[0] ? hw_str_of(b->scripts) : HW_STR_NONE);
    pthread_mutex_unlock(&b->m);
}

static enum hw_pg_rc join(struct hw_postgres *p)
{
    struct hw_pg_pulse *b = p->beat;
    struct hw_pg_args *args = p->pulse_args;
    hw_pg_args_clear(args);
    hw_pg_arg_text(args, hw_str_of(p->host_name));
    hw_pg_arg_text(args, HW_STR(HW_VERSION));
    hw_pg_arg_int(args, HW_PG_INT8, (int64_t)p->ttl_ms);
    add_scripts(b, args);
    struct hw_pg_call call = {.statement = HW_PG_JOIN, .args = args};
    uint64_t sent_boot_ns = hw_pg_boot_ns(), sent_ns = hw_now_ns();
    enum hw_pg_rc rc = hw_pg_run(p->pulse, &call, 1, deadline());
    if (rc == HW_PG_OK) {
        b->started_us = hw_pg_int(call.result, 0, 2);
        b->sent_ns = sent_ns;
        hw_pg_live_mark(p->live, hw_pg_int(call.result, 0, 1));
        hold_until(p, sent_boot_ns);
        atomic_store_explicit(&p->owner, hw_pg_int(call.result, 0, 0), memory_order_release);
    }
    hw_pg_result_free(call.result);
    return rc;
}

static void say_gone(struct hw_str names)
{
    if (names.len)
        hw_log_say(HW_LOG_WARN,
                   "ledger: %.*s did not renew the lease in time; others take over what ran there",
                   HW_STR_ARG(names));
}

static enum hw_pg_rc join_anew(struct hw_postgres *p)
{
    atomic_store(&p->lease_until_ns, 0);
    atomic_store(&p->owner, 0);
    hw_log_say(HW_LOG_WARN,
               "ledger: this host did not renew its lease in time and was declared gone; it joins "
               "anew, and what ran here meanwhile may run elsewhere too");
    return join(p);
}

/* Columns: whether it is alive, who was declared gone, the sequence's last value, hosts that are alive,
 * whether somebody has left something behind, who may use the schema. */
static enum hw_pg_rc take_beat(struct hw_postgres *p, const struct hw_pg_result *result,
                               uint64_t sent_boot_ns)
{
    struct hw_str gone = hw_pg_text(result, 0, 1);
    say_gone(gone);
    if (gone.len)
        p->beat->sweep_ns = 0;
    atomic_store(&p->hosts_alive, hw_pg_int(result, 0, 3));
    p->beat->unswept = hw_pg_int(result, 0, 4);
    p->beat->outdated = hw_pg_int(result, 0, 5) > HW_PG_SCHEMA;
    if (!hw_pg_int(result, 0, 0))
        return join_anew(p);
    hw_pg_live_mark(p->live, hw_pg_int(result, 0, 2));
    hold_until(p, sent_boot_ns);
    return HW_PG_OK;
}

/* What is begun after low_seq is read gets a mark that is not below it: the mark only follows the
 * sequence. */
static enum hw_pg_rc renew(struct hw_postgres *p)
{
    struct hw_pg_args *args = p->pulse_args;
    hw_pg_args_clear(args);
    hw_pg_arg_int(args, HW_PG_INT8, atomic_load(&p->owner));
    hw_pg_arg_int(args, HW_PG_INT8, (int64_t)p->ttl_ms);
    hw_pg_arg_int(args, HW_PG_INT8, hw_pg_live_low_seq(p->live));
    hw_pg_arg_int(args, HW_PG_INT8, p->beat->started_us);
    add_scripts(p->beat, args);
    struct hw_pg_call call = {.statement = HW_PG_BEAT, .args = args};
    uint64_t sent_boot_ns = hw_pg_boot_ns(), sent_ns = hw_now_ns();
    enum hw_pg_rc rc = hw_pg_run(p->pulse, &call, 1, deadline());
    if (rc == HW_PG_OK) {
        p->beat->sent_ns = sent_ns;
        rc = take_beat(p, call.result, sent_boot_ns);
    }
    hw_pg_result_free(call.result);
    return rc;
}

static enum hw_pg_rc beat(struct hw_postgres *p)
{
    return atomic_load(&p->owner) ? renew(p) : join(p);
}

/* Between the parts of something that may take long. */
static enum hw_pg_rc keep_alive(struct hw_postgres *p)
{
    bool due = hw_now_ns() - p->beat->sent_ns >= ns_of(p->beat_ms);
    return due ? beat(p) : HW_PG_OK;
}

/* ---- outcomes that wait ---- */

/* Returns how many of them, from the first on, were recorded, or not taken by PostgreSQL in whatever
 * company, and so dropped. */
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
            rc = keep_alive(p);
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
    *at_ns = now + ns_of(every_ms);
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
    enum hw_pg_rc rc = hw_pg_run(p->pulse, &call, 1, deadline());
    hw_pg_result_free(call.result);
    return rc;
}

/* A failure here is no reason to refuse claims: the next beat tells whether the database is there. */
static void follow_up(struct hw_postgres *p)
{
    struct hw_pg_pulse *b = p->beat;
    enum hw_pg_rc rc = hw_pg_pauses_read(p, p->pulse);
    if (rc == HW_PG_OK && hw_pg_unsettled_count(p->unsettled) > 0)
        rc = settle_late(p);
    if (rc == HW_PG_OK && b->unswept && is_due(&b->sweep_ns, p->lease_ms / SWEEP_PART))
        rc = hw_pg_sweep(p);
    if (rc == HW_PG_OK)
        rc = keep_alive(p);
    if (rc == HW_PG_OK && is_due(&b->audit_ns, AUDIT_MS))
        rc = hw_pg_audit(p);
    if (rc == HW_PG_OK && is_due(&b->forget_ns, FORGET_MS))
        rc = forget_hosts(p);
    if (rc == HW_PG_OK)
        read_rows(p);
}

/* A connection that broke is opened anew at once: that alone is no outage. */
static void go_on(struct hw_postgres *p)
{
    enum hw_pg_rc rc = beat(p);
    if (rc != HW_PG_OK && rc != HW_PG_LATE)
        rc = beat(p);
    if (rc == HW_PG_OK && p->beat->outdated) {
        hw_pg_close(p->pulse);
        hw_pg_pulse_set_away(p, "its schema is of a newer hookward by now; update this one");
    } else if (rc == HW_PG_OK) {
        follow_up(p);
    } else {
        hw_pg_pulse_set_away(p, hw_pg_why(p->pulse));
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
    enum hw_pg_rc rc = hw_pg_connect(p->pulse, hw_now_ns() + ns_of(HW_PG_CONNECT_MS));
    if (rc != HW_PG_OK)
        snprintf(why, size, "%s", hw_pg_why(p->pulse));
    else if ((rc = hw_pg_schema_check(p->pulse, p->schema, p->by_body, why, size)) != HW_PG_OK)
        hw_pg_close(p->pulse);
    return rc;
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
    enum hw_pg_rc rc = connect_again(p, why, size);
    if (rc != HW_PG_OK)
        return rc;
    say_what_it_is(p);
    rc = beat(p);
    if (rc == HW_PG_OK)
        rc = hw_pg_pauses_read(p, p->pulse);
    if (rc == HW_PG_OK)
        rc = settle_late(p);
    if (rc == HW_PG_OK)
        rc = hw_pg_audit(p);
    if (rc == HW_PG_OK)
        set_back(p);
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
        note_why(p->beat, why);
}

/* ---- the thread ---- */

/* Of several hosts not all at once. */
static uint64_t pause_ns(struct hw_postgres *p)
{
    if (hw_pg_is_away(p))
        return ns_of(RETRY_MS) + (hw_now_ns() / 1000) % ns_of(RETRY_MS / 4);
    uint64_t next = p->beat->sent_ns + ns_of(p->beat_ms), now = hw_now_ns();
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
    b->audit_ns = hw_now_ns() + ns_of(AUDIT_MS);
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
    atomic_store(&p->away, true);
    atomic_store(&p->away_since, (int64_t)(hw_now() * 1000));
    hw_ledger_set_health(&p->ledger, HW_LEDGER_FAILED);
    enum hw_pg_rc rc = come_back(p, why, why_size);
    if (rc == HW_PG_OK || rc == HW_PG_REFUSED)
        return rc == HW_PG_OK;
    note_why(p->beat, why);
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

/* What this host has may be taken by others at once. */
static void leave(struct hw_postgres *p)
{
    struct hw_pg_args *args = p->pulse_args;
    if (hw_pg_is_away(p) || settle_late(p) != HW_PG_OK)
        return;
    hw_pg_args_clear(args);
    hw_pg_arg_int(args, HW_PG_INT8, atomic_load(&p->owner));
    hw_pg_arg_int(args, HW_PG_INT8, p->beat->started_us);
    struct hw_pg_call call = {.statement = HW_PG_LEAVE, .args = args};
    hw_pg_run(p->pulse, &call, 1, deadline());
    hw_pg_result_free(call.result);
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
    leave(p);
    size_t lost = hw_pg_unsettled_count(p->unsettled);
    if (lost > 0)
        hw_log_say(HW_LOG_ERROR,
                   "ledger: PostgreSQL did not come back in time: %zu outcome%s not recorded, and "
                   "may run again",
                   lost, lost == 1 ? " was" : "s were");
    p->beat = NULL;
    pulse_free(b);
}

/* ---- what the host shows ---- */

void hw_pg_fleet(struct hw_ledger *ledger, struct hw_ledger_fleet *fleet)
{
    struct hw_postgres *p = (struct hw_postgres *)ledger;
    int64_t left_ns = (int64_t)(atomic_load(&p->lease_until_ns) - hw_pg_boot_ns());
    snprintf(fleet->host_name, sizeof fleet->host_name, "%s", p->host_name);
    fleet->owner = atomic_load(&p->owner);
    fleet->hosts_alive = atomic_load(&p->hosts_alive);
    fleet->away_since = hw_pg_is_away(p) ? atomic_load(&p->away_since) : 0;
    fleet->lease_left = fleet->owner ? (double)left_ns / 1e9 : 0;
    fleet->unsettled = hw_pg_unsettled_count(p->unsettled);
    fleet->fenced = atomic_load(&p->fenced);
    fleet->taken_over = atomic_load(&p->taken_over);
    fleet->claims_failed = atomic_load(&p->claims_failed);
    fleet->claim_times = &p->claim_times;
    fleet->claim_sizes = &p->claim_sizes;
}

/* The next beat carries it. */
void hw_pg_scripts(struct hw_ledger *ledger, const char *version)
{
    struct hw_pg_pulse *b = ((struct hw_postgres *)ledger)->beat;
    pthread_mutex_lock(&b->m);
    snprintf(b->scripts, sizeof b->scripts, "%s", version);
    pthread_mutex_unlock(&b->m);
}
