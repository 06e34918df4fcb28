/* key_jwk.c -- see key_jwk.h */
#include "signing/key_jwk.h"

#include <openssl/crypto.h>

#include "base/base64.h"

/* ---- JSON ---- */

enum { JSON_DEPTH_MAX = 8 };

/* The members of a JWK that matter. */
enum { KTY, ALG, N, E, D, P, Q, K, KEYS, MEMBERS };
static const char *const member_names[MEMBERS] = {"kty", "alg", "n", "e",   "d",
                                                  "p",   "q",   "k", "keys"};

struct jwk {
    struct hw_str member[MEMBERS]; /* the value's text; a string's without its quotes */
    const char *twice;             /* a name that appears more than once, or NULL */
};

struct json {
    const char *at, *end;
};

static char peek(struct json *json)
{
    while (json->at < json->end && hw_key_is_space(*json->at))
        json->at++;
    return json->at < json->end ? *json->at : '\0';
}

static bool take(struct json *json, char c)
{
    if (peek(json) != c)
        return false;
    json->at++;
    return true;
}

/* A string without its quotes. Escapes stay as they are: no value that is used here has any. */
static bool json_string(struct json *json, struct hw_str *string)
{
    if (!take(json, '"'))
        return false;
    const char *start = json->at;
    for (; json->at < json->end && (unsigned char)*json->at >= ' '; json->at++) {
        if (*json->at == '"') {
            *string = (struct hw_str){start, (size_t)(json->at++ - start)};
            return true;
        }
        if (*json->at == '\\' && ++json->at == json->end)
            break;
    }
    return false;
}

static bool json_value(struct json *json, int depth);

static bool json_list(struct json *json, int depth, bool object)
{
    char close = object ? '}' : ']';
    json->at++;
    if (take(json, close))
        return true;
    do {
        struct hw_str name;
        if (object && (!json_string(json, &name) || !take(json, ':')))
            return false;
        if (!json_value(json, depth + 1))
            return false;
    } while (take(json, ','));
    return take(json, close);
}

/* Skips one value. */
static bool json_value(struct json *json, int depth)
{
    struct hw_str string;
    char c = peek(json);
    if (depth > JSON_DEPTH_MAX)
        return false;
    if (c == '"')
        return json_string(json, &string);
    if (c == '{' || c == '[')
        return json_list(json, depth, c == '{');
    const char *start = json->at;
    while (json->at < json->end &&
           ((*json->at >= '0' && *json->at <= '9') || (*json->at >= 'a' && *json->at <= 'z') ||
            *json->at == '-' || *json->at == '+' || *json->at == '.' || *json->at == 'E'))
        json->at++;
    return json->at > start;
}

static void keep_member(struct jwk *jwk, struct hw_str name, struct hw_str value)
{
    for (int i = 0; i < MEMBERS; i++) {
        if (!hw_str_eq(name, hw_str_of(member_names[i])))
            continue;
        if (jwk->member[i].ptr)
            jwk->twice = member_names[i];
        jwk->member[i] = value;
    }
}

static bool read_object(struct jwk *jwk, struct json *json)
{
    *jwk = (struct jwk){0};
    if (!take(json, '{'))
        return false;
    if (take(json, '}'))
        return true;
    do {
        struct hw_str name, value;
        if (!json_string(json, &name) || !take(json, ':'))
            return false;
        bool quoted = peek(json) == '"';
        value.ptr = json->at + quoted;
        if (!json_value(json, 1))
            return false;
        value.len = (size_t)(json->at - quoted - value.ptr);
        keep_member(jwk, name, value);
    } while (take(json, ','));
    return take(json, '}');
}

/* ---- the key ---- */

/* Base64url without padding (RFC 7515, 2) to a number. */
static bool take_base64url(BIGNUM **number, struct hw_str text)
{
    size_t padded = (text.len + 3) / 4 * 4;
    char *letters = OPENSSL_malloc(padded + 1);
    unsigned char *bytes = OPENSSL_malloc(padded + 1);
    bool good = letters && bytes && text.len > 0;
    for (size_t i = 0; good && i < padded; i++) {
        char c = i < text.len ? text.ptr[i] : '=';
        good = i >= text.len || (c != '+' && c != '/' && c != '=');
        letters[i] = c == '-' ? '+' : c == '_' ? '/' : c;
    }
    long len = good ? hw_base64_decode(bytes, padded, (struct hw_str){letters, padded}) : -1;
    good = len > 0 && hw_key_take_bytes(number, bytes, (size_t)len);
    OPENSSL_free(letters);
    OPENSSL_free(bytes);
    return good;
}

static int read_jwk(struct hw_key_numbers *numbers, const struct jwk *jwk,
                    const struct hw_reason *why)
{
    struct hw_str kty = jwk->member[KTY];
    if (jwk->twice)
        return hw_refuse(why, "a JWK that names \"%s\" twice", jwk->twice);
    if (hw_str_eq(kty, HW_STR("oct")) || jwk->member[K].ptr)
        return hw_refuse(why, "this is a secret (symmetric) key in a JWK; an RSA key is needed");
    if (jwk->member[D].ptr || jwk->member[P].ptr || jwk->member[Q].ptr)
        return hw_refuse(why,
                         "this is a private key in a JWK; keep it elsewhere and give its public "
                         "half: kty, n and e alone");
    if (hw_str_eq(kty, HW_STR("EC")))
        return hw_refuse(why, "this is an EC key; an RSA key is needed");
    if (hw_str_eq(kty, HW_STR("OKP")))
        return hw_refuse(why,
                         "this is an Ed25519 key or one of its kind (OKP); an RSA key is needed");
    if (!hw_str_eq(kty, HW_STR("RSA")))
        return hw_refuse(why, "JSON, but not a JWK: no kty \"RSA\" in it");
    if (jwk->member[ALG].len >= 2 && memcmp(jwk->member[ALG].ptr, "PS", 2) == 0)
        return hw_refuse(why, "this is an RSA-PSS key, for PSS signatures only (alg); a plain RSA "
                              "key is needed");
    if (!take_base64url(&numbers->n, jwk->member[N]))
        return hw_refuse(why, "a JWK whose n is not one number in Base64url");
    if (!take_base64url(&numbers->e, jwk->member[E]))
        return hw_refuse(why, "a JWK whose e is not one number in Base64url");
    numbers->form = "JWK";
    return 0;
}

/* Reads the keys of a set; *jwk is the last one. Returns their number, or -1 for a damaged set. */
static int read_set(struct jwk *jwk, struct hw_str keys)
{
    struct json json = {keys.ptr, keys.ptr + keys.len};
    int count = 0;
    if (!take(&json, '['))
        return -1;
    if (peek(&json) == ']')
        return 0;
    do {
        if (!read_object(jwk, &json))
            return -1;
        count++;
    } while (take(&json, ','));
    return count;
}

int hw_key_jwk_read(struct hw_key_numbers *numbers, struct hw_str text, const struct hw_reason *why)
{
    struct json json = {text.ptr, text.ptr + text.len};
    struct jwk jwk;
    if (!read_object(&jwk, &json) || peek(&json) != '\0' || json.at != json.end)
        return hw_refuse(why, "not valid JSON");
    if (jwk.member[KEYS].ptr && !jwk.member[KTY].ptr) {
        int count = read_set(&jwk, jwk.member[KEYS]);
        if (count != 1)
            return hw_refuse(
                why, count < 0 ? "a damaged JWK set" : "a JWK set of %d keys; one key a file",
                count);
    }
    return read_jwk(numbers, &jwk, why);
}
