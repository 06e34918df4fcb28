/* str.h -- a view of bytes: a pointer and a length, never an owner.
 *
 * A view is valid as long as the bytes that it points to. It has no terminating zero byte.
 *
 * The room
 * For       base/ holds the tools that every other room may use and that know none of them:
 *           memory   arena.h, heap.h, str.h (this)
 *           formats  base64.h, json_out.h, json_text.h, layout.h, metric_text.h, timestamp.h
 *           errors   error.h (the table of all), check.h (our own bugs), crash.h (test builds), secret.h
 *           the log  log.h, log_out.h, seldom.h
 *           system   clock.h, descriptors.h, files.h, loop.h, sigpipe.h, usage.h
 *           a host   config.h (what it is told), stats.h and histogram.h (what it did), version.h
 * Promises  no state but the caller's. Only the log is one for the whole process.
 * Threads   any, unless a header says otherwise. */
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

/* Writes the escape of a character that may not stand in a JSON string as it is (RFC 8259, section
 * 7). Returns its length, or 0 when the character needs none. */
static inline size_t hw_str_json_escape(char out[6], unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    if (c == '"' || c == '\\') {
        out[0] = '\\';
        out[1] = (char)c;
        return 2;
    }
    if (c >= 0x20)
        return 0;
    memcpy(out, "\\u00", 4);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
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

/* FNV-1a: quick, but whoever chooses the bytes can choose the hash, unless `h` is a secret. Begin
 * with HW_STR_HASH or a seed; to hash more bytes, pass the result as `h`. */
#define HW_STR_HASH 0xcbf29ce484222325u

static inline uint64_t hw_str_hash(uint64_t h, struct hw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.ptr[i]) * 0x100000001b3u;
    return h;
}

/* The length in bytes of the character at s[i]; 0 when it is not well-formed UTF-8 (RFC 3629). */
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

/* What stands in a JSON string for the character at text[*i]: itself; its escape, which is written to
 * `escape`; or the escape of U+FFFD for a byte that is not UTF-8. *i moves behind it. */
static inline struct hw_str hw_str_json_next(struct hw_str text, size_t *i, char escape[6])
{
    size_t at = *i, n = hw_str_utf8(text, at);
    *i = at + (n ? n : 1);
    if (n == 0)
        return HW_STR("\\ufffd");
    size_t escaped = hw_str_json_escape(escape, (unsigned char)text.ptr[at]);
    return escaped ? (struct hw_str){escape, escaped} : (struct hw_str){text.ptr + at, n};
}

#endif
