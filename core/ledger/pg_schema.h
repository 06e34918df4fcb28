/* pg_schema.h -- the schema in PostgreSQL: its tables, its versions, how it is brought up to date.
 *
 * notifications   a row for each: the lock, the record and the queue entry in one. Columns as in file.h, but
 *                 for times, which are timestamptz of the database, and:
 *                   owner, claim   the fence: hosts.id that has it or had it last, and its claim
 *                   dedupe_id      the job id; '' with duplicates = "by-body"
 *                   trouble        the state, when it settled as anything but succeeded; else NULL. In
 *                                  place of an index on the state, which would slow each success down
 *                   next_run_at    'infinity' while it runs and is not a first claim
 *                 fillfactor 40: a settle finds room on its page, and touches no index.
 * hosts           a row for each start of a host
 * runs            as in file.h, with the host
 * pauses, minutes as in file.h; the minutes are each host's own, by its name
 * meta            one row: the schema's number, the least that may use it, `duplicates`
 *
 * Thread  the one that has the connection. */
#ifndef HW_PG_SCHEMA_H
#define HW_PG_SCHEMA_H

#include <stddef.h>

#include "ledger/pg.h"

enum {
    HW_PG_SCHEMA = 1, /* the newest step */
    HW_PG_COMPAT = 1  /* hosts from this one on may use what the newest step made */
};

/* Brings the schema `name` up to date, or makes it; several hosts may do so at once. Refuses one that
 * only newer hosts may use, and one of another `duplicates`. Returns as hw_pg_run, with one line in
 * `why`; HW_PG_REFUSED is a mistake of the user's, or a matter for a DBA. */
enum hw_pg_rc hw_pg_schema_update(struct hw_pg *pg, const char *name, bool by_body, char *why,
                                  size_t why_size);

/* The same without any change: whether it is there and may be used. */
enum hw_pg_rc hw_pg_schema_check(struct hw_pg *pg, const char *name, bool by_body, char *why,
                                 size_t why_size);

/* Whether its user has the rights in it that a host needs, without any change. Returns as above. */
enum hw_pg_rc hw_pg_schema_rights(struct hw_pg *pg, const char *name, char *why, size_t why_size);

/* As `check`, for one who takes it as it is: says in *by_body what its `duplicates` are. */
enum hw_pg_rc hw_pg_schema_find(struct hw_pg *pg, const char *name, bool *by_body, char *why,
                                size_t why_size);

/* Makes it one of duplicates = "by-body", while no host is alive. Returns as above; HW_PG_REFUSED also
 * when one is. */
enum hw_pg_rc hw_pg_schema_go_by_body(struct hw_pg *pg, const char *name, char *why,
                                      size_t why_size);

/* All of its SQL, for a DBA who runs it himself. NULL without memory; the caller frees it. */
char *hw_pg_schema_text(const char *name, bool by_body);

/* Whether it may be a schema's name here: a plain identifier, [a-z_][a-z0-9_]*, at most 63. */
bool hw_pg_schema_is_name(const char *name);

/* Puts the schema's name in the place of each @: in double quotes, for it may be a word of SQL, except
 * where '@' is a text. NULL without memory; the caller frees it. */
char *hw_pg_schema_fill(const char *sql, const char *name);

#endif
