/* keys_test.c -- every form of a public key is recognised; anything else is named and refused. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "base/error.h"
#include "guard.h"
#include "signing.h"
#include "signing/keys.h"
#include "signing/signature.h"

/* ---- texts ---- */

/* A text on the heap; `form` is what hw_key_parse must call it. */
struct text {
    const char *form;
    uint8_t *bytes;
    size_t len;
};

enum { TEXTS_MAX = 64, SIZES = 3 };
static const int sizes[SIZES] = {2048, 3072, 4096};
static EVP_PKEY *keys[SIZES];
static struct guard guard;
static char folder[] = "/tmp/hookward-keys-XXXXXX";

static struct text make(const char *form, const void *bytes, size_t len)
{
    struct text text = {form, malloc(len ? len : 1), len};
    assert_non_null(text.bytes);
    if (len)
        memcpy(text.bytes, bytes, len);
    return text;
}

static struct text from_bio(const char *form, BIO *bio)
{
    char *bytes;
    long len = BIO_get_mem_data(bio, &bytes);
    struct text text = make(form, bytes, (size_t)len);
    BIO_free(bio);
    return text;
}

__attribute__((format(printf, 2, 3))) static struct text print(const char *form, const char *format,
                                                               ...)
{
    char *out = NULL;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(&out, format, arguments);
    va_end(arguments);
    assert_true(len >= 0);
    struct text text = make(form, out, (size_t)len);
    free(out);
    return text;
}

static struct text to_base64(const char *form, struct text from)
{
    char *out = malloc(HW_BASE64_LEN(from.len) + 1);
    hw_base64_encode(out, from.bytes, from.len);
    struct text text = make(form, out, HW_BASE64_LEN(from.len));
    free(out);
    free(from.bytes);
    return text;
}

/* Puts `what` after every `every` bytes. */
static struct text broken(struct text from, size_t every, const char *what)
{
    char *out = malloc(from.len * (1 + strlen(what)) + 1);
    size_t len = 0;
    for (size_t i = 0; i < from.len; i++) {
        out[len++] = (char)from.bytes[i];
        if ((i + 1) % every == 0 || i + 1 == from.len)
            len += (size_t)sprintf(out + len, "%s", what);
    }
    struct text text = make(from.form, out, len);
    free(out);
    free(from.bytes);
    return text;
}

static struct text replaced(struct text from, const char *what, const char *by)
{
    char *out = malloc(from.len * (1 + strlen(by)) + 1);
    size_t len = 0, what_len = strlen(what);
    for (size_t i = 0; i < from.len;) {
        if (from.len - i >= what_len && memcmp(from.bytes + i, what, what_len) == 0) {
            len += (size_t)sprintf(out + len, "%s", by);
            i += what_len;
        } else {
            out[len++] = (char)from.bytes[i++];
        }
    }
    struct text text = make(from.form, out, len);
    free(out);
    free(from.bytes);
    return text;
}

static struct text wrapped(const char *before, struct text from, const char *behind)
{
    struct text text =
        print(from.form, "%s%.*s%s", before, (int)from.len, (const char *)from.bytes, behind);
    free(from.bytes);
    return text;
}

static struct text utf16(struct text from, int big)
{
    uint8_t *out = malloc(2 * from.len + 2);
    out[0] = big ? 0xfe : 0xff;
    out[1] = big ? 0xff : 0xfe;
    for (size_t i = 0; i < from.len; i++) {
        out[2 + 2 * i + (size_t)big] = from.bytes[i];
        out[2 + 2 * i + (size_t)!big] = 0;
    }
    struct text text = make(from.form, out, 2 * from.len + 2);
    free(out);
    free(from.bytes);
    return text;
}

/* ---- forms ---- */

static struct text pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio_PUBKEY(bio, key));
    return from_bio("PEM", bio);
}

static struct text der(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(i2d_PUBKEY_bio(bio, key));
    return from_bio("DER", bio);
}

static struct text pkcs1_der(EVP_PKEY *key)
{
    unsigned char *out = NULL;
    int len = i2d_PublicKey(key, &out);
    assert_true(len > 0);
    struct text text = make("DER PKCS#1", out, (size_t)len);
    OPENSSL_free(out);
    return text;
}

/* A PEM block of this label around DER. */
static struct text as_pem(const char *form, const char *label, struct text from)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio(bio, label, "", from.bytes, (long)from.len));
    free(from.bytes);
    return from_bio(form, bio);
}

static struct text certificate(EVP_PKEY *key, EVP_PKEY *signer)
{
    X509 *x509 = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               (const unsigned char *)"accredit", -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(x509));
    X509_set_pubkey(x509, key);
    assert_true(X509_sign(x509, signer, EVP_sha256()) > 0);
    assert_true(i2d_X509_bio(bio, x509));
    X509_free(x509);
    return from_bio("DER certificate", bio);
}

