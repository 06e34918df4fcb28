/* key_forms.h -- recognises the form of a public key's text and reads its two numbers.
 *
 * What    every form that keys.h lists comes down to a modulus and an exponent here. keys.c decides
 *         whether they are good enough.
 * Not     no files, no rules about sizes.
 * Thread  pure; any. */
#ifndef HW_KEY_FORMS_H
#define HW_KEY_FORMS_H

#include "signing/key_numbers.h"

int hw_key_forms_read(struct hw_key_numbers *numbers, struct hw_str text,
                      const struct hw_reason *why);

/* A copy of `text` as plain bytes: without a byte order mark, UTF-16 turned to ASCII (anything else
 * in it becomes '?'). The caller frees its ptr with OPENSSL_free; {NULL, 0} without memory. */
struct hw_str hw_key_forms_plain(struct hw_str text);

#endif
