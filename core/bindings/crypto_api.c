/* crypto_api.c -- see crypto_api.h */
#include "bindings/crypto_api.h"

#include <lauxlib.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "base/error.h"
#include "http/tls_development.h"
#include "signing/diagnose.h"
#include "signing/private_key.h"
#include "signing/signature.h"

/* ---- arguments and results ---- */

#define KEYSET "hookward.keyset"

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

/* Loads the key set that arguments 1 (paths) and 2 (min_bits) name. Pushes a userdata that owns it,
 * so that a Lua error can't leak it; or nil and the reason. */
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
    if (key->not_after) {
        lua_pushinteger(L, key->not_after);
        lua_setfield(L, -2, "not_after");
    }
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

/* The key is freed before anything is pushed, so that a Lua error can't leak it. */
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

static int api_sign(lua_State *L)
{
    struct hw_str pem = check_str(L, 1), body = check_str(L, 2);
    const char *why;
    EVP_PKEY *pkey = hw_private_key_read(pem, &why);
    char *text = pkey ? hw_private_key_sign(pkey, body) : NULL;
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
    if (bits < HW_PRIVATE_KEY_BITS_MIN || bits > HW_KEY_BITS_MAX)
        return fail(L, lua_pushfstring(L, "a key has %d to %d bits", HW_PRIVATE_KEY_BITS_MIN,
                                       HW_KEY_BITS_MAX));
    BIO *private = BIO_new(BIO_s_secmem()), *public = BIO_new(BIO_s_mem());
    bool good = private && public && hw_private_key_make((size_t)bits, private, public);
    if (good) {
        push_bio(L, private);
        push_bio(L, public);
    }
    BIO_free(private);
    BIO_free(public);
    ERR_clear_error();
    return good ? 2 : fail(L, "OpenSSL can't make a key");
}

static int api_development_certificate(lua_State *L)
{
    BIO *key = BIO_new(BIO_s_secmem()), *certificate = BIO_new(BIO_s_mem());
    bool good = key && certificate && hw_tls_development_make(key, certificate);
    if (good) {
        push_bio(L, key);
        push_bio(L, certificate);
    }
    BIO_free(key);
    BIO_free(certificate);
    ERR_clear_error();
    return good ? 2 : fail(L, "OpenSSL can't make a certificate");
}

/* ---- the public half ---- */

static int api_public_key(lua_State *L)
{
    static const char *const forms[] = {
        [HW_PUBLIC_PEM] = "pem", [HW_PUBLIC_DER] = "der", [HW_PUBLIC_XML] = "xml", NULL};
    struct hw_str pem = check_str(L, 1);
    enum hw_public_form form = (enum hw_public_form)luaL_checkoption(L, 2, NULL, forms);
    const char *why;
    EVP_PKEY *pkey = hw_private_key_read(pem, &why);
    BIO *out = BIO_new(BIO_s_mem());
    bool good = pkey && out && hw_private_key_write_public(pkey, form, out);
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

/* ---- secrets of the admin page ---- */

enum { RANDOM_MAX = 64 }; /* bytes */

/* RFC 2104 */
static int api_hmac(lua_State *L)
{
    struct hw_str key = check_str(L, 1), text = check_str(L, 2);
    uint8_t out[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    luaL_argcheck(L, key.len <= INT_MAX, 1, "too long");
    if (!HMAC(EVP_sha256(), key.ptr, (int)key.len, (const uint8_t *)text.ptr, text.len, out, &len))
        return fail(L, "OpenSSL has no HMAC");
    push_hex(L, out, len);
    return 1;
}

static int api_random(lua_State *L)
{
    lua_Integer count = luaL_checkinteger(L, 1);
    uint8_t bytes[RANDOM_MAX];
    luaL_argcheck(L, count >= 1 && count <= RANDOM_MAX, 1, "not a number of bytes");
    if (RAND_bytes(bytes, (int)count) != 1)
        return fail(L, "OpenSSL has no random bytes");
    push_hex(L, bytes, (size_t)count);
    return 1;
}

/* Only the lengths may show in the time that it takes. */
static int api_same(lua_State *L)
{
    struct hw_str a = check_str(L, 1), b = check_str(L, 2);
    lua_pushboolean(L, a.len == b.len && CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
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
        {"development_certificate", api_development_certificate},
        {"sha256", api_sha256},
        {"hmac", api_hmac},
        {"random", api_random},
        {"same", api_same},
        {"uuid", api_uuid},
        {"public_key", api_public_key},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
}