/* A number of the key as bytes, big-endian or little-endian. */
static struct text number(EVP_PKEY *key, const char *name, int little)
{
    BIGNUM *value = NULL;
    assert_true(EVP_PKEY_get_bn_param(key, name, &value));
    int len = BN_num_bytes(value);
    uint8_t out[2048];
    if (little)
        BN_bn2lebinpad(value, out, len);
    else
        BN_bn2bin(value, out);
    BN_clear_free(value);
    return make(NULL, out, (size_t)len);
}

static struct text xml(EVP_PKEY *key)
{
    struct text n = to_base64(NULL, number(key, "n", 0)), e = to_base64(NULL, number(key, "e", 0));
    struct text out = print(
        ".NET XML", "<RSAKeyValue><Modulus>%.*s</Modulus><Exponent>%.*s</Exponent></RSAKeyValue>",
        (int)n.len, (char *)n.bytes, (int)e.len, (char *)e.bytes);
    free(n.bytes);
    free(e.bytes);
    return out;
}

/* Exponent first, a prolog, attributes, a prefix, white space, line breaks in the numbers. */
static struct text wide_xml(EVP_PKEY *key)
{
    struct text n = broken(to_base64(NULL, number(key, "n", 0)), 64, "\r\n  ");
    struct text e = to_base64(NULL, number(key, "e", 0));
    struct text out =
        print(".NET XML",
              "<?xml version=\"1.0\"?>\r\n<!-- the key -->\r\n<ds:KeyInfo "
              "xmlns:ds=\"urn:x\"><ds:KeyValue>\r\n"
              "<ds:RSAKeyValue Id='1' >\r\n <ds:Exponent a=\"b\"> %.*s </ds:Exponent >\r\n"
              " <ds:Modulus\n>\r\n  "
              "%.*s</ds:Modulus>\r\n</ds:RSAKeyValue></ds:KeyValue></ds:KeyInfo>\r\n",
              (int)e.len, (char *)e.bytes, (int)n.len, (char *)n.bytes);
    free(n.bytes);
    free(e.bytes);
    return out;
}

static struct text base64url(struct text from)
{
    return replaced(replaced(replaced(to_base64(NULL, from), "+", "-"), "/", "_"), "=", "");
}

static struct text jwk(EVP_PKEY *key, const char *before, const char *behind)
{
    struct text n = base64url(number(key, "n", 0)), e = base64url(number(key, "e", 0));
    struct text out = print("JWK", "%s{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"%.*s\"%s", before,
                            (int)n.len, (char *)n.bytes, (int)e.len, (char *)e.bytes, behind);
    free(n.bytes);
    free(e.bytes);
    return out;
}

static struct text csp(EVP_PKEY *key)
{
    struct text n = number(key, "n", 1), e = number(key, "e", 1);
    uint8_t blob[20 + 2048] = {6, 2, 0, 0, 0, 0xa4, 0, 0, 'R', 'S', 'A', '1'};
    blob[12] = (uint8_t)(n.len * 8);
    blob[13] = (uint8_t)(n.len * 8 >> 8);
    memcpy(blob + 16, e.bytes, e.len);
    memcpy(blob + 20, n.bytes, n.len);
    struct text out = make("CSP blob", blob, 20 + n.len);
    free(n.bytes);
    free(e.bytes);
    return out;
}

static struct text cng_of(const uint8_t *n, size_t n_len, const uint8_t *e, size_t e_len)
{
    uint8_t blob[24 + 4096] = {'R', 'S', 'A', '1'};
    blob[4] = (uint8_t)(n_len * 8);
    blob[5] = (uint8_t)(n_len * 8 >> 8);
    blob[8] = (uint8_t)e_len;
    blob[12] = (uint8_t)n_len;
    blob[13] = (uint8_t)(n_len >> 8);
    memcpy(blob + 24, e, e_len);
    memcpy(blob + 24 + e_len, n, n_len);
    return make("CNG blob", blob, 24 + e_len + n_len);
}

static struct text cng(EVP_PKEY *key)
{
    struct text n = number(key, "n", 0), e = number(key, "e", 0);
    struct text out = cng_of(n.bytes, n.len, e.bytes, e.len);
    free(n.bytes);
    free(e.bytes);
    return out;
}

