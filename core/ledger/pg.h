/* pg.h -- a connection to PostgreSQL: statements with a deadline, sent together, arrays in binary.
 *
 * Why     libpq has no deadlines, and a connection that says nothing must not hold a thread.
 * How     The calls of one hw_pg_run go out as one pipeline with one Sync, so they are one transaction
 *         and one round trip. On a direct connection a statement is prepared when it first runs; behind
 *         a pooler in transaction mode (found out, not configured) it is planned each time, and the
 *         settings go first in each pipeline.
 *         libpq is loaded when it is first needed. A build without its header says so.
 *         pg_wire.h  sends and reads        pg_args.h  parameters
 *         pg_why.h   codes and texts        pg_libpq.h loads the library
 * Not     SQL, rows, what to do after an error.
 * Thread  one at a time uses a connection. */
#ifndef HW_PG_H
#define HW_PG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "ledger/pg_args.h" /* parameters */
#include "ledger/pg_why.h"  /* enum hw_pg_rc */

struct hw_pg;
struct hw_pg_result;

struct hw_pg_statement {
    const char *name;
    const char *sql; /* the schema is filled in; each parameter has an explicit cast. It is prepared
                      * with the types of the arguments that it first runs with */
};

struct hw_pg_options {
    const char *url;  /* goes to libpq as it is */
    const char *name; /* for application_name: "hookward/<name>" */
    const struct hw_pg_statement *statements;
    size_t count;
    /* for commands, which have time */
    uint64_t statement_ms; /* the server's statement_timeout; 0: 5 s */
    bool plain;            /* without the three switches of the planner */
};

/* Opens nothing yet. `options` and what it points to must outlive it. NULL without memory. */
struct hw_pg *hw_pg_new(const struct hw_pg_options *options);
void hw_pg_free(struct hw_pg *pg);

/* Connects, unless it is connected, and looks at what it finds: refuses a standby, and a server
 * encoding other than UTF8. Returns 0 or a code above (AWAY: try again; REFUSED: a user's mistake). */
enum hw_pg_rc hw_pg_connect(struct hw_pg *pg, uint64_t deadline_ns);
void hw_pg_close(struct hw_pg *pg);
bool hw_pg_is_open(const struct hw_pg *pg);

/* Why the last call failed: one line, without a password. */
const char *hw_pg_why(const struct hw_pg *pg);
const char *hw_pg_sqlstate(const struct hw_pg *pg); /* "" when the server did not say one */

/* What the connection is; as of the last connect. */
struct hw_pg_facts {
    bool pooled;  /* behind a pooler */
    bool durable; /* fsync and full_page_writes are on; synchronous_commit is seen to */
    bool tls;
    bool local;                                         /* a Unix socket, or a loopback address */
    int server_version;                                 /* 150004 */
    char standbys[256];                                 /* synchronous_standby_names */
    char host[256], port[16], database[128], user[128]; /* cut off where they are longer */
};
const struct hw_pg_facts *hw_pg_facts(const struct hw_pg *pg);

/* ---- running ---- */

struct hw_pg_call {
    size_t statement;              /* its index in the options */
    const struct hw_pg_args *args; /* NULL: none */
    struct hw_pg_result *result;   /* set by the run; the caller frees it. NULL after an error */
};

enum { HW_PG_CALLS_MAX = 16 };

/* Runs the calls in one transaction: all or none. Connects first if it has to. */
enum hw_pg_rc hw_pg_run(struct hw_pg *pg, struct hw_pg_call *calls, size_t count,
                        uint64_t deadline_ns);

/* Likewise, one text of SQL with any number of statements and no parameters; for migrations. */
enum hw_pg_rc hw_pg_exec(struct hw_pg *pg, const char *sql, uint64_t deadline_ns);

/* Likewise, one statement of the caller's that is not among the prepared ones. */
enum hw_pg_rc hw_pg_query(struct hw_pg *pg, const char *sql, const struct hw_pg_args *args,
                          struct hw_pg_result **result, uint64_t deadline_ns);

/* ---- results: of BOOL, INT2, INT4, INT8, TEXT, BYTEA columns ----
 * (a sum of bigint is none of these: cast it) */

size_t hw_pg_rows(const struct hw_pg_result *result);
bool hw_pg_is_null(const struct hw_pg_result *result, size_t row, size_t column);
int64_t hw_pg_int(const struct hw_pg_result *result, size_t row, size_t column); /* NULL: 0 */
/* Valid until the result is freed; NULL: {NULL, 0}. */
struct hw_str hw_pg_text(const struct hw_pg_result *result, size_t row, size_t column);
int64_t
hw_pg_changed(const struct hw_pg_result *result); /* rows that a write without RETURNING wrote */
void hw_pg_result_free(struct hw_pg_result *result);

/* NULL, or why there is no libpq here: one line that says what to install. */
const char *hw_pg_absent(void);
/* Whether this build can use one that is installed. */
bool hw_pg_is_built(void);
/* Its version, "15.4"; NULL without it. */
const char *hw_pg_version(void);

#endif
