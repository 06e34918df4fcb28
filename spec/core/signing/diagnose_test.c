/* diagnose_test.c -- each usual mistake is named, and none makes a signature good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "base/error.h"
#include "guard.h"
#include "signing.h"
#include "signing/diagnose.h"
#include "signing/diagnose_body.h"
#include "signing/diagnose_hash.h"
#include "signing/signature.h"

static char folder[] = "/tmp/hookward-diagnose-XXXXXX";
static EVP_PKEY *key, *large, *stranger;
static struct hw_keyset *set; /* key.pem (2048 bits), large.pem (3072) */
static struct guard guard;
static const char plain[] = "{\"Event\": \"A.B\",\n \"Name\": \"\xc3\xa9 \xf0\x9f\x98\x80\"}";

/* The verifier must accept exactly what the diagnosis says verifies as it is. */
static void expect(struct hw_str body, const char *signature, const char *expected)
{
    char *exact = guard_place(&guard, body.ptr, body.len);
    char *lines = hw_diagnose(set, (struct hw_str){exact, body.len}, hw_str_of(signature));
    assert_non_null(lines);
    assert_int_equal(ERR_peek_error(), 0);
    if (!strstr(lines, expected))
        fail_msg("\"%s\", not \"%s\"", lines, expected);
    assert_int_equal(lines[strlen(lines) - 1], '\n');

    struct hw_verifier *verifier = hw_verifier_new(set);
    uint8_t digest[HW_DIGEST_SIZE];
    const struct hw_key *by;
    assert_true(EVP_Digest(body.ptr, body.len, digest, NULL, EVP_sha256(), NULL));
    int rc = hw_verifier_check(verifier, hw_str_of(signature), digest, &by);
    assert_int_equal(rc == 0, strncmp(lines, "it verifies as it is", 20) == 0);
    hw_verifier_free(verifier);
    free(lines);
}

static void expect_plain(const char *signature, const char *expected)
{
    expect(hw_str_of(plain), signature, expected);
}

static const char *sign(char *out, const char *body, size_t len)
{
    return signing_sign(out, key, (struct hw_str){body, len});
}

static void names_a_body_that_is_compressed(void **state)
{
    (void)state;
    char text[SIGNING_TEXT_MAX];
    sign(text, plain, strlen(plain));
    expect((struct hw_str){"\x1f\x8b\x08", 3}, text, "the body is compressed (gzip)");
    expect((struct hw_str){"\x78\x9c", 2}, text, "the body is compressed (deflate)");
    expect((struct hw_str){"\x28\xb5\x2f\xfd", 4}, text, "the body is compressed (zstd)");
    expect((struct hw_str){"\x78", 1}, text, "did sign something");
}

/* The RSA operation alone, on a padded block of any contents. */
static const char *sign_block(char *out, EVP_PKEY *pkey, const uint8_t *block, size_t len)
{
    uint8_t bytes[512];
    size_t size = sizeof bytes;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
    assert_int_equal(EVP_PKEY_decrypt(ctx, bytes, &size, block, len), 1);
    EVP_PKEY_CTX_free(ctx);
    return signing_base64(out, bytes, size);
}

static const char *sign_padded(char *out, const uint8_t *info, size_t len)
{
    uint8_t block[256];
    memset(block, 0xff, sizeof block);
    block[0] = 0;
    block[1] = 1;
    block[255 - len] = 0;
    memcpy(block + 256 - len, info, len);
    return sign_block(out, key, block, sizeof block);
}

/* ---- the body ---- */

static void says_that_a_good_signature_is_good(void **state)
{
    (void)state;
    char signature[SIGNING_TEXT_MAX];
    expect_plain(sign(signature, plain, strlen(plain)), "it verifies as it is, with key key.pem\n");
    expect_plain(signing_sign(signature, large, hw_str_of(plain)),
                 "it verifies as it is, with key large.pem\n");
}

