/* rsa_vector_test.c -- the vectors agree with OpenSSL, whatever the numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "guard.h"
#include "signing/rsa_vector.h"

static BN_CTX *ctx;
static BIGNUM *n, *e, *s, *power;
static struct guard in, out;

/* On a processor without these instructions only the refusal can be tested. */
static bool has_vectors(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("bmi2");
#else
    return false;
#endif
}

static struct hw_rsa_vector *prepare(void)
{
    struct hw_rsa_vector *key = hw_rsa_vector_new(n, e);
    assert_true((key != NULL) == has_vectors());
    assert_true(hw_rsa_vector_runs_here() == has_vectors());
    return key;
}

static uint8_t *place(struct guard *guard, const uint8_t *bytes, size_t size)
{
    return (uint8_t *)guard_place(guard, (const char *)bytes, size);
}

static uint8_t *bytes_of(const BIGNUM *number, size_t size)
{
    uint8_t bytes[HW_RSA_VECTOR_BYTES_MAX];
    HW_CHECK(BN_bn2binpad(number, bytes, (int)size) == (int)size);
    return place(&in, bytes, size);
}

static void expect_power(const struct hw_rsa_vector *key)
{
    size_t size = (size_t)BN_num_bytes(n);
    uint8_t expected[HW_RSA_VECTOR_BYTES_MAX], blank[HW_RSA_VECTOR_BYTES_MAX] = {0};
    HW_CHECK(BN_mod_exp(power, s, e, n, ctx));
    HW_CHECK(BN_bn2binpad(power, expected, (int)size) == (int)size);
    uint8_t *x = place(&out, blank, size);
    assert_true(hw_rsa_vector_raise(key, x, bytes_of(s, size)));
    assert_memory_equal(x, expected, size);
}

/* Raises both ends of the range of s, their neighbours, and `random` values between. */
static void expect_powers(int random)
{
    struct hw_rsa_vector *key = prepare();
    if (!key)
        return;
    for (int i = 0; i < 6 + random; i++) {
        if (i >= 6)
            HW_CHECK(BN_rand_range(s, n));
        else if (i < 3)
            HW_CHECK(BN_set_word(s, (BN_ULONG)i));
        else
            HW_CHECK(BN_copy(s, n) && BN_sub_word(s, (BN_ULONG)(i - 2)));
        expect_power(key);
    }
    hw_rsa_vector_free(key);
}

static void random_modulus(int bits)
{
    HW_CHECK(BN_rand(n, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD));
}

static void agrees_with_openssl_at_every_size(void **state)
{
    (void)state;
    static const int bits[] = {52,
                               53,
                               64,
                               416,
                               512,
                               1024,
                               2047,
                               2048,
                               2049,
                               2077,
                               2078,
                               2079,
                               2080,
                               2081,
                               2560,
                               3071,
                               3072,
                               3073,
                               3325,
                               3326,
                               3327,
                               3328,
                               4095,
                               4096,
                               4097,
                               HW_RSA_VECTOR_BITS_MAX - 1,
                               HW_RSA_VECTOR_BITS_MAX};
    HW_CHECK(BN_set_word(e, 65537));
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
        for (int turn = 0; turn < 5; turn++) {
            random_modulus(bits[i]);
            expect_powers(20);
        }
}

static void agrees_with_openssl_for_every_exponent(void **state)
{
    (void)state;
    static const uint64_t exponents[] = {
        3,         5, 7, 17, 35, 257, 65537, 65539, 0x10000001, 0xffffffff, ((uint64_t)1 << 63) + 1,
        UINT64_MAX};
    for (size_t i = 0; i < sizeof exponents / sizeof exponents[0]; i++) {
        HW_CHECK(BN_set_word(e, exponents[i]));
        random_modulus(2048);
        expect_powers(10);
    }
}

/* Rows of ones, where a carry runs through every limb; and rows of zeros. */
static void carries_through_every_limb(void **state)
{
    (void)state;
    static const int bits[] = {520, 2048, 2078, 3072, 3326, 4096, HW_RSA_VECTOR_BITS_MAX};
    HW_CHECK(BN_set_word(e, 3));
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
        for (BN_ULONG distance = 1; distance < 200; distance += 2) {
            BN_zero(n);
            HW_CHECK(BN_set_bit(n, bits[i]) && BN_sub_word(n, distance));
            expect_powers(2);
            BN_zero(n);
            HW_CHECK(BN_set_bit(n, bits[i] - 1) && BN_add_word(n, distance));
            expect_powers(2);
        }
}

static void refuses_what_is_not_below_the_modulus(void **state)
{
    (void)state;
    HW_CHECK(BN_set_word(e, 65537));
    for (int bits = 2048; bits <= 2055; bits++) {
        random_modulus(bits);
        struct hw_rsa_vector *key = prepare();
        if (!key)
            return;
        size_t size = (size_t)BN_num_bytes(n);
        uint8_t x[HW_RSA_VECTOR_BYTES_MAX], most[HW_RSA_VECTOR_BYTES_MAX];
        assert_false(hw_rsa_vector_raise(key, x, bytes_of(n, size)));
        HW_CHECK(BN_copy(s, n) && BN_add_word(s, 1));
        assert_false(hw_rsa_vector_raise(key, x, bytes_of(s, size)));
        memset(most, 0xff, size);
        assert_false(hw_rsa_vector_raise(key, x, place(&in, most, size)));
        hw_rsa_vector_free(key);
    }
}

static void expect_refusal(void)
{
    assert_null(hw_rsa_vector_new(n, e));
}

static void leaves_other_keys_to_openssl(void **state)
{
    (void)state;
    HW_CHECK(BN_set_word(e, 65537));
    random_modulus(HW_RSA_VECTOR_BITS_MAX + 1);
    expect_refusal();
    random_modulus(51);
    expect_refusal();
    random_modulus(2048);
    HW_CHECK(BN_clear_bit(n, 0));
    expect_refusal();
    HW_CHECK(BN_set_bit(n, 0) && BN_set_word(e, 1));
    expect_refusal();
    HW_CHECK(BN_set_word(e, 65536));
    expect_refusal();
    HW_CHECK(BN_set_bit(e, 64) && BN_set_bit(e, 0));
    expect_refusal();
    HW_CHECK(BN_set_word(e, 65537));
    hw_rsa_vector_free(prepare());
}

static int set_up(void **state)
{
    (void)state;
    ctx = BN_CTX_new();
    n = BN_new();
    e = BN_new();
    s = BN_new();
    power = BN_new();
    guard_open(&in, HW_RSA_VECTOR_BYTES_MAX);
    guard_open(&out, HW_RSA_VECTOR_BYTES_MAX);
    return ctx && n && e && s && power ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    BN_free(n);
    BN_free(e);
    BN_free(s);
    BN_free(power);
    BN_CTX_free(ctx);
    guard_close(&in);
    guard_close(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_openssl_at_every_size),
        cmocka_unit_test(agrees_with_openssl_for_every_exponent),
        cmocka_unit_test(carries_through_every_limb),
        cmocka_unit_test(refuses_what_is_not_below_the_modulus),
        cmocka_unit_test(leaves_other_keys_to_openssl),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
