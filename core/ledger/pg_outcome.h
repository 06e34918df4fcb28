/* pg_outcome.h -- a batch of outcomes as the parameters of a statement: an array for each column.
 *
 * How     each function clears `args` and fills it in the order of one statement of pg_sql.c.
 * Not     which outcomes go into which statement: pg_settle.c.
 * Thread  the one that has `args`. */
#ifndef HW_PG_OUTCOME_H
#define HW_PG_OUTCOME_H

#include "ledger/postgres.h"

/* It has a row at this host. */
static inline bool hw_pg_was_claimed(const struct hw_notification *n)
{
    return n->claim == HW_CLAIM_MINE;
}

/* Its own row, or the one that it is a copy of. */
static inline int64_t hw_pg_row_of(const struct hw_notification *n)
{
    return n->outcome.from_ledger && n->known.row ? n->known.row : n->row;
}

/* Whether the body and the headers of it are recorded. */
bool hw_pg_keeps_body(const struct hw_postgres *p, const struct hw_notification *n);

/* HW_PG_SETTLE */
void hw_pg_outcome_rows(struct hw_pg_args *args, const struct hw_postgres *p,
                        struct hw_notification *const *batch, size_t count);

/* HW_PG_REPEAT */
void hw_pg_outcome_repeats(struct hw_pg_args *args, struct hw_notification *const *batch,
                           size_t count);

/* HW_PG_INSERT */
void hw_pg_outcome_inserts(struct hw_pg_args *args, struct hw_postgres *p,
                           struct hw_notification *const *batch, size_t count);

/* HW_PG_LOOK: the numbers of their rows. */
void hw_pg_outcome_seqs(struct hw_pg_args *args, struct hw_notification *const *batch,
                        size_t count);

#endif
