/* rsa_vector.c -- see rsa_vector.h
 *
 * Numbers    are rows of 52-bit limbs, the lowest first, each in 64 bits: the instructions multiply
 *            the low 52 bits of eight lanes and add the low or the high 52 bits of the eight
 *            products to eight 64-bit sums. A row of `width` vectors holds R = 2^(416 width).
 *
 * multiply   is Montgomery's product a b / R mod n, one limb of b after the other (Koc, Acar and
 *            Kaliski, "Analyzing and Comparing Montgomery Multiplication Algorithms", 1996: operand
 *            scanning, integrated): add a b[i]; add the multiple y n that clears the lowest limb;
 *            drop that limb. The lowest limb decides y, and is what each round waits for:
 *            it is kept in a register of its own (`low`) and computed from the two lowest limbs
 *            while the vectors are still busy. The lowest lane of the vectors is not read.
 *            Carries stay in the upper 12 bits of the sums until the end: a round adds four
 *            numbers below 2^52 to a sum, and there are at most 80 rounds, so it stays below 2^61.
 *
 * Ranges     with R > 4 n and factors below 2 n the product is below 2 n (Walter, "Montgomery
 *            exponentiation needs no final subtractions", 1999); with one factor below n it is
 *            below 1.5 n. The last product has s itself as a factor, which also takes the result
 *            out of Montgomery form. It is the only one that is brought below n. */
#include "signing/rsa_vector.h"

#include "base/crash.h"

bool hw_rsa_vector_spoiled;

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#define VECTOR __attribute__((target("avx512f,avx512vl,avx512ifma,bmi2")))
#define INLINE static inline __attribute__((always_inline))

enum { LIMB = 52, LANES = 8, WIDTH_MAX = 10, LIMBS_MAX = LANES * WIDTH_MAX };
static const uint64_t mask = ((uint64_t)1 << LIMB) - 1;

typedef unsigned __int128 wide;

/* constant after new */
struct hw_rsa_vector {
    size_t size;                              /* bytes of the modulus */
    int width;                                /* vectors of a number */
    uint64_t e, k0;                           /* k0 = -1/n mod 2^52 */
    uint64_t n[LIMBS_MAX], square[LIMBS_MAX]; /* R^2 mod n */
};

/* ---- one product ---- */

/* Adds each sum's upper bits to the next limb, and then the carries that this makes. A limb of all
 * ones passes a carry on, so the second step looks ahead as an adder does: adding 1 to a run of
 * ones flips the whole run. */
VECTOR INLINE void settle(int width, __m512i *sum)
{
    const __m512i ones = _mm512_set1_epi64((long long)mask);
    __m512i before = _mm512_setzero_si512();
    wide over = 0, full = 0;
#pragma GCC unroll 16
    for (int i = 0; i < width; i++) {
        __m512i carry = _mm512_srli_epi64(sum[i], LIMB);
        sum[i] = _mm512_add_epi64(_mm512_and_si512(sum[i], ones),
                                  _mm512_alignr_epi64(carry, before, LANES - 1));
        before = carry;
        over |= (wide)_mm512_cmpgt_epu64_mask(sum[i], ones) << (LANES * i);
        full |= (wide)_mm512_cmpeq_epu64_mask(sum[i], ones) << (LANES * i);
    }
    wide takes = ((over << 1) + full) ^ full;
#pragma GCC unroll 16
    for (int i = 0; i < width; i++) {
        __mmask8 lanes = (__mmask8)(takes >> (LANES * i));
        sum[i] = _mm512_mask_add_epi64(sum[i], lanes, sum[i], _mm512_set1_epi64(1));
        sum[i] = _mm512_and_si512(sum[i], ones);
    }
}

/* The sums of a b and of n y are apart: the two chains of additions run side by side. */
struct sums {
    __m512i ab[WIDTH_MAX], ny[WIDTH_MAX];
};

/* Adds rows[] factor to the sums and drops their lowest limb. */
VECTOR INLINE void add_row(int width, __m512i *sum, const uint64_t *row, uint64_t factor)
{
    __m512i factors = _mm512_set1_epi64((long long)factor);
#pragma GCC unroll 16
    for (int i = 0; i < width; i++)
        sum[i] = _mm512_madd52lo_epu64(sum[i], _mm512_loadu_si512(row + LANES * i), factors);
#pragma GCC unroll 16
    for (int i = 0; i < width; i++) {
        __m512i above = i + 1 < width ? sum[i + 1] : _mm512_setzero_si512();
        sum[i] = _mm512_alignr_epi64(above, sum[i], 1);
        sum[i] = _mm512_madd52hi_epu64(sum[i], _mm512_loadu_si512(row + LANES * i), factors);
    }
}

