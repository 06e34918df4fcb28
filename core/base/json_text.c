/* json_text.c -- see json_text.h */
#include "base/json_text.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

void hw_json_text_put(struct hw_json_text *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int more = vsnprintf(out->ptr + out->len, out->size - out->len, format, args);
    va_end(args);
    HW_CHECK(more >= 0 && (size_t)more < out->size - out->len);
    out->len += (size_t)more;
}

static void put_bytes(struct hw_json_text *out, const char *bytes, size_t len)
{
    memcpy(out->ptr + out->len, bytes, len);
    out->len += len;
}

static void put_char(struct hw_json_text *out, struct hw_str text, size_t i, size_t n)
{
    char escape[6];
    size_t escaped = hw_str_json_escape(escape, (unsigned char)text.ptr[i]);
    if (n == 0)
        put_bytes(out, "\\ufffd", 6);
    else
        put_bytes(out, escaped ? escape : text.ptr + i, escaped ? escaped : n);
}

void hw_json_text_put_string(struct hw_json_text *out, struct hw_str text)
{
    HW_CHECK(out->size - out->len >= text.len * HW_JSON_TEXT_BYTE_MAX + 2);
    put_bytes(out, "\"", 1);
    for (size_t i = 0, n; i < text.len; i += n ? n : 1) {
        n = hw_str_utf8(text, i);
        put_char(out, text, i, n);
    }
    put_bytes(out, "\"", 1);
}
