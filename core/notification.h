/* notification.h -- one notification as data: what came, what is known of it, what became of it.
 *
 * Why     the ledger records it, a handler is shown it, the log tells of it; none of them has to
 *         know how it travels. The job (trip/job.h) holds one and takes it along.
 * How     each group of fields has one writer; whoever comes later only reads it.
 * Not     no queue, no thread, no connection that waits for the answer.
 * Thread  the owner of the job, but for what a group says. */
#ifndef HW_NOTIFICATION_H
#define HW_NOTIFICATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "http/address.h"
#include "http/request.h"
#include "signing/signature.h"

enum { HW_ATTEMPT_LAST = 5 /* Accredit's last retry: it gives up after this one */ };

/* Two notifications are the same one when these are equal. */
struct hw_identity {
    struct hw_str id; /* empty when the digest alone is the identity */
    uint8_t digest[HW_DIGEST_SIZE];
};

/* The numbers are on disk. */
enum hw_ledger_state {
    HW_NEVER_SEEN = 0,
    HW_SUCCEEDED = 1,
    HW_FAILED = 2,    /* a retry may follow */
    HW_UNHANDLED = 3, /* no handler, accepted all the same */
    HW_DEAD = 4,      /* no retry will follow */
    HW_QUEUED = 5,    /* accepted ack-first, not run yet */
    HW_STARTED = 6    /* its run was recorded before it began, and has no outcome yet */
};

/* What a look-up finds. */
struct hw_known {
    enum hw_ledger_state state;
    uint32_t deliveries; /* before this one */
    uint32_t attempt;    /* the highest of theirs */
    uint32_t runs;       /* before this one */
    uint32_t retries;    /* of the host's own, those that have run or are to come next */
    int64_t next_run_at; /* as of the notification; 0: the host does not run it again */
    bool accepted;       /* it was answered 200 before it ran */
    bool given_up;       /* its handler said hook.never: it does not run again */
    int64_t row;         /* for the implementation that found it; 0: none */
    bool other_body;     /* the job id is known, but only with bodies that differ */
};

/* What the ledger says before it runs; only of a ledger that several hosts share. */
enum hw_claim {
    HW_CLAIM_NONE,     /* it was not asked yet, or could not say */
    HW_CLAIM_MINE,     /* this host has it now, and nobody else may run it */
    HW_CLAIM_KNOWN,    /* its record answers it: outcome has the recorded code and reason */
    HW_CLAIM_ELSEWHERE /* another host has it, or may have: ask again */
};

/* Whose a row is: a claim is written only while its row still has the fence of that claim. */
struct hw_fence {
    int64_t owner; /* a start of a host; never used again */
    int64_t claim; /* counts up within an owner; 0: none */
};

struct hw_outcome {
    int code;             /* 0, or why not */
    bool authentic;       /* it was verified: the ledger wants to know */
    bool from_ledger;     /* a repeat: nothing was run */
    bool held;            /* the ledger can't be written: its handler was not run, and may yet be */
    bool unhandled;       /* no handler, and that is fine: unhandled = "accept" */
    bool ran;             /* a handler was begun */
    struct hw_str reason; /* the handler's `return nil, reason`; goes into the answer */
    struct hw_str detail; /* for the log and the ledger only: an error with its traceback */
    struct hw_str place;  /* where its handler was registered: "handlers/badges.lua:4" */
    int64_t retry_after_ms; /* by hook.retry_after: the delay before the next retry; 0: not said */
    uint64_t taken_ns;      /* a worker had it; 0: none ever did */
    uint64_t began_ns;      /* its handler had it; only if it ran */
    uint64_t finished_ns;
};

