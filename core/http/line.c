/* line.c -- see line.h */
#include "http/line.h"

#include <string.h>

/* Abbreviations for the table of classes. A target may hold any visible byte but '#':
 * a stricter grammar would refuse clients that do not escape, and would make no message's end any
 * clearer. */
enum {
    V = HW_HTTP_TARGET,
    K = HW_HTTP_TOKEN,
    T = HW_HTTP_TARGET | HW_HTTP_TOKEN,
    H = HW_HTTP_TARGET | HW_HTTP_HOST,
    A = HW_HTTP_TARGET | HW_HTTP_TOKEN | HW_HTTP_HOST
};

const uint8_t hw_http_classes[256] = {
    /* clang-format off */
    ['!'] = A, V, K, A, T, A, A, H, H, A, A, H, A, A, V, /* ! " # $ % & ' ( ) * + , - . / */
    ['0'] = A, A, A, A, A, A, A, A, A, A, V, H, V, H, V, V, /* 0-9 : ; < = > ? */
    ['@'] = V, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,
    ['P'] = A, A, A, A, A, A, A, A, A, A, A, V, V, V, T, A, /* P-Z [ \ ] ^ _ */
    ['`'] = T, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,
    ['p'] = A, A, A, A, A, A, A, A, A, A, A, V, T, V, A, /* p-z { | } ~ */
    /* clang-format on */
};

int hw_http_refuse(struct hw_http *p, int code, const char *why)
{
    p->why = why;
    return p->refused = code;
}

int hw_http_malformed(struct hw_http *p, const char *why)
{
    return hw_http_refuse(p, HW_EMALFORMED_REQUEST, why);
}

/* ---- lines ---- */

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* Whether one of eight bytes is below 0x20 or DEL. Subtracting 0x20 from a byte below it borrows,
 * and the borrow sets the byte's top bit, which was clear. */
static bool any_control(uint64_t bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t below = (bytes - ones * 0x20) & ~bytes;
    uint64_t del = bytes ^ (ones * 0x7f);
    return (below | ((del - ones) & ~del)) & tops;
}

/* The position of the first control byte from `i` on, or n. HTAB does not count as one. */
static size_t skip_clean(const char *s, size_t i, size_t n)
{
    for (;;) {
        for (uint64_t eight; n - i >= sizeof eight; i += sizeof eight) {
            memcpy(&eight, s + i, sizeof eight);
            if (any_control(eight))
                break;
        }
        size_t stop = n - i > 8 ? i + 8 : n;
        while (i < stop && !is_control(s[i]))
            i++;
        if (i < stop || i == n)
            return i;
    }
}

const char *hw_http_why_control(char c)
{
    if (c == '\n')
        return "a line ends with a bare LF";
    return c == '\r' ? "a CR without an LF after it" : "a control byte in a line";
}

int hw_http_find_line_end(struct hw_http *p, const char *line, size_t len, size_t max)
{
    size_t n = len < max ? len : max;
    size_t i = skip_clean(line, p->scanned, n);
    p->scanned = (uint32_t)i;
    if (i == n || (line[i] == '\r' && i + 1 == n))
        return len > max ? HW_HTTP_TOO_LONG : HW_HTTP_NEED_MORE;
    if (line[i] != '\r' || line[i + 1] != '\n')
        return hw_http_malformed(p, hw_http_why_control(line[i]));
    return HW_HTTP_GO_ON;
}

/* ---- header lines ---- */

int hw_http_split_header(struct hw_http *p, struct hw_str line, struct hw_str *name,
                         struct hw_str *value)
{
    size_t i = 0;
    while (i < line.len && hw_http_is(line.ptr[i], HW_HTTP_TOKEN))
        i++;
    if (i == 0 && hw_http_is_blank(line.ptr[0]))
        return hw_http_malformed(p, "a header line begins with white space");
    if (i < line.len && hw_http_is_blank(line.ptr[i]))
        return hw_http_malformed(p, "white space before a header line's colon");
    if (i == line.len || line.ptr[i] != ':')
        return hw_http_malformed(p, "a header line has no colon, or its name is not a token");
    if (i == 0)
        return hw_http_malformed(p, "a header line without a name");
    *name = (struct hw_str){line.ptr, i};
    *value = hw_http_trim((struct hw_str){line.ptr + i + 1, line.len - i - 1});
    return 0;
}
