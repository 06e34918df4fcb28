/* signing.h -- fresh RSA keys, their signatures and their files, for the tests. */
#ifndef HW_SPEC_SIGNING_H
#define HW_SPEC_SIGNING_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/str.h"

enum { SIGNING_TEXT_MAX = 4096 };

/* A fresh key of 2048 to 4096 bits. Verifying sees no difference between two primes and three, which
 * are found in a quarter of the time. */
static inline EVP_PKEY *signing_make_key(int bits, uint64_t exponent)
{
    EVP_PKEY *pkey = NULL;
    BIGNUM *e = BN_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    HW_CHECK(BN_set_word(e, exponent) && EVP_PKEY_keygen_init(ctx) == 1 &&
             EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits) == 1 &&
             EVP_PKEY_CTX_set_rsa_keygen_primes(ctx, 3) == 1 &&
             EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) == 1 &&
             EVP_PKEY_generate(ctx, &pkey) == 1);
    EVP_PKEY_CTX_free(ctx);
    BN_free(e);
    return pkey;
}

/* The Base64 text of `bytes`. */
static inline const char *signing_base64(char *out, const uint8_t *bytes, size_t len)
{
    HW_CHECK(HW_BASE64_LEN(len) < SIGNING_TEXT_MAX);
    hw_base64_encode(out, bytes, len);
    return out;
}

/* Signs with any padding and hash; salt_len is for PSS. Returns the length. */
static inline size_t signing_sign_as(uint8_t *out, EVP_PKEY *pkey, struct hw_str body,
                                     const EVP_MD *md, int padding, int salt_len)
{
    size_t len = (size_t)EVP_PKEY_get_size(pkey);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options;
    HW_CHECK(EVP_DigestSignInit(ctx, &options, md, NULL, pkey) == 1);
    HW_CHECK(EVP_PKEY_CTX_set_rsa_padding(options, padding) == 1);
    if (padding == RSA_PKCS1_PSS_PADDING)
        HW_CHECK(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, salt_len) == 1);
    HW_CHECK(EVP_DigestSign(ctx, out, &len, (const uint8_t *)body.ptr, body.len) == 1);
    EVP_MD_CTX_free(ctx);
    return len;
}

/* The signature that Accredit sends: a text in `out` of SIGNING_TEXT_MAX. */
static inline const char *signing_sign(char *out, EVP_PKEY *pkey, struct hw_str body)
{
    uint8_t bytes[2048];
    size_t len = signing_sign_as(bytes, pkey, body, EVP_sha256(), RSA_PKCS1_PADDING, 0);
    return signing_base64(out, bytes, len);
}

static inline void signing_write_file(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    HW_CHECK(file && fwrite(bytes, 1, len, file) == len && fclose(file) == 0);
}

static inline void signing_write_public(const char *path, EVP_PKEY *pkey)
{
    FILE *file = fopen(path, "wb");
    HW_CHECK(file && PEM_write_PUBKEY(file, pkey) && fclose(file) == 0);
}

#endif