/* Every form of keys.h, then what must be tolerated around them. */
static size_t all_forms(struct text *out, EVP_PKEY *key)
{
    size_t count = 0;
    out[count++] = pem(key);
    out[count++] = as_pem("PEM PKCS#1", "RSA PUBLIC KEY", pkcs1_der(key));
    out[count++] = as_pem("PEM certificate", "CERTIFICATE", certificate(key, key));
    out[count++] = der(key);
    out[count++] = pkcs1_der(key);
    out[count++] = certificate(key, key);
    out[count++] = to_base64("Base64 of DER", der(key));
    out[count++] = to_base64("Base64 of PKCS#1", pkcs1_der(key));
    out[count++] = to_base64("Base64 of certificate", certificate(key, key));
    out[count++] = xml(key);
    out[count++] = jwk(key, "", "}");
    out[count++] = csp(key);
    out[count++] = cng(key);
    out[count++] = to_base64("Base64 of CSP blob", csp(key));
    out[count++] = to_base64("Base64 of CNG blob", cng(key));
    return count;
}

static size_t all_tolerated(struct text *out, EVP_PKEY *key)
{
    size_t count = 0;
    out[count++] = replaced(pem(key), "\n", "\r\n");
    out[count++] = wrapped("\xef\xbb\xbf", pem(key), "");
    out[count++] = wrapped("Bag Attributes\n  friendlyName: x\n", pem(key), "\nthe end\n");
    out[count++] = wrapped("\n\n  \t", pem(key), "\n \n");
    out[count++] = replaced(pem(key), "\n", "\n    ");
    out[count++] = replaced(pem(key), "\n", "");
    out[count++] = wrapped("\"", replaced(pem(key), "\n", "\\n"), "\"");
    out[count++] = utf16(pem(key), 0);
    out[count++] = utf16(replaced(pem(key), "\n", "\r\n"), 1);
    out[count++] = as_pem("PEM PKCS#1", "PUBLIC KEY", pkcs1_der(key));
    out[count++] = as_pem("PEM", "RSA PUBLIC KEY", der(key));
    out[count++] = broken(to_base64("Base64 of DER", der(key)), 64, "\n");
    out[count++] = broken(to_base64("Base64 of PKCS#1", pkcs1_der(key)), 76, "\r\n");
    out[count++] = wrapped("\xef\xbb\xbf", to_base64("Base64 of DER", der(key)), "\r\n");
    out[count++] = wrapped("\"", to_base64("Base64 of DER", der(key)), "\"\n");
    out[count++] = utf16(to_base64("Base64 of DER", der(key)), 0);
    out[count++] = broken(to_base64("Base64 of CSP blob", csp(key)), 64, "\r\n");
    out[count++] = wide_xml(key);
    out[count++] = wrapped("\xef\xbb\xbf\n", wide_xml(key), "");
    out[count++] = utf16(wide_xml(key), 0);
    out[count++] = utf16(xml(key), 1);
    out[count++] = replaced(xml(key), "RSAKeyValue", "RSAParameters");
    out[count++] = jwk(key, " \n", " , \"x\":[1,-2.5e+3,{\"d\":null},true], \"kid\":\"\\\"d\" }\n");
    out[count++] = jwk(key, "{\"keys\":[", "}]}");
    out[count++] = utf16(jwk(key, "{ \"keys\" : [ ", " } ] }"), 0);
    return count;
}

/* ---- parsing ---- */

/* At a guard page, so that reading one byte too many is a crash. */
static int parse(struct hw_key *key, struct text text, int min_bits, char why[300])
{
    char *exact = guard_place(&guard, (char *)text.bytes, text.len);
    strcpy(why, "(nothing)");
    int rc =
        hw_key_parse(key, (struct hw_str){text.len ? exact : NULL, text.len}, min_bits, why, 300);
    guard_spoil(&guard, text.len);
    assert_int_equal(ERR_peek_error(), 0);
    return rc;
}

static void expect_key(struct text text, int size)
{
    struct hw_key key;
    char why[300], path[100], signature[SIGNING_TEXT_MAX];
    if (parse(&key, text, 2048, why))
        fail_msg("%s of %d bits was refused: %s", text.form, sizes[size], why);
    assert_string_equal(key.form, text.form);
    assert_int_equal(key.bits, sizes[size]);
    assert_int_equal(EVP_PKEY_eq(key.pkey, keys[size]), 1);
    hw_key_fini(&key);

    snprintf(path, sizeof path, "%s/form", folder);
    signing_write_file(path, text.bytes, text.len);
    const char *paths[] = {path};
    struct hw_keyset *set = hw_keyset_load(paths, 1, 2048, why, sizeof why);
    assert_non_null(set);
    struct hw_verifier *verifier = hw_verifier_new(set);
    struct hw_hasher *hasher = hw_hasher_new();
    uint8_t digest[HW_DIGEST_SIZE];
    const struct hw_key *by = NULL;
    hw_hasher_digest(hasher, HW_STR("{\"Event\":\"A.B\"}"), digest);
    signing_sign(signature, keys[size], HW_STR("{\"Event\":\"A.B\"}"));
    assert_int_equal(hw_verifier_check(verifier, hw_str_of(signature), digest, &by), 0);
    assert_string_equal(by->name, "form");
    hw_hasher_free(hasher);
    hw_verifier_free(verifier);
    hw_keyset_unref(set);
    free(text.bytes);
}

