/* key_jwk.h -- a JSON Web Key (RFC 7517; RFC 7518, 6.3.1): one, or a set of one.
 *
 * Not     no general JSON: just enough to find the members of one key, and to refuse what could be
 *         read in two ways (a name that appears twice).
 * Thread  pure; any. */
#ifndef HW_KEY_JWK_H
#define HW_KEY_JWK_H

#include "signing/key_numbers.h"

/* `text` begins with '{'. */
int hw_key_jwk_read(struct hw_key_numbers *numbers, struct hw_str text,
                    const struct hw_reason *why);

#endif
