/* rsa_vector.h -- the RSA public operation, s^e mod n, eight limbs at a time.
 *
 * Why     the operation is a third of what a notification costs. A processor that multiplies eight
 *         52-bit limbs with one instruction (AVX-512 IFMA) takes less than half of the time that
 *         OpenSSL's BN_mod_mul_montgomery takes.
 * Not     no proof that the result is right, and no other way when there are no vectors: see rsa.h.
 *         Nothing here is secret, so nothing here runs in constant time: public keys only.
 * Thread  a prepared key is constant after new: any number of threads may raise with it. */
#ifndef HW_RSA_VECTOR_H
#define HW_RSA_VECTOR_H

#include <openssl/bn.h>
#include <stdbool.h>
#include <stdint.h>

/* Of a modulus; 2048, 3072 and 4096 bits are in use. */
enum { HW_RSA_VECTOR_BITS_MAX = 4158, HW_RSA_VECTOR_BYTES_MAX = (HW_RSA_VECTOR_BITS_MAX + 7) / 8 };

/* Does this processor have the instructions? */
bool hw_rsa_vector_runs_here(void);

struct hw_rsa_vector;

/* Prepares a key: `n` odd, of 52 to HW_RSA_VECTOR_BITS_MAX bits; `e` odd, 3 <= e < 2^64.
 * Returns NULL for every other key, without memory, and on a processor without the instructions. */
struct hw_rsa_vector *hw_rsa_vector_new(const BIGNUM *n, const BIGNUM *e);
void hw_rsa_vector_free(struct hw_rsa_vector *key);

/* x = s^e mod n. Both are big-endian and as long as the modulus. Returns false, without a result,
 * when s is not below n. */
bool hw_rsa_vector_raise(const struct hw_rsa_vector *key, uint8_t *x, const uint8_t *s);

/* Tests only: keys are prepared with one wrong bit, so that results are wrong. */
extern bool hw_rsa_vector_spoiled;

#endif
