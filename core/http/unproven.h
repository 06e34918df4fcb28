/* unproven.h -- the latest requests whose signature did not verify, for `hookward verify --last`.
 *
 * Why     a proxy that changes bodies makes every real notification invalid. The bytes that would
 *         show how it changes them are gone once the answer is sent.
 * How     a ring in memory: the newest HW_UNPROVEN_MAX requests, HW_UNPROVEN_BYTES together; the
 *         oldest make room. Each is an exact copy of head and body, so a forgery costs no more
 *         memory than its own length. Of a long body only the digest is kept.
 * Not     on disk or in the log: the bytes are a stranger's, or personal data.
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
    HW_UNPROVEN_BODY_MAX = 64 * 1024      /* of a longer body only length and digest are kept */
};

struct hw_unproven_request {
    uint64_t number; /* from 1 */
    double at;       /* seconds since 1970 */
    int code;        /* why it was refused */
    struct hw_address peer;
    char *bytes; /* the head as it came, then the decoded body, if that was kept */
    size_t head_len, len;
    uint64_t body_length;
    uint8_t digest[HW_DIGEST_SIZE]; /* of the body; only if that was not kept */
};

struct hw_unproven {
    /* leader only */
    uint64_t last;                                    /* the newest one's number */
    size_t count, bytes;                              /* of those in the ring */
    struct hw_unproven_request ring[HW_UNPROVEN_MAX]; /* number N is at N % HW_UNPROVEN_MAX */
};

/* It must be zeroed before the first use. */
void hw_unproven_fini(struct hw_unproven *u);

/* Whether a code says that a request was not authentic. */
bool hw_unproven_concerns(int code);

/* Keeps a copy of a complete request if `code` concerns its signature; without memory it keeps
 * none. `digest` is the body's, or NULL: then `hasher` computes it where it is needed. */
void hw_unproven_keep(struct hw_unproven *u, const struct hw_request *request,
                      const struct hw_address *peer, int code, const uint8_t *digest,
                      struct hw_hasher *hasher);

/* The newest request with a lower number; for 0, the newest of all. NULL when there is none. */
const struct hw_unproven_request *hw_unproven_before(const struct hw_unproven *u, uint64_t number);

#endif
