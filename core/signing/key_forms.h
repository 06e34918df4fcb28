/* key_forms.h -- recognises the form of a public key's text and reads its two numbers.
 *
 * What    whatever keys.h lists ends here as a modulus and an exponent; whether these are good
 *         enough is for keys.c to say.
 * Not     no files, no rules about sizes.
 * Thread  pure; any. */
#ifndef HW_KEY_FORMS_H
#define HW_KEY_FORMS_H

#include <openssl/bn.h>
#include <stddef.h>

#include "base/str.h"

/* Where the one line goes that says why a key was refused. */
struct hw_reason {
    char *text;
    size_t size;
};

/* Writes the line; returns HW_EFAILED. */
int hw_refuse(const struct hw_reason *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct hw_key_numbers {
    BIGNUM *n, *e;
    const char *form; /* static */
};

/* Fills *numbers (free them with fini, also after a failure) or returns HW_EFAILED with a reason.
 * May leave errors in OpenSSL's queue. */
int hw_key_forms_read(struct hw_key_numbers *numbers, struct hw_str text,
                      const struct hw_reason *why);
void hw_key_numbers_fini(struct hw_key_numbers *numbers);

/* A copy of `text` as plain bytes: without a byte order mark, UTF-16 turned to ASCII (anything else
 * in it becomes '?'). The caller frees its ptr with OPENSSL_free; {NULL, 0} without memory. */
struct hw_str hw_key_forms_plain(struct hw_str text);

/* Base64 in which white space, and "\n" and "\r" as a JSON text spells them, mean nothing. Returns
 * the bytes, for OPENSSL_free, or NULL. */
unsigned char *hw_key_forms_base64(struct hw_str text, size_t *len);

#endif
