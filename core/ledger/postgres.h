/* postgres.h -- what the parts of the shared ledger have in common.
 *
 * postgres.c      the interface of ledger.h; opening and closing
 * pg_sql.c        the text of every statement that is prepared
 * pg_schema.c     the tables, and their versions
 * pg_claim.c      claims: which of a batch may run here
 * pg_settle.c     outcomes: written where the fence still is ours
 * pg_outcome.c    their parameters: an array for each column
 * pg_along.c      what goes along with outcomes: who is next in a lane, which pool is full
 * pg_history.c    the runs of what did not succeed at its first
 * pg_live.c       which claims this host has, and from which row on
 * pg_due.c        takes what is due, and replays by their row
 * pg_park.c       pauses, and rows that are set aside while they last
 * pg_minutes.c    saved minutes
 * pg_remove.c     removes rows on request
 * pg_pulse.c      the pulse's thread: beats, and what comes with them
 * pg_lease.c      the lease: joined, renewed, lost, left
 * pg_away.c       the database away, and back
 * pg_sweep.c      what hosts that are gone left behind; what nobody here knows
 * pg_unsettled.c  outcomes that could not be recorded, kept to be recorded late
 * pg_tend.c       retention, numbers of rows
 *
 * Protocol  A claim and a settle are one transaction each, for a batch. Between them no lock is
 *           held. The fence (owner, claim) of a row is what every write compares. A host renews one
 *           lease; one that did not is declared gone, for good, and only then are its rows taken.
 *           All times are the database's; a host sends ages.
 * Not       for other files: they use ledger.h.
 * Thread    three connections, each with a thread of its own: claims (claim), settles (commit,
 *           pick, pause, purge, tend), pulse. The groups of the struct say who may touch what. */
#ifndef HW_POSTGRES_H
#define HW_POSTGRES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledger/clock.h"
#include "ledger/ledger.h"
#include "ledger/pg.h"
#include "ledger/pg_place.h"

enum {
    HW_PG_STATEMENT_MS = 2000, /* what a claim or a settle may take */
    HW_PG_CONNECT_MS = 3000,
    HW_PG_LOST_MAX = 3 /* hosts that may end with a notification; it is not run after that */
};

/* Prepared on each connection; pg_sql.c has the texts. */
enum hw_pg_sql {
    HW_PG_CLAIM,     /* S1 */
    HW_PG_KNOWN,     /* S2 */
    HW_PG_SETTLE,    /* S3 */
    HW_PG_LOOK,      /* S4 */
    HW_PG_INSERT,    /* S5 */
    HW_PG_REPEAT,    /* S6 */
    HW_PG_ROWS_LOCK, /* before both of these in one transaction */
    HW_PG_BEAT,      /* S7 */
    HW_PG_JOIN,      /* S8 */
    HW_PG_LEAVE,     /* S9 */
    HW_PG_SWEEP,     /* S10 */
    HW_PG_AUDIT,     /* S11 */
    HW_PG_RELEASE,   /* … and lets go */
    HW_PG_EXPIRE,    /* S12 */
    HW_PG_DUE,       /* S13 */
    HW_PG_POOL_LOCK, /* S14a */
    HW_PG_DUE_POOL,  /* S14 */
    HW_PG_NEXT_POOL,
    HW_PG_LANE_LOCK,   /* S15a */
    HW_PG_LANE_ACCEPT, /* of those that are accepted into lanes: which have others before them */
    HW_PG_POOL_ACCEPT, /* likewise, into pools: which find theirs full */
    HW_PG_PROMOTE,     /* S15b */
    HW_PG_TAKE,        /* S16 */
    HW_PG_RUNS_ADD,
    HW_PG_RUNS_TRIM,
    HW_PG_PARK,
    HW_PG_UNPARK,
    HW_PG_PAUSES,
    HW_PG_PAUSE,
    HW_PG_RESUME,
    HW_PG_PURGE_LANES,
    HW_PG_PURGE,
    HW_PG_ROWS, /* numbers by state, the backlog, the oldest that waits */
    HW_PG_MINUTE,
    HW_PG_MINUTES,
    HW_PG_MINUTES_FORGET,
    HW_PG_HOSTS_FORGET, /* those that are gone for long */
    HW_PG_STATEMENTS
};

/* Fills all texts in for a schema. Returns 0 or HW_ENOMEM. `free` takes them back. */
int hw_pg_sql_fill(struct hw_pg_statement *statements, const char *schema, bool by_body);
void hw_pg_sql_free(struct hw_pg_statement *statements);

