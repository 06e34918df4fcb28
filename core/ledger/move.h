/* move.h -- copies a ledger into another one of any kind: from a file to PostgreSQL, and back.
 *
 * Why     a host that outgrows its machine takes with it what it remembers, and what it still has
 *         to do; backups of a file (copy.h) can't leave their format.
 * How     In batches, a transaction each, in the order of the rows. A row that is there already
 *         stays, so a copy that was interrupted is just begun anew; one that was copied before and
 *         has settled since is copied again. What runs is copied as if its host had ended. Files are
 *         locked meanwhile, as by a host. Pauses are copied; the numbers of the minutes are not.
 * Thread  the caller's, which must not have a file of them open. */
#ifndef HW_MOVE_H
#define HW_MOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hw_move;

struct hw_move_options {
    const char *schema; /* of those on PostgreSQL */
    bool by_body;       /* `duplicates` of one there that is made */
};

struct hw_move_progress {
    int64_t total; /* rows of `from`, as it began */
    int64_t looked_at, added, changed;
};

/* Opens both ledgers, and makes `to` if it is not there. Returns NULL with one line in `why`. */
struct hw_move *hw_move_open(const char *from, const char *to,
                             const struct hw_move_options *options, char *why, size_t why_size);

/* Copies a batch. Returns 1, 0 at the end, or HW_EFAILED with one line in `why`. */
int hw_move_step(struct hw_move *move, char *why, size_t why_size);

const struct hw_move_progress *hw_move_progress(const struct hw_move *move);
void hw_move_close(struct hw_move *move);

#endif
