/* key_numbers.c -- see key_numbers.h
 *
 * Not     no general XML or JSON: just enough to find the members of one key, and to refuse what
 *         could be read in two ways (a name that is there twice). */
#include "signing/key_numbers.h"

#include <openssl/crypto.h>
#include <stdint.h>

#include "base/base64.h"
#include "base/error.h"

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Big-endian bytes to *number. */
static bool take_bytes(BIGNUM **number, const unsigned char *bytes, size_t len)
{
    *number = BN_bin2bn(bytes, (int)len, NULL);
    return *number != NULL;
}

/* ---- XML ---- */

/* `at` stands behind a '<'. The length of the tag's name if it is `name` under any prefix, or 0. */
static size_t tag_name(struct hw_str at, const char *name)
{
    size_t len = 0, local = 0;
    while (len < at.len && !is_space(at.ptr[len]) && at.ptr[len] != '>' && at.ptr[len] != '/') {
        if (at.ptr[len++] == ':')
            local = len;
    }
    return len - local == strlen(name) && memcmp(at.ptr + local, name, len - local) == 0 ? len : 0;
}

static const char *find_char(struct hw_str text, char c)
{
    return text.len ? memchr(text.ptr, c, text.len) : NULL;
}

static struct hw_str behind(struct hw_str text, const char *at)
{
    return (struct hw_str){at + 1, text.len - (size_t)(at + 1 - text.ptr)};
}

/* Finds the next start tag `name` in *text and moves *text behind it. */
static bool next_element(struct hw_str *text, const char *name)
{
    const char *open;
    while ((open = find_char(*text, '<'))) {
        *text = behind(*text, open);
        size_t len = tag_name(*text, name);
        const char *close = len ? find_char(*text, '>') : NULL;
        if (close) {
            *text = behind(*text, close);
            return true;
        }
    }
    return false;
}

static int count_elements(struct hw_str text, const char *name)
{
    int count = 0;
    while (next_element(&text, name))
        count++;
    return count;
}

int hw_key_xml_number(BIGNUM **number, struct hw_str text, const char *name)
{
    struct hw_str inside = text;
    if (!next_element(&inside, name))
        return 0;
    const char *end = find_char(inside, '<');
    if (!end || count_elements(inside, name) > 0)
        return -1;
    struct hw_str closing = behind(inside, end);
    if (closing.len == 0 || closing.ptr[0] != '/' || !tag_name(behind(closing, closing.ptr), name))
        return -1;
    inside.len = (size_t)(end - inside.ptr);
    size_t len = 0;
    unsigned char *bytes = hw_key_forms_base64(inside, &len);
    bool good = bytes && take_bytes(number, bytes, len);
    OPENSSL_clear_free(bytes, len);
    return good ? 1 : -1;
}

static bool xml_has_secret(struct hw_str text)
{
    static const char *const secrets[] = {"D", "P", "Q", "DP", "DQ", "InverseQ"};
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        if (count_elements(text, secrets[i]))
            return true;
    }
    return false;
}

int hw_key_xml_read(struct hw_key_numbers *numbers, struct hw_str text, const struct hw_reason *why)
{
    int keys = count_elements(text, "RSAKeyValue") + count_elements(text, "RSAParameters");
    if (keys == 0 && (count_elements(text, "DSAKeyValue") || count_elements(text, "ECKeyValue") ||
                      count_elements(text, "ECDSAKeyValue")))
        return hw_refuse(why, "XML of a DSA or EC key; an RSA key is needed");
    if (keys == 0)
        return hw_refuse(why, "XML, but without an RSAKeyValue in it");
    if (xml_has_secret(text))
        return hw_refuse(why, "this is a private key in XML; keep it elsewhere and give its public "
                              "half: RSA.ToXmlString(false), or Modulus and Exponent alone");
    if (keys > 1)
        return hw_refuse(why, "%d keys in one XML file; one key a file", keys);
    if (hw_key_xml_number(&numbers->n, text, "Modulus") != 1)
        return hw_refuse(why, "XML without one Modulus in Base64");
    if (hw_key_xml_number(&numbers->e, text, "Exponent") != 1)
        return hw_refuse(why, "XML without one Exponent in Base64");
    numbers->form = ".NET XML";
    return 0;
}

/* ---- JSON ---- */

enum { JSON_DEPTH_MAX = 8 };

/* The members of a JWK that matter; a name that is there twice makes `twice` point to it. */
enum { KTY, ALG, N, E, D, P, Q, K, KEYS, MEMBERS };
static const char *const member_names[MEMBERS] = {"kty", "alg", "n", "e",   "d",
                                                  "p",   "q",   "k", "keys"};

struct jwk {
    struct hw_str member[MEMBERS]; /* the value's text: a string without its quotes */
    const char *twice;
};

struct json {
    const char *at, *end;
};