/* ---- which claims this host has: pg_live.c ---- */

struct hw_pg_live; /* has a lock of its own; any thread */

struct hw_pg_live *hw_pg_live_new(void);
void hw_pg_live_free(struct hw_pg_live *live);
/* A number for a claim that is about to be sent; it counts as live from here on. `fresh`: it may
 * insert a row (S1). 0 without memory. */
int64_t hw_pg_live_begin(struct hw_pg_live *live, bool fresh);
/* What it got: `rows` rows, of which the least is `seq`. 0 rows: it is not live any more. */
void hw_pg_live_got(struct hw_pg_live *live, int64_t claim, size_t rows, int64_t seq);
/* Its answer was lost, so nobody here knows what it took. The audit lets go of that; until then a
 * fresh one still counts for low_seq. */
void hw_pg_live_lost(struct hw_pg_live *live, int64_t claim);
/* One row of it was settled, or was fenced, or its outcome was given up. */
void hw_pg_live_end(struct hw_pg_live *live, int64_t claim);
/* It carries next_run_at = 'infinity' from now on, so it need not be looked for by its number. */
void hw_pg_live_is_due(struct hw_pg_live *live, int64_t claim);
bool hw_pg_live_has(struct hw_pg_live *live, int64_t claim);
/* Whether the audit may still have to find rows that a lost claim took. */
bool hw_pg_live_has_lost(struct hw_pg_live *live);
size_t hw_pg_live_count(struct hw_pg_live *live);
/* No row below it that this host claimed as new can be running. */
int64_t hw_pg_live_low_seq(struct hw_pg_live *live);
/* The sequence's last value, as the pulse reads it: the base of what is begun after. */
void hw_pg_live_mark(struct hw_pg_live *live, int64_t last_value);
/* An audit that began then, by hw_now_ns, has let go of all that it found. */
void hw_pg_live_audited(struct hw_pg_live *live, uint64_t began_ns);

/* ---- outcomes that are recorded late: pg_unsettled.c ---- */

struct hw_pg_unsettled; /* has a lock of its own; any thread */

/* At most `max_count` outcomes and `max_bytes` of bodies; beyond that the oldest are dropped, with
 * a line in the log, and the audit lets their rows go. */
struct hw_pg_unsettled *hw_pg_unsettled_new(struct hw_pg_live *live, size_t max_count,
                                            size_t max_bytes, bool keep_bodies);
void hw_pg_unsettled_free(struct hw_pg_unsettled *list);
/* Copies what the ledger needs of an outcome, and takes over its claim, which ends when the outcome
 * is recorded and is lost when it is dropped. Returns false without memory: it was dropped. */
bool hw_pg_unsettled_keep(struct hw_pg_unsettled *list, const struct hw_notification *n);
size_t hw_pg_unsettled_count(struct hw_pg_unsettled *list);
/* Takes the oldest out, at most `max`, into `batch`. Returns how many. `done` ends their claims and
 * frees them; `drop` frees one that can't be recorded; `put_back` keeps them, in their place. */
size_t hw_pg_unsettled_take(struct hw_pg_unsettled *list, struct hw_notification **batch,
                            size_t max);
void hw_pg_unsettled_done(struct hw_pg_unsettled *list, struct hw_notification **batch,
                          size_t count);
void hw_pg_unsettled_drop(struct hw_pg_unsettled *list, struct hw_notification *n);
void hw_pg_unsettled_put_back(struct hw_pg_unsettled *list, struct hw_notification **batch,
                              size_t count);

/* ---- the ledger ---- */

/* Milliseconds; `…_at` by the steady clock. */
struct hw_pg_retention {
    struct hw_ledger_clock clock;
    int64_t from;            /* the pass has come to this row */
    int64_t rest_at;         /* no step before then */
    int64_t whole_at;        /* from then on a pass covers all rows */
    int64_t removed, say_at; /* rows since the last line of the log; the next line */
};

struct hw_postgres {
    struct hw_ledger ledger;

    /* constant after open */
    const char *url, *schema;
    char host_name[128];
    bool by_body, keep_bodies;
    uint64_t retention_ms, dead_retention_ms; /* 0 as dead_retention_ms: for ever */
    int64_t first_retry_ms;                   /* the first of `retries`; -1: there are none */
    uint64_t lease_ms, ttl_ms, beat_ms;
    size_t max_backlog;
    struct hw_pg_place place;
    struct hw_pg_statement statements[HW_PG_STATEMENTS];
    struct hw_pg_options options[3];

