/* key_numbers.h -- the forms that spell out modulus and exponent: XML, JWK, Microsoft's blobs.
 *
 * Each reader takes a text that was recognised as its form, fills *numbers or returns HW_EFAILED
 * with a reason. The caller frees *numbers in both cases.
 * Thread  pure; any. */
#ifndef HW_KEY_NUMBERS_H
#define HW_KEY_NUMBERS_H

#include <stdbool.h>

#include "signing/key_forms.h"

/* .NET: RSA.ToXmlString's RSAKeyValue, also inside XML Signature's KeyInfo, and RSAParameters as
 * XmlSerializer writes them. Any prefix, attributes, order. */
int hw_key_xml_read(struct hw_key_numbers *numbers, struct hw_str text,
                    const struct hw_reason *why);

/* The number in the one element of this name, big-endian Base64: 1 with a *number for BN_free,
 * 0 when there is no such element, -1 when it is damaged or there are several. */
int hw_key_xml_number(BIGNUM **number, struct hw_str text, const char *name);

/* RFC 7517 and 7518, 6.3.1: one key, or a set of one. */
int hw_key_jwk_read(struct hw_key_numbers *numbers, struct hw_str text,
                    const struct hw_reason *why);

/* CSP's key blobs (little-endian) and CNG's (big-endian numbers, little-endian header). */
bool hw_key_is_blob(struct hw_str bytes);
int hw_key_blob_read(struct hw_key_numbers *numbers, struct hw_str bytes, bool was_base64,
                     const struct hw_reason *why);

#endif
