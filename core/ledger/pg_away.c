/* pg_away.c -- see pg_pulse.h
 *
 * Why     While the database is away each claim would wait for a connection that does not come.
 * How     Whoever finds that it can't be used says so. From then on claims are refused without a
 *         system call, until the pulse has it back (pg_pulse.c). The log is told once each way. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "ledger/pg_pulse.h"

enum {
    FLUTTER_MS = 2000, /* after it came back */
    TELL_MS = 60000    /* what else stands in the way is told when it lasts */
};

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
    return back_ns && hw_now_ns() - back_ns < hw_pg_ns(FLUTTER_MS);
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

void hw_pg_pulse_fail(struct hw_postgres *p, const struct hw_pg *pg)
{
    if (!hw_pg_is_open(pg))
        atomic_store(&p->shut_out, true);
    hw_pg_pulse_set_away(p, hw_pg_why(pg));
}

void hw_pg_away_begin(struct hw_postgres *p)
{
    atomic_store(&p->away, true);
    atomic_store(&p->away_since, (int64_t)(hw_now() * 1000));
    hw_ledger_set_health(&p->ledger, HW_LEDGER_FAILED);
}

void hw_pg_away_end(struct hw_postgres *p)
{
    struct hw_pg_pulse *b = p->beat;
    int64_t since = atomic_exchange(&p->away_since, 0);
    bool told = atomic_exchange(&b->told, false);
    if (told)
        atomic_store(&b->back_ns, hw_now_ns());
    b->why[0] = '\0';
    atomic_store(&p->shut_out, false);
    hw_ledger_set_health(&p->ledger, HW_LEDGER_WELL);
    atomic_store_explicit(&p->away, false, memory_order_release);
    if (told)
        hw_log_say(HW_LOG_INFO,
                   "ledger: PostgreSQL is back after %.1f seconds; %zu outcome%s recorded late",
                   hw_now() - (double)since / 1000, b->recorded_late,
                   b->recorded_late == 1 ? " was" : "s were");
}

/* While a server restarts what stands in the way changes by the moment: the log is told of what
 * lasts. */
void hw_pg_away_note(struct hw_postgres *p, const char *why)
{
    struct hw_pg_pulse *b = p->beat;
    bool is_known = strncmp(b->why, why, sizeof b->why - 1) == 0;
    if (!is_known) {
        b->changed_ns = hw_now_ns();
        hw_log_say(HW_LOG_DEBUG, "ledger: PostgreSQL is away: %s", why);
    }
    bool lasts = b->changed_ns && hw_now_ns() - b->changed_ns >= hw_pg_ns(TELL_MS);
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
