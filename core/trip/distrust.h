/* distrust.h -- requests that were not authentic: they are kept to be looked at, and counted for
 * their address.
 *
 * How     `hookward verify --last` reads what is kept (http/unproven.h). The count decides who is
 *         verified last (http/failures.h).
 * Thread  leader only. */
#ifndef HW_DISTRUST_H
#define HW_DISTRUST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "http/failures.h"
#include "http/unproven.h"

/* Each may be NULL. Constant after init. */
struct hw_distrust {
    struct hw_unproven *unproven;
    struct hw_failures *failures;
};

/* A request from `peer` was refused with `code`. Does nothing if that says nothing about its
 * signature. `digest` and `hasher` are as hw_unproven_keep takes them; `peer` may be NULL. */
static inline void hw_distrust_note(const struct hw_distrust *d, const struct hw_request *request,
                                    const struct hw_address *peer, int code, const uint8_t *digest,
                                    struct hw_hasher *hasher)
{
    if (!hw_unproven_concerns(code))
        return;
    if (d->unproven)
        hw_unproven_keep(d->unproven, request, peer, code, digest, hasher);
    if (d->failures && peer)
        hw_failures_note(d->failures, &peer->any, hw_now_ns() / 1000000);
}

/* Whether too many requests of `peer` failed in the minute before `now_ns`. */
static inline bool hw_distrust_is_suspect(const struct hw_distrust *d,
                                          const struct hw_address *peer, uint64_t now_ns)
{
    return d->failures && hw_failures_is_over(d->failures, &peer->any, now_ns / 1000000);
}

#endif
