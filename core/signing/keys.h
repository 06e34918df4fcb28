/* keys.h -- public RSA keys in every text form, and the set of those that the host trusts.
 *
 * Why     Accredit does not document the form of its Signature Key; a user should be able to save
 *         it as it came. So the form is recognised, never declared.
 * Forms   PEM (PUBLIC KEY, RSA PUBLIC KEY, CERTIFICATE), DER of the same three, Base64 of that DER
 *         with or without line breaks, .NET XML (RSAKeyValue), JWK, and Microsoft's CSP
 *         (PUBLICKEYBLOB) and CNG (BCRYPT_RSAPUBLIC_BLOB) key blobs, raw or as Base64. A text may
 *         begin with a byte order mark, be UTF-16 (with one), or stand in quotes as in JSON.
 * Thread  a key set is a shared constant: one thread builds it, then any may read it. It is only
 *         replaced as a whole (ref/unref, atomic). */
#ifndef HW_KEYS_H
#define HW_KEYS_H

#include <openssl/evp.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/str.h"

enum {
    HW_KEY_FILE_MAX = 64 * 1024, /* bytes of a key file */
    HW_KEYS_MAX = 64,            /* keys in a set: a forged signature is tried with each */
    HW_KEY_BITS_MAX = 16384      /* of a modulus: a larger one makes each forgery too expensive */
};

struct hw_rsa;

struct hw_key {
    char *name;       /* the file's name without its folder */
    const char *form; /* "PEM", "PEM certificate", "Base64 of PKCS#1", …; static */
    int bits;
    int64_t
        not_after; /* of a certificate: seconds since 1970; it verifies after that too; 0: none */
    char fingerprint[65]; /* SHA-256 of the SubjectPublicKeyInfo's DER, hex */
    EVP_PKEY *pkey;
    struct hw_rsa *rsa; /* the same key, prepared for verifying; NULL when it is in no set */
};

struct hw_keyset {
    atomic_int refs;
    size_t count;
    struct hw_key keys[];
};

/* Recognises the form of `text` and parses it into *key, all but name and rsa. Returns 0, or
 * HW_EFAILED with one line in `why` that says what was found instead of a public RSA key of at
 * least min_bits ("this is a private key; …", "this is an EC key; …", "1024 bits, fewer than
 * min_key_bits (2048)"). */
int hw_key_parse(struct hw_key *key, struct hw_str text, int min_bits, char *why, size_t why_size);
void hw_key_fini(struct hw_key *key);

/* Bytes of the modulus, and so of each of its signatures. */
static inline size_t hw_key_size(const struct hw_key *key)
{
    return ((size_t)key->bits + 7) / 8;
}

/* Reads one key from each of `count` files and prepares it. Returns a set with one reference, or
 * NULL with one line in `why` that names the file, or the environment's HOOKWARD_RSA when its value
 * is not known. The same key in two files is taken once (under the first file's name). */
struct hw_keyset *hw_keyset_load(const char *const *paths, size_t count, int min_bits, char *why,
                                 size_t why_size);
struct hw_keyset *hw_keyset_ref(struct hw_keyset *set);
void hw_keyset_unref(struct hw_keyset *set);

#endif
