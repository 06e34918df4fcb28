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

static void put(struct hw_json_text *out, struct hw_str bytes)
{
    memcpy(out->ptr + out->len, bytes.ptr, bytes.len);
    out->len += bytes.len;
}

void hw_json_text_put_string(struct hw_json_text *out, struct hw_str text)
{
    char escape[6];
    HW_CHECK(out->size - out->len >= text.len * HW_JSON_TEXT_BYTE_MAX + 2);
    put(out, HW_STR("\""));
    for (size_t i = 0; i < text.len;)
        put(out, hw_str_json_next(text, &i, escape));
    put(out, HW_STR("\""));
}