static void expect_refusal(struct text text, const char *expected)
{
    struct hw_key key;
    char why[300];
    if (parse(&key, text, 2048, why) != HW_EFAILED)
        fail_msg("taken for a key, not refused with \"%s\"", expected);
    if (!strstr(why, expected))
        fail_msg("refused with \"%s\", not with \"%s\"", why, expected);
    assert_null(strchr(why, '\n'));
    assert_null(key.pkey);
    free(text.bytes);
}

static void reads_every_form_and_verifies_with_it(void **state)
{
    (void)state;
    struct text texts[TEXTS_MAX];
    for (int size = 0; size < SIZES; size++) {
        size_t count = all_forms(texts, keys[size]);
        for (size_t i = 0; i < count; i++)
            expect_key(texts[i], size);
    }
}

static void tolerates_what_editors_and_answers_put_around(void **state)
{
    (void)state;
    struct text texts[TEXTS_MAX];
    for (int size = 0; size < SIZES; size++) {
        size_t count = all_tolerated(texts, keys[size]);
        for (size_t i = 0; i < count; i++)
            expect_key(texts[i], size);
    }
}

/* The fingerprint is the key's, not the file's. */
static void gives_every_form_the_same_fingerprint(void **state)
{
    (void)state;
    struct text texts[TEXTS_MAX];
    size_t count = all_forms(texts, keys[0]);
    char first[65] = "", why[300];
    for (size_t i = 0; i < count; i++) {
        struct hw_key key;
        assert_int_equal(parse(&key, texts[i], 2048, why), 0);
        assert_int_equal(strlen(key.fingerprint), 64);
        if (i == 0)
            strcpy(first, key.fingerprint);
        assert_string_equal(key.fingerprint, first);
        hw_key_fini(&key);
        free(texts[i].bytes);
    }
}

/* ---- refusals ---- */

static struct text private_pem(EVP_PKEY *key, const EVP_CIPHER *cipher)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(
        PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, "secret", cipher ? 6 : 0, NULL, NULL));
    return from_bio(NULL, bio);
}

static struct text private_pkcs1_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL));
    return from_bio(NULL, bio);
}

static struct text private_der(EVP_PKEY *key, int pkcs8, const EVP_CIPHER *cipher)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(
        pkcs8 ? i2d_PKCS8PrivateKey_bio(bio, key, cipher, "secret", cipher ? 6 : 0, NULL, NULL)
              : i2d_PrivateKey_bio(bio, key));
    return from_bio(NULL, bio);
}

static void refuses_private_keys_in_every_form(void **state)
{
    (void)state;
    EVP_PKEY *key = keys[0];
    const char *advice = "openssl pkey -in FILE -pubout";
    expect_refusal(private_pem(key, NULL), "this is a private key");
    expect_refusal(private_pem(key, NULL), advice);
    expect_refusal(private_pkcs1_pem(key), "this is a private key (RSA PRIVATE KEY)");
    expect_refusal(private_pem(key, EVP_aes_128_cbc()), "an encrypted private key");
    expect_refusal(utf16(private_pem(key, NULL), 0), advice);
    expect_refusal(wrapped("{\"key\":\"", replaced(private_pem(key, NULL), "\n", "\\n"), "\"}"),
                   advice);
    expect_refusal(print(NULL, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"),
                   "ssh-keygen -e -m PKCS8 -f FILE");
    expect_refusal(print(NULL, "PuTTY-User-Key-File-3: ssh-rsa\n"), "a PuTTY private key");
    expect_refusal(private_der(key, 0, NULL), advice);
    expect_refusal(private_der(key, 1, NULL), advice);
    expect_refusal(private_der(key, 1, EVP_aes_128_cbc()), "an encrypted private key");
    expect_refusal(to_base64(NULL, private_der(key, 1, NULL)), advice);
    expect_refusal(broken(to_base64(NULL, private_der(key, 0, NULL)), 64, "\n"), advice);
    /* a public block does not hide a private one */
    struct text public = pem(key), secret = private_pem(key, NULL);
    expect_refusal(
        print(NULL, "%.*s%.*s", (int)public.len, public.bytes, (int)secret.len, secret.bytes),
        "this is a private key");
    free(public.bytes);
    free(secret.bytes);
}

static void refuses_private_numbers(void **state)
{
    (void)state;
    static const char *const secrets[] = {"D", "P", "Q", "DP", "DQ", "InverseQ"};
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        char more[100];
        snprintf(more, sizeof more, "</Exponent><%s>AQAB</%s>", secrets[i], secrets[i]);
        expect_refusal(replaced(xml(keys[0]), "</Exponent>", more), "a private key in XML");
    }
    expect_refusal(jwk(keys[0], "", ",\"d\":\"AQAB\"}"), "a private key in a JWK");
    expect_refusal(jwk(keys[0], "", ",\"p\":\"AQAB\"}"), "a private key in a JWK");
    expect_refusal(jwk(keys[0], "{\"keys\":[", ",\"d\":\"AQAB\"}]}"), "a private key in a JWK");
    struct text blob = csp(keys[0]);
    blob.bytes[0] = 7;
    expect_refusal(make(NULL, blob.bytes, blob.len), "PRIVATEKEYBLOB");
    blob.bytes[0] = 6;
    blob.bytes[11] = '2';
    expect_refusal(to_base64(NULL, blob), "PRIVATEKEYBLOB");
    for (int i = '2'; i <= '3'; i++) {
        struct text big = cng(keys[0]);
        big.bytes[3] = (uint8_t)i;
        expect_refusal(big, "a private key (CNG blob)");
    }
}

