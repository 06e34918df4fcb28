/* signature_test.c -- an authentic body verifies, nothing else does. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lualib.h>
#include <openssl/err.h>

#include "base/error.h"
#include "base/log.h"
#include "guard.h"
#include "signing.h"
#include "signing/rsa_vector.h"
#include "signing/signature.h"

static char folder[40];
static EVP_PKEY *first, *second, *large, *stranger;
static struct hw_keyset *set; /* first, second (2048 bits), large (3072) */
static struct hw_verifier *verifier;
static struct hw_hasher *hasher;
static struct guard guard;
static bool last_run; /* of all these tests */
static const struct hw_str body = {"{\"Event\":\"A.B\"}", 15};

static int check_text(struct hw_str signature, struct hw_str text, const struct hw_key **key)
{
    uint8_t digest[HW_DIGEST_SIZE];
    const struct hw_key *by = NULL;
    hw_hasher_digest(hasher, text, digest);
    char *exact = guard_place(&guard, signature.ptr, signature.len);
    int rc = hw_verifier_check(verifier, (struct hw_str){exact, signature.len}, digest, &by);
    assert_int_equal(ERR_peek_error(), 0);
    assert_true((rc == 0) == (by != NULL));
    if (key)
        *key = by;
    return rc;
}

static int check(const char *signature)
{
    return check_text(hw_str_of(signature), body, NULL);
}

static void expect_key(EVP_PKEY *pkey, const char *name)
{
    char signature[SIGNING_TEXT_MAX];
    const struct hw_key *key;
    assert_int_equal(check_text(hw_str_of(signing_sign(signature, pkey, body)), body, &key), 0);
    assert_string_equal(key->name, name);
}

/* ---- digest ---- */

static void hashes_as_fips_180_4_says(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint8_t start[4];
    } vectors[] = {
        {"", {0xe3, 0xb0, 0xc4, 0x42}},
        {"abc", {0xba, 0x78, 0x16, 0xbf}},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", {0x24, 0x8d, 0x6a, 0x61}},
    };
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 3; i++) {
            uint8_t digest[HW_DIGEST_SIZE];
            hw_hasher_digest(hasher, hw_str_of(vectors[i].text), digest);
            assert_memory_equal(digest, vectors[i].start, 4);
        }
    }
    uint8_t none[HW_DIGEST_SIZE];
    hw_hasher_digest(hasher, HW_STR_NONE, none);
    assert_memory_equal(none, vectors[0].start, 4);
}

/* ---- which key ---- */

static void names_the_key_that_verified(void **state)
{
    (void)state;
    expect_key(first, "first");
    expect_key(second, "second");
    expect_key(large, "large");
    assert_ptr_equal(hw_verifier_keys(verifier), set);
}

/* The order in which keys are tried changes after each success; none may be left out. */
static void finds_every_key_after_every_other(void **state)
{
    (void)state;
    EVP_PKEY *pkeys[] = {first, second, large};
    static const char *const names[] = {"first", "second", "large"};
    for (int a = 0; a < 3; a++) {
        for (int b = 0; b < 3; b++) {
            expect_key(pkeys[a], names[a]);
            expect_key(pkeys[b], names[b]);
        }
    }
}

static void outlives_the_callers_reference(void **state)
{
    (void)state;
    char path[100], why[300];
    snprintf(path, sizeof path, "%s/first", folder);
    const char *paths[] = {path};
    struct hw_keyset *own = hw_keyset_load(paths, 1, 2048, why, sizeof why);
    struct hw_verifier *short_lived = hw_verifier_new(own);
    hw_keyset_unref(own);
    assert_string_equal(hw_verifier_keys(short_lived)->keys[0].name, "first");
    hw_verifier_free(short_lived);
    hw_verifier_free(NULL);
    hw_hasher_free(NULL);
}

/* ---- refusals ---- */

