/* unproven.h -- the latest requests whose signature did not verify, for `hookward verify --last`.
 *
 * Why     a proxy that touches the body makes each real notification invalid, and the one thing
 *         that would show how, the very bytes, is gone with the answer.
 * How     a ring in memory: the newest HW_UNPROVEN_MAX, HW_UNPROVEN_BYTES in all; the oldest make
 *         room. A copy of the head and the body, exactly as long, so that a flood of forgeries
 *         costs each a copy of itself and no more. Of a long body there is only its digest.
 * Not     never on disk, never in the log: it is a stranger's, or it is personal data.
 * Thread  leader only. */
#ifndef HW_UNPROVEN_H
#define HW_UNPROVEN_H

#include <stdbool.h>

#include "http/address.h"
#include "http/request.h"
#include "signing/signature.h"

enum {
    HW_UNPROVEN_MAX = 1000,               /* requests */
    HW_UNPROVEN_BYTES = 16 * 1024 * 1024, /* heads and bodies, together */
    HW_UNPROVEN_BODY_MAX = 64 * 1024      /* of a longer body only length and digest */
};

struct hw_unproven_request {
    uint64_t number; /* they are counted from 1 */
    double at;       /* seconds since 1970 */
    int code;        /* why it was refused */
    struct hw_address peer;
    char *bytes; /* the head as it came, then the body, decoded, if it was kept */
    size_t head_len, len;
    uint64_t body_length;
    uint8_t digest[HW_DIGEST_SIZE]; /* of the body; only if that was not kept */
};

struct hw_unproven {
    /* leader only */
    uint64_t last;       /* the newest one's number */
    size_t count, bytes; /* of those that are here: the ring's newest */
    struct hw_unproven_request ring[HW_UNPROVEN_MAX]; /* number N is at N % HW_UNPROVEN_MAX */
};

/* Has been zeroed before the first use. */
void hw_unproven_fini(struct hw_unproven *u);

/* Keeps a copy of a complete request, if `code` says that its signature is what was wrong. Without
 * memory it does not. `digest` is the body's, or NULL: then `hasher` makes it when it is needed. */
void hw_unproven_keep(struct hw_unproven *u, const struct hw_request *request,
                      const struct hw_address *peer, int code, const uint8_t *digest,
                      struct hw_hasher *hasher);

/* The newest one with a lower number; of any number for 0. NULL: there is none. */
const struct hw_unproven_request *hw_unproven_before(const struct hw_unproven *u, uint64_t number);

#endif
