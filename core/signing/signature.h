/* signature.h -- is this body authentic?
 *
 * What    RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2.2) over the raw body; the signature comes
 *         as strict Base64 (RFC 4648, section 4: padded, no white space, no stray bits at the end).
 * How     the keys of a set are prepared, so a verification is the RSA operation and nothing else.
 *         The caller passes the digest, which it has computed already for the identity.
 * Thread  a verifier and a hasher: one thread at a time. */
#ifndef HW_SIGNATURE_H
#define HW_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "signing/keys.h"

enum { HW_DIGEST_SIZE = 32 };

/* SHA-256 with a digest and a context that were fetched once. */
struct hw_hasher;
struct hw_hasher *hw_hasher_new(void); /* NULL without memory or without SHA-256 */
void hw_hasher_free(struct hw_hasher *hasher);

/* Returns 0 or HW_ENOMEM. */
int hw_hasher_digest(struct hw_hasher *hasher, struct hw_str body, uint8_t digest[HW_DIGEST_SIZE]);

struct hw_verifier;
struct hw_verifier *hw_verifier_new(struct hw_keyset *keys); /* takes a reference of its own */
void hw_verifier_free(struct hw_verifier *verifier);

/* The set that it was made for. */
struct hw_keyset *hw_verifier_keys(const struct hw_verifier *verifier);

/* Checks the Base64 text of a signature of `digest` under each key whose length fits, in the order
 * of the set; the key that verified last is tried first. Returns 0 and the key; or
 * HW_EMALFORMED_SIGNATURE (not strict Base64, or no key of that length), HW_EINVALID_SIGNATURE, or
 * HW_ENOMEM when a key could not be tried.
 * Leaves OpenSSL's error queue empty. */
int hw_verifier_check(struct hw_verifier *verifier, struct hw_str base64,
                      const uint8_t digest[HW_DIGEST_SIZE], const struct hw_key **key);

#endif