static void refuses_another_body(void **state)
{
    (void)state;
    char signature[SIGNING_TEXT_MAX];
    signing_sign(signature, first, body);
    assert_int_equal(check_text(hw_str_of(signature), HW_STR("{\"Event\":\"A.C\"}"), NULL),
                     HW_EINVALID_SIGNATURE);
    assert_int_equal(check_text(hw_str_of(signature), HW_STR_NONE, NULL), HW_EINVALID_SIGNATURE);
}

static void refuses_a_key_that_is_not_in_the_set(void **state)
{
    (void)state;
    char signature[SIGNING_TEXT_MAX];
    assert_int_equal(check(signing_sign(signature, stranger, body)), HW_EINVALID_SIGNATURE);
}

static void refuses_every_changed_bit(void **state)
{
    (void)state;
    uint8_t bytes[512];
    char text[SIGNING_TEXT_MAX];
    size_t len = signing_sign_as(bytes, first, body, EVP_sha256(), RSA_PKCS1_PADDING, 0);
    for (size_t bit = 0; bit < len * 8; bit += 7) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(check(signing_base64(text, bytes, len)), HW_EINVALID_SIGNATURE);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(check(signing_base64(text, bytes, len)), 0);
}

/* After each kind of refusal, good signatures verify and bad ones are refused as before. */
static void verifies_after_each_kind_of_refusal(void **state)
{
    (void)state;
    char good[SIGNING_TEXT_MAX], bad[SIGNING_TEXT_MAX];
    uint8_t bytes[256];
    signing_sign(good, first, body);
    for (int round = 0; round < 3; round++) {
        memset(bytes, 0xff, sizeof bytes); /* above the modulus */
        assert_int_equal(check(signing_base64(bad, bytes, 256)), HW_EINVALID_SIGNATURE);
        assert_int_equal(check(good), 0);
        memset(bytes, 0, sizeof bytes);
        assert_int_equal(check(signing_base64(bad, bytes, 256)), HW_EINVALID_SIGNATURE);
        assert_int_equal(check(good), 0);
        assert_int_equal(check(signing_sign(bad, stranger, body)), HW_EINVALID_SIGNATURE);
        assert_int_equal(check(good), 0);
        assert_int_equal(check("AAAA"), HW_EMALFORMED_SIGNATURE);
        assert_int_equal(check(good), 0);
    }
}

static void refuses_other_paddings_and_hashes(void **state)
{
    (void)state;
    uint8_t bytes[512];
    char text[SIGNING_TEXT_MAX];
    const EVP_MD *hashes[] = {EVP_sha1(), EVP_sha384(), EVP_sha512(), EVP_md5(), EVP_sha224()};
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        size_t len = signing_sign_as(bytes, first, body, hashes[i], RSA_PKCS1_PADDING, 0);
        assert_int_equal(check(signing_base64(text, bytes, len)), HW_EINVALID_SIGNATURE);
    }
    size_t len = signing_sign_as(bytes, first, body, EVP_sha256(), RSA_PKCS1_PSS_PADDING, 32);
    assert_int_equal(check(signing_base64(text, bytes, len)), HW_EINVALID_SIGNATURE);
}