struct hw_notification {
    /* what came; written by: intake, or the ledger's load when it runs again */
    struct hw_request *request; /* owns the bytes that the views below look into; NULL: the arena */
    struct hw_str body;
    struct hw_str signature; /* the header's text */
    struct hw_str id;        /* X-JobId, or the first 16 hex digits of the digest */
    bool has_id;
    uint32_t attempt;
    struct hw_identity identity;
    double received_at;     /* seconds since 1970 */
    uint64_t cut_ns;        /* monotonic: its last byte came then, or it was revived */
    struct hw_address peer; /* who sent it; no address when it runs again */
    struct hw_str client;   /* the name that its sender's TLS certificate proves; none: {NULL, 0} */
    int64_t from_row;      /* it runs again, from this row of the ledger; 0: a request brought it */
    bool by_host;          /* the host runs it by itself, since its sender delivers it no more */
    uint32_t retry;        /* it is the host's own retry of this number; 0: it is none */
    bool last;             /* when this run fails neither side will deliver it again */
    struct hw_str headers; /* as http/kept_headers.h writes them; none with a request */
    struct hw_arena *arena; /* holds the texts that are added below; dies with the notification */

    /* written by: verify */
    struct hw_str key; /* the name of the key that verified it */

    /* written by: look up, or claim */
    struct hw_known known;

    /* written by: claim; see enum hw_claim. `row` below is set with it */
    enum hw_claim claim;
    struct hw_fence fence;

    /* leader, before it is claimed again */
    bool waited;    /* it was elsewhere when it was claimed last: it gets that one's answer */
    bool only_look; /* a copy of one that was accepted: never taken, only recognised */
    bool force;     /* a replay: take it even if it succeeded */

    /* written by: decode */
    struct hw_str event;

    /* written by: match, or the ledger's load when it runs again */
    bool ack_first;     /* its handler wants it answered before it runs */
    struct hw_str pool; /* at most pool_max of a pool run at once; none: no limit */
    uint32_t pool_max;
    struct hw_str lane; /* those of a lane run one after another; none: in any order */

    /* leader, when it is accepted; or the ledger's load */
    bool accepted; /* the host alone runs it from now on: its sender has its 200 */

    /* what became of it; written by: the stage that ended it, or who refused it */
    struct hw_outcome outcome;
    char version[17]; /* of the scripts that the worker had, hex */

    /* written by: the stage that starts its run, when that is recorded before it begins */
    bool started;

    /* leader only until the ledger has it: written by: settle */
    enum hw_ledger_state state; /* what the ledger remembers of it */
    int64_t next_run_at; /* the host runs it again then, milliseconds since 1970; 0: it does not */
    int64_t settled_at;  /* by the clock of next_run_at, when that is set */
    uint32_t retries;    /* of the host's own: those that ran, and the one to come */
    uint32_t copies;     /* this delivery and those that joined it by then */
    uint32_t copies_attempt; /* the highest attempt of those that joined */

    /* written by: the ledger's commit */
    int64_t row; /* where it is in the ledger; 0: it keeps no rows, or the commit failed */
    bool fenced; /* another host has its row by now: this outcome was not recorded */

    /* leader only until the ledger has it: written by: lose */
    bool has_stand_in; /* its thread was given up, and another was recorded in its place */
};

/* Ends it with `code`, which is returned. */
static inline int hw_notification_fail(struct hw_notification *n, int code)
{
    return n->outcome.code = code;
}

/* Likewise, for want of memory. That is nobody's fault, and the next attempt may find some: to the
 * sender, the log and the ledger the host is overloaded. */
#define HW_NOTIFICATION_STARVED HW_STR("the host is short of memory; try again later")

static inline int hw_notification_starve(struct hw_notification *n)
{
    n->outcome.reason = HW_NOTIFICATION_STARVED;
    return hw_notification_fail(n, HW_EOVERLOADED);
}

/* The highest attempt so far, whichever came first: deliveries overtake each other, and a copy that
 * joined may have been the sender's last retry. */
static inline uint32_t hw_notification_last_attempt(const struct hw_notification *n)
{
    uint32_t last = n->attempt > n->copies_attempt ? n->attempt : n->copies_attempt;
    return last > n->known.attempt ? last : n->known.attempt;
}

#endif
