/* sqlite.h -- what the parts of the durable ledger have in common.
 *
 * sqlite.c     the interface of ledger.h: commits, opening and closing
 * writer.c     the connection that writes, and its statements
 * rows.c       turns an outcome into a row
 * history.c    the runs of what did not succeed at its first
 * look_up.c    look-ups, with a connection for each worker
 * recovery.c   deals with failed commits and with lost files
 * tend.c       what is due between batches: write-back, the filter
 * totals.c     counts the rows by state
 * waiting.c    finds when the oldest that waits to be run was received
 * minutes.c    saves the numbers of each minute
 * backlog.c    counts what is accepted and has yet to run; looks at the disk
 * due.c        finds what is to run again: what is due, what was under way when a host ended
 * park.c       what is paused: kept in the file, and its rows set aside while it lasts
 * purge.c      removes rows on request, also from the log
 * retention.c  removes rows that are older than `retention`
 *
 * Not     for other files: they use ledger.h.
 * Thread  as the groups of the struct say. */
#ifndef HW_LEDGER_SQLITE_H
#define HW_LEDGER_SQLITE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledger/bloom.h"
#include "ledger/clock.h"
#include "ledger/guard.h"
#include "ledger/ledger.h"
#include "ledger/lock.h"
#include "ledger/place.h"

enum { HW_LEDGER_LOST_MAX = 3 /* a handler that takes the host down is not begun a fourth time */ };
enum { HW_LEDGER_WAL_PAGES_HARD = 16000 }; /* of the log; over it, a write-back waits for readers */

/* The writer's statements; writer.c has their texts. */
enum hw_ledger_statement {
    HW_LEDGER_BEGIN,
    HW_LEDGER_END,
    HW_LEDGER_FIND,
    HW_LEDGER_INSERT,
    HW_LEDGER_UPDATE,
    HW_LEDGER_BEFORE,
    HW_LEDGER_REPEAT,
    HW_LEDGER_TOUCH,
    HW_LEDGER_RUN,
    HW_LEDGER_RUN_TRIM,
    HW_LEDGER_FRONT,
    HW_LEDGER_EXPIRE,
    HW_LEDGER_FILL,
    HW_LEDGER_PICK,
    HW_LEDGER_PICK_POOL,
    HW_LEDGER_NEXT_POOL,
    HW_LEDGER_COUNT,
    HW_LEDGER_TOTALS,
    HW_LEDGER_TOTALS_CHANGE,
    HW_LEDGER_TOTALS_UPTO,
    HW_LEDGER_DATA_VERSION,
    HW_LEDGER_WAITING,
    HW_LEDGER_MINUTE,
    HW_LEDGER_MINUTE_FORGET,
    HW_LEDGER_LANE,
    HW_LEDGER_PROMOTE,
    HW_LEDGER_PARK,
    HW_LEDGER_PARKED,
    HW_LEDGER_UNPARK,
    HW_LEDGER_REMOVE,
    HW_LEDGER_STATEMENTS
};

/* Milliseconds; `…_at` by the steady clock. */
struct hw_ledger_retention {
    struct hw_ledger_clock clock;
    int64_t from;            /* the pass has come to this row */
    int64_t steps;           /* of this pass */
    int64_t rest_at;         /* no step before then */
    int64_t whole_at;        /* from then on a pass covers all rows */
    bool slow;               /* no pass was completed since the start, or since a leap */
    int64_t minute_at, room; /* until then, so many rows may be removed */
    int64_t removed, say_at; /* rows since the last line of the log; the next line */
};

struct hw_ledger_totals {
    int64_t change[HW_LEDGER_STATE_END]; /* of the rows of each state, by this transaction */
    int64_t added;                       /* rows, by this transaction */
    int64_t fresh;                       /* rows after `upto` (totals.c) */
    int64_t data_version, looked_at;     /* of the file; by the steady clock, ms */
};

struct hw_ledger_waiting {
    int64_t from; /* no row before this one waits */
    int64_t looked_at;
};

enum { HW_LEDGER_MINUTES_WAIT = 60 /* while the ledger can't be written; the oldest go */ };
struct hw_ledger_minutes {
    /* ledger thread only */
    struct hw_ledger_minute *written; /* with this transaction */

    /* guarded by m */
    pthread_mutex_t m;
    struct hw_ledger_minute *first;

    /* atomic: whether there are any to write */
    atomic_bool any;
};

struct hw_sqlite {
    struct hw_ledger ledger;

    /* constant after open */
    const char *path; /* the configuration's */
    bool by_body, keep_bodies;
    uint64_t retention_ms, dead_retention_ms; /* 0 as dead_retention_ms: for ever */
    uint64_t min_disk_free;                   /* bytes; 0: not looked at */
    struct hw_ledger_lock *lock;

