/* diagnose_body.h -- what a sender or a proxy may have signed instead of this body.
 *
 * Thread  pure; any. */
#ifndef HW_DIAGNOSE_BODY_H
#define HW_DIAGNOSE_BODY_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { HW_BODIES_MAX = 20 };

/* The body as it is, first, with an empty condition; then each variation that differs from it. */
struct hw_bodies {
    size_t count;
    struct {
        const char *condition; /* "the body …", static */
        struct hw_str text;
    } list[HW_BODIES_MAX];
};

/* Returns 0, or HW_ENOMEM with nothing to free. Looks into `body`, which must outlive it. */
int hw_bodies_init(struct hw_bodies *bodies, struct hw_str body);
void hw_bodies_fini(struct hw_bodies *bodies);

/* "gzip", "deflate" or "zstd" when the body begins as one that is compressed does, else NULL. */
const char *hw_body_compression(struct hw_str body);

struct hw_hash {
    const char *name; /* "SHA-256" */
    int nid;
    size_t size; /* bytes of a digest */
    const EVP_MD *(*md)(void);
};

/* SHA-256 first; ends with a NULL name. */
extern const struct hw_hash hw_hashes[];

/* By its NID and length; by length alone (the first in the table) for NID_undef; or NULL. */
const struct hw_hash *hw_hash_of(int nid, size_t size);

void hw_hash_digest(const struct hw_hash *hash, struct hw_str text, uint8_t *digest);

/* Writes 2 * len digits and a zero. */
void hw_hash_hex(char *out, const uint8_t *bytes, size_t len);

/* Is `digest` the hash of `text`, or the hash of a spelling of that hash (hex, Base64, its bytes)?
 * Writes to `method` what would have to be otherwise ("" for plain SHA-256). */
bool hw_hash_matches(const struct hw_hash *hash, struct hw_str text, const uint8_t *digest,
                     char *method, size_t size);

#endif
