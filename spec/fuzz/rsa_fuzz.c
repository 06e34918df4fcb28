/* rsa_fuzz.c -- both ways to compute s^e mod n agree with BN_mod_exp, and refuse what they must.
 *
 * Input       one byte: its low half is the length of e (at most 9 bytes); when its high half h is
 *             not 0, s is n + h - 8. Two bytes: the length of n. Then e, n and s, big-endian; an s
 *             that is too short begins with zeros.
 * Properties  a key is accepted exactly when it is within the limits of rsa.h, and by the vectors
 *             when it is within those of rsa_vector.h; s is refused exactly when it is not below n;
 *             the result is that of BN_mod_exp; the vectors pass their proof for each key they
 *             accept.
 * Memory      s and the result are in memory of exactly their size.
 *
 * On a processor without AVX-512 IFMA only OpenSSL's multiplication is compared. */
#include <openssl/err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "signing/rsa.h"
#include "signing/rsa_vector.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_BYTES_MAX = 1024 };

static BN_CTX *ctx;
static BIGNUM *n, *e, *s, *power;
static struct hw_rsa_scratch *scratch;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    ctx = BN_CTX_new();
    n = BN_new();
    e = BN_new();
    s = BN_new();
    power = BN_new();
    scratch = hw_rsa_scratch_new();
    HW_CHECK(ctx && n && e && s && power && scratch);
    if (!hw_rsa_vector_runs_here())
        fprintf(stderr, "rsa: no AVX-512 IFMA here: only OpenSSL's multiplication is compared\n");
    return 0;
}

/* ---- the input ---- */

struct reader {
    const uint8_t *at;
    size_t left;
};

static size_t take_byte(struct reader *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

static void take_number(BIGNUM *number, struct reader *in, size_t len)
{
    len = len < in->left ? len : in->left;
    HW_CHECK(BN_bin2bn(in->at, (int)len, number));
    in->at += len;
    in->left -= len;
}

/* Returns false when s does not fit into the bytes of n. */
static bool take_all(struct reader *in)
{
    size_t first = take_byte(in), e_len = first & 15, offset = first >> 4;
    size_t n_len = take_byte(in) << 8;
    n_len = (n_len | take_byte(in)) % (N_BYTES_MAX + 1);
    take_number(e, in, e_len < 9 ? e_len : 9);
    take_number(n, in, n_len);
    take_number(s, in, (size_t)BN_num_bytes(n));
    if (offset)
        HW_CHECK(BN_copy(s, n) && BN_add_word(s, offset) && BN_sub_word(s, 8));
    return !BN_is_negative(s) && BN_num_bytes(s) <= BN_num_bytes(n);
}

/* ---- the comparison ---- */

/* s and room for the result, each in memory of its own size. */
struct place {
    uint8_t *s, *x, *expected;
    size_t size;
    bool below; /* s < n: it has a result */
};

static void place_input(struct place *place)
{
    int size = BN_num_bytes(n);
    *place = (struct place){malloc((size_t)size), malloc((size_t)size), malloc((size_t)size),
                            (size_t)size, BN_cmp(s, n) < 0};
    HW_CHECK(place->s && place->x && place->expected);
    HW_CHECK(BN_bn2binpad(s, place->s, size) == size && BN_mod_exp(power, s, e, n, ctx) &&
             BN_bn2binpad(power, place->expected, size) == size);
}

static void expect(const struct place *place, bool taken)
{
    HW_CHECK(taken == place->below);
    HW_CHECK(!taken || memcmp(place->x, place->expected, place->size) == 0);
}

static void compare_vectors(const struct place *place, bool usable)
{
    bool taken = usable && BN_num_bits(n) >= 52 && BN_num_bits(n) <= HW_RSA_VECTOR_BITS_MAX &&
                 hw_rsa_vector_runs_here();
    struct hw_rsa_vector *key = hw_rsa_vector_new(n, e);
    HW_CHECK((key != NULL) == taken);
    if (key)
        expect(place, hw_rsa_vector_raise(key, place->x, place->s));
    hw_rsa_vector_free(key);
    struct hw_rsa *proved = hw_rsa_new(n, e, "key");
    HW_CHECK((proved != NULL) == usable && (!proved || hw_rsa_has_vectors(proved) == taken));
    hw_rsa_free(proved);
}

static void compare_openssl(const struct place *place, bool usable)
{
    setenv("HOOKWARD_RSA", "openssl", 1);
    struct hw_rsa *key = hw_rsa_new(n, e, "key");
    unsetenv("HOOKWARD_RSA");
    HW_CHECK((key != NULL) == usable);
    if (key) {
        int rc = hw_rsa_raise(key, scratch, place->x, place->s);
        HW_CHECK(rc == 0 || rc == HW_EINVALID_SIGNATURE);
        expect(place, rc == 0);
    }
    hw_rsa_free(key);
}

static bool is_usable(void)
{
    return BN_is_odd(n) && !BN_is_one(n) && BN_is_odd(e) && !BN_is_one(e) && BN_num_bits(e) <= 64;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader in = {data, size};
    struct place place;
    if (!take_all(&in) || BN_is_zero(n))
        return 0;
    place_input(&place);
    compare_vectors(&place, is_usable());
    compare_openssl(&place, is_usable());
    HW_CHECK(ERR_peek_error() == 0);
    free(place.s);
    free(place.x);
    free(place.expected);
    return 0;
}
