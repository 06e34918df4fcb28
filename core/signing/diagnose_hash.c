/* diagnose_hash.c -- see diagnose_hash.h */
#include "signing/diagnose_hash.h"

#include <openssl/objects.h>
#include <stdio.h>

#include "base/base64.h"

const struct hw_hash hw_hashes[] = {
    {"SHA-256", NID_sha256, 32, EVP_sha256}, {"SHA-1", NID_sha1, 20, EVP_sha1},
    {"SHA-384", NID_sha384, 48, EVP_sha384}, {"SHA-512", NID_sha512, 64, EVP_sha512},
    {"MD5", NID_md5, 16, EVP_md5},           {NULL, NID_undef, 0, NULL},
};

const struct hw_hash *hw_hash_of(int nid, size_t size)
{
    for (const struct hw_hash *hash = hw_hashes; hash->name; hash++) {
        if (hash->size == size && (nid == NID_undef || hash->nid == nid))
            return hash;
    }
    return NULL;
}

void hw_hash_digest(const struct hw_hash *hash, struct hw_str text, uint8_t *digest)
{
    /* a system may forbid MD5: then zeros, which no digest equals */
    if (!EVP_Digest(text.ptr, text.len, digest, NULL, hash->md(), NULL))
        memset(digest, 0, hash->size);
}

void hw_hash_hex(char *out, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void to_upper(char *text)
{
    for (; *text; text++) {
        if (*text >= 'a' && *text <= 'z')
            *text = (char)(*text - 0x20);
    }
}

/* Writes the digest in way `way` and returns the condition for it; NULL after the last way. */
static const char *spell(char *out, size_t *len, int way, const struct hw_hash *hash,
                         const uint8_t *digest)
{
    switch (way) {
    case 0:
    case 1:
        hw_hash_hex(out, digest, hash->size);
        if (way == 1)
            to_upper(out);
        *len = strlen(out);
        return "the body itself were signed (the hex text of its digest is)";
    case 2:
        hw_base64_encode(out, digest, hash->size);
        *len = strlen(out);
        return "the body itself were signed (the Base64 text of its digest is)";
    case 3:
        memcpy(out, digest, hash->size);
        *len = hash->size;
        return "the body were hashed once (it is hashed twice)";
    }
    return NULL;
}

bool hw_hash_matches(const struct hw_hash *hash, struct hw_str text, const uint8_t *digest,
                     char *method, size_t size)
{
    uint8_t own[EVP_MAX_MD_SIZE], again[EVP_MAX_MD_SIZE];
    char spelled[2 * EVP_MAX_MD_SIZE + 1];
    const char *how = "";
    size_t len;
    hw_hash_digest(hash, text, own);
    bool matches = memcmp(own, digest, hash->size) == 0;
    for (int way = 0; !matches && (how = spell(spelled, &len, way, hash, own)); way++) {
        hw_hash_digest(hash, (struct hw_str){spelled, len}, again);
        matches = memcmp(again, digest, hash->size) == 0;
    }
    if (!matches)
        return false;
    bool other = hash->nid != NID_sha256;
    snprintf(method, size, "%s%s%s%s%s", how, how[0] && other ? ", and " : "",
             other ? "the hash were SHA-256 (it is " : "", other ? hash->name : "",
             other ? ")" : "");
    return true;
}