static EVP_PKEY *other_key(const char *type, const char *curve)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    if (curve)
        assert_int_equal(EVP_PKEY_CTX_set_group_name(ctx, curve), 1);
    else if (strcmp(type, "RSA-PSS") == 0)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static void refuses_keys_of_other_kinds(void **state)
{
    (void)state;
    EVP_PKEY *ec = other_key("EC", "P-256"), *ed = other_key("ED25519", NULL);
    EVP_PKEY *pss = other_key("RSA-PSS", NULL), *x = other_key("X25519", NULL);
    expect_refusal(pem(ec), "an EC key");
    expect_refusal(der(ec), "an EC key");
    expect_refusal(to_base64(NULL, der(ec)), "an EC key");
    expect_refusal(certificate(ec, ec), "an EC key");
    expect_refusal(as_pem(NULL, "CERTIFICATE", certificate(ec, keys[0])), "an EC key");
    expect_refusal(private_pem(ec, NULL), "a private key");
    expect_refusal(private_der(ec, 0, NULL), "a private key");
    expect_refusal(pem(ed), "an Ed25519 key");
    expect_refusal(pem(x), "X25519");
    expect_refusal(pem(pss), "an RSA-PSS key");
    expect_refusal(print(NULL, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}"),
                   "an EC key");
    expect_refusal(print(NULL, "{\"kty\":\"OKP\"}"), "Ed25519");
    expect_refusal(print(NULL, "{\"kty\":\"oct\",\"k\":\"AA\"}"), "symmetric");
    expect_refusal(jwk(keys[0], "", ",\"alg\":\"PS256\"}"), "an RSA-PSS key");
    expect_refusal(print(NULL, "<DSAKeyValue><P>AA==</P></DSAKeyValue>"), "DSA");
    expect_refusal(print(NULL, "ssh-rsa AAAAB3NzaC1yc2E= x"), "ssh-keygen -e -m PKCS8 -f FILE");
    expect_refusal(print(NULL, "ssh-ed25519 AAAA x"), "an OpenSSH key");
    expect_refusal(print(NULL, "---- BEGIN SSH2 PUBLIC KEY ----\n"), "an OpenSSH key");
    expect_refusal(make(NULL, "ECS1\x20\0\0\0xxxxxxxxxxxxxxxxxxxxxxxx", 32), "not of an RSA key");
    struct text dss = csp(keys[0]);
    memcpy(dss.bytes + 8, "DSS1", 4);
    expect_refusal(dss, "not of an RSA key");
    EVP_PKEY_free(ec);
    EVP_PKEY_free(ed);
    EVP_PKEY_free(pss);
    EVP_PKEY_free(x);
}

static void refuses_pkcs12(void **state)
{
    (void)state;
    struct text der_text = certificate(keys[0], keys[0]);
    const unsigned char *at = der_text.bytes;
    X509 *x509 = d2i_X509(NULL, &at, (long)der_text.len);
    PKCS12 *pfx = PKCS12_create("secret", "x", keys[0], x509, NULL, 0, 0, 0, 0, 0);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(i2d_PKCS12_bio(bio, pfx));
    expect_refusal(from_bio(NULL, bio), "a PKCS#12 file");
    PKCS12_free(pfx);
    X509_free(x509);
    free(der_text.bytes);
}

