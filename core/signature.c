/* signature.c -- see signature.h */
#include "signature.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "base64.h"
#include "check.h"
#include "error.h"

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

void hw_hasher_digest(struct hw_hasher *hasher, struct hw_str body, uint8_t digest[HW_DIGEST_SIZE])
{
    unsigned int len = 0;
    bool good = EVP_DigestInit_ex2(hasher->ctx, hasher->md, NULL) &&
                EVP_DigestUpdate(hasher->ctx, body.ptr, body.len) &&
                EVP_DigestFinal_ex(hasher->ctx, digest, &len);
    HW_CHECK(good && len == HW_DIGEST_SIZE);
}

/* ---- verifier ---- */

struct slot {
    EVP_PKEY *pkey;    /* its own copy of the key */
    EVP_PKEY_CTX *ctx; /* prepared once, good for any number of verifications */
    size_t size;       /* bytes of the modulus, and so of a signature */
};

struct hw_verifier {
    /* constant after start */
    struct hw_keyset *keys;
    /* its thread only */
    size_t last; /* the key that verified last */
    struct slot slots[];
};

/* A key that is shared takes its own lock at each verification (for the cached Montgomery context):
 * with two threads a copy each is some 4 % faster, and it stays so with more. */
static bool prepare(struct slot *slot, const struct hw_key *key)
{
    slot->size = hw_key_size(key);
    slot->pkey = EVP_PKEY_dup(key->pkey);
    slot->ctx = slot->pkey ? EVP_PKEY_CTX_new_from_pkey(NULL, slot->pkey, NULL) : NULL;
    return slot->ctx && EVP_PKEY_verify_init(slot->ctx) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(slot->ctx, RSA_PKCS1_PADDING) == 1 &&
           EVP_PKEY_CTX_set_signature_md(slot->ctx, EVP_sha256()) == 1;
}

struct hw_verifier *hw_verifier_new(struct hw_keyset *keys)
{
    struct hw_verifier *verifier =
        calloc(1, sizeof *verifier + keys->count * sizeof verifier->slots[0]);
    if (!verifier)
        return NULL;
    verifier->keys = hw_keyset_ref(keys);
    for (size_t i = 0; i < keys->count; i++) {
        if (!prepare(&verifier->slots[i], &keys->keys[i])) {
            hw_verifier_free(verifier);
            ERR_clear_error();
            return NULL;
        }
    }
    return verifier;
}

void hw_verifier_free(struct hw_verifier *verifier)
{
    if (!verifier)
        return;
    for (size_t i = 0; i < verifier->keys->count; i++) {
        EVP_PKEY_CTX_free(verifier->slots[i].ctx);
        EVP_PKEY_free(verifier->slots[i].pkey);
    }
    hw_keyset_unref(verifier->keys);
    free(verifier);
}

struct hw_keyset *hw_verifier_keys(const struct hw_verifier *verifier)
{
    return verifier->keys;
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
        struct slot *slot = &verifier->slots[i];
        if (slot->size != (size_t)size)
            continue;
        if (EVP_PKEY_verify(slot->ctx, signature, slot->size, digest, HW_DIGEST_SIZE) == 1) {
            verifier->last = i;
            *key = &verifier->keys->keys[i];
            return 0;
        }
        ERR_clear_error();
        rc = HW_EINVALID_SIGNATURE;
    }
    return rc;
}