static void names_what_happened_to_the_body(void **state)
{
    (void)state;
    /* what was signed, what came, what the diagnosis says */
    static const struct {
        struct hw_str was, came;
        const char *condition;
    } cases[] = {
#define CASE(was, came, condition) {{was, sizeof was - 1}, {came, sizeof came - 1}, condition}
        CASE("\xef\xbb\xbf{}", "{}", "if the body began with a UTF-8 BOM\n"),
        CASE("{}", "\xef\xbb\xbf{}", "if the body had no UTF-8 BOM"),
        CASE("{\r\n}", "{\n}", "if the body's line ends were CRLF"),
        CASE("{\n}", "{\r\n}", "if the body's line ends were LF"),
        CASE("{\n\r\n\r\n}", "{\n\n\r\n}", NULL), /* no one change explains it */
        CASE("{}\n", "{}", "a newline (LF) at its end"),
        CASE("{}\r\n", "{}", "a newline (CRLF) at its end"),
        CASE("{}", "{}\r\n", "no newline at its end"),
        CASE("{}", " {} ", "no white space around it"),
        CASE("{\"a b\":[1,\"\\\" x\"]}", "{ \"a b\": [1,\n \"\\\" x\"] }", "were compact"),
        CASE("{\0}\0\xe9\0", "{}\xc3\xa9", "were in UTF-16LE\n"),
        CASE("\x3d\xd8\x00\xde", "\xf0\x9f\x98\x80", "were in UTF-16LE\n"),
        CASE("\xff\xfe{\0}\0", "{}", "were in UTF-16LE with a BOM"),
        CASE("{\xc3\xa9\xe2\x82\xac}", "{\0\xe9\0\xac\x20}\0", "in UTF-8 (it is in UTF-16LE)"),
        CASE("\xf0\x9f\x98\x80 ", "\xff\xfe\x3d\xd8\x00\xde \0", "in UTF-8 (it is in UTF-16LE)"),
        CASE("{?}", "{\xc3\xa9}", "in ASCII, with ?"),
        CASE("{??}", "{\xf0\x9f\x98\x80}", "in ASCII, with ?"),
        CASE("{\xe9}", "{\xc3\xa9}", "in Latin-1"),
        CASE("", "{}", "the body were empty"),
#undef CASE
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char signature[SIGNING_TEXT_MAX];
        const char *condition = cases[i].condition;
        if (!condition)
            condition = "key key.pem did sign something, but not this body: the signed SHA-256 is ";
        expect(cases[i].came, sign(signature, cases[i].was.ptr, cases[i].was.len), condition);
    }
}

/* Text cut within a character, lone surrogates, and nothing at all. */
static void survives_bodies_that_are_no_text(void **state)
{
    (void)state;
    static const struct hw_str bodies[] = {
        {"", 0},
        {"\xc3", 1},
        {"\xf0\x9f", 2},
        {"\x80", 1},
        {"\\", 1},
        {"\"\\", 2},
        {"\r", 1},
        {"\n", 1},
        {"\xef\xbb\xbf", 3},
        {"\0\xd8", 2},
        {"\xff\xfe", 2},
        {"\0\xd8\0", 3},
        {"\0\xd8\0\0", 4},
        {"\xff\xff\xff\xff", 4},
    };
    char signature[SIGNING_TEXT_MAX];
    sign(signature, "x", 1);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        expect(bodies[i], signature, "did sign something, but not this body");
    char *lines = hw_diagnose(set, HW_STR_NONE, HW_STR_NONE);
    assert_string_equal(lines, "the signature is empty\n");
    free(lines);
}

/* ---- the signature's text ---- */

static void replace(char *text, char what, char by)
{
    for (; *text; text++) {
        if (*text == what)
            *text = by;
    }
}