static void refuses_more_than_one_key(void **state)
{
    (void)state;
    struct text one = pem(keys[0]);
    expect_refusal(print(NULL, "%.*s%.*s", (int)one.len, one.bytes, (int)one.len, one.bytes),
                   "2 PEM blocks in one file; one key a file");
    free(one.bytes);
    one = xml(keys[0]);
    expect_refusal(print(NULL, "<k>%.*s%.*s</k>", (int)one.len, one.bytes, (int)one.len, one.bytes),
                   "2 keys in one XML file");
    free(one.bytes);
    expect_refusal(jwk(keys[0], "{\"keys\":[{},", "}]}"), "a JWK set of 2 keys");
    expect_refusal(print(NULL, "{\"keys\":[]}"), "a JWK set of 0 keys");
    expect_refusal(wrapped("", to_base64(NULL, broken(der(keys[0]), 100000, "x")), ""),
                   "1 bytes more after the key");
}

static void refuses_what_is_no_key(void **state)
{
    (void)state;
    EVP_PKEY *key = keys[0];
    expect_refusal(make(NULL, "", 0), "it is empty");
    expect_refusal(print(NULL, " \r\n\t"), "it is empty");
    expect_refusal(make(NULL, "\xff\xfe", 2), "it is empty");
    expect_refusal(make(NULL, "\xef\xbb\xbf", 3), "it is empty");
    expect_refusal(print(NULL, "hello"), "no known form");
    expect_refusal(print(NULL, "aGVsbG8="), "no known form");
    expect_refusal(print(NULL, "0"), "no known form");
    expect_refusal(print(NULL, "<html></html>"), "without an RSAKeyValue");
    expect_refusal(print(NULL, "<"), "without an RSAKeyValue");
    expect_refusal(print(NULL, "{"), "not valid JSON");
    expect_refusal(print(NULL, "{}"), "not a JWK");
    expect_refusal(print(NULL, "{} x"), "not valid JSON");
    expect_refusal(print(NULL, "{\"a\":[[[[[[[[[[1]]]]]]]]]]}"), "not valid JSON");
    expect_refusal(print(NULL, "{\"kty\":\"RSA\"}"), "whose n is not");
    expect_refusal(jwk(key, "", ",\"n\":\"AQAB\"}"), "names \"n\" twice");
    expect_refusal(replaced(jwk(key, "", "}"), "\"e\":\"", "\"e\":\"="), "whose e is not");
    expect_refusal(print(NULL, "-----BEGIN CERTIFICATE REQUEST-----\n-----END"),
                   "\"CERTIFICATE REQUEST\", not a public key");
    expect_refusal(print(NULL, "-----BEGIN PUBLIC KEY-----\nAAAA\n"), "without its END line");
    expect_refusal(print(NULL, "-----BEGIN PUBLIC KEY"), "with a damaged BEGIN line");
    expect_refusal(print(NULL, "-----BEGIN \x1b[31m-----"), "with a damaged BEGIN line");
    expect_refusal(print(NULL, "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n"),
                   "not Base64");
    expect_refusal(as_pem(NULL, "PUBLIC KEY", make(NULL, "\x30\x03\x02\x01\x01", 5)),
                   "DER, but not of a public key");
    expect_refusal(replaced(xml(key), "Modulus>", "Modulo>"), "without one Modulus");
    expect_refusal(replaced(xml(key), "</Modulus>", ""), "without one Modulus");
    expect_refusal(replaced(xml(key), "<Exponent>", "<Exponent>AQAB</Exponent><Exponent>"),
                   "without one Exponent");
    expect_refusal(replaced(xml(key), "<Modulus>", "<Modulus>!"), "without one Modulus");
    struct text blob = csp(key);
    blob.len--;
    expect_refusal(blob, "not the length that it states");
    blob = cng(key);
    blob.len--;
    expect_refusal(blob, "not the length that it states");
    blob = cng(key);
    memset(blob.bytes + 8, 0xff, 8);
    expect_refusal(blob, "not the length that it states");
    blob = der(key);
    blob.len--;
    expect_refusal(blob, "cut short");
}

/* ---- the numbers ---- */

/* A key of these numbers, which need not be those of a real key. */
static struct text numbers(int bits, int last, const char *e, size_t e_len)
{
    uint8_t n[2049];
    size_t len = ((size_t)bits + 7) / 8;
    memset(n, 0x5a, len);
    n[0] = (uint8_t)(1 << (bits - 1) % 8);
    n[len - 1] = (uint8_t)last;
    struct text text = cng_of(n, len, (const uint8_t *)e, e_len);
    text.form = "CNG blob";
    return text;
}

static void expect_numbers(struct text text, int min_bits, const char *expected)
{
    struct hw_key key;
    char why[300];
    int rc = parse(&key, text, min_bits, why);
    if (!expected && rc)
        fail_msg("refused: %s", why);
    if (expected)
        assert_string_equal(why, expected);
    hw_key_fini(&key);
    free(text.bytes);
}

