/* file.h -- the SQLite file behind the ledger: how it is opened, its schema and versions.
 *
 * The host (sqlite.c) and the commands (ledger_api.c) open the same file through here.
 *
 * Format  WAL mode. One row for each notification, in the order of arrival (seq), so inserts append
 *         and retention removes from the front:
 *
 *           notifications
 *             seq          INTEGER PRIMARY KEY
 *             job_id       TEXT     X-JobId; without one the first 16 hex digits of the digest
 *             digest       BLOB     SHA-256 of the signed body, 32 bytes
 *             event        TEXT     '' when the body could not be decoded
 *             state        INTEGER  enum hw_ledger_state
 *             attempt      INTEGER  X-JobAttempt, the highest of its deliveries
 *             deliveries   INTEGER  how often it came
 *             runs         INTEGER  how often a handler was begun
 *             received_at  INTEGER  the first delivery; milliseconds since 1970
 *             settled_at   INTEGER  the latest outcome
 *             next_run_at  INTEGER  when the host itself will run it again; NULL: not
 *             error        TEXT     an error code's name; NULL when it succeeded
 *             reason       TEXT     what the handler gave as reason; NULL
 *             detail       TEXT     the error's text with its traceback; NULL
 *             key          TEXT     the name of the key that verified it
 *             place        TEXT     where its handler is: "handlers/badges.lua:4"; NULL
 *             version      TEXT     of the scripts that ran last; NULL when nothing ran
 *             body         BLOB     of what failed; of all with keep_bodies; else NULL
 *             retries      INTEGER  of the host's own: those that ran, and the one that next_run_at is
 *                                   for
 *             lost         INTEGER  how often in a row the host ended while it ran
 *             accepted     INTEGER  1: it was answered 200 before it ran (ack-first)
 *             parked       INTEGER  1: it was due while its event was paused
 *             lane         TEXT     those of one lane run in order; NULL: none, or it is done
 *             pool         TEXT     at most so many of a pool run at once; NULL: no limit
 *             headers      TEXT     of the request (http/kept_headers.h), kept as long as the body; NULL
 *
 *         runs: a row for each run of a notification that did not succeed at its first: of
 *         one that failed, or was not the first. It goes with its notification (a trigger).
 *             seq          INTEGER  the notification's
 *             began_at     INTEGER  milliseconds since 1970
 *             attempt, retry        the sender's attempt, the host's own retry (0: none)
 *             waited_ms, ms         before the run; its own time
 *             error, reason, version  as above
 *
 *         totals: one row: `rows`, the number of rows up to the row `upto`; `failed`, `unhandled`,
 *         `dead`, `queued`, `running`, the numbers of all rows in these states (totals.c).
 *
 *         counters: `backlog`, the rows that were accepted and have yet to run to their end.
 *
 *         pauses: the patterns of events that are accepted and not run, and since when (ms).
 *
 *         minutes: the saved numbers of a minute (minutes since 1970; the host's own bytes).
 *
 *         The unique index (job_id, digest) is the identity and serves the look-up by id. An index
 *         over digest alone is made when `duplicates = "by-body"` first needs it.
 *         Partial indexes find what did not succeed (by_trouble, for lists), what is due (by_due;
 *         by_pool with a limit), what waits in a lane (by_lane), what was started (by_start) and
 *         what is parked (by_park).
 *         user_version is the schema's version, application_id says that the file is hookward's.
 * Thread  whoever opens a connection uses it alone (it is opened without a mutex). */
#ifndef HW_LEDGER_FILE_H
#define HW_LEDGER_FILE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

/* Makes the next of a lane (?1) due, at the time ?2, unless another of it is due, runs, waits for its
 * retry or is parked. For whatever takes a row out of its lane. */
#define HW_LEDGER_PROMOTE_SQL                                                                      \
    "UPDATE notifications SET next_run_at = min(?2, settled_at), settled_at = ?2 WHERE seq ="      \
    " (SELECT min(seq) FROM notifications WHERE lane = ?1) AND NOT EXISTS"                         \
    " (SELECT 1 FROM notifications WHERE lane = ?1"                                                \
    " AND (next_run_at IS NOT NULL OR parked = 1))"

enum {
    HW_LEDGER_SCHEMA = 3,
    HW_LEDGER_APPLICATION_ID = 0x686f6f6b, /* "hook" */
    HW_LEDGER_RUNS_MAX = 200,              /* rows of one notification; the oldest go */
    HW_LEDGER_BUSY_MS = 2000,              /* how long to wait for another program's lock */
    HW_LEDGER_ERROR_MAX = 64 * 1024        /* bytes of a reason or a detail; more is cut */
};

enum hw_ledger_access {
    HW_LEDGER_CREATE, /* create the file, or migrate its schema: the host */
    HW_LEDGER_WRITE,  /* an existing file of the current schema: purge */
    HW_LEDGER_READ    /* the same, read-only: look-ups, list, show */
};

/* Opens a connection. Returns 0 with *db, or HW_EFAILED with one line in `why` that names the file:
 * missing, not a database, not hookward's, of a newer version, not writable. */
int hw_ledger_file_open(sqlite3 **db, const char *path, enum hw_ledger_access access, char *why,
                        size_t why_size);

/* Whether a host could use this file, which must exist and is not changed. Returns 0, or HW_EFAILED
 * with what hw_ledger_file_open would say to a host. */
int hw_ledger_file_try(const char *path, char *why, size_t why_size);

/* Prepares a statement that lives as long as its connection. Returns 0 or HW_EFAILED with `why`. */
int hw_ledger_file_prepare(sqlite3 *db, sqlite3_stmt **stmt, const char *sql, char *why,
                           size_t why_size);

#endif
