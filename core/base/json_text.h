/* json_text.h -- writes JSON into a buffer whose size is known beforehand.
 *
 * Why     the leader answers while notifications wait: no stream, no lock for each character, and
 *         nothing that grows.
 * Thread  the owner. */
#ifndef HW_JSON_TEXT_H
#define HW_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum { HW_JSON_TEXT_BYTE_MAX = 6 /* bytes that a byte of a text may take */ };

struct hw_json_text {
    char *ptr; /* the owner's */
    size_t len, size;
};

/* Adds as printf does. What does not fit is a bug, and asserts. */
__attribute__((format(printf, 2, 3))) void hw_json_text_put(struct hw_json_text *out,
                                                            const char *format, ...);

/* Adds a string with its quotes; what is not UTF-8 becomes U+FFFD. */
void hw_json_text_put_string(struct hw_json_text *out, struct hw_str text);

#endif
