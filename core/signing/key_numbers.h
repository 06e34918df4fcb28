/* key_numbers.h -- the two numbers that every form of a key comes down to, and what the readers of
 * the forms share.
 *
 * Not     no form is known here: key_forms.h recognises them, and key_der.h, key_xml.h, key_jwk.h
 *         and key_blob.h each read theirs.
 * Thread  pure; any. */
#ifndef HW_KEY_NUMBERS_H
#define HW_KEY_NUMBERS_H

#include <openssl/bn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Where the one line goes that says why a key was refused. */
struct hw_reason {
    char *text;
    size_t size;
};

/* Writes the line; returns HW_EFAILED. */
int hw_refuse(const struct hw_reason *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A reader fills *numbers, or returns HW_EFAILED with a reason. In both cases the caller frees
 * *numbers with fini, and the reader may leave errors in OpenSSL's queue. */
struct hw_key_numbers {
    BIGNUM *n, *e;
    const char *form;  /* static */
    int64_t not_after; /* of a certificate: seconds since 1970; 0: it has no end */
};

void hw_key_numbers_fini(struct hw_key_numbers *numbers);

/* Big-endian bytes to *number. Returns false without memory. */
bool hw_key_take_bytes(BIGNUM **number, const unsigned char *bytes, size_t len);

/* White space in the C locale. */
bool hw_key_is_space(char c);

/* Base64 in which white space is skipped, and so are "\n" and "\r" as a JSON text spells them.
 * Returns the bytes, for OPENSSL_free, or NULL. */
unsigned char *hw_key_base64(struct hw_str text, size_t *len);

#endif
