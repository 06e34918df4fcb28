/* private_key.c -- see private_key.h */
#include "signing/private_key.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/base64.h"
#include "signing/key_forms.h"
#include "signing/key_xml.h"
#include "signing/keys.h"

/* ---- read ---- */

/* Keeps OpenSSL from asking for a password at the terminal. */
static int no_password(char *buffer, int size, int writing, void *asked)
{
    (void)buffer, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

/* RSA.ToXmlString(true): every number is needed. */
static EVP_PKEY *read_xml_private(struct hw_str text)
{
    static const struct {
        const char *element, *param;
    } numbers[] = {
        {"Modulus", OSSL_PKEY_PARAM_RSA_N},    {"Exponent", OSSL_PKEY_PARAM_RSA_E},
        {"D", OSSL_PKEY_PARAM_RSA_D},          {"P", OSSL_PKEY_PARAM_RSA_FACTOR1},
        {"Q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"DP", OSSL_PKEY_PARAM_RSA_EXPONENT1},
        {"DQ", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"InverseQ", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
    };
    enum { COUNT = sizeof numbers / sizeof numbers[0] };
    BIGNUM *values[COUNT] = {0};
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    bool good = build && ctx;
    for (int i = 0; good && i < COUNT; i++)
        good = hw_key_xml_number(&values[i], text, numbers[i].element) == 1 &&
               OSSL_PARAM_BLD_push_BN(build, numbers[i].param, values[i]);
    if (good && (params = OSSL_PARAM_BLD_to_param(build)) && EVP_PKEY_fromdata_init(ctx) == 1 &&
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
        pkey = NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    for (int i = 0; i < COUNT; i++)
        BN_clear_free(values[i]);
    return pkey;
}

static EVP_PKEY *read_plain_private(struct hw_str text, const char **why)
{
    if (memmem(text.ptr, text.len, "RSAKeyValue", 11)) {
        *why = "XML, but not a complete private RSA key";
        return read_xml_private(text);
    }
    bool asked = false;
    BIO *in = BIO_new_mem_buf(text.ptr, (int)text.len);
    EVP_PKEY *pkey = in ? PEM_read_bio_PrivateKey(in, NULL, no_password, &asked) : NULL;
    BIO_free(in);
    *why = asked ? "the private key is encrypted; decrypt it first: openssl pkey -in FILE"
           : memmem(text.ptr, text.len, "PUBLIC KEY-----", 15)
               ? "this is a public key; signing takes a private one"
               : "not a private key in PEM or .NET XML";
    if (pkey && !EVP_PKEY_is_a(pkey, "RSA")) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
        *why = "the private key is not an RSA key";
    }
    return pkey;
}

EVP_PKEY *hw_private_key_read(struct hw_str text, const char **why)
{
    *why = "out of memory";
    if (text.len > HW_KEY_FILE_MAX) {
        *why = "larger than a private key may be";
        return NULL;
    }
    struct hw_str plain = hw_key_forms_plain(text);
    if (!plain.ptr)
        return NULL;
    EVP_PKEY *pkey = read_plain_private(plain, why);
    OPENSSL_clear_free((char *)plain.ptr, plain.len);
    return pkey;
}

/* ---- make ---- */

bool hw_private_key_make(size_t bits, BIO *private_half, BIO *public_half)
{
    EVP_PKEY *pkey = EVP_RSA_gen(bits);
    bool good = pkey &&
                PEM_write_bio_PKCS8PrivateKey(private_half, pkey, NULL, NULL, 0, NULL, NULL) &&
                PEM_write_bio_PUBKEY(public_half, pkey);
    EVP_PKEY_free(pkey);
    return good;
}

/* ---- sign ---- */

char *hw_private_key_sign(EVP_PKEY *pkey, struct hw_str body)
{
    size_t len = (size_t)EVP_PKEY_get_size(pkey);
    unsigned char *signature = OPENSSL_malloc(len + 1);
    char *text = OPENSSL_malloc(HW_BASE64_LEN(len) + 1);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *padding;
    bool good =
        signature && text && ctx &&
        EVP_DigestSignInit(ctx, &padding, EVP_sha256(), NULL, pkey) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PADDING) == 1 &&
        EVP_DigestSign(ctx, signature, &len, (const unsigned char *)body.ptr, body.len) == 1;
    if (good) {
        hw_base64_encode(text, signature, len);
    } else {
        OPENSSL_free(text);
        text = NULL;
    }
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(signature);
    return text;
}

/* ---- write the public half ---- */

/* Adds the Base64 of `bytes` to `out`, between two texts. */
static bool add_base64(BIO *out, const char *before, const uint8_t *bytes, size_t len,
                       const char *after)
{
    char *text = OPENSSL_malloc(HW_BASE64_LEN(len) + 1);
    if (!text)
        return false;
    hw_base64_encode(text, bytes, len);
    bool good = BIO_printf(out, "%s%s%s", before, text, after) > 0;
    OPENSSL_free(text);
    return good;
}

static bool write_der(BIO *out, EVP_PKEY *pkey)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(pkey, &der);
    bool good = len > 0 && add_base64(out, "", der, (size_t)len, "");
    OPENSSL_free(der);
    return good;
}

static bool add_number(BIO *out, EVP_PKEY *pkey, const char *param, const char *before,
                       const char *after)
{
    BIGNUM *number = NULL;
    uint8_t bytes[HW_KEY_BITS_MAX / 8];
    bool good = EVP_PKEY_get_bn_param(pkey, param, &number) == 1 &&
                (size_t)BN_num_bytes(number) <= sizeof bytes &&
                add_base64(out, before, bytes, (size_t)BN_bn2bin(number, bytes), after);
    BN_free(number);
    return good;
}

/* RSA.ToXmlString(false) */
static bool write_xml(BIO *out, EVP_PKEY *pkey)
{
    return add_number(out, pkey, OSSL_PKEY_PARAM_RSA_N, "<RSAKeyValue><Modulus>", "</Modulus>") &&
           add_number(out, pkey, OSSL_PKEY_PARAM_RSA_E, "<Exponent>", "</Exponent></RSAKeyValue>");
}

bool hw_private_key_write_public(EVP_PKEY *pkey, enum hw_public_form form, BIO *out)
{
    switch (form) {
    case HW_PUBLIC_PEM:
        return PEM_write_bio_PUBKEY(out, pkey) == 1;
    case HW_PUBLIC_DER:
        return write_der(out, pkey);
    default:
        return write_xml(out, pkey);
    }
}