static void keeps_to_its_limits_of_bits(void **state)
{
    (void)state;
    expect_numbers(numbers(2048, 1, "\1\0\1", 3), 2048, NULL);
    expect_numbers(numbers(2047, 1, "\1\0\1", 3), 2048,
                   "2047 bits, fewer than min_key_bits (2048)");
    expect_numbers(numbers(1024, 1, "\1\0\1", 3), 1024, NULL);
    expect_numbers(numbers(2048, 1, "\1\0\1", 3), 2049,
                   "2048 bits, fewer than min_key_bits (2049)");
    expect_numbers(numbers(HW_KEY_BITS_MAX, 1, "\1\0\1", 3), 2048, NULL);
    expect_numbers(numbers(HW_KEY_BITS_MAX + 1, 1, "\1\0\1", 3), 2048,
                   "16385 bits, more than 16384");
}

static void refuses_numbers_that_prove_nothing(void **state)
{
    (void)state;
    const char *odd = "an exponent that proves nothing: it must be odd and 3 or more";
    expect_numbers(numbers(2048, 1, "\3", 1), 2048, NULL);
    expect_numbers(numbers(2048, 1, "\1", 1), 2048, odd);
    expect_numbers(numbers(2048, 1, "\2", 1), 2048, odd);
    expect_numbers(numbers(2048, 1, "\0", 1), 2048, odd);
    expect_numbers(numbers(2048, 1, "\1\0\0", 3), 2048, odd);
    expect_numbers(numbers(2048, 1, "\0\0\0\0\0\1\0\1", 8), 2048, NULL);
    expect_numbers(numbers(2048, 1, "\xff\0\0\0\0\0\0\1", 8), 2048, NULL);
    expect_numbers(numbers(2048, 1, "\1\0\0\0\0\0\0\0\1", 9), 2048,
                   "an exponent of 65 bits, more than 64");
    expect_numbers(numbers(2048, 2, "\1\0\1", 3), 2048, "not an RSA key: its modulus is even");
}

/* A text cut anywhere, or with any byte changed, is a key or refused in one line; never a crash. */
static void survives_every_cut_and_change(void **state)
{
    (void)state;
    struct text texts[TEXTS_MAX];
    size_t count = all_forms(texts, keys[0]);
    count += all_tolerated(texts + count, keys[0]);
    for (size_t i = 0; i < count; i++) {
        struct hw_key key;
        char why[300];
        struct text text = texts[i];
        for (text.len = 0; text.len < texts[i].len; text.len += 1 + text.len / 40) {
            if (parse(&key, text, 2048, why) == 0)
                assert_true(key.bits >= 2048);
            hw_key_fini(&key);
        }
        text.len = texts[i].len;
        for (size_t at = 0; at < text.len; at += 1 + at / 40) {
            uint8_t was = text.bytes[at];
            text.bytes[at] ^= (uint8_t)(1 << at % 8);
            if (parse(&key, text, 2048, why) == 0)
                assert_true(key.bits >= 2048);
            hw_key_fini(&key);
            text.bytes[at] = was;
        }
        free(text.bytes);
    }
}

static void cuts_the_reason_at_its_room(void **state)
{
    (void)state;
    struct hw_key key;
    char why[8] = "xxxxxxx";
    assert_int_equal(hw_key_parse(&key, HW_STR("hello"), 2048, why, sizeof why), HW_EFAILED);
    assert_string_equal(why, "no know");
}

/* ---- files ---- */

static const char *in_folder(char *out, const char *name)
{
    snprintf(out, 200, "%s/%s", folder, name);
    return out;
}

static void expect_load(const char *path, const char *expected)
{
    char why[300];
    struct hw_keyset *set = hw_keyset_load(&path, 1, 2048, why, sizeof why);
    if (!expected) {
        assert_non_null(set);
    } else {
        assert_null(set);
        assert_memory_equal(why, path, strlen(path));
        if (!strstr(why, expected))
            fail_msg("\"%s\", not \"%s\"", why, expected);
    }
    hw_keyset_unref(set);
}

static void names_the_file_that_can_not_be_used(void **state)
{
    (void)state;
    char path[200];
    expect_load(in_folder(path, "missing"), "No such file");
    expect_load(folder, "a folder, not a key file");
    assert_int_equal(mkfifo(in_folder(path, "pipe"), 0600), 0);
    expect_load(path, "not a plain file");
    signing_write_file(in_folder(path, "empty"), "", 0);
    expect_load(path, "it is empty");
    signing_write_public(in_folder(path, "closed"), keys[0]);
    expect_load(path, NULL);
    assert_int_equal(chmod(path, 0), 0);
    if (geteuid() != 0)
        expect_load(path, "Permission denied");
    char why[300];
    assert_null(hw_keyset_load(NULL, 0, 2048, why, sizeof why));
    assert_string_equal(why, "no key file: at least one public key is needed");
}

