/* key_blob.h -- Microsoft's binary forms of a key: CSP's and CNG's blobs.
 *
 * CSP     BLOBHEADER { type, version 2, 2 zero bytes, algorithm }, then RSAPUBKEY { magic, bits,
 *         exponent }, then the modulus; all little-endian.
 * CNG     BCRYPT_RSAKEY_BLOB { magic, bits, bytes of exponent, modulus, prime 1, prime 2 }, all
 *         little-endian; then exponent and modulus, big-endian.
 * Thread  pure; any. */
#ifndef HW_KEY_BLOB_H
#define HW_KEY_BLOB_H

#include "signing/key_numbers.h"

bool hw_key_is_blob(struct hw_str bytes);

/* `bytes` are a blob. `was_base64` only decides how the form is called. */
int hw_key_blob_read(struct hw_key_numbers *numbers, struct hw_str bytes, bool was_base64,
                     const struct hw_reason *why);

#endif
