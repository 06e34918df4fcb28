/* pg.h -- a connection to PostgreSQL: statements with a deadline, sent together, arrays in binary.
 *
 * Why     libpq has no deadlines, and a connection that says nothing must not hold a thread.
 * How     Non-blocking, with poll. The calls of one hw_pg_run go out as one pipeline with one Sync, so
 *         they are one transaction and one round trip. While it writes it reads, as libpq asks for.
 *         After any doubt the connection is closed: its answers could not be told apart any more.
 *         On a direct connection the statements are prepared once; behind a pooler in transaction
 *         mode (found out, not configured) they are planned each time, and the settings go first in
 *         each pipeline.
 *         libpq is loaded when it is first needed. A build without its header says so.
 * Not     SQL, rows, what to do after an error.
 * Thread  one at a time uses a connection. */
#ifndef HW_PG_H
#define HW_PG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct hw_pg;
struct hw_pg_result;

/* What a run came to. But for DATA and AGAIN and REFUSED the connection is closed. */
enum hw_pg_rc {
    HW_PG_OK,
    HW_PG_AGAIN,   /* 40001, 40P01, 55P03: rolled back, and worth one more try */
    HW_PG_BROKEN,  /* the connection ended; nobody knows whether it was committed */
    HW_PG_LATE,    /* the deadline passed; nobody knows */
    HW_PG_AWAY,    /* 08, 57P0, 53300, 25006, or it can't be connected to */
    HW_PG_DATA,    /* 22, 23, 54: something in the parameters */
    HW_PG_REFUSED, /* anything else: the statement is wrong, or a right is missing */
    HW_PG_UNSURE   /* committed here with a warning: perhaps not on the standby */
};

struct hw_pg_statement {
    const char *name;
    const char *sql; /* the schema is filled in; each parameter has an explicit cast */
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
    bool durable; /* fsync and full_page_writes are on */
    bool tls;
    bool local;         /* a Unix socket, or a loopback address */
    int server_version; /* 150004 */
    char standbys[256]; /* synchronous_standby_names */
    char host[256], port[16], database[128], user[128];
};
const struct hw_pg_facts *hw_pg_facts(const struct hw_pg *pg);

/* ---- parameters ---- */

enum hw_pg_type { HW_PG_BOOL, HW_PG_INT2, HW_PG_INT4, HW_PG_INT8, HW_PG_TEXT, HW_PG_BYTEA };

/* The parameters of one statement, in the order of $1, $2 … Without memory it is marked as spoiled,
 * and the run fails with HW_PG_DATA. */
struct hw_pg_args;
struct hw_pg_args *hw_pg_args_new(void);
void hw_pg_args_free(struct hw_pg_args *args);
void hw_pg_args_clear(struct hw_pg_args *args); /* keeps its memory */

void hw_pg_arg_int(struct hw_pg_args *args, enum hw_pg_type type, int64_t value); /* also BOOL */
void hw_pg_arg_null(struct hw_pg_args *args);
/* A text is cleaned: what PostgreSQL's text refuses (NUL, invalid UTF-8) becomes U+FFFD. {NULL, 0} is
 * NULL. */
void hw_pg_arg_text(struct hw_pg_args *args, struct hw_str text);
void hw_pg_arg_bytes(struct hw_pg_args *args, struct hw_str bytes);

/* An array of one dimension: begin, items, end. */
void hw_pg_array_begin(struct hw_pg_args *args, enum hw_pg_type type);
void hw_pg_item_int(struct hw_pg_args *args, int64_t value);
void hw_pg_item_text(struct hw_pg_args *args,
                     struct hw_str text); /* TEXT: cleaned; {NULL, 0}: NULL */
void hw_pg_item_bytes(struct hw_pg_args *args, struct hw_str bytes);
void hw_pg_item_null(struct hw_pg_args *args);
void hw_pg_array_end(struct hw_pg_args *args);

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

/* ---- results: of BOOL, INT2, INT4, INT8, TEXT, BYTEA columns ---- */

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
/* Its version, "15.4"; NULL without it. */
const char *hw_pg_version(void);

#endif