/* The same bytes in any other spelling, and bytes of any other length, are malformed. */
static void refuses_what_is_not_strict_base64_of_a_keys_length(void **state)
{
    (void)state;
    uint8_t bytes[2100] = {0};
    char text[SIGNING_TEXT_MAX], more[SIGNING_TEXT_MAX + 8];
    signing_sign(text, first, body);
    size_t len = strlen(text);
    assert_int_equal(len, 344);
    assert_int_equal(check(""), HW_EMALFORMED_SIGNATURE);
    assert_int_equal(check_text((struct hw_str){text, len - 1}, body, NULL),
                     HW_EMALFORMED_SIGNATURE);
    assert_int_equal(check_text((struct hw_str){text, len - 2}, body, NULL),
                     HW_EMALFORMED_SIGNATURE);
    static const char *const behind[] = {" ", "\n", "=", "AAAA", "    "};
    for (size_t i = 0; i < sizeof behind / sizeof behind[0]; i++) {
        snprintf(more, sizeof more, "%s%s", text, behind[i]);
        assert_int_equal(check(more), HW_EMALFORMED_SIGNATURE);
        snprintf(more, sizeof more, "%s%s", behind[i], text);
        assert_int_equal(check(more), HW_EMALFORMED_SIGNATURE);
    }
    for (size_t size = 0; size <= sizeof bytes; size++) {
        int fits = size == 256 || size == 384;
        assert_int_equal(check(signing_base64(text, bytes, size)),
                         fits ? HW_EINVALID_SIGNATURE : HW_EMALFORMED_SIGNATURE);
    }
}

/* ---- threads ---- */

static void *verify_many(void *good)
{
    struct hw_verifier *own = hw_verifier_new(set);
    struct hw_hasher *hash = hw_hasher_new();
    uint8_t digest[HW_DIGEST_SIZE];
    const struct hw_key *key;
    intptr_t failures = own && hash ? 0 : 1000;
    for (int i = 0; i < 200 && failures < 1000; i++) {
        hw_hasher_digest(hash, body, digest);
        failures += hw_verifier_check(own, hw_str_of(good), digest, &key) != 0;
        digest[i % HW_DIGEST_SIZE] ^= 1;
        failures += hw_verifier_check(own, hw_str_of(good), digest, &key) == 0;
    }
    hw_hasher_free(hash);
    hw_verifier_free(own);
    return (void *)failures;
}

static void shares_a_set_between_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    char signature[SIGNING_TEXT_MAX];
    signing_sign(signature, second, body);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify_many, signature), 0);
    for (int i = 0; i < 4; i++) {
        void *failures;
        pthread_join(threads[i], &failures);
        assert_int_equal((intptr_t)failures, 0);
    }
}

/* ---- against OpenSSL's own verdict ---- */

/* Does EVP_PKEY_verify accept it? */
static bool openssl_accepts(EVP_PKEY *pkey, const uint8_t *signature, size_t len,
                            const uint8_t digest[HW_DIGEST_SIZE])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    HW_CHECK(EVP_PKEY_verify_init(ctx) == 1 &&
             EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
             EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1);
    bool accepts = EVP_PKEY_verify(ctx, signature, len, digest, HW_DIGEST_SIZE) == 1;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return accepts;
}

static struct hw_verifier *verifier_of(EVP_PKEY *pkey)
{
    char path[100], why[300];
    snprintf(path, sizeof path, "%s/one", folder);
    signing_write_public(path, pkey);
    const char *paths[] = {path};
    struct hw_keyset *keys = hw_keyset_load(paths, 1, 2048, why, sizeof why);
    assert_non_null(keys);
    struct hw_verifier *own = hw_verifier_new(keys);
    hw_keyset_unref(keys);
    assert_non_null(own);
    return own;
}

static int check_bytes(struct hw_verifier *own, const uint8_t *bytes, size_t len,
                       const uint8_t digest[HW_DIGEST_SIZE])
{
    char text[SIGNING_TEXT_MAX];
    const struct hw_key *key;
    signing_base64(text, bytes, len);
    int rc = hw_verifier_check(own, hw_str_of(text), digest, &key);
    assert_int_equal(ERR_peek_error(), 0);
    return rc;
}

