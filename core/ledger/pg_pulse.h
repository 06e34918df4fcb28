/* pg_pulse.h -- what the parts of the pulse have in common.
 *
 * pg_pulse.c  its thread: what comes with a beat; starting and stopping
 * pg_lease.c  the lease: joined, renewed, lost, left
 * pg_away.c   whether the database can be used, and what the log is told of it
 *
 * Not     for other files: they use postgres.h.
 * Thread  as the groups of the struct say. */
#ifndef HW_PG_PULSE_H
#define HW_PG_PULSE_H

#include <pthread.h>

#include "base/clock.h"
#include "ledger/postgres.h"

enum { HW_PG_SCRIPTS_MAX = 32 /* bytes of their version */ };

struct hw_pg_pulse {
    /* constant after start */
    pthread_t thread;

    /* guarded by m */
    pthread_mutex_t m;
    pthread_cond_t wake;
    bool stopping, woken;
    char scripts[HW_PG_SCRIPTS_MAX];

    /* pulse thread only; ns by hw_now_ns */
    uint64_t sent_ns;                                /* the last beat */
    uint64_t audit_ns, sweep_ns, forget_ns, rows_ns; /* the next of each */
    int64_t started_us;   /* of this host's row, by the database: its number alone may come again
                           after a failover that forgot it */
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

static inline uint64_t hw_pg_ns(uint64_t ms)
{
    return ms * 1000000u;
}

/* Of a statement that begins now. */
static inline uint64_t hw_pg_deadline(void)
{
    return hw_now_ns() + hw_pg_ns(HW_PG_STATEMENT_MS);
}

/* Joins, or renews the lease; joins anew when it was declared gone. Returns as hw_pg_run. Pulse
 * thread. */
enum hw_pg_rc hw_pg_lease_beat(struct hw_postgres *p);

/* Likewise, if it is time: between the parts of something that may take long. */
enum hw_pg_rc hw_pg_lease_keep(struct hw_postgres *p);

/* What this host has may be taken by others at once. */
void hw_pg_lease_leave(struct hw_postgres *p);

/* At the start it is away, and the log is not told yet. */
void hw_pg_away_begin(struct hw_postgres *p);

/* It can be used again. Pulse thread. */
void hw_pg_away_end(struct hw_postgres *p);

/* It could not be had back for this. Pulse thread. */
void hw_pg_away_note(struct hw_postgres *p, const char *why);

#endif
