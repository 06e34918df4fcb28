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
#include "base/error.h"
#include "base/str.h"
#include "http/address.h"
#include "http/deadline.h"
#include "http/request.h"
#include "ledger/ledger.h"
#include "signing/signature.h"

enum {
    HW_JOB_ID_MAX = 128,      /* characters of X-JobId */
    HW_ATTEMPT_LAST = 5,      /* Accredit's last retry: it gives up after this one */
    HW_ATTEMPT_DIGITS_MAX = 9 /* of X-JobAttempt; more is malformed */
};

struct hw_waiter;

enum hw_progress {
    HW_WAITING,  /* for a worker, or behind another */
    HW_CHECKING, /* a worker has it: it is verified, looked up, decoded */
    HW_RUNNING,  /* a handler has it */
    HW_SETTLING  /* the handler is done: the ledger has it, or is about to */
};

/* While the ledger can't be written a job stands back before its handler. */
enum hw_hold {
    HW_FREE,
    HW_HELD,  /* it waits at the ledger thread, and was not run */
    HW_LET_GO /* the ledger is back: it may run */
};

/* Where a handler was registered, and what became of it. */
struct hw_outcome {
    int code;             /* 0, or why not */
    bool authentic;       /* it was verified: the ledger wants to know */
    bool from_ledger;     /* a repeat: nothing was run */
    bool unhandled;       /* no handler, and that is fine: unhandled = "accept" */
    bool ran;             /* a handler was begun */
    struct hw_str reason; /* the handler's `return nil, reason`; goes into the answer */
    struct hw_str detail; /* for the log and the ledger only: an error with its traceback */
    struct hw_str place;  /* "handlers/badges.lua:4" */
    uint64_t taken_ns;    /* a worker had it; 0: none ever did */
    uint64_t finished_ns;
};

struct hw_job {
    /* constant once cut */
    struct hw_request *request; /* owns the bytes that the views below look into; NULL: the arena */
    struct hw_str body;
    struct hw_str signature; /* the header's text */
    struct hw_str id;        /* X-JobId, or the first 16 hex digits of the digest */
    bool has_id;
    uint32_t attempt;
    struct hw_identity identity;
    double received_at;     /* seconds since 1970 */
    uint64_t cut_ns;        /* monotonic */
    struct hw_address peer; /* who sent it; no address when it was revived */
    int64_t from_row;       /* revived from this row of the ledger; 0: cut from a request */
    struct hw_purge
        *purge; /* an errand for the ledger thread, and no notification at all; or NULL */
    bool force; /* run it even if it succeeded before */

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
    bool lost; /* and a stand-in was counted and recorded for it; who commits it looks too */

    /* guarded by the crew's m */
    struct hw_job **link; /* in the queue that it waits in; NULL: in none */

    /* atomic: whoever has the job writes, the leader looks */
    _Atomic enum hw_progress progress;
    _Atomic uint64_t due_ns; /* by when what it is at must be over */

    /* travels with the job: written by the stage of that name */
    struct hw_str key;         /* verify: the name of the key that verified it */
    struct hw_known known;     /* look up */
    struct hw_str event;       /* decode */
    char version[17];          /* of the scripts, hex */
    struct hw_outcome outcome; /* whichever stage ended it */
    uint32_t copies;           /* settle: this delivery and those that joined it by then */
    uint32_t copies_attempt;   /* settle: the highest attempt of those that joined */
    enum hw_hold hold;         /* look up; the ledger thread lets it go, or refuses it */
    bool committed;            /* commit: the outcome is durable, or failed for good */

    /* travels with the job */
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

/* Ends the job with `code` before a handler has it. */
static inline int hw_job_fail(struct hw_job *job, int code)
{
    return job->outcome.code = code;
}

/* The sender's latest, whichever came first: deliveries overtake each other, and a copy that joined
 * may have been its last retry. */
static inline uint32_t hw_job_last_attempt(const struct hw_job *job)
{
    uint32_t last = job->attempt > job->copies_attempt ? job->attempt : job->copies_attempt;
    return last > job->known.attempt ? last : job->known.attempt;
}

/* Likewise, for want of memory. That is nobody's fault, and the next attempt may find some: to the
 * sender, the log and the ledger the host is overloaded. */
#define HW_JOB_STARVED HW_STR("the host is short of memory; try again later")

static inline int hw_job_starve(struct hw_job *job)
{
    job->outcome.reason = HW_JOB_STARVED;
    return hw_job_fail(job, HW_EOVERLOADED);
}

/* What the ledger remembers of a job that has its outcome. What was dead once stays so until it
 * succeeds. */
static inline enum hw_ledger_state hw_job_state(const struct hw_job *job)
{
    if (!job->outcome.code)
        return job->outcome.unhandled ? HW_UNHANDLED : HW_SUCCEEDED;
    bool dead = hw_job_last_attempt(job) >= HW_ATTEMPT_LAST || job->known.state == HW_DEAD;
    return dead ? HW_DEAD : HW_FAILED;
}

/* Seconds since 1970, and monotonic nanoseconds. */
double hw_now(void);
uint64_t hw_now_ns(void);

#endif
