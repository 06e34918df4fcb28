/* base64.c -- see base64.h */
#include "base/base64.h"

/* The value of each letter plus one. A byte that is no letter has 0, and so the value -1. */
static const uint8_t value_of[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static inline int value(const char *at)
{
    return (int)value_of[(unsigned char)*at] - 1;
}

/* The last four characters, of which `padding` (1 or 2) are '='. */
static int decode_padded(uint8_t *out, const char *in, size_t padding)
{
    int a = value(in), b = value(in + 1), c = padding == 1 ? value(in + 2) : 0;
    if ((a | b | c) < 0)
        return -1;
    if (padding == 1 ? c & 3 : b & 15)
        return -1;
    out[0] = (uint8_t)(a << 2 | b >> 4);
    if (padding == 1)
        out[1] = (uint8_t)(b << 4 | c >> 2);
    return 0;
}

long hw_base64_decode(uint8_t *out, size_t size, struct hw_str text)
{
    if (text.len % 4 != 0)
        return -1;
    if (text.len == 0)
        return 0;
    const char *in = text.ptr, *last = text.ptr + text.len - 4;
    size_t padding = last[3] != '=' ? 0 : last[2] != '=' ? 1 : 2;
    size_t len = text.len / 4 * 3 - padding;
    if (len > size)
        return -1;
    int bad = 0; /* negative after a wrong letter: one branch at the end instead of one a letter */
    for (const char *end = padding ? last : last + 4; in < end; in += 4, out += 3) {
        int a = value(in), b = value(in + 1), c = value(in + 2), d = value(in + 3);
        bad |= a | b | c | d;
        uint32_t bits = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | (uint32_t)d;
        out[0] = (uint8_t)(bits >> 16);
        out[1] = (uint8_t)(bits >> 8);
        out[2] = (uint8_t)bits;
    }
    if (bad < 0 || (padding && decode_padded(out, last, padding)))
        return -1;
    return (long)len;
}

void hw_base64_encode(char *out, const uint8_t *bytes, size_t len)
{
    for (; len >= 3; len -= 3, bytes += 3) {
        *out++ = letters[bytes[0] >> 2];
        *out++ = letters[(bytes[0] & 3) << 4 | bytes[1] >> 4];
        *out++ = letters[(bytes[1] & 15) << 2 | bytes[2] >> 6];
        *out++ = letters[bytes[2] & 63];
    }
    if (len > 0) {
        uint8_t second = len == 2 ? bytes[1] : 0;
        *out++ = letters[bytes[0] >> 2];
        *out++ = letters[(bytes[0] & 3) << 4 | second >> 4];
        *out++ = len == 2 ? letters[(second & 15) << 2] : '=';
        *out++ = '=';
    }
    *out = '\0';
}
