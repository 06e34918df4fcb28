/* str.h -- a view of bytes: a pointer and a length, never an owner.
 *
 * A view is valid as long as what it looks into; it is not terminated by a zero byte. */
#ifndef HW_STR_H
#define HW_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct hw_str {
    const char *ptr;
    size_t len;
};

#define HW_STR(literal) ((struct hw_str){(literal), sizeof(literal) - 1})
#define HW_STR_NONE ((struct hw_str){NULL, 0})

/* For printf's "%.*s". */
#define HW_STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct hw_str hw_str_of(const char *text)
{
    return (struct hw_str){text, text ? strlen(text) : 0};
}

static inline bool hw_str_eq(struct hw_str a, struct hw_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Compares ASCII letters without regard to case; `lower` must be in lower case already. */
static inline bool hw_str_is(struct hw_str s, struct hw_str lower)
{
    if (s.len != lower.len)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c >= 'A' && c <= 'Z')
            c |= 0x20;
        if (c != (unsigned char)lower.ptr[i])
            return false;
    }
    return true;
}

/* FNV-1a: quick, and of no use against who chooses the bytes, unless `h` is a secret. Begin with
 * HW_STR_HASH or a seed; what it returns goes in again for what follows. */
#define HW_STR_HASH 0xcbf29ce484222325u

static inline uint64_t hw_str_hash(uint64_t h, struct hw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.ptr[i]) * 0x100000001b3u;
    return h;
}

/* Bytes of the character at s[i], as far as it is well-formed UTF-8 (RFC 3629); else 0. */
static inline size_t hw_str_utf8(struct hw_str s, size_t i)
{
    unsigned char c = (unsigned char)s.ptr[i];
    size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (n > s.len - i)
        return 0;
    for (size_t k = 1; k < n; k++)
        if (((unsigned char)s.ptr[i + k] & 0xc0) != 0x80)
            return 0;
    unsigned char second = n > 1 ? (unsigned char)s.ptr[i + 1] : 0;
    bool overlong = (c == 0xe0 && second < 0xa0) || (c == 0xf0 && second < 0x90);
    bool outside = (c == 0xed && second > 0x9f) || (c == 0xf4 && second > 0x8f);
    return overlong || outside ? 0 : n;
}

#endif
