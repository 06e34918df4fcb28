/* signature.c -- see signature.h
 *
 * The signature is raised to the public exponent (rsa.h). The result is compared with the one
 * encoding that it may be (RFC 8017, 8.2.2 and 9.2: encode and compare, nothing is parsed). */
#include "signing/signature.h"

#include <openssl/err.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/error.h"
#include "signing/rsa.h"

/* ---- hasher ---- */

struct hw_hasher {
    EVP_MD *md;
    EVP_MD_CTX *ctx;
};

struct hw_hasher *hw_hasher_new(void)
{
    struct hw_hasher *hasher = calloc(1, sizeof *hasher);
    if (!hasher)
        return NULL;
    hasher->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    hasher->ctx = EVP_MD_CTX_new();
    if (!hasher->md || !hasher->ctx || !EVP_DigestInit_ex2(hasher->ctx, hasher->md, NULL)) {
        hw_hasher_free(hasher);
        ERR_clear_error();
        return NULL;
    }
    return hasher;
}

void hw_hasher_free(struct hw_hasher *hasher)
{
    if (!hasher)
        return;
    EVP_MD_CTX_free(hasher->ctx);
    EVP_MD_free(hasher->md);
    free(hasher);
}

/* OpenSSL allocates a state for each digest: without memory it fails. */
int hw_hasher_digest(struct hw_hasher *hasher, struct hw_str body, uint8_t digest[HW_DIGEST_SIZE])
{
    unsigned int len = 0;
    bool good = EVP_DigestInit_ex2(hasher->ctx, hasher->md, NULL) &&
                EVP_DigestUpdate(hasher->ctx, body.ptr, body.len) &&
                EVP_DigestFinal_ex(hasher->ctx, digest, &len);
    if (good && len == HW_DIGEST_SIZE)
        return 0;
    ERR_clear_error();
    return HW_ENOMEM;
}

/* ---- verifier ---- */

struct hw_verifier {
    /* constant after start */
    struct hw_keyset *keys;
    /* its thread only */
    struct hw_rsa_scratch *scratch;
    size_t last; /* the key that verified last */
};

struct hw_verifier *hw_verifier_new(struct hw_keyset *keys)
{
    struct hw_verifier *verifier = calloc(1, sizeof *verifier);
    if (!verifier)
        return NULL;
    verifier->keys = hw_keyset_ref(keys);
    verifier->scratch = hw_rsa_scratch_new();
    if (verifier->scratch)
        return verifier;
    hw_verifier_free(verifier);
    ERR_clear_error();
    return NULL;
}

void hw_verifier_free(struct hw_verifier *verifier)
{
    if (!verifier)
        return;
    hw_rsa_scratch_free(verifier->scratch);
    hw_keyset_unref(verifier->keys);
    free(verifier);
}

struct hw_keyset *hw_verifier_keys(const struct hw_verifier *verifier)
{
    return verifier->keys;
}

/* EMSA-PKCS1-v1_5 (RFC 8017, 9.2): 00 01 FF … FF 00, the DigestInfo of SHA-256, the digest. */
static bool is_encoding(const uint8_t *em, size_t size, const uint8_t digest[HW_DIGEST_SIZE])
{
    static const uint8_t info[] = {0x00, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48,
                                   0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    size_t tail = sizeof info + HW_DIGEST_SIZE;
    if (size < 2 + 8 + tail || em[0] != 0x00 || em[1] != 0x01)
        return false;
    for (size_t i = 2; i < size - tail; i++)
        if (em[i] != 0xff)
            return false;
    return memcmp(em + size - tail, info, sizeof info) == 0 &&
           memcmp(em + size - HW_DIGEST_SIZE, digest, HW_DIGEST_SIZE) == 0;
}

/* RSASSA-PKCS1-v1_5 (RFC 8017, 8.2.2). */
static int check(struct hw_verifier *v, const struct hw_key *key, const uint8_t *signature,
                 const uint8_t digest[HW_DIGEST_SIZE])
{
    uint8_t em[HW_KEY_BITS_MAX / 8];
    int rc = hw_rsa_raise(key->rsa, v->scratch, em, signature);
    return rc || is_encoding(em, hw_key_size(key), digest) ? rc : HW_EINVALID_SIGNATURE;
}

int hw_verifier_check(struct hw_verifier *verifier, struct hw_str base64,
                      const uint8_t digest[HW_DIGEST_SIZE], const struct hw_key **key)
{
    uint8_t signature[HW_KEY_BITS_MAX / 8];
    long size = hw_base64_decode(signature, sizeof signature, base64);
    if (size <= 0)
        return HW_EMALFORMED_SIGNATURE;
    int rc = HW_EMALFORMED_SIGNATURE;
    size_t count = verifier->keys->count, first = verifier->last;
    for (size_t turn = 0; turn < count; turn++) {
        /* first, then 0, 1, 2, … without it */
        size_t i = turn == 0 ? first : turn <= first ? turn - 1 : turn;
        const struct hw_key *candidate = &verifier->keys->keys[i];
        if (hw_key_size(candidate) != (size_t)size)
            continue;
        int result = check(verifier, candidate, signature, digest);
        if (result == 0) {
            verifier->last = i;
            *key = candidate;
            return 0;
        }
        ERR_clear_error();
        rc = rc == HW_ENOMEM ? rc : result; /* that key may have been the right one */
    }
    return rc;
}
