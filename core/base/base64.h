/* base64.h -- strict Base64 (RFC 4648, section 4).
 *
 * Decoding accepts only the alphabet with + and /, padded, without white space, unused bits zero:
 * each value has exactly one text.
 * Thread  pure; any. */
#ifndef HW_BASE64_H
#define HW_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* The length of the text for n bytes, without a terminating zero. */
#define HW_BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* Decodes into out[0..size). Returns the number of bytes, or -1 when the text is not strict Base64
 * or too long. */
long hw_base64_decode(uint8_t *out, size_t size, struct hw_str text);

/* Writes HW_BASE64_LEN(len) characters and a terminating zero. */
void hw_base64_encode(char *out, const uint8_t *bytes, size_t len);

#endif