/* Moduli that don't fill whole words or bytes; exponents short and long. */
static void verifies_with_every_size_and_exponent(void **state)
{
    (void)state;
    const struct {
        int bits;
        uint64_t e;
    } kinds[] = {{2048, 3},     {2048, 17},         {2052, 65537}, {2056, 65537},
                 {2090, 65539}, {2112, 0x10000001}, {3000, 5},     {4096, 65537}};
    static EVP_PKEY *kept[sizeof kinds / sizeof kinds[0]]; /* for the next runs */
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        EVP_PKEY *pkey = kept[i] = kept[i] ? kept[i] : signing_make_key(kinds[i].bits, kinds[i].e);
        struct hw_verifier *own = verifier_of(pkey);
        uint8_t digest[HW_DIGEST_SIZE], bytes[1024];
        for (int n = 0; n < 20; n++) {
            char text[32];
            struct hw_str message = {text, (size_t)snprintf(text, sizeof text, "message %d", n)};
            hw_hasher_digest(hasher, message, digest);
            size_t len = signing_sign_as(bytes, pkey, message, EVP_sha256(), RSA_PKCS1_PADDING, 0);
            assert_int_equal(check_bytes(own, bytes, len, digest), 0);
            bytes[len - 1 - (size_t)n] ^= 0x10;
            assert_int_equal(check_bytes(own, bytes, len, digest), HW_EINVALID_SIGNATURE);
        }
        hw_verifier_free(own);
        if (last_run)
            EVP_PKEY_free(pkey);
    }
}

/* The key's owner makes a "signature" whose power is exactly these bytes. */
static size_t sign_raw(uint8_t *out, EVP_PKEY *pkey, const uint8_t *em, size_t len)
{
    size_t size = len;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    HW_CHECK(EVP_PKEY_sign_init(ctx) == 1 &&
             EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) == 1 &&
             EVP_PKEY_sign(ctx, out, &size, em, len) == 1);
    EVP_PKEY_CTX_free(ctx);
    return size;
}