    /* claim thread only */
    struct hw_pg *claims;
    struct hw_pg_args *claim_args;

    /* ledger thread only */
    struct hw_pg *settles;
    struct hw_pg_args *settle_args, *more_args;
    bool pools_first; /* of what is due: at the next pick */

    struct hw_pg_retention retention; /* its clock: set up by open */

    /* pulse thread only */
    struct hw_pg *pulse;
    struct hw_pg_args *pulse_args;
    struct hw_pg_pulse *beat; /* pg_pulse.h */
    bool ready;               /* the schema was brought up to date; open sets it first */

    /* atomic */
    _Atomic int64_t owner; /* hosts.id; 0: not joined */
    _Atomic uint64_t
        lease_until_ns;         /* CLOCK_BOOTTIME; past it nothing is claimed, and nothing begun */
    atomic_bool away, shut_out; /* shut_out: a connection could not be made */
    _Atomic int64_t away_since; /* ms since 1970 */
    _Atomic int64_t hosts_alive;
    _Atomic uint64_t fenced, taken_over, claims_failed;
    atomic_bool
        unparking; /* rows may be parked whose event is not paused any more; set at the start */

    /* shared: each has a lock of its own */
    struct hw_pg_pausing {
        pthread_mutex_t m;
        uint64_t changes; /* guarded by m: a change here begins, or has ended */
    } pausing;
    struct hw_pg_minutes {
        pthread_mutex_t m;
        struct hw_pg_minute *first; /* guarded by m; the oldest first */
    } minutes;
    struct hw_pg_live *live;
    struct hw_pg_unsettled *unsettled;
    struct hw_histogram claim_times, claim_sizes;
};

static inline bool hw_pg_is_away(struct hw_postgres *p)
{
    return atomic_load_explicit(&p->away, memory_order_acquire);
}

/* The database can't be used: claims are refused from here on, until the pulse has it back. It says
 * so once in the log. Any thread. */
void hw_pg_pulse_set_away(struct hw_postgres *p, const char *why);

/* Likewise: this connection failed, or could not be made. By the thread that has it. */
void hw_pg_pulse_fail(struct hw_postgres *p, const struct hw_pg *pg);

/* CLOCK_BOOTTIME, which goes on while the machine sleeps. */
uint64_t hw_pg_boot_ns(void);

/* Starts the pulse's thread. Returns 0, or HW_EFAILED with one line in `why`. `stop` ends it, and
 * leaves: what this host has may be taken by others at once. */
int hw_pg_pulse_start(struct hw_postgres *p, char *why, size_t why_size);
void hw_pg_pulse_stop(struct hw_postgres *p);

/* Within the pulse, with its connection: lets go what hosts that are gone left behind; releases
 * rows that run here as the database has it, and that nobody here knows. */
enum hw_pg_rc hw_pg_sweep(struct hw_postgres *p);
enum hw_pg_rc hw_pg_audit(struct hw_postgres *p);

/* As struct hw_ledger_type says. */
int hw_pg_claim(struct hw_ledger *ledger, struct hw_notification *const *batch, size_t count);
bool hw_pg_holds(struct hw_ledger *ledger, const struct hw_fence *fence);
void hw_pg_fleet(struct hw_ledger *ledger, struct hw_ledger_fleet *fleet);
void hw_pg_scripts(struct hw_ledger *ledger, const char *version);
int hw_pg_commit(struct hw_ledger *ledger, struct hw_notification *const *batch, size_t count);
int hw_pg_pick(struct hw_ledger *ledger, struct hw_ledger_due *due);
int hw_pg_pause(struct hw_ledger *ledger, struct hw_pause *pause);
int hw_pg_purge(struct hw_ledger *ledger, struct hw_purge *purge);
void hw_pg_keep_minute(struct hw_ledger *ledger, int64_t minute, const void *bytes, size_t len);
int hw_pg_minutes(struct hw_ledger *ledger, int64_t since, hw_ledger_minute_fn *each, void *ud);
bool hw_pg_tend(struct hw_ledger *ledger, bool idle);

/* Brings the schema up to date, over a connection of its own: statements can't be prepared before
 * that. Sets p->ready after HW_PG_OK. HW_PG_REFUSED: a mistake of the user's, with one line in
 * `why`. At the start; then the pulse thread. */