VECTOR INLINE uint64_t second_lane(__m512i sum)
{
    return (uint64_t)_mm_extract_epi64(_mm512_castsi512_si128(sum), 1);
}

/* One round, with the limb b. Takes the lowest limb of the sums and returns the next round's. */
VECTOR INLINE uint64_t add_limb(int width, struct sums *sums, uint64_t low, const uint64_t *a,
                                uint64_t b, const uint64_t *n, uint64_t k0)
{
    uint64_t next = second_lane(sums->ab[0]) + second_lane(sums->ny[0]) + (a[1] * b & mask);
    wide ab = (wide)a[0] * b;
    low += (uint64_t)ab & mask;
    uint64_t y = low * k0 & mask;
    wide ny = (wide)n[0] * y;
    low += (uint64_t)ny & mask;
    next += (uint64_t)(ab >> LIMB) + (uint64_t)(ny >> LIMB) + (n[1] * y & mask);
    add_row(width, sums->ab, a, b);
    add_row(width, sums->ny, n, y);
    return (low >> LIMB) + next;
}

/* x = a b / R mod n; x may be a or b. */
VECTOR INLINE void multiply(int width, uint64_t *x, const uint64_t *a, const uint64_t *b,
                            const struct hw_rsa_vector *key)
{
    struct sums sums;
    uint64_t low = 0;
#pragma GCC unroll 16
    for (int i = 0; i < width; i++)
        sums.ab[i] = sums.ny[i] = _mm512_setzero_si512();
    for (int i = 0; i < LANES * width; i++)
        low = add_limb(width, &sums, low, a, b[i], key->n, key->k0);
#pragma GCC unroll 16
    for (int i = 0; i < width; i++)
        sums.ab[i] = _mm512_add_epi64(sums.ab[i], sums.ny[i]);
    sums.ab[0] = _mm512_mask_set1_epi64(sums.ab[0], 1, (long long)low);
    settle(width, sums.ab);
#pragma GCC unroll 16
    for (int i = 0; i < width; i++)
        _mm512_storeu_si512(x + LANES * i, sums.ab[i]);
}

/* ---- the power ---- */

/* Bit by bit from the left. e is odd: for its last bit s itself is the factor, which takes the
 * result out of Montgomery form. */
VECTOR INLINE void power(int width, uint64_t *x, const uint64_t *s, const struct hw_rsa_vector *key)
{
    uint64_t base[LIMBS_MAX];
    multiply(width, base, s, key->square, key);
    memcpy(x, base, sizeof base[0] * LANES * (size_t)width);
    for (int bit = 62 - __builtin_clzll(key->e); bit >= 0; bit--) {
        multiply(width, x, x, x, key);
        if (bit > 0 && key->e >> bit & 1)
            multiply(width, x, x, base, key);
    }
    multiply(width, x, x, s, key);
}

/* One function for each width, with its loops unrolled. */
VECTOR static void power_5(uint64_t *x, const uint64_t *s, const struct hw_rsa_vector *key)
{
    power(5, x, s, key);
}

VECTOR static void power_8(uint64_t *x, const uint64_t *s, const struct hw_rsa_vector *key)
{
    power(8, x, s, key);
}

VECTOR static void power_10(uint64_t *x, const uint64_t *s, const struct hw_rsa_vector *key)
{
    power(10, x, s, key);
}

static int width_of(int bits)
{
    return bits <= 5 * 416 - 2 ? 5 : bits <= 8 * 416 - 2 ? 8 : WIDTH_MAX;
}

/* ---- limbs and bytes ---- */

/* A limb begins at the start or in the middle of a byte, so eight bytes hold all of it. */
static void limbs_of_bytes(uint64_t *limbs, int count, const uint8_t *bytes, size_t size)
{
    uint8_t little[LIMBS_MAX * LIMB / 8 + 8] = {0};
    for (size_t i = 0; i < size; i++)
        little[i] = bytes[size - 1 - i];
    for (int i = 0; i < count; i++) {
        uint64_t eight;
        memcpy(&eight, little + i * LIMB / 8, sizeof eight);
        limbs[i] = eight >> i * LIMB % 8 & mask;
    }
}

