/* move_place.h -- a ledger that notifications are copied from, or to (move.h).
 *
 * How     Everything is as in file.h: times in milliseconds since 1970, 0 for none.
 *         A row is known by its identity, the job id with the digest; its number is another one in
 *         another ledger, but their order stays.
 * Thread  the one that copies. */
#ifndef HW_MOVE_PLACE_H
#define HW_MOVE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

enum {
    HW_MOVE_ROWS = 256,             /* of a batch, at most */
    HW_MOVE_BYTES = 4 * 1024 * 1024 /* of their bodies, unless one alone has more */
};

struct hw_move_row {
    int64_t seq; /* in the ledger that it comes from */
    struct hw_str job_id, digest;
    int state, attempt, deliveries, runs, retries, lost;
    bool accepted, parked;
    int64_t received_at, settled_at, next_run_at;
    struct hw_str event, error, reason, detail, key, place, version; /* {NULL, 0}: none */
    struct hw_str lane, pool, headers, body;
};

struct hw_move_run {
    size_t row; /* of the batch */
    int64_t began_at, waited_ms, ms;
    int attempt, retry;
    struct hw_str error, reason, version;
};

struct hw_move_pause {
    struct hw_str pattern;
    int64_t since;
};

struct hw_move_batch {
    struct hw_arena arena; /* has the texts */
    size_t row_count, run_count, run_room, pause_count;
    int64_t last; /* go on after this row; valid if there was one */
    struct hw_move_run *runs;
    struct hw_move_pause pauses[256];
    struct hw_move_row rows[HW_MOVE_ROWS];
};

/* Adds a run. Returns NULL without memory. */
struct hw_move_run *hw_move_batch_add_run(struct hw_move_batch *batch);

struct hw_move_written {
    int64_t added;
    int64_t changed; /* it was there already, and has settled since */
};

struct hw_move_place {
    const struct hw_move_type *type;
    char why[1024]; /* what went wrong last; it names the ledger */
};

/* All return 0, or HW_EFAILED with place->why. */
struct hw_move_type {
    int (*count)(struct hw_move_place *place, int64_t *rows);
    /* Fills the batch with the rows that come after `after`, and their runs. No rows: the end. */
    int (*read)(struct hw_move_place *place, int64_t after, struct hw_move_batch *batch);
    int (*read_pauses)(struct hw_move_place *place, struct hw_move_batch *batch);
    /* One transaction. A row that is there stays, unless it was copied before, has not been used
     * since, and has settled since in the ledger that it comes from. */
    int (*write)(struct hw_move_place *place, const struct hw_move_batch *batch,
                 struct hw_move_written *written);
    int (*write_pauses)(struct hw_move_place *place, const struct hw_move_batch *batch);
    /* After the last row. */
    int (*finish)(struct hw_move_place *place);
    void (*close)(struct hw_move_place *place);
};

#endif