    /* ledger thread only */
    sqlite3 *db;   /* NULL: it has yet to be opened again */
    bool doubtful; /* after an I/O error: SQLite's view of the file can't be trusted */
    struct hw_ledger_place place;
    struct hw_ledger_guard guard;
    sqlite3_stmt *statements[HW_LEDGER_STATEMENTS];
    bool failing;    /* the last commit failed; the log was told */
    bool committing; /* outcomes wait while this connection waits for a lock */
    int patience_ms; /* how long to wait for another program's lock */
    struct hw_ledger_retention retention;
    struct hw_ledger_totals totals;
    struct hw_ledger_waiting waiting;
    int backlog_change;     /* by the transaction that is being written */
    int64_t disk_looked_at; /* by the steady clock, ms */
    int64_t filled_to;
    bool unparking;          /* rows may be parked whose event is not paused any more */
    bool spent;              /* the log still holds rows that were removed from the database */
    int64_t log_tried_at;    /* by the steady clock, ms */
    int wal_pages, wal_hard; /* in the log; over wal_hard a write-back waits for readers */

    /* guarded by readers_m */
    pthread_mutex_t readers_m;
    struct hw_ledger_reader *readers;

    /* guarded by readers_m and each reader's m: one is enough to read, writing takes all */
    bool shut; /* no reader may open the file now */

    /* shared: see above */
    struct hw_ledger_minutes minutes;

    /* shared: see bloom.h */
    struct hw_bloom seen;
};

/* Opens the writer's connection. Returns 0, or HW_EFAILED with one line in `why`. */
int hw_ledger_writer_open(struct hw_sqlite *s, char *why, size_t size);
void hw_ledger_writer_close(struct hw_sqlite *s);

/* Runs a bound statement and resets it for its next use. Returns SQLite's code, SQLITE_OK for
 * SQLITE_DONE. */
int hw_ledger_writer_step(sqlite3_stmt *stmt);

/* Opens the writer's connection, remembers its files and locks them. Returns as above. */
int hw_ledger_recovery_open(struct hw_sqlite *s, char *why, size_t size);

/* Before a write: true when the files are in place and there is a connection; otherwise the log
 * says why not. */
bool hw_ledger_recovery_ready(struct hw_sqlite *s);

/* After a write that returned SQLite's `rc`: true when it succeeded and the files are still in
 * place. An unfinished transaction is rolled back. */
bool hw_ledger_recovery_look(struct hw_sqlite *s, int rc);

/* While nobody waits: after a failure, tries whether the ledger can be written again, and logs
 * it. */
void hw_ledger_recovery_try(struct hw_sqlite *s);

/* Writes an outcome, within a transaction. One that is accepted, and has others of its lane before
 * it, becomes HW_QUEUED and is not due. Returns SQLite's code. */
int hw_ledger_rows_write(struct hw_sqlite *s, struct hw_notification *n);

/* Makes the next of a lane due, after one that is done or was removed; within a transaction. Returns
 * SQLite's code. */
int hw_ledger_rows_promote(struct hw_sqlite *s, struct hw_str lane, int64_t now_ms);

/* Counts the rows by state, from what the file holds of it. Returns SQLite's code. */
int hw_ledger_totals_read(struct hw_sqlite *s);

/* Once a second at most: reads them again if another program has written. */
void hw_ledger_totals_look(struct hw_sqlite *s);

/* What a transaction changes. `begin` forgets the changes of an earlier one that failed. `move`:
 * `count` rows go from one state to another; HW_NEVER_SEEN stands for no row. `write` records the
 * changes in the file, within the transaction; for rows that are removed a trigger does that, so
 * there is no `write`. `end`: the transaction is durable. */
void hw_ledger_totals_begin(struct hw_sqlite *s);
void hw_ledger_totals_move(struct hw_sqlite *s, int from, int to, int64_t count);
int hw_ledger_totals_write(struct hw_sqlite *s); /* returns SQLite's code */
void hw_ledger_totals_end(struct hw_sqlite *s);

/* Notes that this outcome may make its row wait; within the transaction. */
void hw_ledger_waiting_mark(struct hw_sqlite *s, const struct hw_notification *n);

/* Once a second at most: goes on looking for the oldest row that waits. */
void hw_ledger_waiting_look(struct hw_sqlite *s);

/* Writes the minutes that were handed over, within a transaction. Returns SQLite's code. `end` takes
 * the result of the transaction; after an error the minutes are written with a later one. */
int hw_ledger_minutes_write(struct hw_sqlite *s);
void hw_ledger_minutes_end(struct hw_sqlite *s, int rc);

/* Writes them in a transaction of their own, unless the ledger is failing. */
void hw_ledger_minutes_flush(struct hw_sqlite *s);

