/* rsa_test.c -- both ways give the right result, and a key never uses vectors that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "base/check.h"
#include "base/error.h"
#include "base/log.h"
#include "signing/rsa.h"
#include "signing/rsa_vector.h"

enum { BYTES_MAX = 1024 };

static BN_CTX *ctx;
static BIGNUM *n, *e, *s, *power;
static struct hw_rsa_scratch *scratch;

static void random_modulus(int bits)
{
    HW_CHECK(BN_rand(n, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD));
}

/* ---- the log ---- */

static struct {
    int lines;
    enum hw_log_level level;
    char json[1000];
} logged;

static void take_line(void *ud, enum hw_log_level level, struct hw_str json)
{
    (void)ud;
    HW_CHECK(json.len < sizeof logged.json);
    logged.lines++;
    logged.level = level;
    memcpy(logged.json, json.ptr, json.len);
    logged.json[json.len] = '\0';
}

static struct hw_rsa *prepare(const char *name)
{
    logged.lines = 0;
    struct hw_log_tap before = hw_log_set_tap((struct hw_log_tap){take_line, NULL});
    struct hw_rsa *key = hw_rsa_new(n, e, name);
    hw_log_set_tap(before);
    assert_int_equal(ERR_peek_error(), 0);
    return key;
}

/* ---- right results ---- */

static void expect_power(const struct hw_rsa *key)
{
    uint8_t in[BYTES_MAX], x[BYTES_MAX], expected[BYTES_MAX];
    int size = BN_num_bytes(n);
    HW_CHECK(BN_mod_exp(power, s, e, n, ctx));
    HW_CHECK(BN_bn2binpad(s, in, size) == size && BN_bn2binpad(power, expected, size) == size);
    assert_int_equal(hw_rsa_raise(key, scratch, x, in), 0);
    assert_memory_equal(x, expected, (size_t)size);
}

static void expect_powers(bool vectors)
{
    struct hw_rsa *key = prepare("key");
    assert_non_null(key);
    assert_int_equal(hw_rsa_has_vectors(key), vectors);
    for (int i = 0; i < 10; i++) {
        HW_CHECK(BN_rand_range(s, n));
        expect_power(key);
    }
    hw_rsa_free(key);
}

static void expect_powers_of_every_kind(bool vectors)
{
    static const int bits[] = {2048, 2052, 3072, 4096};
    static const uint64_t exponents[] = {3, 65537, UINT64_MAX};
    for (size_t b = 0; b < sizeof bits / sizeof bits[0]; b++)
        for (size_t i = 0; i < sizeof exponents / sizeof exponents[0]; i++) {
            random_modulus(bits[b]);
            HW_CHECK(BN_set_word(e, exponents[i]));
            expect_powers(vectors);
        }
}

static void raises_by_vectors_where_the_processor_has_them(void **state)
{
    (void)state;
    expect_powers_of_every_kind(hw_rsa_vector_runs_here());
    assert_int_equal(logged.lines, 0);
}

static void raises_by_openssl_when_switched_so(void **state)
{
    (void)state;
    setenv("HOOKWARD_RSA", "openssl", 1);
    expect_powers_of_every_kind(false);
    assert_int_equal(logged.lines, 0);
    unsetenv("HOOKWARD_RSA");
}

static void raises_by_openssl_what_is_no_key_for_vectors(void **state)
{
    (void)state;
    static const int bits[] = {2, 3, 17, 51, HW_RSA_VECTOR_BITS_MAX + 1, 8 * BYTES_MAX};
    HW_CHECK(BN_set_word(e, 65537));
    for (size_t b = 0; b < sizeof bits / sizeof bits[0]; b++) {
        random_modulus(bits[b]);
        expect_powers(false);
    }
}

/* ---- the proof ---- */

static void catches_vectors_that_are_wrong(void **state)
{
    (void)state;
    hw_rsa_vector_spoiled = true;
    for (int i = 0; i < 50; i++) {
        random_modulus(2048);
        HW_CHECK(BN_set_word(e, i % 2 ? 3 : 65537));
        struct hw_rsa *key = prepare("accredit.pem");
        assert_non_null(key);
        assert_false(hw_rsa_has_vectors(key));
        HW_CHECK(BN_rand_range(s, n));
        expect_power(key);
        hw_rsa_free(key);
        if (!hw_rsa_vector_runs_here())
            continue;
        assert_int_equal(logged.lines, 1);
        assert_int_equal(logged.level, HW_LOG_ERROR);
        assert_non_null(strstr(logged.json, "\"key\":\"accredit.pem\""));
        assert_non_null(strstr(logged.json, "the RSA vectors give a wrong result"));
        hw_rsa_free(prepare("accredit.pem"));
        assert_int_equal(logged.lines, 0); /* it is logged only once */
    }
    hw_rsa_vector_spoiled = false;
}

