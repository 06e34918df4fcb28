/* base64_fuzz.c -- a text that decodes is what its bytes encode to: each value has one spelling. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t room = size / 4 * 3;
    uint8_t *bytes = malloc(room + 1);
    char *text = malloc(HW_BASE64_LEN(size) + 1);
    HW_CHECK(bytes && text);
    long len = hw_base64_decode(bytes, room, (struct hw_str){(const char *)data, size});
    if (len >= 0) {
        hw_base64_encode(text, bytes, (size_t)len);
        HW_CHECK(strlen(text) == size && memcmp(text, data, size) == 0);
    }
    hw_base64_encode(text, data, size);
    uint8_t *back = malloc(size ? size : 1);
    HW_CHECK(back);
    HW_CHECK(hw_base64_decode(back, size, hw_str_of(text)) == (long)size);
    HW_CHECK(memcmp(back, data, size) == 0);
    free(back);
    free(bytes);
    free(text);
    return 0;
}
