/* key_numbers.c -- see key_numbers.h */
#include "signing/key_numbers.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/error.h"

int hw_refuse(const struct hw_reason *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, why->size, format, arguments);
    va_end(arguments);
    return HW_EFAILED;
}

void hw_key_numbers_fini(struct hw_key_numbers *numbers)
{
    BN_free(numbers->n);
    BN_free(numbers->e);
    *numbers = (struct hw_key_numbers){0};
}

bool hw_key_take_bytes(BIGNUM **number, const unsigned char *bytes, size_t len)
{
    *number = BN_bin2bn(bytes, (int)len, NULL);
    return *number != NULL;
}

bool hw_key_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

unsigned char *hw_key_base64(struct hw_str text, size_t *len)
{
    char *letters = OPENSSL_malloc(text.len + 1);
    unsigned char *bytes = OPENSSL_malloc(text.len + 1);
    size_t count = 0;
    for (size_t i = 0; letters && i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\\' && i + 1 < text.len && (text.ptr[i + 1] == 'n' || text.ptr[i + 1] == 'r'))
            i++;
        else if (!hw_key_is_space(c))
            letters[count++] = c;
    }
    long size = -1;
    if (letters && bytes)
        size = hw_base64_decode(bytes, text.len + 1, (struct hw_str){letters, count});
    OPENSSL_clear_free(letters, text.len + 1);
    if (size <= 0) {
        OPENSSL_free(bytes);
        return NULL;
    }
    *len = (size_t)size;
    return bytes;
}
