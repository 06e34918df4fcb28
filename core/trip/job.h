/* job.h -- the job: one notification on its way, passed on like a baton.
 *
 * Birth   intake.c cuts it when the last byte of a request is there. Or it is revived from a row of
 *         the ledger; then a worker first loads what the row holds.
 * Way     admit     leader
 *         verify    any crew thread, and so on to handle
 *         look up   or, with a ledger that several hosts share: claim, in a thread of its own, and
 *                   then again with the crew
 *         decode
 *         match
 *         handle
 *         commit    the ledger thread
 *         reply     leader
 *         A job has one owner at a time. After passing it on, a stage keeps no pointer to it. Each
 *         stage writes its own part once; later stages only read it.
 * Death   flow.c, in one place.
 * Thread  see the groups of the struct. */
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
struct hw_pool;

enum hw_progress {
    HW_WAITING,   /* for a worker, or for another job of the same identity */
    HW_ELSEWHERE, /* for another host, which has it */
    HW_CHECKING,  /* a worker verifies it, looks it up, decodes it; or it is being claimed */
    HW_RUNNING,   /* scripts run: the check of its schema, its key, its handler */
    HW_SETTLING   /* the handler has returned; the outcome is being recorded */
};

struct hw_job {
    /* each of its groups names the stage that writes it */
    struct hw_notification n;

    /* constant once cut */
    int64_t due_at;         /* the host runs it by itself: its row's next_run_at; 0: it was asked */
    struct hw_purge *purge; /* set: no notification, but work for the ledger thread */
    struct hw_ledger_due *pick; /* likewise */
    struct hw_pause *pause;     /* likewise */

    /* leader only */
    struct hw_job *bucket_next;  /* in the table of jobs in flight */
    struct hw_job *behind;       /* the same identity, another signature: runs after this one */
    struct hw_waiter *waiters;   /* the connections that get its answer */
    uint32_t joined;             /* copies that came while it was in flight */
    uint32_t joined_attempt;     /* the highest of theirs */
    uint32_t counted;            /* of its copies, those that are recorded */
    bool in_flight;              /* in the table, or behind one that is */
    bool beside;                 /* a copy of one that is accepted, to be verified: never runs */
    bool in_hand;                /* due.h counts it */
    struct hw_pool *pool;        /* counts it while it is in hand; NULL: none does */
    bool to_accept;              /* the ledger has it, to accept it */
    bool turned_away;            /* there was no room to accept it */
    bool accepted;               /* its senders have their 200 */
    bool timed;                  /* the time until its first answer was counted */
    bool stuck;                  /* its handler did not return in time, and has not yet */
    int told;                    /* the code that senders got who could wait no longer; 0: none */
    struct hw_deadline patience; /* when the leader looks next how far it is */
    uint64_t missed_ns;          /* the last due_ns that it missed */
    uint64_t ask_at_ns;          /* it is elsewhere: when it is claimed again */
    uint32_t ask_ms;             /* the delay before that; it grows */
    bool elsewhere;              /* it waits for that */
    int64_t row;                 /* in the ledger, as of its claim; 0: it was not claimed */
    bool left;         /* its thread was given up: it no longer counts at the gate or in the crew */
    bool last_in_line; /* a worker takes it only when no other job waits */

    /* guarded by the crew's m */
    struct hw_job **link; /* what points to it in its queue; NULL: it is in none */

    /* atomic: the owner writes, the leader reads */
    _Atomic enum hw_progress progress;
    _Atomic uint64_t due_ns; /* when its present stage must be over */

    /* travels with the job */
    bool to_claim;       /* verify: it is to be claimed now */
    bool asked;          /* claim: it has the ledger's answer */
    bool starting;       /* record start: the ledger has it before its handler does */
    bool accepting;      /* accept: it is answered once the ledger has it, and then run */
    bool committed;      /* commit: the outcome is durable, or failed for good */
    bool let_go;         /* commit: it may run: the ledger can be written again, or has its start */
    struct hw_job *next; /* in the queue that it waits in */
    struct hw_arena arena;
    _Alignas(max_align_t) char first_block[512];
};

/* Cuts a job from a complete request and takes the request over (*request becomes NULL). Checks the
 * form of X-Signature, X-JobId and X-JobAttempt. Returns NULL with *code
 * HW_EMISSING_SIGNATURE, HW_EMALFORMED_SIGNATURE, HW_EMALFORMED_JOB_ID, HW_EMALFORMED_JOB_ATTEMPT
 * or HW_ENOMEM, and leaves the request to the caller. Leader only (it uses the leader's hasher). */
struct hw_job *hw_job_cut(struct hw_request **request, struct hw_hasher *hasher, bool by_body,
                          uint64_t now_ns, int *code);

/* A job that is to run again. Its parts are filled in by the ledger's load. NULL without memory. */
struct hw_job *hw_job_revive(int64_t row, bool force, uint64_t now_ns);

/* One that the ledger has taken, as `taken` is: its row was due at `due_at`. The texts are copied. NULL
 * without memory. */
struct hw_job *hw_job_take(const struct hw_notification *taken, int64_t due_at, uint64_t now_ns);

/* A stand-in for a job whose thread was given up, for the ledger: it has all that is recorded, and
 * the job's outcome, or HW_EHANDLER_TIMEOUT while there is none. NULL without memory, or when the
 * job's handler had not begun: such a job may still run, like one that is held. NULL as well when it
 * is claimed: while its thread is in the handler no other host may run it. Leader only. */
struct hw_job *hw_job_stand_in(const struct hw_job *job);
void hw_job_free(struct hw_job *job);

/* Gives `to`, which has no request, the headers of `from` as they are kept. Returns false without
 * memory. */
bool hw_job_copy_headers(struct hw_job *to, const struct hw_job *from);

/* True for two copies of one notification, which must never run side by side. */
bool hw_job_same(const struct hw_job *a, const struct hw_job *b);

/* True while its row is this host's: it has to be committed, whatever becomes of it. */
static inline bool hw_job_is_claimed(const struct hw_job *job)
{
    return job->n.claim == HW_CLAIM_MINE && !job->committed;
}

#endif
