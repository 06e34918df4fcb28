/* crypto_api.h -- keys and signatures for the commands: `hookward.core.crypto`.
 *
 * Everything here is for a person at a terminal (keygen, send, verify, check); the notification
 * path uses keys.h and signature.h directly.
 * Thread  the one that has the Lua state. */
#ifndef HW_CRYPTO_API_H
#define HW_CRYPTO_API_H

#include <lua.h>

/* Pushes a table of functions; each returns nil and one line on failure:
 *   keys(paths, min_bits) -> array of { name, form, bits, fingerprint }
 *   key(text, min_bits) -> { form, bits, fingerprint }, of a public key in any form
 *   keygen(bits) -> private PEM (PKCS#8), public PEM (SubjectPublicKeyInfo)
 *   sign(private_pem, body) -> Base64 of the RSASSA-PKCS1-v1_5 SHA-256 signature; the key may be
 *     in .NET XML as well
 *   public_key(private_pem, form) -> the public half: "pem" (SubjectPublicKeyInfo), "der" (the same
 *     as bare Base64) or "xml" (.NET's RSAKeyValue)
 *   verify(paths, min_bits, body, base64) -> key name | nil, error code's name, message
 *   diagnose(paths, min_bits, body, base64) -> array of lines, at least one: what would make it
 *     verify, or what it is instead; "it verifies as it is, …" when it does
 *   sha256(text) -> hex
 *   uuid() -> a random version 4 UUID
 * Stack: -0 +1. */
void hw_crypto_push_api(lua_State *L);

#endif
