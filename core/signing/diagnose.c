/* diagnose.c -- see diagnose.h
 *
 * How     three lists are combined: readings of the signature's text (as it is, leniently, as hex,
 *         reversed, …), keys of that length, variations of the body. One RSA operation for each
 *         reading and key gives the padded block. If that is well-formed PKCS#1 v1.5, it holds the
 *         signed digest: the variations are hashed and compared with it, and when none agrees the
 *         digest can still be shown. A PSS block does not reveal the digest: it is verified with
 *         each hash and variation. */
#include "signing/diagnose.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "signing/diagnose_body.h"
#include "signing/diagnose_hash.h"
#include "signing/diagnose_signature.h"

/* ---- findings ---- */

struct report {
    FILE *out;
    int findings;
    bool verifies; /* as it is */
};

__attribute__((format(printf, 2, 3))) static void say(struct report *report, const char *format,
                                                      ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(report->out, format, arguments);
    va_end(arguments);
    fputc('\n', report->out);
    report->findings++;
}

/* "would verify with key K if a, b and c": each part may be empty. */
static void say_if(struct report *report, const struct hw_key *key, const char *body,
                   const char *signature, const char *method)
{
    const char *parts[3];
    int count = 0;
    if (body[0])
        parts[count++] = body;
    if (signature[0])
        parts[count++] = signature;
    if (method[0])
        parts[count++] = method;
    if (count == 0) {
        report->verifies = true;
        say(report, "it verifies as it is, with key %s", key->name);
        return;
    }
    say(report, "would verify with key %s if %s%s%s%s%s", key->name, parts[0],
        count > 1 ? ", and " : "", count > 1 ? parts[1] : "", count > 2 ? ", and " : "",
        count > 2 ? parts[2] : "");
}

/* ---- PKCS#1 v1.5 ---- */

/* What was found inside a padded block. */
struct signed_digest {
    int nid; /* of the hash, NID_undef when the block is bare (no DigestInfo) */
    const uint8_t *bytes;
    size_t len;
};

/* Returns T of the block 00 01 FF…FF 00 T (RFC 8017, 9.2), or {NULL, 0}. */
static struct hw_str unpad(const uint8_t *block, size_t len)
{
    size_t at = 2;
    if (len < 11 || block[0] != 0 || block[1] != 1)
        return HW_STR_NONE;
    while (at < len && block[at] == 0xff)
        at++;
    if (at < 10 || at == len || block[at] != 0)
        return HW_STR_NONE;
    return (struct hw_str){(const char *)block + at + 1, len - at - 1};
}

/* T is a DigestInfo (with or without the NULL of its algorithm), or the bare digest. */
static void read_digest_info(struct signed_digest *found, X509_SIG **info, struct hw_str t)
{
    const unsigned char *at = (const unsigned char *)t.ptr;
    const X509_ALGOR *algorithm;
    const ASN1_OCTET_STRING *octets;
    const ASN1_OBJECT *object;
    *info = d2i_X509_SIG(NULL, &at, (long)t.len);
    *found = (struct signed_digest){NID_undef, (const uint8_t *)t.ptr, t.len};
    if (!*info)
        return;
    X509_SIG_get0(*info, &algorithm, &octets);
    X509_ALGOR_get0(&object, NULL, NULL, algorithm);
    found->nid = OBJ_obj2nid(object);
    found->bytes = ASN1_STRING_get0_data(octets);
    found->len = (size_t)ASN1_STRING_length(octets);
}

static void say_other_body(struct report *report, const struct hw_key *key,
                           const struct signed_digest *found, const struct hw_reading *reading,
                           struct hw_str body)
{
    char was[2 * EVP_MAX_MD_SIZE + 1], is[2 * EVP_MAX_MD_SIZE + 1];
    const struct hw_hash *hash = hw_hash_of(found->nid, found->len);
    if (!hash) {
        say(report, "key %s did sign something, but with a hash that is not known here", key->name);
        return;
    }
    uint8_t digest[EVP_MAX_MD_SIZE];
    hw_hash_digest(hash, body, digest);
    hw_hash_hex(was, found->bytes, hash->size);
    hw_hash_hex(is, digest, hash->size);
    say(report,
        "key %s did sign something, but not this body%s%s: the signed %s is %s, this body's is %s",
        key->name, reading->condition[0] ? ", if " : "", reading->condition, hash->name, was, is);
}

/* Raises the signature to the public exponent: the padded block as it was signed. */
static bool open_block(uint8_t *block, const struct hw_key *key, const struct hw_reading *reading)
{
    size_t len = HW_SIGNATURE_MAX;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    bool good = ctx && EVP_PKEY_encrypt_init(ctx) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) == 1 &&
                EVP_PKEY_encrypt(ctx, block, &len, reading->bytes, reading->len) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good && len == reading->len;
}

/* The block was parsed leniently. A verifier compares all of it with the one right encoding. */
static bool verify_pkcs1(const struct hw_key *key, const struct hw_reading *reading,
                         const struct hw_hash *hash, const uint8_t *digest)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    bool good = ctx && EVP_PKEY_verify_init(ctx) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
                EVP_PKEY_CTX_set_signature_md(ctx, hash->md()) == 1 &&
                EVP_PKEY_verify(ctx, reading->bytes, reading->len, digest, hash->size) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good;
}

