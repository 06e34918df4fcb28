/* in_flight.h -- the jobs between admission and reply, by identity.
 *
 * Why     two copies of one notification must never run side by side.
 * How     a hash table, in which each identity stands once. A copy with another signature goes behind
 *         the one that is there, at most HW_BEHIND_MAX of them: honest copies differ only by their
 *         key.
 * Not     when a job enters or leaves, and who gets its answer: dispatch.h.
 * Thread  leader only. */
#ifndef HW_IN_FLIGHT_H
#define HW_IN_FLIGHT_H

#include <stddef.h>
#include <stdint.h>

#include "trip/job.h"

enum { HW_BEHIND_MAX = 16 };

struct hw_in_flight {
    struct hw_job **buckets;
    size_t bucket_count; /* a power of two */
    uint64_t seed;       /* a stranger must not be able to choose a bucket */
};

/* For about so many jobs. Returns 0 or HW_ENOMEM. */
int hw_in_flight_init(struct hw_in_flight *table, size_t jobs);
void hw_in_flight_fini(struct hw_in_flight *table);

/* The one with the job's identity, which may be the job itself; NULL: there is none. */
struct hw_job *hw_in_flight_find(const struct hw_in_flight *table, const struct hw_job *job);

/* Adds one whose identity is not there. */
void hw_in_flight_add(struct hw_in_flight *table, struct hw_job *job);

/* Does nothing for one that was not added. Those behind it are the caller's. */
void hw_in_flight_remove(struct hw_in_flight *table, struct hw_job *job);

/* Of `first` and those behind it the one with the job's signature, or NULL. */
struct hw_job *hw_in_flight_find_signed(struct hw_job *first, const struct hw_job *job);

/* Puts the job behind those with its identity. Returns 0, or HW_EOVERLOADED: too many wait there. */
int hw_in_flight_go_behind(struct hw_job *first, struct hw_job *job);

/* Takes back one that waits behind `first`. */
void hw_in_flight_leave_behind(struct hw_job *first, struct hw_job *job);

#endif