static void keeps_to_the_limit_of_a_file(void **state)
{
    (void)state;
    char path[200];
    uint8_t bytes[HW_KEY_FILE_MAX + 1];
    struct text text = pem(keys[0]);
    memset(bytes, '\n', sizeof bytes);
    memcpy(bytes + HW_KEY_FILE_MAX - text.len, text.bytes, text.len);
    signing_write_file(in_folder(path, "limit"), bytes, HW_KEY_FILE_MAX);
    expect_load(path, NULL);
    signing_write_file(path, bytes, HW_KEY_FILE_MAX + 1);
    expect_load(path, "larger than a key file may be (65536 bytes)");
    free(text.bytes);
}

static void takes_the_same_key_once(void **state)
{
    (void)state;
    char paths[4][200], why[300];
    struct text first = pem(keys[0]), second = xml(keys[0]), third = jwk(keys[1], "", "}");
    signing_write_file(in_folder(paths[0], "a.pem"), first.bytes, first.len);
    signing_write_file(in_folder(paths[1], "b.xml"), second.bytes, second.len);
    signing_write_file(in_folder(paths[2], "c.jwk"), third.bytes, third.len);
    const char *list[] = {paths[0], paths[1], paths[2], paths[0]};
    struct hw_keyset *set = hw_keyset_load(list, 4, 2048, why, sizeof why);
    assert_non_null(set);
    assert_int_equal(set->count, 2);
    assert_string_equal(set->keys[0].name, "a.pem");
    assert_string_equal(set->keys[0].form, "PEM");
    assert_string_equal(set->keys[1].name, "c.jwk");
    assert_int_equal(set->keys[1].bits, 3072);
    assert_ptr_equal(hw_keyset_ref(set), set);
    hw_keyset_unref(set);
    assert_string_equal(set->keys[1].form, "JWK"); /* one reference is left */
    hw_keyset_unref(set);
    free(first.bytes);
    free(second.bytes);
    free(third.bytes);
}

static void keeps_to_the_limit_of_keys(void **state)
{
    (void)state;
    static char paths[HW_KEYS_MAX + 2][200];
    const char *list[HW_KEYS_MAX + 2];
    char name[20], why[300];
    for (int i = 0; i <= HW_KEYS_MAX; i++) {
        snprintf(name, sizeof name, "many%d", i);
        struct text text = numbers(2048, 2 * i + 1, "\1\0\1", 3);
        signing_write_file(in_folder(paths[i], name), text.bytes, text.len);
        list[i] = paths[i];
        free(text.bytes);
    }
    struct hw_keyset *set = hw_keyset_load(list, HW_KEYS_MAX, 2048, why, sizeof why);
    assert_non_null(set);
    assert_int_equal(set->count, HW_KEYS_MAX);
    struct hw_verifier *verifier = hw_verifier_new(set);
    assert_non_null(verifier);
    hw_verifier_free(verifier);
    hw_keyset_unref(set);
    assert_null(hw_keyset_load(list, HW_KEYS_MAX + 1, 2048, why, sizeof why));
    assert_non_null(strstr(why, "many64: one key too many; at most 64 keys"));
    list[HW_KEYS_MAX] = paths[3]; /* one file more, but no key more */
    set = hw_keyset_load(list, HW_KEYS_MAX + 1, 2048, why, sizeof why);
    assert_non_null(set);
    assert_int_equal(set->count, HW_KEYS_MAX);
    hw_keyset_unref(set);
}

/* ---- */

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        if (!(keys[i] = signing_make_key(sizes[i], 65537)))
            return -1;
    }
    guard_open(&guard, HW_KEY_FILE_MAX);
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[200];
    for (int i = 0; i < SIZES; i++)
        EVP_PKEY_free(keys[i]);
    guard_close(&guard);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_form_and_verifies_with_it),
        cmocka_unit_test(tolerates_what_editors_and_answers_put_around),
        cmocka_unit_test(gives_every_form_the_same_fingerprint),
        cmocka_unit_test(refuses_private_keys_in_every_form),
        cmocka_unit_test(refuses_private_numbers),
        cmocka_unit_test(refuses_keys_of_other_kinds),
        cmocka_unit_test(refuses_pkcs12),
        cmocka_unit_test(refuses_more_than_one_key),
        cmocka_unit_test(refuses_what_is_no_key),
        cmocka_unit_test(keeps_to_its_limits_of_bits),
        cmocka_unit_test(refuses_numbers_that_prove_nothing),
        cmocka_unit_test(survives_every_cut_and_change),
        cmocka_unit_test(cuts_the_reason_at_its_room),
        cmocka_unit_test(names_the_file_that_can_not_be_used),
        cmocka_unit_test(keeps_to_the_limit_of_a_file),
        cmocka_unit_test(takes_the_same_key_once),
        cmocka_unit_test(keeps_to_the_limit_of_keys),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
