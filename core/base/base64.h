/* base64.h -- strict Base64 (RFC 4648, section 4).
 *
 * Strict on the way in: the alphabet with + and /, padded, no white space, unused bits zero, so
 * that each value has exactly one text.
 * Thread  pure; any. */
#ifndef HW_BASE64_H
#define HW_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Bytes that the text of n bytes takes, without a terminating zero. */
#define HW_BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* Decodes into out[0..size). Returns the number of bytes, or -1: not strict, or too long. */
long hw_base64_decode(uint8_t *out, size_t size, struct hw_str text);

/* Writes HW_BASE64_LEN(len) characters and a zero. */
void hw_base64_encode(char *out, const uint8_t *bytes, size_t len);

#endif
