/* job.h -- the job: one notification on its way, passed on like a baton.
 *
 * Birth   intake.c cuts it when the last byte of a request is there; or it is revived from a
 * row of the ledger, and a worker loads what the row holds before it goes its way. Way     admit
 * (leader) ▸ verify ▸ look up ▸ decode ▸ handle (any crew thread) ▸ commit ▸ reply (leader). One
 * owner at a time: who has passed it on has no pointer to it any more. Each stage writes its own
 * part, once; what comes later only reads it. Death   dispatch.c, in one place. Thread  see the
 * groups of the struct. */
#ifndef HW_JOB_H
#define HW_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "http/deadline.h"
#include "ledger/ledger.h"
#include "notification.h"

enum {
    HW_JOB_ID_MAX = 128,      /* characters of X-JobId */
    HW_ATTEMPT_DIGITS_MAX = 9 /* of X-JobAttempt; more is malformed */
};

struct hw_waiter;

enum hw_progress {
    HW_WAITING,  /* for a worker, or behind another */
    HW_CHECKING, /* a worker has it: it is verified, looked up, decoded */
    HW_RUNNING,  /* a handler has it */
    HW_SETTLING  /* the handler is done: the ledger has it, or is about to */
};

struct hw_job {
    /* each group written by the stage that it names */
    struct hw_notification n;

    /* constant once cut */
    uint64_t cut_ns;        /* monotonic */
    bool force;             /* run it even if it succeeded before */
    struct hw_purge *purge; /* an errand for the ledger thread, and no notification; or NULL */

    /* leader only */
    struct hw_job *bucket_next; /* in the table of jobs in flight */
    struct hw_job *behind;      /* the same identity under another signature: runs after this one */
    struct hw_waiter *waiters;  /* the connections that get its answer */
    uint32_t joined;            /* copies that came while it was in flight */
    uint32_t joined_attempt;    /* the highest of theirs */
    bool in_flight;             /* it is in the table, or behind one that is */
    int told;                   /* what senders were answered who could wait no longer; 0: none */
    struct hw_deadline patience; /* the next look at how far it is */
    uint64_t missed_ns;          /* the due_ns that it has missed */
    bool left; /* a thread that was given up has it: it has left the gate, and the crew's count */

    /* guarded by the crew's m */
    struct hw_job **link; /* in the queue that it waits in; NULL: in none */

    /* atomic: whoever has the job writes, the leader looks */
    _Atomic enum hw_progress progress;
    _Atomic uint64_t due_ns; /* by when what it is at must be over */

    /* travels with the job */
    bool committed;      /* commit: the outcome is durable, or failed for good */
    bool let_go;         /* commit: it was held, and may run: the ledger can be written again */
    struct hw_job *next; /* in the queue that it waits in */
    struct hw_arena arena;
    _Alignas(max_align_t) char first_block[512];
};

/* Cuts a job from a request that is complete and takes the request over (*request becomes NULL).
 * Checks X-Signature, X-JobId and X-JobAttempt as far as their form goes. Returns NULL with *code
 * HW_EMISSING_SIGNATURE, HW_EMALFORMED_SIGNATURE, HW_EMALFORMED_JOB_ID, HW_EMALFORMED_JOB_ATTEMPT
 * or HW_ENOMEM, and leaves the request to the caller. Leader only (it uses the leader's hasher). */
struct hw_job *hw_job_cut(struct hw_request **request, struct hw_hasher *hasher, bool by_body,
                          uint64_t now_ns, int *code);

/* A job that is to run again. Its parts are filled in by the ledger's load. NULL without memory. */
struct hw_job *hw_job_revive(int64_t row, bool force, uint64_t now_ns);

/* For the ledger, in place of a job that is inside a thread that was given up: it has its outcome,
 * that of the job or HW_EHANDLER_TIMEOUT, and all that is recorded. NULL without memory, or when
 * the job had not come as far as its handler: it may run yet, as one that is held. Leader only. */
struct hw_job *hw_job_stand_in(const struct hw_job *job);
void hw_job_free(struct hw_job *job);

/* Two copies of the same notification: they must never run side by side. */
bool hw_job_same(const struct hw_job *a, const struct hw_job *b);

#endif
