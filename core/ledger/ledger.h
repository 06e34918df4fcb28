/* ledger.h -- what hookward remembers of notifications: the interface, and its implementations.
 *
 * Why     A sender may deliver twice, and the host may crash at any moment.
 * What    An identity is (job id, SHA-256 of the signed body), or the digest alone. Look-ups run
 *         after verification and before decoding, in crew threads, each with a reader of its own.
 *         Outcomes are committed in batches; no answer leaves before its batch is committed.
 * Not     the job and its trip: a ledger knows notifications.
 * Thread  look_up, load: the owner of the reader. commit, purge, tend: one thread at a time, while
 *         others look up. */
#ifndef HW_LEDGER_H
#define HW_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/histogram.h"
#include "ledger/pauses.h"
#include "notification.h"

enum { HW_LEDGER_BATCH_MAX = 256, HW_LEDGER_STATE_END = HW_STARTED + 1 };

/* Rows to be removed, each unless it has settled again since. */
struct hw_purge {
    size_t count;
    size_t looked_at; /* of count: as many as one transaction had time for */
    size_t removed;
    struct hw_ledger_row {
        int64_t seq, settled_at;
    } rows[];
};

/* Rows that the host is to run, the longest due first. */
struct hw_ledger_due {
    /* the question */
    int64_t now_ms; /* in milliseconds since 1970 */
    size_t max;
    const struct hw_ledger_room *rooms; /* of pools; one that is not listed has room for one */
    size_t room_count;

    /* the answer */
    struct hw_arena *arena; /* for its texts */
    size_t count;
    bool again; /* part of what is paused, or was, was dealt with: ask again for the rest */
    struct hw_ledger_due_row {
        int64_t seq, next_run_at;
        uint32_t retry;
        struct hw_str pool;
        /* With a ledger that claims: all that load would set, and its claim: the row was taken in the
         * same step. Its texts are in `arena`. NULL: it is to be loaded, and looked up. */
        struct hw_notification *taken;
    } rows[];
};

/* How many rows of a pool to find at most. */
struct hw_ledger_room {
    struct hw_str pool;
    size_t room;
};

/* A saved minute (since 1970) and its bytes, which are valid during the call only. */
typedef void hw_ledger_minute_fn(void *ud, int64_t minute, const void *bytes, size_t len);

/* Several hosts on one ledger, as this one sees it. A moment old. */
struct hw_ledger_fleet {
    char host_name[128];
    int64_t owner;          /* of this host; 0: it has not joined yet */
    int64_t hosts_alive;    /* this one among them */
    int64_t away_since;     /* the database can't be reached since then, ms since 1970; 0: it can */
    double lease_left;      /* seconds; below 0: it has run out */
    uint64_t unsettled;     /* outcomes that wait to be recorded */
    uint64_t fenced;        /* outcomes that came too late: another host had the row */
    uint64_t taken_over;    /* rows that were taken from hosts that are gone */
    uint64_t claims_failed; /* batches */
    struct hw_histogram *claim_times, *claim_sizes; /* nanoseconds; notifications in each batch */
};

enum { HW_LEDGER_MINUTES_KEPT = 7 * 24 * 60 /* a week */ };

struct hw_ledger;
struct hw_ledger_reader;