static char peek(struct json *json)
{
    while (json->at < json->end && is_space(*json->at))
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

/* A string as it is written, without its quotes: escapes stay, no value that we use has any. */
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

/* Steps over one value. */
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
    good = len > 0 && take_bytes(number, bytes, (size_t)len);
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

/* The members of the one key of a set; how many keys it has, or -1. */
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
            return hw_refuse(why,
                             count < 0 ? "a JWK set that is damaged"
                                       : "a JWK set of %d keys; one key a file",
                             count);
    }
    return read_jwk(numbers, &jwk, why);
}

/* ---- Microsoft's blobs ---- */

/* CSP: BLOBHEADER { type, version 2, 2 zero bytes, algorithm }, then RSAPUBKEY { magic, bits,
 * exponent }, then the modulus, all little-endian.
 * CNG: BCRYPT_RSAKEY_BLOB { magic, bits, bytes of exponent, modulus, prime 1, prime 2 }, then
 * exponent and modulus, big-endian. */
enum { CSP_PUBLIC = 6, CSP_PRIVATE = 7, CSP_HEADER = 20, CNG_HEADER = 24 };

static uint32_t little32(struct hw_str bytes, size_t at)
{
    const unsigned char *in = (const unsigned char *)bytes.ptr + at;
    return in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static bool is_magic(struct hw_str bytes, size_t at, const char *magic)
{
    return bytes.len >= at + 4 && memcmp(bytes.ptr + at, magic, 4) == 0;
}

static bool is_csp(struct hw_str bytes)
{
    return bytes.len >= 12 && (bytes.ptr[0] == CSP_PUBLIC || bytes.ptr[0] == CSP_PRIVATE) &&
           bytes.ptr[1] == 2 && bytes.ptr[2] == 0 && bytes.ptr[3] == 0;
}

static bool is_cng(struct hw_str bytes)
{
    static const char *const magics[] = {"RSA1", "RSA2", "RSA3", "ECS1", "ECS2", "ECS3", "DSPB"};
    /* 24 bytes of which some are zero: no text that only begins like a blob */
    if (bytes.len < CNG_HEADER || !find_char((struct hw_str){bytes.ptr + 4, 20}, '\0'))
        return false;
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
        if (is_magic(bytes, 0, magics[i]))
            return true;
    }
    return false;
}

bool hw_key_is_blob(struct hw_str bytes)
{
    return is_csp(bytes) || is_cng(bytes);
}

static int read_csp(struct hw_key_numbers *numbers, struct hw_str bytes,
                    const struct hw_reason *why)
{
    if (bytes.ptr[0] == CSP_PRIVATE || is_magic(bytes, 8, "RSA2"))
        return hw_refuse(why,
                         "this is a private key (CSP PRIVATEKEYBLOB); keep it elsewhere and give "
                         "its public half: ExportCspBlob(false)");
    if (!is_magic(bytes, 8, "RSA1"))
        return hw_refuse(why, "a CSP blob, but not of an RSA key");
    size_t size = bytes.len < CSP_HEADER ? 0 : ((size_t)little32(bytes, 12) + 7) / 8;
    if (size == 0 || bytes.len != CSP_HEADER + size)
        return hw_refuse(why, "a CSP blob of %zu bytes, not of the length that it tells",
                         bytes.len);
    numbers->n = BN_lebin2bn((const unsigned char *)bytes.ptr + CSP_HEADER, (int)size, NULL);
    numbers->e = BN_new();
    if (!numbers->n || !numbers->e || !BN_set_word(numbers->e, little32(bytes, 16)))
        return hw_refuse(why, "out of memory");
    return 0;
}

static int read_cng(struct hw_key_numbers *numbers, struct hw_str bytes,
                    const struct hw_reason *why)
{
    if (is_magic(bytes, 0, "RSA2") || is_magic(bytes, 0, "RSA3"))
        return hw_refuse(why, "this is a private key (CNG blob); keep it elsewhere and give its "
                              "public half: BCRYPT_RSAPUBLIC_BLOB");
    if (!is_magic(bytes, 0, "RSA1"))
        return hw_refuse(why, "a CNG blob, but not of an RSA key");
    size_t exponent = little32(bytes, 8), modulus = little32(bytes, 12);
    if (exponent == 0 || modulus == 0 || exponent > bytes.len || modulus > bytes.len ||
        bytes.len != CNG_HEADER + exponent + modulus)
        return hw_refuse(why, "a CNG blob of %zu bytes, not of the length that it tells",
                         bytes.len);
    const unsigned char *in = (const unsigned char *)bytes.ptr + CNG_HEADER;
    if (!take_bytes(&numbers->e, in, exponent) || !take_bytes(&numbers->n, in + exponent, modulus))
        return hw_refuse(why, "out of memory");
    return 0;
}

int hw_key_blob_read(struct hw_key_numbers *numbers, struct hw_str bytes, bool was_base64,
                     const struct hw_reason *why)
{
    bool csp = is_csp(bytes);
    int rc = csp ? read_csp(numbers, bytes, why) : read_cng(numbers, bytes, why);
    if (rc == 0 && csp)
        numbers->form = was_base64 ? "Base64 of CSP blob" : "CSP blob";
    else if (rc == 0)
        numbers->form = was_base64 ? "Base64 of CNG blob" : "CNG blob";
    return rc;
}
