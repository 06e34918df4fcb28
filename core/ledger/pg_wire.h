/* pg_wire.h -- one connection of libpq: opened, written to and read from until a deadline.
 *
 * Why     libpq has no deadlines, and a blocking pipeline can deadlock with its server.
 * How     Non-blocking, with poll; while it writes it reads. After any doubt the connection is closed:
 *         its answers could not be told apart any more.
 * Not     what is prepared, settings, poolers: pg.c. Absent in a build without libpq.
 * Thread  one at a time uses a connection. */
#ifndef HW_PG_WIRE_H
#define HW_PG_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger/pg_args.h"
#include "ledger/pg_libpq.h"
#include "ledger/pg_why.h"

#if HW_LIBPQ

struct hw_pg_wire {
    const char *url; /* for its password, which no message shows */
    PGconn *conn;    /* NULL: closed */
    bool unsure;     /* a notice of the last run: a standby may lack the commit */
    char sqlstate[6];
    char why[512];
};

/* Keywords and values as PQconnectdbParams has them, with an expanded dbname. */
enum hw_pg_rc hw_pg_wire_open(struct hw_pg_wire *wire, const char *const *keywords,
                              const char *const *values, uint64_t deadline_ns);
void hw_pg_wire_close(struct hw_pg_wire *wire);

/* Whether the server has not closed it meanwhile, as far as can be told without sending. */
bool hw_pg_wire_is_alive(struct hw_pg_wire *wire);

/* One message of a pipeline. */
struct hw_pg_step {
    const char *name;              /* of a prepared statement; NULL: `sql` is run without a name */
    const char *sql;               /* with a name: it is prepared, and not run */
    const struct hw_pg_args *args; /* to prepare it, only the types are used. NULL: none */
    PGresult *result;              /* set on success; the caller frees it */
    bool done;                     /* set also when a later one failed */
};

/* Runs the steps as one transaction, in one round trip. */
enum hw_pg_rc hw_pg_wire_pipe(struct hw_pg_wire *wire, struct hw_pg_step *steps, size_t count,
                              uint64_t deadline_ns);

/* Runs a text of several statements as one transaction; their results are dropped. */
enum hw_pg_rc hw_pg_wire_exec(struct hw_pg_wire *wire, const char *sql, uint64_t deadline_ns);

/* Notes what went wrong, and closes the connection where the code says so. Returns the code. */
enum hw_pg_rc hw_pg_wire_fail(struct hw_pg_wire *wire, enum hw_pg_rc rc, const char *why);

#endif
#endif
