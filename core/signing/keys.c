/* keys.c -- see keys.h
 *
 * How     key_forms.c turns any form into two numbers. Here are the rules for these numbers, and
 *         the one place that builds a key from them: whatever the file was, a key is nothing but a
 *         modulus and an exponent. */
#include "signing/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/descriptors.h"
#include "base/error.h"
#include "signing/key_forms.h"
#include "signing/rsa.h"

/* ---- one key ---- */

static int check_numbers(const struct hw_key_numbers *numbers, int min_bits,
                         const struct hw_reason *why)
{
    int bits = BN_num_bits(numbers->n);
    if (bits < min_bits)
        return hw_refuse(why, "%d bits, fewer than min_key_bits (%d)", bits, min_bits);
    if (bits > HW_KEY_BITS_MAX)
        return hw_refuse(why, "%d bits, more than %d", bits, HW_KEY_BITS_MAX);
    if (!BN_is_odd(numbers->n))
        return hw_refuse(why, "not an RSA key: its modulus is even");
    /* The cost grows with the exponent's length. OpenSSL has this limit for large moduli only. */
    if (BN_num_bits(numbers->e) > 64)
        return hw_refuse(why, "an exponent of %d bits, more than 64", BN_num_bits(numbers->e));
    if (!BN_is_odd(numbers->e) || BN_is_one(numbers->e))
        return hw_refuse(why, "an exponent that proves nothing: it must be odd and 3 or more");
    return 0;
}

static EVP_PKEY *make_pkey(const struct hw_key_numbers *numbers)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (build && ctx && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, numbers->n) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, numbers->e) &&
        (params = OSSL_PARAM_BLD_to_param(build)) && EVP_PKEY_fromdata_init(ctx) == 1 &&
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

static bool set_fingerprint(struct hw_key *key)
{
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    int len = i2d_PUBKEY(key->pkey, &der);
    bool good = len > 0 && EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL);
    OPENSSL_free(der);
    for (int i = 0; good && i < 32; i++)
        snprintf(key->fingerprint + 2 * i, 3, "%02x", digest[i]);
    return good;
}

int hw_key_parse(struct hw_key *key, struct hw_str text, int min_bits, char *why, size_t why_size)
{
    struct hw_reason reason = {why, why_size};
    struct hw_key_numbers numbers;
    *key = (struct hw_key){0};
    int rc = hw_key_forms_read(&numbers, text, &reason);
    if (rc == 0)
        rc = check_numbers(&numbers, min_bits, &reason);
    if (rc == 0) {
        key->form = numbers.form;
        key->not_after = numbers.not_after;
        key->bits = BN_num_bits(numbers.n);
        key->pkey = make_pkey(&numbers);
        if (!key->pkey || !set_fingerprint(key)) {
            hw_key_fini(key);
            rc = hw_refuse(&reason, "OpenSSL can't use this key");
        }
    }
    hw_key_numbers_fini(&numbers);
    ERR_clear_error(); /* forms tried in vain left errors, even when another fitted */
    return rc;
}

void hw_key_fini(struct hw_key *key)
{
    EVP_PKEY_free(key->pkey);
    hw_rsa_free(key->rsa);
    free(key->name);
    *key = (struct hw_key){0};
}

/* ---- files ---- */

/* Reads one byte more than the limit, to notice a file that is too large or growing. */
static int read_file(const char *path, char text[HW_KEY_FILE_MAX + 1], size_t *len,
                     const struct hw_reason *why)
{
    /* Without O_NONBLOCK a named pipe would keep the host from starting. */
    int fd = hw_descriptors_open(path, O_RDONLY | O_NONBLOCK, 0);
    struct stat info;
    int rc = 0;
    long size = -1;
    if (fd < 0 || fstat(fd, &info) < 0)
        rc = hw_refuse(why, "%s", strerror(errno));
    else if (S_ISDIR(info.st_mode))
        rc = hw_refuse(why, "a folder, not a key file");
    else if (!S_ISREG(info.st_mode))
        rc = hw_refuse(why, "not a plain file");
    else if ((size = hw_descriptors_read(fd, text, HW_KEY_FILE_MAX + 1)) < 0)
        rc = hw_refuse(why, "%s", strerror(errno));
    else if (size > HW_KEY_FILE_MAX)
        rc = hw_refuse(why, "larger than a key file may be (%d bytes)", HW_KEY_FILE_MAX);
    else
        *len = (size_t)size;
    if (fd >= 0)
        close(fd);
    return rc;
}