/* Returns true for any PKCS#1 v1.5 block: then this key made it, and nothing else needs a try. */
static bool try_pkcs1(struct report *report, const struct hw_key *key,
                      const struct hw_reading *reading, const uint8_t *block,
                      struct hw_bodies *bodies)
{
    struct hw_str t = unpad(block, reading->len);
    if (!t.ptr)
        return false;
    struct signed_digest found;
    X509_SIG *info;
    read_digest_info(&found, &info, t);
    const struct hw_hash *hash = hw_hash_of(found.nid, found.len);
    bool matched = false;
    for (size_t i = 0; hash && i < bodies->count && !matched; i++) {
        char method[200];
        matched = hw_hash_matches(hash, bodies->list[i].text, found.bytes, method, sizeof method);
        if (matched && !verify_pkcs1(key, reading, hash, found.bytes))
            hw_note(method, sizeof method,
                    info ? "its digest were encoded as RFC 8017, 9.2 says (DigestInfo)"
                         : "the hash's name were in the signature (DigestInfo)");
        if (matched)
            say_if(report, key, bodies->list[i].condition, reading->condition, method);
    }
    if (!matched)
        say_other_body(report, key, &found, reading, bodies->list[0].text);
    X509_SIG_free(info);
    return true;
}

/* ---- PSS ---- */

static bool verify_pss(const struct hw_key *key, const struct hw_reading *reading,
                       const struct hw_hash *hash, const EVP_MD *mask, const uint8_t *digest)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    bool good = ctx && EVP_PKEY_verify_init(ctx) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                EVP_PKEY_CTX_set_signature_md(ctx, hash->md()) == 1 &&
                EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_AUTO) == 1 &&
                EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, mask) == 1 &&
                EVP_PKEY_verify(ctx, reading->bytes, reading->len, digest, hash->size) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good;
}

static bool try_pss(struct report *report, const struct hw_key *key,
                    const struct hw_reading *reading, const uint8_t *block,
                    struct hw_bodies *bodies)
{
    if (block[reading->len - 1] != 0xbc) /* RFC 8017, 9.1.2, step 4 */
        return false;
    for (size_t i = 0; i < bodies->count; i++) {
        for (const struct hw_hash *hash = hw_hashes; hash->name; hash++) {
            uint8_t digest[EVP_MAX_MD_SIZE];
            hw_hash_digest(hash, bodies->list[i].text, digest);
            if (!verify_pss(key, reading, hash, hash->md(), digest) &&
                !verify_pss(key, reading, hash, EVP_sha1(), digest))
                continue;
            char method[120];
            snprintf(method, sizeof method, "its padding were PKCS#1 v1.5 (it is PSS)%s%s%s",
                     hash->nid == NID_sha256 ? "" : ", and the hash were SHA-256 (it is ",
                     hash->nid == NID_sha256 ? "" : hash->name, hash->nid == NID_sha256 ? "" : ")");
            say_if(report, key, bodies->list[i].condition, reading->condition, method);
            return true;
        }
    }
    return false;
}

/* ---- when nothing fits ---- */

static bool any_fits(const struct hw_keyset *keys, const struct hw_readings *readings)
{
    for (size_t r = 0; r < readings->count; r++) {
        for (size_t k = 0; k < keys->count; k++) {
            if (hw_key_size(&keys->keys[k]) == readings->list[r].len)
                return true;
        }
    }
    return false;
}

static void say_nothing_fits(struct report *report, const struct hw_keyset *keys,
                             const struct hw_readings *readings)
{
    if (any_fits(keys, readings)) {
        say(report, "none of your keys made this signature: the sender uses another key, or the "
                    "signature was changed on its way");
        return;
    }
    size_t len = readings->list[0].len;
    for (size_t i = 0; i < keys->count; i++)
        say(report,
            "the signature has %zu bytes (a key of %zu bits); key %s has %d bits and signs "
            "with %zu bytes",
            len, len * 8, keys->keys[i].name, keys->keys[i].bits, hw_key_size(&keys->keys[i]));
}

static void try_all(struct report *report, const struct hw_keyset *keys,
                    const struct hw_readings *readings, struct hw_bodies *bodies)
{
    uint8_t block[HW_SIGNATURE_MAX];
    for (size_t r = 0; r < readings->count; r++) {
        const struct hw_reading *reading = &readings->list[r];
        for (size_t k = 0; k < keys->count; k++) {
            const struct hw_key *key = &keys->keys[k];
            if (hw_key_size(key) != reading->len || !open_block(block, key, reading))
                continue;
            if (try_pkcs1(report, key, reading, block, bodies) ||
                try_pss(report, key, reading, block, bodies))
                return;
        }
    }
}

/* Nothing here decompresses, so the content can't be checked. */
static void say_compressed(struct report *report, struct hw_str body)
{
    const char *how = hw_body_compression(body);
    if (how && !report->verifies)
        say(report,
            "the body is compressed (%s): the signature is over the uncompressed body; have "
            "the sender, or the proxy that does it, send the body as it is",
            how);
}

char *hw_diagnose(const struct hw_keyset *keys, struct hw_str body, struct hw_str signature)
{
    char *text = NULL;
    size_t size = 0;
    if (!body.ptr)
        body = HW_STR("");
    struct hw_readings *readings = malloc(sizeof *readings);
    struct hw_bodies bodies;
    struct report report = {.out = readings ? open_memstream(&text, &size) : NULL};
    if (report.out && hw_bodies_init(&bodies, body) == 0) {
        hw_readings_init(readings, signature, keys);
        if (signature.len == 0)
            say(&report, "the signature is empty");
        else if (readings->count == 0)
            say(&report, "the signature is neither Base64 nor hex of at most %d bytes",
                HW_SIGNATURE_MAX);
        else
            try_all(&report, keys, readings, &bodies);
        if (report.findings == 0)
            say_nothing_fits(&report, keys, readings);
        say_compressed(&report, body);
        hw_bodies_fini(&bodies);
    }
    free(readings);
    ERR_clear_error();
    if (report.out && (fclose(report.out) != 0 || report.findings == 0)) {
        free(text);
        text = NULL;
    }
    return text;
}
