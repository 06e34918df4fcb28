/* verify.c -- what a verification costs: with vectors (core/signing/rsa_vector.h), with OpenSSL's
 * multiplication, and through EVP_PKEY_verify; and what preparing a key costs.
 * usage: verify [COUNT=20000] */
#include <openssl/core_names.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "signing.h"
#include "signing/rsa.h"
#include "signing/signature.h"

static const struct hw_str body = {"{\"Event\":\"A.B\"}", 15};

static struct hw_keyset *keyset_of(EVP_PKEY *pkey)
{
    char path[] = "/tmp/hookward-verify-XXXXXX", why[300];
    const char *paths[] = {path};
    int fd = mkstemp(path);
    HW_CHECK(fd >= 0);
    close(fd);
    signing_write_public(path, pkey);
    struct hw_keyset *keys = hw_keyset_load(paths, 1, 2048, why, sizeof why);
    unlink(path);
    HW_CHECK(keys);
    return keys;
}

/* Microseconds of CPU time to prepare a key, the proof of the vectors included. */
static double of_preparing(EVP_PKEY *pkey, bool vectors)
{
    enum { TIMES = 200 };
    BIGNUM *n = NULL, *e = NULL;
    HW_CHECK(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) &&
             EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e));
    setenv("HOOKWARD_RSA", vectors ? "" : "openssl", 1);
    clock_t begin = clock();
    for (int i = 0; i < TIMES; i++)
        hw_rsa_free(hw_rsa_new(n, e, "key"));
    double us = (double)(clock() - begin) / CLOCKS_PER_SEC * 1e6 / TIMES;
    BN_free(n);
    BN_free(e);
    return us;
}

/* Microseconds that a verification takes, Base64 and comparison included. */
static double with_verifier(EVP_PKEY *pkey, bool vectors, int count)
{
    char text[SIGNING_TEXT_MAX];
    uint8_t digest[HW_DIGEST_SIZE];
    const struct hw_key *key;
    setenv("HOOKWARD_RSA", vectors ? "" : "openssl", 1);
    struct hw_keyset *keys = keyset_of(pkey);
    struct hw_verifier *verifier = hw_verifier_new(keys);
    struct hw_hasher *hasher = hw_hasher_new();
    struct hw_str signature = hw_str_of(signing_sign(text, pkey, body));
    hw_hasher_digest(hasher, body, digest);
    uint64_t begin = hw_now_ns();
    for (int i = 0; i < count; i++)
        HW_CHECK(hw_verifier_check(verifier, signature, digest, &key) == 0);
    double us = (double)(hw_now_ns() - begin) / count / 1000;
    hw_hasher_free(hasher);
    hw_verifier_free(verifier);
    hw_keyset_unref(keys);
    return us;
}

static double with_evp(EVP_PKEY *pkey, int count)
{
    uint8_t signature[1024], digest[HW_DIGEST_SIZE];
    struct hw_hasher *hasher = hw_hasher_new();
    size_t size = signing_sign_as(signature, pkey, body, EVP_sha256(), RSA_PKCS1_PADDING, 0);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    HW_CHECK(EVP_PKEY_verify_init(ctx) == 1 &&
             EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
             EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1);
    hw_hasher_digest(hasher, body, digest);
    uint64_t begin = hw_now_ns();
    for (int i = 0; i < count; i++)
        HW_CHECK(EVP_PKEY_verify(ctx, signature, size, digest, sizeof digest) == 1);
    double us = (double)(hw_now_ns() - begin) / count / 1000;
    EVP_PKEY_CTX_free(ctx);
    hw_hasher_free(hasher);
    return us;
}

int main(int argc, char **argv)
{
    static const unsigned bits[] = {2048, 3072, 4096};
    int count = argc > 1 ? atoi(argv[1]) : 20000;
    printf("microseconds a verification, and to prepare a key\n%6s %12s %12s %12s %12s %12s\n",
           "bits", "as hookward", "no vectors", "EVP", "prepare", "no vectors");
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        EVP_PKEY *pkey = EVP_RSA_gen(bits[i]);
        HW_CHECK(pkey);
        double own = with_verifier(pkey, true, count), plain = with_verifier(pkey, false, count);
        printf("%6u %12.1f %12.1f %12.1f", bits[i], own, plain, with_evp(pkey, count));
        printf(" %12.1f %12.1f\n", of_preparing(pkey, true), of_preparing(pkey, false));
        EVP_PKEY_free(pkey);
    }
    return 0;
}