struct hw_ledger_type {
    const char *name;
    bool waits; /* commit waits for a disk, so it needs a thread of its own */
    /* NULL: this host has the ledger for itself, and a look-up is enough. Else there are no readers,
     * and whatever is to run is claimed first: sets claim, fence, row and known of each, and what
     * load would set of those with from_row. One that was claimed is committed once at least, also
     * if it did not run. Returns 0, or HW_ELEDGER_UNAVAILABLE: none of them may run. It may also fail
     * some of them alone: outcome.code, with HW_CLAIM_NONE. Thread: one of its own. */
    int (*claim)(struct hw_ledger *ledger, struct hw_notification *const *batch, size_t count);
    /* Whether what was claimed is still this host's, as far as the clock tells. Any thread; an atomic
     * read. NULL if claim is. */
    bool (*holds)(struct hw_ledger *ledger, const struct hw_fence *fence);
    /* What other hosts have to do with it; NULL if claim is. Any thread. */
    void (*fleet)(struct hw_ledger *ledger, struct hw_ledger_fleet *fleet);
    /* The version of the scripts that this host has now, for lists of hosts; NULL if claim is. Any
     * thread. */
    void (*scripts)(struct hw_ledger *ledger, const char *version);
    struct hw_ledger_reader *(*reader_open)(struct hw_ledger *ledger, char *why, size_t why_size);
    void (*reader_close)(struct hw_ledger_reader *reader);
    int (*look_up)(struct hw_ledger_reader *reader, const struct hw_identity *identity,
                   struct hw_known *known);
    /* NULL: it keeps no bodies. */
    int (*load)(struct hw_ledger_reader *reader, struct hw_notification *n);
    /* NULL: it keeps no texts. */
    int (*load_reason)(struct hw_ledger_reader *reader, struct hw_notification *n);
    int (*commit)(struct hw_ledger *ledger, struct hw_notification *const *batch, size_t count);
    /* Finds what is due, the longest due first. NULL: it keeps nothing that could run again.
     * Returns 0 or HW_ELEDGER_UNAVAILABLE. Thread as commit. */
    int (*pick)(struct hw_ledger *ledger, struct hw_ledger_due *due);
    /* Pauses events, or resumes them: durable, and in force, when it returns. It says so in the
     * log. Returns 0, HW_EOVERLOADED (too many patterns), HW_ENOMEM or HW_ELEDGER_UNAVAILABLE.
     * Thread as commit. */
    int (*pause)(struct hw_ledger *ledger, struct hw_pause *pause);
    /* Removes rows; without rows to remove, empties the write-ahead log, which still holds what was
     * removed. NULL: it keeps no rows. Returns 0 or HW_ELEDGER_UNAVAILABLE. */
    int (*purge)(struct hw_ledger *ledger, struct hw_purge *purge);
    /* See below. NULL: it keeps none. */
    void (*keep_minute)(struct hw_ledger *ledger, int64_t minute, const void *bytes, size_t len);
    int (*minutes)(struct hw_ledger *ledger, int64_t since, hw_ledger_minute_fn *each, void *ud);
    /* Does what is due between batches; may be NULL. `idle`: there is time for more than the most
     * urgent. Returns true to be called again soon. */
    bool (*tend)(struct hw_ledger *ledger, bool idle);
    void (*close)(struct hw_ledger *ledger);
};

/* Whether it can be written. No handler may run whose outcome can't be recorded. */
enum hw_ledger_health {
    HW_LEDGER_WELL,
    HW_LEDGER_SLOW,   /* a commit waits for another program's lock, and may fail */
    HW_LEDGER_FAILED, /* the last commit failed */
    HW_LEDGER_HEALED  /* … but the ledger was written since: the next commit decides */
};

/* An implementation's struct begins with this one. */
struct hw_ledger {
    const struct hw_ledger_type *type;

    /* atomic: the committing thread writes, any thread reads */
    _Atomic enum hw_ledger_health health;
    _Atomic int64_t backlog; /* accepted, and not run to its end yet */
    atomic_bool disk_is_low; /* under min_disk_free */
    char apart[64]; /* a cache line: the above is read for each notification, seldom written */
    _Atomic int64_t rows[HW_LEDGER_STATE_END]; /* by state; none is HW_NEVER_SEEN */
    _Atomic int64_t oldest_waiting;   /* when it was received, ms since 1970; 0: nothing waits */
    struct hw_histogram commit_times; /* of those that succeeded; nanoseconds */
    struct hw_histogram batch_sizes;  /* notifications in each of them */
    _Atomic uint64_t commits_failed;

    /* shared: see pauses.h; the implementation opens and closes it */
    struct hw_pauses pauses;
};

static inline enum hw_ledger_health hw_ledger_health(struct hw_ledger *ledger)
{
    return atomic_load_explicit(&ledger->health, memory_order_relaxed);
}

static inline int64_t hw_ledger_backlog(struct hw_ledger *ledger)
{
    return atomic_load_explicit(&ledger->backlog, memory_order_relaxed);
}

static inline bool hw_ledger_disk_is_low(struct hw_ledger *ledger)
{
    return atomic_load_explicit(&ledger->disk_is_low, memory_order_relaxed);
}

/* How many rows there are of a state; a moment old. Any thread. */
static inline int64_t hw_ledger_rows(struct hw_ledger *ledger, int state)
{
    return atomic_load_explicit(&ledger->rows[state], memory_order_relaxed);
}

/* When the oldest of those that wait to be run was received: milliseconds since 1970; 0: none.
 * As of a second ago, or longer (waiting.c). Any thread. */
static inline int64_t hw_ledger_oldest_waiting(struct hw_ledger *ledger)
{
    return atomic_load_explicit(&ledger->oldest_waiting, memory_order_relaxed);
}

/* The name of an enum hw_ledger_state, "unknown" for another number. */
const char *hw_ledger_state_name(int64_t state);

