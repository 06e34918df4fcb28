/* diagnose_signature.h -- which bytes a signature's text may mean when it is not strict Base64.
 *
 * Thread  pure; any. */
#ifndef HW_DIAGNOSE_SIGNATURE_H
#define HW_DIAGNOSE_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "signing/keys.h"

enum { HW_SIGNATURE_MAX = HW_KEY_BITS_MAX / 8, HW_READINGS_MAX = 12 };

struct hw_reading {
    char condition[200]; /* "the signature were …"; empty for the text as it is */
    uint8_t bytes[HW_SIGNATURE_MAX];
    size_t len;
};

/* The most likely reading first. */
struct hw_readings {
    size_t count;
    struct hw_reading list[HW_READINGS_MAX];
};

/* The keys are only asked how long a signature should be. */
void hw_readings_init(struct hw_readings *readings, struct hw_str text,
                      const struct hw_keyset *keys);

/* Appends `text` to the list in `notes`, unless it is in it. */
void hw_note(char *notes, size_t size, const char *text);

#endif