static void names_what_is_wrong_with_the_text(void **state)
{
    (void)state;
    char good[SIGNING_TEXT_MAX], text[SIGNING_TEXT_MAX + 8];
    sign(good, plain, strlen(plain));
    size_t len = strlen(good);

    snprintf(text, sizeof text, "%.64s\r\n%s", good, good + 64);
    expect_plain(text, "if the signature were strict Base64 (it has white space or line breaks)");
    snprintf(text, sizeof text, "%.*s", (int)strcspn(good, "="), good);
    expect_plain(text, "(it has missing padding)");
    snprintf(text, sizeof text, "%s==", good);
    expect_plain(text, "(it has too much padding)");
    snprintf(text, sizeof text, "\"%s\"", good);
    expect_plain(text, "(it has quotes around it)");
    strcpy(text, good);
    text[len - 3]++; /* 256 bytes end in two letters and "=="; the second letter has unused bits */
    expect_plain(text, "unused bits that are not zero");
    expect_plain("!", "neither Base64 nor hex");
    expect_plain("AAAA=AAA", "neither Base64 nor hex");
}

static void knows_url_safe_letters_and_lost_plus_signs(void **state)
{
    (void)state;
    char text[SIGNING_TEXT_MAX], body[40];
    int number = 0;
    do { /* a signature that has both letters */
        snprintf(body, sizeof body, "{\"n\":%d}", number++);
        sign(text, body, strlen(body));
    } while (!strchr(text, '+') || !strchr(text, '/'));
    struct hw_str whole = hw_str_of(body);
    char other[SIGNING_TEXT_MAX];
    strcpy(other, text);
    replace(other, '+', ' ');
    expect(whole, other, "(it has spaces where + was)");
    replace(text, '+', '-');
    replace(text, '/', '_');
    expect(whole, text, "(it has URL-safe letters)");
    *strchr(text, '=') = '\0';
    expect(whole, text, "(it has URL-safe letters, missing padding)");
}

static void knows_other_spellings_of_the_bytes(void **state)
{
    (void)state;
    uint8_t bytes[512], reversed[512];
    char hex[SIGNING_TEXT_MAX], text[SIGNING_TEXT_MAX];
    size_t len = signing_sign_as(bytes, key, hw_str_of(plain), EVP_sha256(), RSA_PKCS1_PADDING, 0);
    hw_hash_hex(hex, bytes, len);
    expect_plain(hex, "if the signature were in Base64 (it is in hex)");
    expect_plain(signing_base64(text, (uint8_t *)hex, strlen(hex)), "(it is Base64 of their hex)");
    signing_base64(hex, bytes, len);
    expect_plain(signing_base64(text, (uint8_t *)hex, strlen(hex)), "(it is encoded twice)");
    for (size_t i = 0; i < len; i++)
        reversed[i] = bytes[len - 1 - i];
    expect_plain(signing_base64(text, reversed, len), "if the signature's bytes were reversed");
    text[strlen(text) - 2] = '\0';
    expect_plain(text, "(it has missing padding), and the signature's bytes were reversed");
}

static void knows_a_signature_that_lost_its_leading_zero(void **state)
{
    (void)state;
    uint8_t bytes[512];
    char body[40], text[SIGNING_TEXT_MAX];
    size_t len;
    int number = 0;
    do {
        snprintf(body, sizeof body, "{\"n\":%d}", number++);
        len = signing_sign_as(bytes, key, hw_str_of(body), EVP_sha256(), RSA_PKCS1_PADDING, 0);
    } while (bytes[0] != 0 && number < 5000);
    assert_int_equal(bytes[0], 0);
    expect(hw_str_of(body), signing_base64(text, bytes + 1, len - 1), "leading zero bytes");
}

static void survives_signatures_that_are_too_long(void **state)
{
    (void)state;
    enum { LONG = 20000 };
    static char text[LONG + 1];
    static const char fills[] = "A=- a\"!";
    for (size_t i = 0; fills[i]; i++) {
        memset(text, fills[i], LONG);
        expect_plain(text, "the signature");
    }
    for (size_t len = 2700; len < 2760; len++) {
        memset(text, 'A', len);
        text[len] = '\0';
        expect_plain(text, "the signature");
    }
    memset(text, 'a', 4096 + 2);
    text[4096] = '\0';
    expect_plain(text, "the signature has 2048 bytes");
}

