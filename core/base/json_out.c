/* json_out.c -- see json_out.h */
#include "base/json_out.h"

static void put_char(FILE *out, struct hw_str text, size_t i, size_t n)
{
    char escape[6];
    size_t escaped = hw_str_json_escape(escape, (unsigned char)text.ptr[i]);
    if (n == 0)
        fputs("\\ufffd", out);
    else
        fwrite(escaped ? escape : text.ptr + i, 1, escaped ? escaped : n, out);
}

void hw_json_out_text(FILE *out, struct hw_str text)
{
    putc('"', out);
    for (size_t i = 0, n; i < text.len; i += n ? n : 1) {
        n = hw_str_utf8(text, i);
        put_char(out, text, i, n);
    }
    putc('"', out);
}