enum hw_pg_rc hw_pg_ready(struct hw_postgres *p, char *why, size_t why_size);

/* As many as PostgreSQL's integer holds. */
static inline int64_t hw_pg_attempt(const struct hw_notification *n)
{
    uint32_t attempt = hw_notification_last_attempt(n);
    return attempt < INT32_MAX ? attempt : INT32_MAX;
}

/* Writes outcomes with their fence, over `pg`, without anything kept for later: also for the pulse,
 * which records late ones. Sets row and fenced; ends no claim. Returns a code of pg.h. */
enum hw_pg_rc hw_pg_settle(struct hw_postgres *p, struct hw_pg *pg, struct hw_pg_args *args,
                           struct hw_notification *const *batch, size_t count);

/* A replay: takes one row by its number (n->from_row), and fills in the notification. Claim
 * thread. */
enum hw_pg_rc hw_pg_take(struct hw_postgres *p, struct hw_notification *n);

/* Fills one in from a row that a statement of what is due has returned; its texts go into the
 * arena. Returns 0, HW_ENOMEM or HW_ENOT_FOUND (without a body). `lost`: how often in a row a host
 * ended with it. */
int hw_pg_take_fill(const struct hw_postgres *p, const struct hw_pg_result *result, size_t row,
                    struct hw_arena *arena, struct hw_notification *n);
int64_t hw_pg_take_lost(const struct hw_pg_result *result, size_t row);

/* Before something is taken: sets rows aside that are due and whose event is paused; brings back
 * those whose event is not any more. At most HW_PG_PARK_STEP each; *again: there are more to set
 * aside. */
enum { HW_PG_PARK_STEP = 1000 };
enum hw_pg_rc hw_pg_park(struct hw_postgres *p, bool *again, uint64_t deadline_ns);

/* ---- what goes along with a settle, in its transaction: pg_along.c, pg_history.c ---- */

/* For one batch; {0} to begin with. Without lanes, limits and histories nothing is allocated, and
 * no call is added. */
struct hw_pg_along {
    struct hw_notification *const *batch;
    size_t count;
    struct hw_pg_args *args[7];
    size_t args_count;
    struct hw_pg_call *lane_accept, *pool_accept; /* NULL: nothing was accepted into one */
};

/* The calls before the outcomes are written, at most two: locks of lanes and pools. Returns how
 * many. */
size_t hw_pg_along_before(struct hw_pg_along *along, struct hw_notification *const *batch,
                          size_t count, struct hw_pg_call *calls);
/* The calls after that, at most five, which must stay where they are until `read`: who has to wait
 * after all, who is next in a lane, the history. */
size_t hw_pg_along_after(struct hw_pg_along *along, struct hw_pg_call *calls);
/* After the transaction: one that has to wait becomes HW_QUEUED; behind another of its lane it is
 * not due. Counts what is accepted, and what is done. */
void hw_pg_along_read(struct hw_pg_along *along, struct hw_ledger *ledger);
void hw_pg_along_end(struct hw_pg_along *along);

/* Whether a batch has runs for the history; these as the arguments of HW_PG_RUNS_ADD; and those
 * that may have more rows than are kept, as the arguments of HW_PG_RUNS_TRIM: how many these
 * are. */
bool hw_pg_history_is_any(struct hw_notification *const *batch, size_t count);
void hw_pg_history_add(struct hw_pg_args *args, struct hw_notification *const *batch, size_t count);
size_t hw_pg_history_trim(struct hw_pg_args *args, struct hw_notification *const *batch,
                          size_t count);

/* Of a struct that is zero; before anything else, and last. */
void hw_pg_pausing_init(struct hw_postgres *p);
void hw_pg_pausing_fini(struct hw_postgres *p);
void hw_pg_minutes_init(struct hw_postgres *p);
void hw_pg_minutes_fini(struct hw_postgres *p);

/* Writes the minutes that were handed over; between batches. */
void hw_pg_minutes_flush(struct hw_postgres *p);

/* What is paused, as the database has it now: read at the start, and with each beat, since another
 * host may have changed it. */
enum hw_pg_rc hw_pg_pauses_read(struct hw_postgres *p, struct hw_pg *pg);

/* Numbers for /metrics, `status` and max_backlog; with each beat. */
enum hw_pg_rc hw_pg_rows_read(struct hw_postgres *p, struct hw_pg *pg);

#endif
