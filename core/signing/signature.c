/* signature.c -- see signature.h
 *
 * The signature is raised to the public exponent in numbers that were set up once: with
 * rsa_vector.h where the CPU and the key's size allow it, else with OpenSSL's Montgomery
 * multiplication. What comes out is compared with the one encoding that it may be (RFC 8017, 8.2.2
 * and 9.2: encode and compare, nothing is parsed). Nothing here is secret. By way of
 * EVP_PKEY_verify the same takes a sixth longer than OpenSSL's multiplication, and thrice as long
 * as the vectors: allocations, look-ups and two conversions. */
#include "signing/signature.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/error.h"
#include "signing/rsa_vector.h"

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

/* OpenSSL makes a state of its own for each digest. */
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

/* A key, ready: s^e mod n. */
struct slot {
    size_t size; /* bytes of the modulus, and so of a signature */
    int e_bits;
    BIGNUM *n, *e;
    BN_MONT_CTX *mont;
    struct hw_rsa_vector *vector; /* NULL: not with this CPU, or not with this key */
};

struct hw_verifier {
    /* constant after start */
    struct hw_keyset *keys;
    /* its thread only */
    BN_CTX *ctx;
    BIGNUM *s, *base, *x; /* the signature, the same in Montgomery form, its power */
    size_t last;          /* the key that verified last */
    struct slot slots[];
};

static bool prepare(struct slot *slot, const struct hw_key *key, BN_CTX *ctx)
{
    slot->size = hw_key_size(key);
    slot->mont = BN_MONT_CTX_new();
    if (!slot->mont || !EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_N, &slot->n) ||
        !EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_E, &slot->e))
        return false;
    slot->e_bits = BN_num_bits(slot->e);
    slot->vector = hw_rsa_vector_new(slot->n, slot->e);
    return BN_is_odd(slot->n) && BN_is_odd(slot->e) && BN_MONT_CTX_set(slot->mont, slot->n, ctx);
}

static bool prepare_all(struct hw_verifier *v)
{
    v->ctx = BN_CTX_new();
    v->s = BN_new();
    v->base = BN_new();
    v->x = BN_new();
    if (!v->ctx || !v->s || !v->base || !v->x)
        return false;
    for (size_t i = 0; i < v->keys->count; i++)
        if (!prepare(&v->slots[i], &v->keys->keys[i], v->ctx))
            return false;
    return true;
}

struct hw_verifier *hw_verifier_new(struct hw_keyset *keys)
{
    struct hw_verifier *verifier =
        calloc(1, sizeof *verifier + keys->count * sizeof verifier->slots[0]);
    if (!verifier)
        return NULL;
    verifier->keys = hw_keyset_ref(keys);
    if (prepare_all(verifier))
        return verifier;
    hw_verifier_free(verifier);
    ERR_clear_error();
    return NULL;
}

void hw_verifier_free(struct hw_verifier *verifier)
{
    if (!verifier)
        return;
    for (size_t i = 0; i < verifier->keys->count; i++) {
        BN_free(verifier->slots[i].n);
        BN_free(verifier->slots[i].e);
        BN_MONT_CTX_free(verifier->slots[i].mont);
        hw_rsa_vector_free(verifier->slots[i].vector);
    }
    BN_free(verifier->s);
    BN_free(verifier->base);
    BN_free(verifier->x);
    BN_CTX_free(verifier->ctx);
    hw_keyset_unref(verifier->keys);
    free(verifier);
}

struct hw_keyset *hw_verifier_keys(const struct hw_verifier *verifier)
{
    return verifier->keys;
}

/* x = s^e mod n, bit by bit from the left. The exponent is odd: the last factor is s as it came,
 * and this multiplication is also what takes the result out of Montgomery form. */
static bool multiply_out(struct hw_verifier *v, const struct slot *slot)
{
    if (!BN_to_montgomery(v->base, v->s, slot->mont, v->ctx) || !BN_copy(v->x, v->base))
        return false;
    for (int bit = slot->e_bits - 2; bit >= 0; bit--) {
        if (!BN_mod_mul_montgomery(v->x, v->x, v->x, slot->mont, v->ctx))
            return false;
        if (bit > 0 && BN_is_bit_set(slot->e, bit) &&
            !BN_mod_mul_montgomery(v->x, v->x, v->base, slot->mont, v->ctx))
            return false;
    }
    return BN_mod_mul_montgomery(v->x, v->x, v->s, slot->mont, v->ctx);
}

/* The encoded message that the signature is of. A signature that is not below the modulus is none.
 * Beyond that nothing can fail but for want of memory. */
static int recover(struct hw_verifier *v, const struct slot *slot, uint8_t *em,
                   const uint8_t *signature)
{
    if (slot->vector)
        return hw_rsa_vector_raise(slot->vector, em, signature) ? 0 : HW_EINVALID_SIGNATURE;
    if (!BN_bin2bn(signature, (int)slot->size, v->s))
        return HW_ENOMEM;
    if (BN_cmp(v->s, slot->n) >= 0)
        return HW_EINVALID_SIGNATURE;
    int size = (int)slot->size;
    return multiply_out(v, slot) && BN_bn2binpad(v->x, em, size) == size ? 0 : HW_ENOMEM;
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
static int check(struct hw_verifier *v, const struct slot *slot, const uint8_t *signature,
                 const uint8_t digest[HW_DIGEST_SIZE])
{
    uint8_t em[HW_KEY_BITS_MAX / 8];
    int rc = recover(v, slot, em, signature);
    return rc || is_encoding(em, slot->size, digest) ? rc : HW_EINVALID_SIGNATURE;
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
        int result = check(verifier, slot, signature, digest);
        if (result == 0) {
            verifier->last = i;
            *key = &verifier->keys->keys[i];
            return 0;
        }
        ERR_clear_error();
        rc = rc == HW_ENOMEM ? rc : result; /* it might have been that key */
    }
    return rc;
}