static void bytes_of_limbs(uint8_t *bytes, size_t size, const uint64_t *limbs, int count)
{
    uint8_t little[LIMBS_MAX * LIMB / 8 + 8] = {0};
    for (int i = 0; i < count; i++) {
        uint64_t eight;
        memcpy(&eight, little + i * LIMB / 8, sizeof eight);
        eight |= limbs[i] << i * LIMB % 8;
        memcpy(little + i * LIMB / 8, &eight, sizeof eight);
    }
    for (size_t i = 0; i < size; i++)
        bytes[i] = little[size - 1 - i];
}

static bool is_below(const uint64_t *a, const uint64_t *b, int count)
{
    for (int i = count; i-- > 0;)
        if (a[i] != b[i])
            return a[i] < b[i];
    return false;
}

static void subtract(uint64_t *a, const uint64_t *b, int count)
{
    uint64_t borrow = 0;
    for (int i = 0; i < count; i++) {
        uint64_t limb = a[i] - b[i] - borrow;
        borrow = limb >> 63;
        a[i] = limb & mask;
    }
}

/* ---- keys ---- */

bool hw_rsa_vector_runs_here(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("bmi2");
}

static bool limbs_of_bn(uint64_t *limbs, int count, const BIGNUM *bn, size_t size)
{
    uint8_t bytes[LIMBS_MAX * LIMB / 8];
    if (BN_bn2binpad(bn, bytes, (int)size) != (int)size)
        return false;
    limbs_of_bytes(limbs, count, bytes, size);
    return true;
}

/* R^2 mod n */
static bool square_of_r(struct hw_rsa_vector *key, const BIGNUM *n)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *r = BN_new();
    bool good = ctx && r && BN_set_bit(r, 2 * LIMB * LANES * key->width) && BN_mod(r, r, n, ctx) &&
                limbs_of_bn(key->square, LANES * key->width, r, key->size);
    BN_free(r);
    BN_CTX_free(ctx);
    return good;
}

/* -1/n mod 2^52 by Newton's iteration. The first guess, n, has three right bits (n n = 1 mod 8);
 * each step doubles their number. */
static uint64_t negative_inverse(uint64_t n)
{
    uint64_t inverse = n;
    for (int i = 0; i < 5; i++)
        inverse *= 2 - n * inverse;
    return (0 - inverse) & mask;
}

struct hw_rsa_vector *hw_rsa_vector_new(const BIGNUM *n, const BIGNUM *e)
{
    if (!hw_rsa_vector_runs_here() || BN_num_bits(n) > HW_RSA_VECTOR_BITS_MAX ||
        BN_num_bits(n) < LIMB || !BN_is_odd(n) || BN_num_bits(e) > 64 || !BN_is_odd(e) ||
        BN_is_one(e))
        return NULL;
    struct hw_rsa_vector *key = calloc(1, sizeof *key);
    if (!key)
        return NULL;
    key->size = (size_t)BN_num_bytes(n);
    key->width = width_of(BN_num_bits(n));
    key->e = BN_get_word(e);
    if (limbs_of_bn(key->n, LANES * key->width, n, key->size) && square_of_r(key, n)) {
        key->k0 = negative_inverse(key->n[0]);
        if (hw_rsa_vector_spoiled || HW_CRASH_SWITCH("HOOKWARD_SPOIL_RSA"))
            key->square[1] ^= 1;
        return key;
    }
    free(key);
    return NULL;
}

void hw_rsa_vector_free(struct hw_rsa_vector *key)
{
    free(key);
}

bool hw_rsa_vector_raise(const struct hw_rsa_vector *key, uint8_t *x, const uint8_t *s)
{
    uint64_t from[LIMBS_MAX], to[LIMBS_MAX];
    int count = LANES * key->width;
    limbs_of_bytes(from, count, s, key->size);
    if (!is_below(from, key->n, count))
        return false;
    if (key->width == 5)
        power_5(to, from, key);
    else if (key->width == 8)
        power_8(to, from, key);
    else
        power_10(to, from, key);
    if (!is_below(to, key->n, count))
        subtract(to, key->n, count);
    bytes_of_limbs(x, key->size, to, count);
    return true;
}

#else

bool hw_rsa_vector_runs_here(void)
{
    return false;
}

struct hw_rsa_vector *hw_rsa_vector_new(const BIGNUM *n, const BIGNUM *e)
{
    (void)n;
    (void)e;
    return NULL;
}

void hw_rsa_vector_free(struct hw_rsa_vector *key)
{
    (void)key;
}

bool hw_rsa_vector_raise(const struct hw_rsa_vector *key, uint8_t *x, const uint8_t *s)
{
    (void)key;
    (void)x;
    (void)s;
    return false;
}

#endif