static const uint8_t digest_info[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                      0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

/* EMSA-PKCS1-v1_5 of `digest`, in 256 bytes. */
static void encode(uint8_t em[256], const uint8_t digest[HW_DIGEST_SIZE])
{
    memset(em, 0xff, 256);
    em[0] = 0x00;
    em[1] = 0x01;
    em[256 - HW_DIGEST_SIZE - sizeof digest_info - 1] = 0x00;
    memcpy(em + 256 - HW_DIGEST_SIZE - sizeof digest_info, digest_info, sizeof digest_info);
    memcpy(em + 256 - HW_DIGEST_SIZE, digest, HW_DIGEST_SIZE);
}

/* One byte of the encoding is wrong, at each position in turn. */
static void refuses_every_other_encoding(void **state)
{
    (void)state;
    struct hw_verifier *own = verifier_of(first);
    uint8_t digest[HW_DIGEST_SIZE], em[256], bytes[256];
    hw_hasher_digest(hasher, body, digest);
    encode(em, digest);
    assert_int_equal(check_bytes(own, bytes, sign_raw(bytes, first, em, 256), digest), 0);
    for (size_t i = 1; i < 256; i++) {
        encode(em, digest);
        em[i] ^= i % 2 ? 0x01 : 0x80;
        sign_raw(bytes, first, em, 256);
        assert_int_equal(check_bytes(own, bytes, 256, digest), HW_EINVALID_SIGNATURE);
        assert_false(openssl_accepts(first, bytes, 256, digest));
    }
    hw_verifier_free(own);
}

/* Bleichenbacher's forgery: short padding, and free bytes after the digest. */
static void refuses_bytes_after_the_digest(void **state)
{
    (void)state;
    struct hw_verifier *own = verifier_of(first);
    uint8_t digest[HW_DIGEST_SIZE], right[256], em[256] = {0}, bytes[256];
    hw_hasher_digest(hasher, body, digest);
    encode(right, digest);
    for (size_t shift = 1; shift < 190; shift += 9) {
        memset(em, 0, sizeof em);
        em[1] = 0x01;
        memset(em + 2, 0xff, 202 - shift);
        memcpy(em + 204 - shift, right + 204, 52);
        sign_raw(bytes, first, em, 256);
        assert_int_equal(check_bytes(own, bytes, 256, digest), HW_EINVALID_SIGNATURE);
    }
    hw_verifier_free(own);
}

/* s and s + n have the same power: only the one below the modulus is a signature (RFC 8017,
 * 5.2.2, step 1). */
static void refuses_a_signature_over_the_modulus(void **state)
{
    (void)state;
    EVP_PKEY *pkey = signing_make_key(2052, 65537); /* 257 bytes: s + n still fits them */
    struct hw_verifier *own = verifier_of(pkey);
    uint8_t digest[HW_DIGEST_SIZE], bytes[257];
    BIGNUM *n = NULL;
    hw_hasher_digest(hasher, body, digest);
    signing_sign_as(bytes, pkey, body, EVP_sha256(), RSA_PKCS1_PADDING, 0);
    assert_int_equal(check_bytes(own, bytes, sizeof bytes, digest), 0);
    BIGNUM *s = BN_bin2bn(bytes, sizeof bytes, NULL);
    HW_CHECK(EVP_PKEY_get_bn_param(pkey, "n", &n) && BN_add(s, s, n));
    assert_int_equal(BN_bn2binpad(s, bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(check_bytes(own, bytes, sizeof bytes, digest), HW_EINVALID_SIGNATURE);
    assert_int_equal(BN_bn2binpad(n, bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(check_bytes(own, bytes, sizeof bytes, digest), HW_EINVALID_SIGNATURE);
    BN_free(s);
    BN_free(n);
    hw_verifier_free(own);
    EVP_PKEY_free(pkey);
}

/* ---- the vectors of the Wycheproof project ---- */

/* accepts(public key PEM, message, signature) -> boolean */
static int lua_accepts(lua_State *L)
{
    char path[100], why[300], text[SIGNING_TEXT_MAX];
    struct hw_str pem, message, signature;
    pem.ptr = luaL_checklstring(L, 1, &pem.len);
    message.ptr = luaL_checklstring(L, 2, &message.len);
    signature.ptr = luaL_checklstring(L, 3, &signature.len);
    snprintf(path, sizeof path, "%s/vector", folder);
    signing_write_file(path, pem.ptr, pem.len);
    const char *paths[] = {path};
    struct hw_keyset *keys = hw_keyset_load(paths, 1, 2048, why, sizeof why);
    if (!keys)
        return luaL_error(L, "%s", why);
    struct hw_verifier *own = hw_verifier_new(keys);
    uint8_t digest[HW_DIGEST_SIZE];
    const struct hw_key *key;
    hw_hasher_digest(hasher, message, digest);
    signing_base64(text, (const uint8_t *)signature.ptr, signature.len);
    lua_pushboolean(L, hw_verifier_check(own, hw_str_of(text), digest, &key) == 0);
    hw_verifier_free(own);
    hw_keyset_unref(keys);
    return 1;
}

static const char run_vectors[] =
    "local accepts = ...\n"
    "local cjson = require 'cjson'\n"
    "local function bytes(hex)\n"
    "  return (hex:gsub('%x%x', function(two) return string.char(tonumber(two, 16)) end))\n"
    "end\n"
    "local counts = { valid = 0, invalid = 0, acceptable = 0 }\n"
    "for _, bits in ipairs { 2048, 3072, 4096 } do\n"
    "  local file = assert(io.open('spec/vectors/rsa_signature_' .. bits .. '_sha256_test.json'))\n"
    "  local vectors = cjson.decode(file:read 'a')\n"
    "  file:close()\n"
    "  for _, group in ipairs(vectors.testGroups) do\n"
    "    for _, test in ipairs(group.tests) do\n"
    "      counts[test.result] = counts[test.result] + 1\n"
    "      local accepted = accepts(group.publicKeyPem, bytes(test.msg), bytes(test.sig))\n"
    "      if accepted ~= (test.result == 'valid') then\n"
    "        error(('%d bits, test %d (%s) was %s'):format(bits, test.tcId, test.result,\n"
    "          accepted and 'accepted' or 'refused'))\n"
    "      end\n"
    "    end\n"
    "  end\n"
    "end\n"
    "return counts.valid, counts.invalid, counts.acceptable\n";

static void agrees_with_the_wycheproof_vectors(void **state)
{
    (void)state;
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    if (luaL_loadstring(L, run_vectors) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    lua_pushcfunction(L, lua_accepts);
    if (lua_pcall(L, 1, 3, 0) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    print_message("wycheproof: %d valid, %d invalid, %d acceptable\n", (int)lua_tointeger(L, -3),
                  (int)lua_tointeger(L, -2), (int)lua_tointeger(L, -1));
    assert_int_equal(lua_tointeger(L, -3), 24);
    assert_int_equal(lua_tointeger(L, -2), 749);
    assert_int_equal(lua_tointeger(L, -1), 3);
    lua_close(L);
}

/* ---- */

static EVP_PKEY *add_key(char *path, const char *name, int bits)
{
    EVP_PKEY *pkey = signing_make_key(bits, 65537);
    snprintf(path, 100, "%s/%s", folder, name);
    if (pkey)
        signing_write_public(path, pkey);
    return pkey;
}

static int set_up(void **state)
{
    (void)state;
    char paths[4][100], why[300];
    strcpy(folder, "/tmp/hookward-signature-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    first = add_key(paths[0], "first", 2048);
    second = add_key(paths[1], "second", 2048);
    large = add_key(paths[2], "large", 3072);
    stranger = add_key(paths[3], "stranger", 2048);
    const char *list[] = {paths[0], paths[1], paths[2]};
    set = hw_keyset_load(list, 3, 2048, why, sizeof why);
    verifier = set ? hw_verifier_new(set) : NULL;
    hasher = hw_hasher_new();
    guard_open(&guard, SIGNING_TEXT_MAX);
    return verifier && hasher ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[100];
    hw_verifier_free(verifier);
    hw_hasher_free(hasher);
    hw_keyset_unref(set);
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
    EVP_PKEY_free(large);
    EVP_PKEY_free(stranger);
    guard_close(&guard);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void drop_line(void *ud, enum hw_log_level level, struct hw_str json)
{
    (void)ud, (void)level, (void)json;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_as_fips_180_4_says),
        cmocka_unit_test(names_the_key_that_verified),
        cmocka_unit_test(finds_every_key_after_every_other),
        cmocka_unit_test(outlives_the_callers_reference),
        cmocka_unit_test(refuses_another_body),
        cmocka_unit_test(refuses_a_key_that_is_not_in_the_set),
        cmocka_unit_test(refuses_every_changed_bit),
        cmocka_unit_test(verifies_after_each_kind_of_refusal),
        cmocka_unit_test(refuses_other_paddings_and_hashes),
        cmocka_unit_test(refuses_what_is_not_strict_base64_of_a_keys_length),
        cmocka_unit_test(shares_a_set_between_threads),
        cmocka_unit_test(verifies_with_every_size_and_exponent),
        cmocka_unit_test(refuses_every_other_encoding),
        cmocka_unit_test(refuses_bytes_after_the_digest),
        cmocka_unit_test(refuses_a_signature_over_the_modulus),
        cmocka_unit_test(agrees_with_the_wycheproof_vectors),
    };
    int failed =
        cmocka_run_group_tests_name("with vectors if the CPU has them", tests, set_up, tear_down);
    hw_rsa_vector_spoiled = true;
    hw_log_set_tap((struct hw_log_tap){drop_line, NULL});
    failed += cmocka_run_group_tests_name("with vectors that are wrong", tests, set_up, tear_down);
    setenv("HOOKWARD_RSA", "openssl", 1);
    last_run = true;
    return failed + cmocka_run_group_tests_name("without vectors", tests, set_up, tear_down);
}