/* ---- the method ---- */

static void names_another_hash(void **state)
{
    (void)state;
    static const struct {
        const EVP_MD *(*md)(void);
        const char *said;
    } cases[] = {
        {EVP_sha1, "if the hash were SHA-256 (it is SHA-1)"},
        {EVP_sha384, "if the hash were SHA-256 (it is SHA-384)"},
        {EVP_sha512, "if the hash were SHA-256 (it is SHA-512)"},
        {EVP_md5, "if the hash were SHA-256 (it is MD5)"},
        {EVP_sha224, "with a hash that is not known here"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[512];
        char text[SIGNING_TEXT_MAX];
        size_t len =
            signing_sign_as(bytes, key, hw_str_of(plain), cases[i].md(), RSA_PKCS1_PADDING, 0);
        expect_plain(signing_base64(text, bytes, len), cases[i].said);
    }
}

static void names_pss_padding(void **state)
{
    (void)state;
    static const int salts[] = {0, 20, 32, RSA_PSS_SALTLEN_MAX};
    uint8_t bytes[512];
    char text[SIGNING_TEXT_MAX];
    for (size_t i = 0; i < sizeof salts / sizeof salts[0]; i++) {
        size_t len = signing_sign_as(bytes, key, hw_str_of(plain), EVP_sha256(),
                                     RSA_PKCS1_PSS_PADDING, salts[i]);
        expect_plain(signing_base64(text, bytes, len),
                     "if its padding were PKCS#1 v1.5 (it is PSS)\n");
    }
    size_t len =
        signing_sign_as(bytes, key, hw_str_of(plain), EVP_sha384(), RSA_PKCS1_PSS_PADDING, 48);
    expect_plain(signing_base64(text, bytes, len), "(it is PSS), and the hash were SHA-256 (it is "
                                                   "SHA-384)");
    expect(HW_STR("another"), text, "none of your keys made this signature");
}

static void names_what_was_signed_instead_of_the_body(void **state)
{
    (void)state;
    uint8_t digest[32];
    char text[SIGNING_TEXT_MAX], spelled[100];
    EVP_Digest(plain, strlen(plain), digest, NULL, EVP_sha256(), NULL);
    hw_hash_hex(spelled, digest, 32);
    expect_plain(sign(text, spelled, 64), "(the hex text of its digest is)");
    for (char *at = spelled; *at; at++)
        *at = (char)(*at >= 'a' ? *at - 0x20 : *at);
    expect_plain(sign(text, spelled, 64), "(the hex text of its digest is)");
    hw_base64_encode(spelled, digest, 32);
    expect_plain(sign(text, spelled, 44), "(the Base64 text of its digest is)");
    expect_plain(sign(text, (char *)digest, 32), "(it is hashed twice)");
}

static void names_a_digest_info_that_is_not_right(void **state)
{
    (void)state;
    uint8_t info[19 + 32 + 1] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    char text[SIGNING_TEXT_MAX];
    EVP_Digest(plain, strlen(plain), info + 19, NULL, EVP_sha256(), NULL);
    expect_plain(sign_padded(text, info, 51), "it verifies as it is");
    expect_plain(sign_padded(text, info + 19, 32), "if the hash's name were in the signature");
    expect_plain(sign_padded(text, info, 52), "were encoded as RFC 8017, 9.2 says");
    uint8_t missing_null[17 + 32] = {0x30, 0x2f, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48,
                                     0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x04, 0x20};
    memcpy(missing_null + 17, info + 19, 32);
    expect_plain(sign_padded(text, missing_null, 49), "were encoded as RFC 8017, 9.2 says");
    uint8_t block[256] = {0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}; /* 7, not 8 */
    expect_plain(sign_block(text, key, block, sizeof block), "none of your keys made this");
    block[9] = 0xff;
    expect_plain(sign_block(text, key, block, sizeof block), "with a hash that is not known");
}

static void names_several_conditions_at_once(void **state)
{
    (void)state;
    uint8_t bytes[512];
    char text[SIGNING_TEXT_MAX];
    size_t len = signing_sign_as(bytes, key, HW_STR("{\r\n}"), EVP_sha1(), RSA_PKCS1_PADDING, 0);
    hw_hash_hex(text, bytes, len);
    expect(
        HW_STR("{\n}"), text,
        "would verify with key key.pem if the body's line ends were CRLF, and the signature were "
        "in Base64 (it is in hex), and the hash were SHA-256 (it is SHA-1)\n");
}

static void tells_a_key_that_is_not_there(void **state)
{
    (void)state;
    char text[SIGNING_TEXT_MAX];
    expect_plain(signing_sign(text, stranger, hw_str_of(plain)),
                 "none of your keys made this signature");
    uint8_t bytes[128] = {1};
    expect_plain(signing_base64(text, bytes, sizeof bytes),
                 "the signature has 128 bytes (a key of 1024 bits); key key.pem has 2048 bits and "
                 "signs with 256 bytes\nthe signature has 128 bytes (a key of 1024 bits); key "
                 "large.pem has 3072 bits");
}

static void shows_both_digests_of_another_body(void **state)
{
    (void)state;
    char text[SIGNING_TEXT_MAX];
    expect(HW_STR("abc"), sign(text, "", 0),
           "would verify with key key.pem if the body were empty");
    expect(HW_STR("abc"), sign(text, "x", 1),
           "key key.pem did sign something, but not this body: the signed SHA-256 is "
           "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881, this body's is "
           "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n");
}

/* ---- */

static int set_up(void **state)
{
    (void)state;
    char paths[2][100], why[300];
    if (!mkdtemp(folder))
        return -1;
    key = signing_make_key(2048, 65537);
    large = signing_make_key(3072, 65537);
    stranger = signing_make_key(2048, 65537);
    snprintf(paths[0], sizeof paths[0], "%s/key.pem", folder);
    snprintf(paths[1], sizeof paths[1], "%s/large.pem", folder);
    signing_write_public(paths[0], key);
    signing_write_public(paths[1], large);
    const char *list[] = {paths[0], paths[1]};
    set = hw_keyset_load(list, 2, 2048, why, sizeof why);
    guard_open(&guard, SIGNING_TEXT_MAX);
    return set ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[100];
    hw_keyset_unref(set);
    EVP_PKEY_free(key);
    EVP_PKEY_free(large);
    EVP_PKEY_free(stranger);
    guard_close(&guard);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_that_a_good_signature_is_good),
        cmocka_unit_test(names_what_happened_to_the_body),
        cmocka_unit_test(survives_bodies_that_are_no_text),
        cmocka_unit_test(names_a_body_that_is_compressed),
        cmocka_unit_test(names_what_is_wrong_with_the_text),
        cmocka_unit_test(knows_url_safe_letters_and_lost_plus_signs),
        cmocka_unit_test(knows_other_spellings_of_the_bytes),
        cmocka_unit_test(knows_a_signature_that_lost_its_leading_zero),
        cmocka_unit_test(survives_signatures_that_are_too_long),
        cmocka_unit_test(names_another_hash),
        cmocka_unit_test(names_pss_padding),
        cmocka_unit_test(names_what_was_signed_instead_of_the_body),
        cmocka_unit_test(names_a_digest_info_that_is_not_right),
        cmocka_unit_test(names_several_conditions_at_once),
        cmocka_unit_test(tells_a_key_that_is_not_there),
        cmocka_unit_test(shows_both_digests_of_another_body),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
