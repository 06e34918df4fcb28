/* rsa.h -- the RSA public operation, s^e mod n, the fastest way that has proved itself.
 *
 * What    a key is prepared once, for the vectors of rsa_vector.h where the processor has the
 *         instructions and they take the key, else for OpenSSL's Montgomery multiplication.
 * Proof   before a key uses the vectors, they must agree with OpenSSL's BN_mod_exp on a few fixed
 *         and a few random inputs. If they don't, that is logged with the key's name, once in a
 *         process, and OpenSSL does the operation for this key.
 * Switch  HOOKWARD_RSA=openssl in the environment turns the vectors off. It is read whenever a key
 *         is prepared.
 * Thread  a prepared key is constant after new: any number of threads may use it at the same time,
 *         each with a scratch of its own. */
#ifndef HW_RSA_H
#define HW_RSA_H

#include <openssl/bn.h>
#include <stdbool.h>
#include <stdint.h>

struct hw_rsa;

/* Prepares the key of modulus `n`, odd and over 1, and exponent `e`, odd, 3 <= e < 2^64. `name` is
 * for the log. Returns NULL for other numbers, and without memory. */
struct hw_rsa *hw_rsa_new(const BIGNUM *n, const BIGNUM *e, const char *name);
void hw_rsa_free(struct hw_rsa *key);

/* What the operation needs beside the key; it fits every key. NULL without memory. */
struct hw_rsa_scratch;
struct hw_rsa_scratch *hw_rsa_scratch_new(void);
void hw_rsa_scratch_free(struct hw_rsa_scratch *scratch);

/* x = s^e mod n. Both are big-endian and as long as the modulus. Returns 0,
 * HW_EINVALID_SIGNATURE when s is not below n, or HW_ENOMEM.
 * May leave errors in OpenSSL's queue. */
int hw_rsa_raise(const struct hw_rsa *key, struct hw_rsa_scratch *scratch, uint8_t *x,
                 const uint8_t *s);

bool hw_rsa_has_vectors(const struct hw_rsa *key);

/* Which way keys take, for people: "vectors (AVX-512 IFMA)" or "OpenSSL (why)"; static. */
const char *hw_rsa_way(void);

/* The value of HOOKWARD_RSA when it is not one that is known (unset, empty, "openssl"); else
 * NULL. Whoever loads keys for use should refuse it: it was meant to change something. */
const char *hw_rsa_unknown_switch(void);

#endif
