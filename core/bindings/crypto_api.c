/* crypto_api.c -- see crypto_api.h */
#include "bindings/crypto_api.h"

#include <lauxlib.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/error.h"
#include "signing/diagnose.h"
#include "signing/key_numbers.h"
#include "signing/signature.h"

/* ---- Lua and C's objects ---- */

#define KEYSET "hookward.keyset"

enum { KEYGEN_BITS_MIN = 2048 };

static int fail(lua_State *L, const char *why)
{
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

static struct hw_str check_str(lua_State *L, int arg)
{
    struct hw_str text;
    text.ptr = luaL_checklstring(L, arg, &text.len);
    return text;
}

static int collect_keyset(lua_State *L)
{
    struct hw_keyset **box = luaL_checkudata(L, 1, KEYSET);
    hw_keyset_unref(*box);
    *box = NULL;
    return 0;
}

/* Loads the key set that arguments 1 (paths) and 2 (min_bits) name, into a box that Lua collects,
 * so that an error of Lua's can't leak it. Pushes the box, or nil and the reason. */
static struct hw_keyset *load_keys(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    int min_bits = (int)luaL_checkinteger(L, 2);
    size_t count = lua_rawlen(L, 1);
    struct hw_keyset **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    if (luaL_newmetatable(L, KEYSET)) {
        lua_pushcfunction(L, collect_keyset);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    const char **paths = lua_newuserdatauv(L, (count + 1) * sizeof *paths, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1); /* the table keeps the string alive */
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_argerror(L, 1, "an array of paths is expected");
        paths[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    char why[512];
    *box = hw_keyset_load(paths, count, min_bits, why, sizeof why);
    lua_pop(L, 1);
    if (!*box) {
        lua_pop(L, 1);
        fail(L, why);
    }
    return *box;
}

/* ---- keys, verify ---- */

static void push_key(lua_State *L, const struct hw_key *key)
{
    lua_createtable(L, 0, 4);
    lua_pushstring(L, key->form);
    lua_setfield(L, -2, "form");
    lua_pushinteger(L, key->bits);
    lua_setfield(L, -2, "bits");
    lua_pushstring(L, key->fingerprint);
    lua_setfield(L, -2, "fingerprint");
}

static int api_keys(lua_State *L)
{
    struct hw_keyset *keys = load_keys(L);
    if (!keys)
        return 2;
    lua_createtable(L, (int)keys->count, 0);
    for (size_t i = 0; i < keys->count; i++) {
        push_key(L, &keys->keys[i]);
        lua_pushstring(L, keys->keys[i].name);
        lua_setfield(L, -2, "name");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* What of a key is not the key itself: nothing that Lua might fail to free. */
static int api_key(lua_State *L)
{
    struct hw_str text = check_str(L, 1);
    int min_bits = (int)luaL_checkinteger(L, 2);
    struct hw_key key;
    char why[512];
    if (text.len > HW_KEY_FILE_MAX)
        return fail(L, "larger than a key may be");
    if (hw_key_parse(&key, text, min_bits, why, sizeof why))
        return fail(L, why);
    EVP_PKEY_free(key.pkey);
    push_key(L, &key);
    return 1;
}

static bool digest_of(struct hw_str body, uint8_t digest[HW_DIGEST_SIZE])
{
    struct hw_hasher *hasher = hw_hasher_new();
    int rc = hasher ? hw_hasher_digest(hasher, body, digest) : HW_ENOMEM;
    hw_hasher_free(hasher);
    return rc == 0;
}

static int api_verify(lua_State *L)
{
    struct hw_str body = check_str(L, 3), signature = check_str(L, 4);
    struct hw_keyset *keys = load_keys(L);
    if (!keys) {
        lua_pushnil(L);
        lua_pushstring(L, hw_error_name(HW_EFAILED));
        lua_pushvalue(L, -3); /* nil, reason, nil, "failed", reason */
        return 3;
    }
    uint8_t digest[HW_DIGEST_SIZE];
    const struct hw_key *key = NULL;
    struct hw_verifier *verifier = hw_verifier_new(keys);
    int rc = HW_ENOMEM;
    if (verifier && digest_of(body, digest))
        rc = hw_verifier_check(verifier, signature, digest, &key);
    hw_verifier_free(verifier);
    if (rc == 0) {
        lua_pushstring(L, key->name);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, hw_error_name(rc));
    lua_pushstring(L, hw_error_message(rc));
    return 3;
}

static int api_diagnose(lua_State *L)
{
    struct hw_str body = check_str(L, 3), signature = check_str(L, 4);
    struct hw_keyset *keys = load_keys(L);
    if (!keys)
        return 2;
    char *text = hw_diagnose(keys, body, signature);
    if (!text)
        return fail(L, "out of memory");
    lua_newtable(L);
    char *rest = text;
    for (lua_Integer i = 1; *rest; i++) {
        lua_pushstring(L, strsep(&rest, "\n"));
        lua_rawseti(L, -2, i);
    }
    free(text);
    return 1;
}

/* ---- sign ---- */

/* Never ask at the terminal. */
static int no_password(char *buffer, int size, int writing, void *asked)
{
    (void)buffer, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

/* RSA.ToXmlString(true): every number must be there. */
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
        *why = "XML that is not of a whole private RSA key";
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

static EVP_PKEY *read_private(struct hw_str text, const char **why)
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

/* Returns the Base64 text, for OPENSSL_free, or NULL. */
static char *sign_body(EVP_PKEY *pkey, struct hw_str body)
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

static int api_sign(lua_State *L)
{
    struct hw_str pem = check_str(L, 1), body = check_str(L, 2);
    const char *why;
    EVP_PKEY *pkey = read_private(pem, &why);
    char *text = pkey ? sign_body(pkey, body) : NULL;
    if (pkey && !text)
        why = "this private key can't sign";
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    if (!text)
        return fail(L, why);
    lua_pushstring(L, text);
    OPENSSL_free(text);
    return 1;
}

/* ---- keygen ---- */

static void push_bio(lua_State *L, BIO *bio)
{
    char *text;
    long len = BIO_get_mem_data(bio, &text);
    lua_pushlstring(L, text, (size_t)len);
}

static int api_keygen(lua_State *L)
{
    lua_Integer bits = luaL_checkinteger(L, 1);
    if (bits < KEYGEN_BITS_MIN || bits > HW_KEY_BITS_MAX)
        return fail(
            L, lua_pushfstring(L, "a key has %d to %d bits", KEYGEN_BITS_MIN, HW_KEY_BITS_MAX));
    EVP_PKEY *pkey = EVP_RSA_gen((size_t)bits);
    BIO *private = BIO_new(BIO_s_secmem()), *public = BIO_new(BIO_s_mem());
    bool good = pkey && private && public &&
                PEM_write_bio_PKCS8PrivateKey(private, pkey, NULL, NULL, 0, NULL, NULL) &&
                PEM_write_bio_PUBKEY(public, pkey);
    if (good) {
        push_bio(L, private);
        push_bio(L, public);
    }
    EVP_PKEY_free(pkey);
    BIO_free(private);
    BIO_free(public);
    ERR_clear_error();
    return good ? 2 : fail(L, "OpenSSL can't make a key");
}

/* ---- the public half ---- */

/* Base64 with a text before and behind it, added to `out`. */
static bool add_base64(BIO *out, const char *before, const uint8_t *bytes, size_t len,
                       const char *behind)
{
    char *text = OPENSSL_malloc(HW_BASE64_LEN(len) + 1);
    if (!text)
        return false;
    hw_base64_encode(text, bytes, len);
    bool good = BIO_printf(out, "%s%s%s", before, text, behind) > 0;
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
                       const char *behind)
{
    BIGNUM *number = NULL;
    uint8_t bytes[HW_KEY_BITS_MAX / 8];
    bool good = EVP_PKEY_get_bn_param(pkey, param, &number) == 1 &&
                (size_t)BN_num_bytes(number) <= sizeof bytes &&
                add_base64(out, before, bytes, (size_t)BN_bn2bin(number, bytes), behind);
    BN_free(number);
    return good;
}

/* RSA.ToXmlString(false) */
static bool write_xml(BIO *out, EVP_PKEY *pkey)
{
    return add_number(out, pkey, OSSL_PKEY_PARAM_RSA_N, "<RSAKeyValue><Modulus>", "</Modulus>") &&
           add_number(out, pkey, OSSL_PKEY_PARAM_RSA_E, "<Exponent>", "</Exponent></RSAKeyValue>");
}

static int api_public_key(lua_State *L)
{
    static const char *const forms[] = {"pem", "der", "xml", NULL};
    struct hw_str pem = check_str(L, 1);
    int form = luaL_checkoption(L, 2, NULL, forms);
    const char *why;
    EVP_PKEY *pkey = read_private(pem, &why);
    BIO *out = BIO_new(BIO_s_mem());
    bool good = pkey && out &&
                (form == 0   ? PEM_write_bio_PUBKEY(out, pkey) == 1
                 : form == 1 ? write_der(out, pkey)
                             : write_xml(out, pkey));
    if (pkey && !good)
        why = "OpenSSL can't write this key";
    if (good)
        push_bio(L, out);
    EVP_PKEY_free(pkey);
    BIO_free(out);
    ERR_clear_error();
    return good ? 1 : fail(L, why);
}

/* ---- sha256, uuid ---- */

static void push_hex(lua_State *L, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (size_t i = 0; i < len; i++) {
        luaL_addchar(&buffer, digits[bytes[i] >> 4]);
        luaL_addchar(&buffer, digits[bytes[i] & 15]);
    }
    luaL_pushresult(&buffer);
}

static int api_sha256(lua_State *L)
{
    uint8_t digest[HW_DIGEST_SIZE];
    if (!digest_of(check_str(L, 1), digest))
        return fail(L, "OpenSSL has no SHA-256");
    push_hex(L, digest, sizeof digest);
    return 1;
}

/* RFC 9562, 5.4. */
static int api_uuid(lua_State *L)
{
    uint8_t b[16];
    if (RAND_bytes(b, sizeof b) != 1)
        return fail(L, "OpenSSL has no random bytes");
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    char text[37];
    snprintf(text, sizeof text,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    lua_pushstring(L, text);
    return 1;
}

void hw_crypto_push_api(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"keys", api_keys},
        {"key", api_key},
        {"verify", api_verify},
        {"diagnose", api_diagnose},
        {"sign", api_sign},
        {"keygen", api_keygen},
        {"sha256", api_sha256},
        {"uuid", api_uuid},
        {"public_key", api_public_key},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
}