static int load_key(struct hw_key *key, const char *path, int min_bits, const struct hw_reason *why)
{
    *key = (struct hw_key){0};
    char *text = OPENSSL_malloc(HW_KEY_FILE_MAX + 1);
    if (!text)
        return hw_refuse(why, "out of memory");
    size_t len = 0;
    int rc = read_file(path, text, &len, why);
    if (rc == 0)
        rc = hw_key_parse(key, (struct hw_str){text, len}, min_bits, why->text, why->size);
    OPENSSL_clear_free(text, HW_KEY_FILE_MAX + 1); /* it may have been a private key */
    if (rc == 0) {
        const char *slash = strrchr(path, '/');
        key->name = strdup(slash ? slash + 1 : path);
        if (!key->name) {
            hw_key_fini(key);
            rc = hw_refuse(why, "out of memory");
        }
    }
    return rc;
}

/* ---- the set ---- */

static bool has_key(const struct hw_keyset *set, const struct hw_key *key)
{
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->keys[i].fingerprint, key->fingerprint) == 0)
            return true;
    }
    return false;
}

static bool prepare(struct hw_key *key)
{
    BIGNUM *n = NULL, *e = NULL;
    if (EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_N, &n) &&
        EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_E, &e))
        key->rsa = hw_rsa_new(n, e, key->name);
    BN_free(n);
    BN_free(e);
    return key->rsa != NULL;
}

static int add_file(struct hw_keyset *set, const char *path, int min_bits,
                    const struct hw_reason *why)
{
    struct hw_key key;
    int rc = load_key(&key, path, min_bits, why);
    if (rc)
        return rc;
    if (has_key(set, &key)) {
        hw_key_fini(&key);
        return 0;
    }
    if (set->count == HW_KEYS_MAX) {
        hw_key_fini(&key);
        return hw_refuse(why, "one key too many; at most %d keys", HW_KEYS_MAX);
    }
    if (!prepare(&key)) {
        hw_key_fini(&key);
        return hw_refuse(why, "out of memory");
    }
    set->keys[set->count++] = key;
    return 0;
}

struct hw_keyset *hw_keyset_load(const char *const *paths, size_t count, int min_bits, char *why,
                                 size_t why_size)
{
    char found[256];
    struct hw_reason reason = {found, sizeof found}, whole = {why, why_size};
    if (count == 0) {
        hw_refuse(&whole, "no key file: at least one public key is needed");
        return NULL;
    }
    const char *unknown = hw_rsa_unknown_switch();
    if (unknown) {
        hw_refuse(&whole,
                  "HOOKWARD_RSA in the environment is \"%.40s\"; it can be \"openssl\" or not set",
                  unknown);
        return NULL;
    }
    size_t room = count < HW_KEYS_MAX ? count : HW_KEYS_MAX;
    struct hw_keyset *set = calloc(1, sizeof *set + room * sizeof set->keys[0]);
    if (!set) {
        hw_refuse(&whole, "out of memory");
        return NULL;
    }
    atomic_init(&set->refs, 1);
    for (size_t i = 0; i < count; i++) {
        if (add_file(set, paths[i], min_bits, &reason)) {
            hw_refuse(&whole, "%s: %s", paths[i], found);
            hw_keyset_unref(set);
            return NULL;
        }
    }
    return set;
}

struct hw_keyset *hw_keyset_ref(struct hw_keyset *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void hw_keyset_unref(struct hw_keyset *set)
{
    if (!set)
        return;
    int before = atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel);
    HW_CHECK(before > 0);
    if (before > 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        hw_key_fini(&set->keys[i]);
    free(set);
}
