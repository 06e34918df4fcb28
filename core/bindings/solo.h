/* solo.h -- one worker with its stages and ledger, without threads or a network.
 *
 * Why     recorded notifications can be run again without a host (replay.h, rehearsal.h), by the
 *         same stages and VM as in one.
 * Thread  the one that has the Lua state. */
#ifndef HW_SOLO_H
#define HW_SOLO_H

#include <lua.h>

#include "base/config.h"
#include "trip/job.h"
#include "trip/stages.h"

struct hw_solo {
    struct hw_config config;
    struct hw_stages stages;
    struct hw_worker worker;
    struct hw_job *job; /* the current one, or NULL; freed with the rest */
};

/* Reads the configuration at the index `config`, and loads all that a worker needs. Pushes a
 * userdata that owns the result; it is closed when the calling C function returns or raises. On
 * failure returns NULL, and nil and one line that says why are pushed on top. Stack: -0 +1 or
 * +3. */
struct hw_solo *hw_solo_open(lua_State *L, int config, hw_vm_fit_fn *fit);

/* With a ledger that hosts share: takes the row of a job that is to run again. Afterwards its outcome has
 * a code, or is from the ledger, or it may run. */
void hw_solo_claim(struct hw_worker *worker, struct hw_job *job);

/* Accepts the job of an ack-first handler (job->accepting), and runs it as a host does that has room
 * for it; then hw_solo_finish is to follow. One that is `behind` another of its lane is only
 * recorded, as queued. `now_ms` is as of hw_retry_settle. */
void hw_solo_accept(struct hw_worker *worker, const struct hw_config *config, struct hw_job *job,
                    bool behind, int64_t now_ms);

/* What follows the first run of an authentic job: runs it when its start had to be recorded first,
 * decides whether it is to run again, and records the outcome. `now_ms` and `random` are as of
 * hw_retry_settle. */
void hw_solo_finish(struct hw_worker *worker, const struct hw_config *config, struct hw_job *job,
                    int64_t now_ms, uint64_t random);

/* Pushes how a job failed: the error's code, and the reason or the error with its traceback; two
 * nils when it succeeded. Stack: -0 +2. */
void hw_solo_push_failure(lua_State *L, const struct hw_job *job);

#endif
