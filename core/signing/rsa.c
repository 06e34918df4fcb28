/* rsa.c -- see rsa.h
 *
 * Both ways use what was computed once for the key. EVP_PKEY_verify takes a sixth longer than
 * OpenSSL's multiplication alone, and three times as long as the vectors: allocations, look-ups and
 * two conversions. The proof takes 0.4 ms of a 2048-bit key, 1.1 ms of a 4096-bit one
 * (`make bench-verify`). Nothing here is secret, so nothing runs in constant time. */
#include "signing/rsa.h"

#include <openssl/err.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "signing/rsa_vector.h"

/* constant after new */
struct hw_rsa {
    size_t size; /* bytes of the modulus */
    int e_bits;
    BIGNUM *n, *e;
    BN_MONT_CTX *mont;
    struct hw_rsa_vector *vector; /* NULL: OpenSSL does it */
};

struct hw_rsa_scratch {
    BN_CTX *ctx;
    BIGNUM *s, *base, *x; /* the input, the same in Montgomery form, its power */
};

/* ---- which way ---- */

static const char *switch_value(void)
{
    const char *value = getenv("HOOKWARD_RSA");
    return value && value[0] ? value : NULL;
}

const char *hw_rsa_unknown_switch(void)
{
    const char *value = switch_value();
    return value && strcmp(value, "openssl") != 0 ? value : NULL;
}

const char *hw_rsa_way(void)
{
    if (hw_rsa_unknown_switch())
        return "unusable (HOOKWARD_RSA can be \"openssl\" or not set)";
    if (switch_value())
        return "OpenSSL (HOOKWARD_RSA=openssl)";
    return hw_rsa_vector_runs_here() ? "vectors (AVX-512 IFMA)"
                                     : "OpenSSL (this processor has no AVX-512 IFMA)";
}

/* ---- the proof ---- */

enum { FIXED_INPUTS = 5, RANDOM_INPUTS = 6, TOLD_MAX = 64 };

/* The ends of the range, and rows of ones, where carries run far; then random ones. */
static bool set_input(BIGNUM *s, int i, const BIGNUM *n)
{
    switch (i) {
    case 0:
        return BN_set_word(s, 2);
    case 1:
        return BN_copy(s, n) && BN_sub_word(s, 1);
    case 2:
        return BN_copy(s, n) && BN_sub_word(s, 2);
    case 3:
        return BN_rshift1(s, n);
    case 4:
        BN_zero(s);
        return BN_set_bit(s, BN_num_bits(n) - 1) && BN_sub_word(s, 1);
    default:
        return BN_rand_range(s, n);
    }
}

static bool write_number(uint8_t *bytes, const struct hw_rsa *key, const BIGNUM *number)
{
    return BN_bn2binpad(number, bytes, (int)key->size) == (int)key->size;
}

/* Returns 0, HW_EFAILED when the vectors' result is wrong, or HW_ENOMEM. BN_mod_exp shares neither
 * the loop over the exponent nor the multiplication with the vectors. */
static int try_input(const struct hw_rsa *key, const struct hw_rsa_scratch *scratch)
{
    uint8_t s[HW_RSA_VECTOR_BYTES_MAX], expected[sizeof s], x[sizeof s];
    if (!BN_mod_exp(scratch->x, scratch->s, key->e, key->n, scratch->ctx) ||
        !write_number(s, key, scratch->s) || !write_number(expected, key, scratch->x))
        return HW_ENOMEM;
    bool good = hw_rsa_vector_raise(key->vector, x, s) && memcmp(x, expected, key->size) == 0;
    return good ? 0 : HW_EFAILED;
}

static int refuses_modulus(const struct hw_rsa *key)
{
    uint8_t n[HW_RSA_VECTOR_BYTES_MAX], x[sizeof n];
    if (!write_number(n, key, key->n))
        return HW_ENOMEM;
    return hw_rsa_vector_raise(key->vector, x, n) ? HW_EFAILED : 0;
}

static int prove(const struct hw_rsa *key, const struct hw_rsa_scratch *scratch)
{
    int rc = refuses_modulus(key);
    for (int i = 0; rc == 0 && i < FIXED_INPUTS + RANDOM_INPUTS; i++)
        rc = set_input(scratch->s, i, key->n) ? try_input(key, scratch) : HW_ENOMEM;
    return rc;
}

/* The lowest bits of an odd modulus: enough to know it again, and never 0. */
static uint64_t identity(const struct hw_rsa *key, const struct hw_rsa_scratch *scratch)
{
    BIGNUM *low = BN_copy(scratch->x, key->n);
    bool good = low && (BN_num_bits(low) <= 64 || BN_mask_bits(low, 64));
    return good ? BN_get_word(low) : 1;
}

/* The same key is prepared again at each reload, which is no news. */
static bool is_news(uint64_t id)
{
    static atomic_uint_least64_t told[TOLD_MAX];
    for (int i = 0; i < TOLD_MAX; i++) {
        uint_least64_t other = 0;
        if (atomic_compare_exchange_strong(&told[i], &other, id))
            return true;
        if (other == id)
            return false;
    }
    return true;
}

