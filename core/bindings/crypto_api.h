/* crypto_api.h -- keys and signatures for the commands: `hookward.core.crypto`.
 *
 * Not     what a notification passes through: that uses signing/keys.h and signing/signature.h
 *         directly.
 * Thread  the one that has the Lua state. */
#ifndef HW_CRYPTO_API_H
#define HW_CRYPTO_API_H

#include <lua.h>

/* Pushes a table of functions. Each returns nil and one line on failure.
 *
 *     keys(paths, min_bits)  -> array of { name, form, bits, fingerprint, not_after? }
 *     key(text, min_bits)    -> { form, bits, fingerprint, not_after? } of a public key in any form;
 *                               not_after: of a certificate, seconds since 1970
 *     keygen(bits)           -> private PEM (PKCS#8), public PEM (SubjectPublicKeyInfo)
 *     development_certificate() -> key PEM (PKCS#8), certificate PEM (http/tls_development.h)
 *     sign(private_key, body) -> Base64 of the RSASSA-PKCS1-v1_5 SHA-256 signature; the key is
 *                               PEM or .NET XML
 *     public_key(private_key, form) -> the public half: "pem" (SubjectPublicKeyInfo), "der" (the
 *                               same as bare Base64) or "xml" (.NET's RSAKeyValue)
 *     verify(paths, min_bits, body, base64) -> the key's name | nil, the error code's name, message
 *     diagnose(paths, min_bits, body, base64) -> array of lines, at least one (signing/diagnose.h)
 *     sha256(text)           -> hex
 *     hmac(key, text)        -> hex of the HMAC-SHA-256 (RFC 2104)
 *     random(count)          -> hex of 1 to 64 random bytes
 *     same(a, b)             -> boolean; its time does not depend on what the texts are, only on
 *                               their lengths
 *     uuid()                 -> a random version 4 UUID (RFC 9562, 5.4)
 *
 * Misuse (a wrong type) raises an error. Stack: -0 +1. */
void hw_crypto_push_api(lua_State *L);

#endif
