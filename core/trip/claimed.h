/* claimed.h -- what follows a claim: it runs, it waits for another host, or it has its outcome.
 *
 * Rule    what is this host's is committed once at least, also if it did not run: that lets its row go.
 * Not     the claims themselves: claims.h and claimer.h.
 * Thread  leader only. */
#ifndef HW_CLAIMED_H
#define HW_CLAIMED_H

#include "trip/flow.h"

/* A replay: its row is claimed. */
void hw_claimed_ask_row(struct hw_dispatch *d, struct hw_job *job);

/* For one that a worker has verified (job->to_claim): true when it is to be claimed now. Otherwise this
 * host has come to its end, and the job has its outcome. */
bool hw_claimed_is_next(const struct hw_dispatch *d, struct hw_job *job);

/* For one that comes back from the claim thread (job->asked): true when it has its outcome. Otherwise it
 * went on, to a worker or into the list of those that are elsewhere. */
bool hw_claimed_read(struct hw_dispatch *d, struct hw_job *job);

/* It is this host's: it goes to a worker; or it is given back, and ends with `code`. */
void hw_claimed_run(struct hw_dispatch *d, struct hw_job *job);
void hw_claimed_give_back(struct hw_dispatch *d, struct hw_job *job, int code);

/* Ends one that is elsewhere, and has left the list. The owner is a dispatch. */
void hw_claimed_forsake(void *owner, struct hw_job *job);

#endif
