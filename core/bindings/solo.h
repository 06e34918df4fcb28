/* solo.h -- the parts of a host in one thread and without a network, for one notification at a
 * time.
 *
 * Why     what is recorded is run again by the same stages and VM as in a host (replay.h,
 *         rehearsal.h), when there is no host.
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
    struct hw_job *job; /* the one at hand, if any; freed with the rest */
};

/* Reads the config at the index `config` and loads all that a worker needs. It lives in a userdata
 * that is pushed and closed when the C function that calls this returns or raises. NULL: nil and
 * one line that says why are on top of it. Stack: -0 +1 or +3. */
struct hw_solo *hw_solo_open(lua_State *L, int config, hw_vm_fit_fn *fit);

/* Pushes how a job failed: the error's code, and the reason or the error with its traceback; two
 * nils when it succeeded. Stack: -0 +2. */
void hw_solo_push_failure(lua_State *L, const struct hw_job *job);

#endif
