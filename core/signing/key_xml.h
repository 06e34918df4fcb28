/* key_xml.h -- .NET's XML form of a key.
 *
 * What    the RSAKeyValue of RSA.ToXmlString, also inside the KeyInfo of an XML Signature; and
 *         RSAParameters as XmlSerializer writes them. Any prefix, any attributes, any order.
 * Not     no general XML: just enough to find the members of one key, and to refuse what could be
 *         read in two ways (an element that appears twice).
 * Thread  pure; any. */
#ifndef HW_KEY_XML_H
#define HW_KEY_XML_H

#include "signing/key_numbers.h"

/* `text` begins with '<'. */
int hw_key_xml_read(struct hw_key_numbers *numbers, struct hw_str text,
                    const struct hw_reason *why);

/* The number in the one element of this name, big-endian Base64. Returns 1 with a *number for
 * BN_free, 0 when there is no such element, -1 when it is damaged or there are several. */
int hw_key_xml_number(BIGNUM **number, struct hw_str text, const char *name);

#endif
