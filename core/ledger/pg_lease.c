/* pg_lease.c -- see pg_pulse.h
 *
 * Lease   Each beat renews it. ttl is two thirds of `lease`, a beat comes every lease / 7.5, so a
 *         host that died is declared gone within the lease. Who declares others gone has renewed
 *         its own without a gap for a whole ttl: after an outage of the database leases have run
 *         out, and nobody is buried before all had the time to come back. An outage that is shorter
 *         than its own lease is a gap too, since another's may have been about to end.
 *         A host that finds itself declared gone joins anew, under a new number. What it has under
 *         the old one is fenced.
 *         Who joins declares gone, at once, the start before it in the same place (pg_place.h).
 *
 * Clock   lease_until_ns is when the last successful renewal was *sent*, plus ttl less a margin, by
 *         CLOCK_BOOTTIME. Past it nothing is claimed and nothing begins: a host that was frozen
 *         between the two must not run beside its successor. */
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "base/version.h"
#include "ledger/pg_pulse.h"
#include "ledger/pg_schema.h"

enum { MARGIN_MS = 500 /* of the lease by the local clock; a quarter of a short one */ };

uint64_t hw_pg_boot_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void hold_until(struct hw_postgres *p, uint64_t sent_boot_ns)
{
    uint64_t margin_ms = p->ttl_ms / 4 < MARGIN_MS ? p->ttl_ms / 4 : MARGIN_MS;
    atomic_store_explicit(&p->lease_until_ns, sent_boot_ns + hw_pg_ns(p->ttl_ms - margin_ms),
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

static void add_place(struct hw_pg_args *args, const char *name)
{
    hw_pg_arg_text(args, name[0] ? hw_str_of(name) : HW_STR_NONE);
}

/* The start before, in the same place, ended without a word: the next beat, which sweeps, comes at
 * once. */
static void follow(struct hw_pg_pulse *b, struct hw_str name)
{
    if (!name.len)
        return;
    hw_log_say(
        HW_LOG_INFO,
        "ledger: the host that ran here before (%.*s) has ended; what it left behind is taken "
        "over at once",
        HW_STR_ARG(name));
    b->sweep_ns = 0;
    pthread_mutex_lock(&b->m);
    b->woken = true;
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
    add_place(args, p->place.name);
    add_place(args, p->place.before);
    struct hw_pg_call call = {.statement = HW_PG_JOIN, .args = args};
    uint64_t sent_boot_ns = hw_pg_boot_ns(), sent_ns = hw_now_ns();
    enum hw_pg_rc rc = hw_pg_run(p->pulse, &call, 1, hw_pg_deadline());
    if (rc == HW_PG_OK) {
        b->started_us = hw_pg_int(call.result, 0, 2);
        b->sent_ns = sent_ns;
        follow(b, hw_pg_text(call.result, 0, 3));
        hw_pg_live_mark(p->live, hw_pg_int(call.result, 0, 1));
        atomic_store(&p->hosts_alive, hw_pg_int(call.result, 0, 4));
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

/* Columns: whether it is alive, who was declared gone, the sequence's last value, hosts that are
 * alive, whether somebody has left something behind, who may use the schema. */
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
    hw_pg_arg_int(args, HW_PG_BOOL, hw_pg_is_away(p));
    struct hw_pg_call call = {.statement = HW_PG_BEAT, .args = args};
    uint64_t sent_boot_ns = hw_pg_boot_ns(), sent_ns = hw_now_ns();
    enum hw_pg_rc rc = hw_pg_run(p->pulse, &call, 1, hw_pg_deadline());
    if (rc == HW_PG_OK) {
        p->beat->sent_ns = sent_ns;
        rc = take_beat(p, call.result, sent_boot_ns);
    }
    hw_pg_result_free(call.result);
    return rc;
}

enum hw_pg_rc hw_pg_lease_beat(struct hw_postgres *p)
{
    return atomic_load(&p->owner) ? renew(p) : join(p);
}

enum hw_pg_rc hw_pg_lease_keep(struct hw_postgres *p)
{
    bool due = hw_now_ns() - p->beat->sent_ns >= hw_pg_ns(p->beat_ms);
    return due ? hw_pg_lease_beat(p) : HW_PG_OK;
}

void hw_pg_lease_leave(struct hw_postgres *p)
{
    struct hw_pg_args *args = p->pulse_args;
    hw_pg_args_clear(args);
    hw_pg_arg_int(args, HW_PG_INT8, atomic_load(&p->owner));
    hw_pg_arg_int(args, HW_PG_INT8, p->beat->started_us);
    struct hw_pg_call call = {.statement = HW_PG_LEAVE, .args = args};
    hw_pg_run(p->pulse, &call, 1, hw_pg_deadline());
    hw_pg_result_free(call.result);
}

/* ---- what the host shows, and tells ---- */

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
