/* pools.h -- how many runs of a handler may be under way at once: `concurrency` of hook.on.
 *
 * Why     a service behind a handler may bear two requests at a time, not `workers`.
 * How     counts what is in hand, by the handler's pattern. The limit is known once a run of the
 *         pool has begun, or one was accepted; until then, after a start, one may run. So a
 *         changed limit holds from the next run on, and nothing has to be told at a reload.
 * Not     replays: somebody asked for these, so they are not kept waiting.
 * Thread  leader only. */
#ifndef HW_POOLS_H
#define HW_POOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "ledger/ledger.h"

struct hw_pool;

struct hw_pools {
    struct hw_pool *first; /* one for each pattern with a limit: a short list */
};

void hw_pools_fini(struct hw_pools *pools);

/* How many more may run now; SIZE_MAX for one that has no limit. */
size_t hw_pools_room(const struct hw_pools *pools, struct hw_str name);

/* One is in hand from now on, until it leaves; NULL without memory: it must not run. */
struct hw_pool *hw_pools_enter(struct hw_pools *pools, struct hw_str name);
void hw_pools_leave(struct hw_pool *pool);

/* All pools that are known, in the arena; none without memory. One with room is to be looked through
 * for what is in hand as well: until its start is recorded the ledger takes it for due. */
struct hw_ledger_room *hw_pools_list(const struct hw_pools *pools, struct hw_arena *arena,
                                     size_t *count);

/* The limit as its handler has it now; 0: it has none any more. */
void hw_pools_learn(struct hw_pools *pools, struct hw_str name, uint32_t max);

#endif
