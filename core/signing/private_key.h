/* private_key.h -- private RSA keys: read, made, signed with, and their public halves written.
 *
 * Why     for a person at a terminal (`hookward send`, `keygen`) and for the sandbox; the host
 *         itself never has a private key.
 * Thread  pure; any. May leave errors in OpenSSL's queue. */
#ifndef HW_PRIVATE_KEY_H
#define HW_PRIVATE_KEY_H

#include <openssl/evp.h>
#include <stdbool.h>

#include "base/str.h"

enum { HW_PRIVATE_KEY_BITS_MIN = 2048 }; /* of a new key; HW_KEY_BITS_MAX is the most */

/* Reads PEM (PKCS#8, PKCS#1; not encrypted) or .NET XML (RSA.ToXmlString(true)). Returns the key,
 * for EVP_PKEY_free, or NULL and one line in *why, which is static. */
EVP_PKEY *hw_private_key_read(struct hw_str text, const char **why);

/* Makes a key and writes both halves in PEM: PKCS#8 and SubjectPublicKeyInfo. */
bool hw_private_key_make(size_t bits, BIO *private_half, BIO *public_half);

/* RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2.1). Returns Base64 text, for OPENSSL_free, or
 * NULL. */
char *hw_private_key_sign(EVP_PKEY *pkey, struct hw_str body);

/* The public half as PEM (SubjectPublicKeyInfo), as the bare Base64 of its DER, or in .NET's XML
 * (RSA.ToXmlString(false)). */
enum hw_public_form { HW_PUBLIC_PEM, HW_PUBLIC_DER, HW_PUBLIC_XML };
bool hw_private_key_write_public(EVP_PKEY *pkey, enum hw_public_form form, BIO *out);

#endif