static void log_failed_proof(const char *name)
{
    struct hw_log_line line;
    hw_log_begin(&line, HW_LOG_ERROR,
                 HW_STR("the RSA vectors give a wrong result; OpenSSL is used for this key"));
    hw_log_text(&line, "key", hw_str_of(name));
    hw_log_end(&line);
}

/* Without memory for the proof there are no vectors either: the key works all the same. */
static void prepare_vector(struct hw_rsa *key, const struct hw_rsa_scratch *scratch,
                           const char *name)
{
    key->vector = switch_value() ? NULL : hw_rsa_vector_new(key->n, key->e);
    int rc = key->vector ? prove(key, scratch) : 0;
    if (rc == 0)
        return;
    if (rc == HW_EFAILED && is_news(identity(key, scratch)))
        log_failed_proof(name);
    hw_rsa_vector_free(key->vector);
    key->vector = NULL;
}

/* ---- keys ---- */

static bool is_usable(const BIGNUM *n, const BIGNUM *e)
{
    return BN_is_odd(n) && !BN_is_one(n) && !BN_is_negative(n) && BN_is_odd(e) && !BN_is_one(e) &&
           !BN_is_negative(e) && BN_num_bits(e) <= 64;
}

static bool prepare(struct hw_rsa *key, const BIGNUM *n, const BIGNUM *e,
                    const struct hw_rsa_scratch *scratch)
{
    key->size = (size_t)BN_num_bytes(n);
    key->e_bits = BN_num_bits(e);
    key->n = BN_dup(n);
    key->e = BN_dup(e);
    key->mont = BN_MONT_CTX_new();
    return key->n && key->e && key->mont && BN_MONT_CTX_set(key->mont, key->n, scratch->ctx);
}

struct hw_rsa *hw_rsa_new(const BIGNUM *n, const BIGNUM *e, const char *name)
{
    if (!is_usable(n, e))
        return NULL;
    struct hw_rsa *key = calloc(1, sizeof *key);
    struct hw_rsa_scratch *scratch = hw_rsa_scratch_new();
    if (key && scratch && prepare(key, n, e, scratch)) {
        prepare_vector(key, scratch, name);
    } else {
        hw_rsa_free(key);
        key = NULL;
    }
    hw_rsa_scratch_free(scratch);
    ERR_clear_error();
    return key;
}

void hw_rsa_free(struct hw_rsa *key)
{
    if (!key)
        return;
    BN_free(key->n);
    BN_free(key->e);
    BN_MONT_CTX_free(key->mont);
    hw_rsa_vector_free(key->vector);
    free(key);
}

bool hw_rsa_has_vectors(const struct hw_rsa *key)
{
    return key->vector != NULL;
}

struct hw_rsa_scratch *hw_rsa_scratch_new(void)
{
    struct hw_rsa_scratch *scratch = calloc(1, sizeof *scratch);
    if (!scratch)
        return NULL;
    scratch->ctx = BN_CTX_new();
    scratch->s = BN_new();
    scratch->base = BN_new();
    scratch->x = BN_new();
    if (scratch->ctx && scratch->s && scratch->base && scratch->x)
        return scratch;
    hw_rsa_scratch_free(scratch);
    return NULL;
}

void hw_rsa_scratch_free(struct hw_rsa_scratch *scratch)
{
    if (!scratch)
        return;
    BN_free(scratch->s);
    BN_free(scratch->base);
    BN_free(scratch->x);
    BN_CTX_free(scratch->ctx);
    free(scratch);
}

/* ---- the operation ---- */

/* x = s^e mod n, bit by bit from the left. The exponent is odd, so the last factor is s. It is
 * multiplied in as it came: that also takes the result out of Montgomery form. */
static bool multiply_out(const struct hw_rsa *key, struct hw_rsa_scratch *t)
{
    if (!BN_to_montgomery(t->base, t->s, key->mont, t->ctx) || !BN_copy(t->x, t->base))
        return false;
    for (int bit = key->e_bits - 2; bit >= 0; bit--) {
        if (!BN_mod_mul_montgomery(t->x, t->x, t->x, key->mont, t->ctx))
            return false;
        if (bit > 0 && BN_is_bit_set(key->e, bit) &&
            !BN_mod_mul_montgomery(t->x, t->x, t->base, key->mont, t->ctx))
            return false;
    }
    return BN_mod_mul_montgomery(t->x, t->x, t->s, key->mont, t->ctx);
}

int hw_rsa_raise(const struct hw_rsa *key, struct hw_rsa_scratch *scratch, uint8_t *x,
                 const uint8_t *s)
{
    if (key->vector)
        return hw_rsa_vector_raise(key->vector, x, s) ? 0 : HW_EINVALID_SIGNATURE;
    if (!BN_bin2bn(s, (int)key->size, scratch->s))
        return HW_ENOMEM;
    if (BN_cmp(scratch->s, key->n) >= 0)
        return HW_EINVALID_SIGNATURE;
    return multiply_out(key, scratch) && write_number(x, key, scratch->x) ? 0 : HW_ENOMEM;
}
