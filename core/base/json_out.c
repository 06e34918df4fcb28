/* json_out.c -- see json_out.h */
#include "base/json_out.h"

void hw_json_out_text(FILE *out, struct hw_str text)
{
    char escape[6];
    putc('"', out);
    for (size_t i = 0; i < text.len;) {
        struct hw_str c = hw_str_json_next(text, &i, escape);
        fwrite(c.ptr, 1, c.len, out);
    }
    putc('"', out);
}