/* ---- refusals ---- */

static void expect_input_refused(const struct hw_rsa *key)
{
    uint8_t in[BYTES_MAX], x[BYTES_MAX];
    int size = BN_num_bytes(n);
    HW_CHECK(BN_bn2binpad(n, in, size) == size);
    assert_int_equal(hw_rsa_raise(key, scratch, x, in), HW_EINVALID_SIGNATURE);
    memset(in, 0xff, sizeof in);
    assert_int_equal(hw_rsa_raise(key, scratch, x, in), HW_EINVALID_SIGNATURE);
}

static void refuses_what_is_not_below_the_modulus(void **state)
{
    (void)state;
    HW_CHECK(BN_set_word(e, 65537));
    for (int openssl = 0; openssl < 2; openssl++) {
        setenv("HOOKWARD_RSA", openssl ? "openssl" : "", 1);
        random_modulus(2048);
        struct hw_rsa *key = prepare("key");
        expect_input_refused(key);
        hw_rsa_free(key);
    }
    unsetenv("HOOKWARD_RSA");
}

static void refuses_numbers_that_are_no_key(void **state)
{
    (void)state;
    random_modulus(2048);
    HW_CHECK(BN_set_word(e, 1));
    assert_null(prepare("key"));
    HW_CHECK(BN_set_word(e, 65536));
    assert_null(prepare("key"));
    HW_CHECK(BN_set_bit(e, 64) && BN_set_bit(e, 0));
    assert_null(prepare("key"));
    HW_CHECK(BN_set_word(e, 65537) && BN_clear_bit(n, 0));
    assert_null(prepare("key"));
    HW_CHECK(BN_one(n));
    assert_null(prepare("key"));
    BN_zero(n);
    assert_null(prepare("key"));
    hw_rsa_free(NULL);
    hw_rsa_scratch_free(NULL);
}

/* ---- the switch ---- */

static void names_the_way_and_the_switch(void **state)
{
    (void)state;
    const char *usual = hw_rsa_vector_runs_here() ? "vectors (AVX-512 IFMA)"
                                                  : "OpenSSL (this processor has no AVX-512 IFMA)";
    assert_string_equal(hw_rsa_way(), usual);
    setenv("HOOKWARD_RSA", "", 1);
    assert_string_equal(hw_rsa_way(), usual);
    assert_null(hw_rsa_unknown_switch());
    setenv("HOOKWARD_RSA", "openssl", 1);
    assert_string_equal(hw_rsa_way(), "OpenSSL (HOOKWARD_RSA=openssl)");
    assert_null(hw_rsa_unknown_switch());
    setenv("HOOKWARD_RSA", "OpenSSL", 1);
    assert_string_equal(hw_rsa_unknown_switch(), "OpenSSL");
    assert_string_equal(hw_rsa_way(), "unusable (HOOKWARD_RSA can be \"openssl\" or not set)");
    random_modulus(2048);
    HW_CHECK(BN_set_word(e, 65537));
    expect_powers(false);
    unsetenv("HOOKWARD_RSA");
}

static int set_up(void **state)
{
    (void)state;
    unsetenv("HOOKWARD_RSA");
    ctx = BN_CTX_new();
    n = BN_new();
    e = BN_new();
    s = BN_new();
    power = BN_new();
    scratch = hw_rsa_scratch_new();
    return ctx && n && e && s && power && scratch ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    BN_free(n);
    BN_free(e);
    BN_free(s);
    BN_free(power);
    BN_CTX_free(ctx);
    hw_rsa_scratch_free(scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raises_by_vectors_where_the_processor_has_them),
        cmocka_unit_test(raises_by_openssl_when_switched_so),
        cmocka_unit_test(raises_by_openssl_what_is_no_key_for_vectors),
        cmocka_unit_test(catches_vectors_that_are_wrong),
        cmocka_unit_test(refuses_what_is_not_below_the_modulus),
        cmocka_unit_test(refuses_numbers_that_are_no_key),
        cmocka_unit_test(names_the_way_and_the_switch),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
