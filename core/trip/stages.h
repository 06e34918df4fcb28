/* stages.h -- verify ▸ look up ▸ decode ▸ handle: a job's trip through one worker.
 *
 * A worker is all that a thread needs to take a job through: one Lua VM, one verifier, one ledger
 * reader. It is used by one thread at a time, whichever; there are `workers` of them.
 * Thread  the holder of the worker, who is also the owner of the job. */
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
    /* see release.h */
    struct hw_shelf shelf;

    /* atomic */
    _Atomic unsigned tidy_round; /* counts how often all workers were to be tidied */
};

struct hw_worker {
    /* guarded by the crew's m */
    struct hw_worker *next; /* among the free ones */
    bool untidy;            /* to be tidied before it rests on */

    /* the holder's only */
    struct hw_stages *shared;
    unsigned index;
    unsigned tidied;            /* the last tidy_round */
    struct hw_release *release; /* what the VM and the verifier were made from */
    struct hw_vm *vm;
    struct hw_verifier *verifier;
    struct hw_ledger_reader *reader;
};

/* Returns 0, or HW_EFAILED with one line in `why`. */
int hw_worker_init(struct hw_worker *worker, struct hw_stages *shared, unsigned index, char *why,
                   size_t why_size);
void hw_worker_fini(struct hw_worker *worker);

/* Between two jobs: the next one runs on what is published by now. */
void hw_worker_renew(struct hw_worker *worker);

/* The worker's scripts give back what they don't use any more, open files above all: at once for
 * those that hw_worker_tidy is called for, and behind their job for the others. */
void hw_workers_tidy(struct hw_stages *shared);
void hw_worker_tidy(struct hw_worker *worker);

/* Takes the job to its outcome. May block for as long as the handler does. */
void hw_stages_run(struct hw_worker *worker, struct hw_job *job);

#endif
