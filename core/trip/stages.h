/* stages.h -- verify ▸ look up ▸ decode ▸ match ▸ handle: a job's trip through one worker.
 *
 * With a ledger that hosts share there are two trips: verify, then, once the claim thread has claimed
 * it, decode ▸ match ▸ handle.
 * A worker is all that a thread needs to run a job: a Lua VM, a verifier, a reader of the ledger.
 * There are `workers` of them; each is used by one thread at a time.
 * Thread  the one that holds the worker; it owns the job as well. */
#ifndef HW_STAGES_H
#define HW_STAGES_H

#include "ledger/ledger.h"
#include "script/vm.h"
#include "signing/signature.h"
#include "trip/job.h"
#include "trip/release.h"

/* What all workers share. */
struct hw_stages {
    /* constant after start */
    struct hw_ledger *ledger;
    struct hw_shelf shelf; /* see release.h */

    /* atomic */
    _Atomic unsigned tidy_round; /* how often all workers were to be tidied */
};

struct hw_worker {
    /* guarded by the crew's m */
    struct hw_worker *next; /* in the list of free ones */
    bool untidy;            /* to be tidied while it is free */

    /* its holder only */
    struct hw_stages *shared;
    unsigned index;
    unsigned tidied;            /* the tidy_round that it was last tidied in */
    struct hw_release *release; /* what the VM and the verifier were made from */
    struct hw_vm *vm;
    struct hw_verifier *verifier;
    struct hw_ledger_reader *reader;

    /* atomic: its holder writes, the leader reads */
    _Atomic size_t vm_memory; /* bytes that its VM used after the last job */
};

/* Returns 0, or HW_EFAILED with one line in `why`. */
int hw_worker_init(struct hw_worker *worker, struct hw_stages *shared, unsigned index, char *why,
                   size_t why_size);
void hw_worker_fini(struct hw_worker *worker);

/* Between two jobs: takes the newest release, if it hasn't got it yet. */
void hw_worker_renew(struct hw_worker *worker);

/* Has scripts release what they no longer use, open files above all, by a full collection. A worker
 * that is free is tidied when hw_worker_tidy is called for it, another one after its job. */
void hw_workers_tidy(struct hw_stages *shared);
void hw_worker_tidy(struct hw_worker *worker);

/* Runs the job until it has its outcome, or is to be claimed. Blocks for as long as its handler
 * does. */
void hw_stages_run(struct hw_worker *worker, struct hw_job *job);

#endif
