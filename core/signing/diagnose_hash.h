/* diagnose_hash.h -- which hash a signed digest is of, and what was hashed.
 *
 * Thread  pure; any. */
#ifndef HW_DIAGNOSE_HASH_H
#define HW_DIAGNOSE_HASH_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct hw_hash {
    const char *name; /* "SHA-256" */
    int nid;
    size_t size; /* bytes of a digest */
    const EVP_MD *(*md)(void);
};

/* SHA-256 first; ends with a NULL name. */
extern const struct hw_hash hw_hashes[];

/* The hash of this NID and digest length; for NID_undef the first of this length; or NULL. */
const struct hw_hash *hw_hash_of(int nid, size_t size);

void hw_hash_digest(const struct hw_hash *hash, struct hw_str text, uint8_t *digest);

/* Writes 2 * len hex digits and a zero byte. */
void hw_hash_hex(char *out, const uint8_t *bytes, size_t len);

/* Is `digest` the hash of `text`, or the hash of that hash written as hex, Base64 or bytes? If so,
 * writes to `method` what would have to be different ("" for plain SHA-256). */
bool hw_hash_matches(const struct hw_hash *hash, struct hw_str text, const uint8_t *digest,
                     char *method, size_t size);

#endif