void hw_ledger_minutes_init(struct hw_sqlite *s);
void hw_ledger_minutes_fini(struct hw_sqlite *s);

/* Whether such a row was accepted and has yet to run to its end. */
bool hw_ledger_backlog_has(bool accepted, enum hw_ledger_state state);

/* What this outcome changes in the count of what was accepted and has yet to run: 1, 0 or -1.
 * `waited`: its row did until now. */
int hw_ledger_backlog_change(const struct hw_notification *n, bool waited);

/* Changes the count, within a transaction, and reads it. Returns SQLite's code. */
int hw_ledger_backlog_write(struct hw_sqlite *s, int change, int64_t *backlog);

/* Looks at most once a second, and logs what has changed. */
void hw_ledger_backlog_look_at_disk(struct hw_sqlite *s);

/* Binds a text, or NULL without one. */
void hw_ledger_rows_bind(sqlite3_stmt *stmt, int index, struct hw_str text);

/* A reason or a detail as it is kept. */
struct hw_str hw_ledger_rows_cut(struct hw_str text);

/* Adds the run to the history of its notification, within the transaction of its outcome. Of more
 * than HW_LEDGER_RUNS_MAX the oldest go. Returns SQLite's code. */
int hw_ledger_history_add(struct hw_sqlite *s, const struct hw_notification *n, int64_t row);

/* Adds the runs that were under way when the last host ended, before they get another state.
 * Returns SQLite's code. */
int hw_ledger_history_add_lost(struct hw_sqlite *s);

/* The key of an identity in the filter: the job id, or the digest when that alone is the
 * identity. */
static inline struct hw_str hw_ledger_filter_key(const struct hw_identity *identity)
{
    if (identity->id.len)
        return identity->id;
    return (struct hw_str){(const char *)identity->digest, HW_DIGEST_SIZE};
}

/* Removes a few old rows. Returns true when there may be more. */
bool hw_ledger_retention_step(struct hw_sqlite *s);

/* Empties the log now and then after rows were removed, since it still holds them. */
void hw_ledger_purge_log(struct hw_sqlite *s);

/* At the host's start, before anything runs: what was under way when the last host ended is due at
 * once, or dead after HW_LEDGER_LOST_MAX times in a row. Returns 0, or HW_EFAILED with one line in
 * `why`. */
int hw_ledger_due_recover(struct hw_sqlite *s, char *why, size_t size);

/* At the host's start: what is paused. Returns 0, or HW_EFAILED with one line in `why`. */
int hw_ledger_park_load(struct hw_sqlite *s, char *why, size_t size);

enum { HW_LEDGER_PARK_STEP = 1000 /* rows that are set aside, or brought back, at a time */ };

/* Sets rows aside, since their event is paused. They are left as they are when the ledger can't be
 * written now. Returns 0 or HW_ELEDGER_UNAVAILABLE. */
int hw_ledger_park(struct hw_sqlite *s, const int64_t *rows, size_t count);

/* Brings rows back whose event is not paused any more, at most so many; they are due at once, the
 * oldest first. Returns true when some were, or when there may be more. */
bool hw_ledger_unpark(struct hw_sqlite *s, int64_t now_ms, int max);

/* Closes the connections of all readers, and keeps them from looking up until `go`. */
void hw_ledger_readers_stop(struct hw_sqlite *s);
void hw_ledger_readers_go(struct hw_sqlite *s);

/* As struct hw_ledger_type says. */
struct hw_ledger_reader *hw_ledger_sqlite_reader_open(struct hw_ledger *ledger, char *why,
                                                      size_t why_size);
void hw_ledger_sqlite_reader_close(struct hw_ledger_reader *reader);
int hw_ledger_sqlite_look_up(struct hw_ledger_reader *reader, const struct hw_identity *identity,
                             struct hw_known *known);
int hw_ledger_sqlite_load(struct hw_ledger_reader *reader, struct hw_notification *n);
int hw_ledger_sqlite_load_reason(struct hw_ledger_reader *reader, struct hw_notification *n);
int hw_ledger_sqlite_pick(struct hw_ledger *ledger, struct hw_ledger_due *due);
int hw_ledger_sqlite_pause(struct hw_ledger *ledger, struct hw_pause *pause);
int hw_ledger_sqlite_purge(struct hw_ledger *ledger, struct hw_purge *purge);
void hw_ledger_sqlite_keep_minute(struct hw_ledger *ledger, int64_t minute, const void *bytes,
                                  size_t len);
int hw_ledger_sqlite_minutes(struct hw_ledger *ledger, int64_t since, hw_ledger_minute_fn *each,
                             void *ud);
bool hw_ledger_sqlite_tend(struct hw_ledger *ledger, bool idle);

#endif