/* Every notification reads it, so it is only written when it changes. */
static inline void hw_ledger_set_health(struct hw_ledger *ledger, enum hw_ledger_health health)
{
    if (hw_ledger_health(ledger) != health)
        atomic_store_explicit(&ledger->health, health, memory_order_relaxed);
}

/* Sets what all implementations have; the rest of the struct is zero already. */
void hw_ledger_init(struct hw_ledger *ledger, const struct hw_ledger_type *type);

/* Opens the ledger that the configuration names. Returns NULL with one line in `why`. */
struct hw_config;
struct hw_ledger *hw_ledger_open(const struct hw_config *config, char *why, size_t why_size);

/* Whether a host has it open, in this process or another. The caller must not have its file open. */
bool hw_ledger_is_taken(const struct hw_config *config);

/* memory.c: for tests and trials; bounded, and forgets the oldest. */
enum { HW_LEDGER_MEMORY_MAX = 65536 };
struct hw_ledger *hw_ledger_memory_open(void);

/* sqlite.c: the durable one. `config` must outlive it. */
struct hw_ledger *hw_ledger_sqlite_open(const struct hw_config *config, char *why, size_t why_size);

/* A reader for one thread; NULL with one line in `why`. */
static inline struct hw_ledger_reader *hw_ledger_reader_open(struct hw_ledger *ledger, char *why,
                                                             size_t why_size)
{
    return ledger->type->reader_open(ledger, why, why_size);
}

/* Whether hosts share it, so that what is to run is claimed first. */
static inline bool hw_ledger_claims(const struct hw_ledger *ledger)
{
    return ledger->type->claim != NULL;
}

/* postgres.c: the one that hosts share; ledger = "postgres://…". `config` must outlive it. A build
 * without libpq says so in `why`. */
bool hw_ledger_is_postgres(const char *ledger);
struct hw_ledger *hw_ledger_postgres_open(const struct hw_config *config, char *why,
                                          size_t why_size);

/* Returns 0 with *known filled in, or HW_ELEDGER_UNAVAILABLE. */
static inline int hw_ledger_look_up(struct hw_ledger *ledger, struct hw_ledger_reader *reader,
                                    const struct hw_identity *identity, struct hw_known *known)
{
    return ledger->type->look_up(reader, identity, known);
}

/* Fills in a notification from its row, from_row: identity, body, attempt, times, key and what is
 * known. The texts go into its arena. Returns 0, HW_ENOT_FOUND (no such row, or its body was not
 * kept), HW_ELEDGER_UNAVAILABLE or HW_ENOMEM. */
static inline int hw_ledger_load(struct hw_ledger *ledger, struct hw_ledger_reader *reader,
                                 struct hw_notification *n)
{
    return ledger->type->load ? ledger->type->load(reader, n) : HW_ENOT_FOUND;
}

/* Fills in the reason that the record known.row holds; it goes into the arena. Returns 0,
 * HW_ELEDGER_UNAVAILABLE or HW_ENOMEM. */
static inline int hw_ledger_load_reason(struct hw_ledger *ledger, struct hw_ledger_reader *reader,
                                        struct hw_notification *n)
{
    return ledger->type->load_reason ? ledger->type->load_reason(reader, n) : 0;
}

/* Saves the numbers of a minute, `len` bytes that are copied: with the next commit, or when the
 * ledger has nothing to do. A minute that is saved again replaces the one before. Those older than
 * HW_LEDGER_MINUTES_KEPT are removed. Any thread; does not wait for the disk. */
static inline void hw_ledger_keep_minute(struct hw_ledger *ledger, int64_t minute,
                                         const void *bytes, size_t len)
{
    if (ledger->type->keep_minute)
        ledger->type->keep_minute(ledger, minute, bytes, len);
}

/* Calls each() for the saved minutes from `since` on, in their order. Returns 0 or
 * HW_ELEDGER_UNAVAILABLE. Any thread; reads the file. */
static inline int hw_ledger_minutes(struct hw_ledger *ledger, int64_t since,
                                    hw_ledger_minute_fn *each, void *ud)
{
    return ledger->type->minutes ? ledger->type->minutes(ledger, since, each, ud) : 0;
}

/* Records the outcomes of `count` notifications, at most HW_LEDGER_BATCH_MAX, all or none. After 0
 * they are as durable as this ledger makes them, and n->row is the number of the row. One that is
 * held is recorded as received but not run; an earlier record keeps its state. Returns 0 or
 * HW_ELEDGER_UNAVAILABLE. */
static inline int hw_ledger_commit(struct hw_ledger *ledger, struct hw_notification *const *batch,
                                   size_t count)
{
    return ledger->type->commit(ledger, batch, count);
}

#endif
