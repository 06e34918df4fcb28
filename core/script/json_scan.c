/* json_scan.c -- is this text JSON? One pass, no memory, no recursion.
 *
 * Why     what other JSON libraries accept (NaN, hex, invalid UTF-8, lone surrogates, numbers that
 *         become infinite) must not reach a handler. A refused text costs no memory.
 * How     a table of byte classes says in one look-up whether a byte is white space, a digit, or
 *         one that stands for itself inside a string. The open brackets are kept in an array of
 *         HW_JSON_DEPTH_MAX bytes.
 * Not     no values are made here: see json_build.c.
 * Thread  pure; any. */
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "script/json.h"

enum {
    C_PLAIN = 1, /* stands for itself inside a string */
    C_SPACE = 2,
    C_DIGIT = 4,
    C_HEX = 8
};

#define P C_PLAIN
#define S (C_PLAIN | C_SPACE)
#define D (C_PLAIN | C_DIGIT | C_HEX)
#define H (C_PLAIN | C_HEX)
static const unsigned char classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, C_SPACE, C_SPACE, 0, 0, C_SPACE, 0, 0, /* tab, LF, CR */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0,       0,       0, 0, 0,       0, 0, /* */
    S, P, 0, P, P, P, P, P, P, P,       P,       P, P, P,       P, P, /* not the quote */
    D, D, D, D, D, D, D, D, D, D,       P,       P, P, P,       P, P, /* 0 to 9 */
    P, H, H, H, H, H, H, P, P, P,       P,       P, P, P,       P, P, /* A to F */
    P, P, P, P, P, P, P, P, P, P,       P,       P, 0, P,       P, P, /* not the backslash */
    P, H, H, H, H, H, H, P, P, P,       P,       P, P, P,       P, P, /* a to f */
    P, P, P, P, P, P, P, P, P, P,       P,       P, P, P,       P, P, /* DEL is allowed */
};
#undef P
#undef S
#undef D
#undef H

struct cursor {
    const unsigned char *at, *end;
    const char *why; /* NULL as long as all is well */
    int depth;
    char open[HW_JSON_DEPTH_MAX]; /* '{' or '[' */
};

static bool refuse(struct cursor *c, const char *why)
{
    c->why = why;
    return false;
}

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (classes[*c->at] & C_SPACE))
        c->at++;
}

/* The next byte that is not white space, or -1 at the end. */
static int peek(struct cursor *c)
{
    skip_space(c);
    return c->at < c->end ? *c->at : -1;
}

/* ---- strings ---- */

static bool is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

size_t hw_json_utf8_length(struct hw_str text)
{
    const unsigned char *s = (const unsigned char *)text.ptr;
    if (text.len < 2 || s[0] < 0xc2 || s[0] > 0xf4 || !is_tail(s[1]))
        return 0;
    if (s[0] < 0xe0)
        return 2;
    if (text.len < 3 || !is_tail(s[2]))
        return 0;
    if (s[0] < 0xf0) {
        bool overlong = s[0] == 0xe0 && s[1] < 0xa0;
        bool surrogate = s[0] == 0xed && s[1] > 0x9f;
        return overlong || surrogate ? 0 : 3;
    }
    if (text.len < 4 || !is_tail(s[3]))
        return 0;
    bool overlong = s[0] == 0xf0 && s[1] < 0x90;
    bool beyond = s[0] == 0xf4 && s[1] > 0x8f;
    return overlong || beyond ? 0 : 4;
}

/* The value of the four digits of \uXXXX, whose `u` is at `at`; -1 if they are missing. */
static int unicode_escape(const unsigned char *at, const unsigned char *end)
{
    if (end - at < 5 || *at != 'u')
        return -1;
    int value = 0;
    for (int i = 1; i <= 4; i++) {
        if (!(classes[at[i]] & C_HEX))
            return -1;
        value = value * 16 + (at[i] <= '9' ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
    }
    return value;
}

static bool take_unicode(struct cursor *c)
{
    int unit = unicode_escape(c->at, c->end);
    if (unit < 0)
        return refuse(c, "invalid \\u escape");
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return refuse(c, "lone surrogate escape");
    if (unit >= 0xd800 && unit <= 0xdbff) {
        const unsigned char *next = c->at + 5;
        int low = c->end - next > 1 && *next == '\\' ? unicode_escape(next + 1, c->end) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return refuse(c, "lone surrogate escape");
        c->at = next + 1;
    }
    c->at += 5;
    return true;
}

static bool take_escape(struct cursor *c)
{
    if (++c->at == c->end)
        return refuse(c, "unfinished string");
    switch (*c->at) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        c->at++;
        return true;
    case 'u':
        return take_unicode(c);
    default:
        return refuse(c, "invalid escape");
    }
}

/* From the opening quote through the closing one. */
static bool take_string(struct cursor *c)
{
    c->at++;
    for (;;) {
        while (c->at < c->end && (classes[*c->at] & C_PLAIN))
            c->at++;
        if (c->at == c->end)
            return refuse(c, "unfinished string");
        if (*c->at == '"') {
            c->at++;
            return true;
        }
        if (*c->at == '\\') {
            if (!take_escape(c))
                return false;
        } else if (*c->at < 0x20) {
            return refuse(c, "control character in a string");
        } else {
            struct hw_str rest = {(const char *)c->at, (size_t)(c->end - c->at)};
            size_t length = hw_json_utf8_length(rest);
            if (length == 0)
                return refuse(c, "invalid UTF-8");
            c->at += length;
        }
    }
}

/* ---- numbers ---- */

struct number {
    const unsigned char *whole, *point, *exponent, *end; /* point and exponent may be NULL */
};

static const unsigned char *skip_digits(const unsigned char *at, const unsigned char *end)
{
    while (at < end && (classes[*at] & C_DIGIT))
        at++;
    return at;
}

/* The power of ten of the first digit that is not 0, with the written exponent added: the number is
 * below 10^(that + 1). LLONG_MIN for zero. The significant digits, at most `max` of them, go to
 * `digits`, followed by a zero byte. */
static long long magnitude(const struct number *n, char *digits, int max)
{
    long long power = -1, written = 0;
    int used = 0;
    for (const unsigned char *at = n->whole; at < n->end && at != n->exponent; at++) {
        if (*at == '.')
            continue;
        bool before_point = !n->point || at < n->point;
        if (used > 0 || *at != '0') {
            power += before_point;
            if (used < max)
                digits[used++] = (char)*at;
        } else if (!before_point) {
            power--;
        }
    }
    digits[used] = 0;
    if (n->exponent) {
        const unsigned char *at = n->exponent + 1;
        bool negative = *at == '-';
        at += *at == '-' || *at == '+';
        for (; at < n->end; at++)
            written = written > LLONG_MAX / 100 ? written : written * 10 + (*at - '0');
        written = negative ? -written : written;
    }
    return used > 0 ? power + written : LLONG_MIN;
}

/* Would the nearest double be infinite? The smallest such number has 309 digits, so digits after
 * the 320th decide nothing. The digits are copied because strtod needs a terminating zero byte. */
static bool is_infinite(const struct number *n)
{
    enum { DIGITS = 320, POWER_MAX = 308 };
    char text[2 + DIGITS + sizeof "e308"], *digits = text + 1;
    long long power = magnitude(n, digits, DIGITS);
    if (power != POWER_MAX)
        return power > POWER_MAX;
    /* d.ddd…e308 is written as ddd…e(308 - digits + 1): the decimal point depends on the locale */
    size_t used = strlen(digits);
    snprintf(digits + used, sizeof text - 1 - used, "e%d", POWER_MAX - (int)used + 1);
    return isinf(strtod(digits, NULL));
}

static bool take_number(struct cursor *c)
{
    struct number n = {0};
    const unsigned char *start = c->at;
    const unsigned char *at = n.whole = start + (*start == '-');
    c->at = at = skip_digits(at, c->end);
    if (at == n.whole)
        return refuse(c, "invalid number");
    if (*n.whole == '0' && at - n.whole > 1) {
        c->at = n.whole;
        return refuse(c, "number with a leading zero");
    }
    if (at < c->end && *at == '.') {
        n.point = at;
        c->at = at = skip_digits(at + 1, c->end);
        if (at == n.point + 1)
            return refuse(c, "invalid number");
    }
    if (at < c->end && (*at | 0x20) == 'e') {
        n.exponent = at++;
        at += at < c->end && (*at == '-' || *at == '+');
        const unsigned char *first = at;
        c->at = at = skip_digits(at, c->end);
        if (at == first)
            return refuse(c, "invalid number");
    }
    n.end = at;
    if ((n.exponent || at - start > 300) && is_infinite(&n)) {
        c->at = start;
        return refuse(c, "number out of range");
    }
    return true;
}

/* ---- values ---- */

static bool take_word(struct cursor *c, const char *word, size_t length)
{
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0)
        return refuse(c, "invalid value");
    c->at += length;
    return true;
}

static bool take_scalar(struct cursor *c, int first)
{
    switch (first) {
    case '"':
        return take_string(c);
    case 't':
        return take_word(c, "true", 4);
    case 'f':
        return take_word(c, "false", 5);
    case 'n':
        return take_word(c, "null", 4);
    case -1:
        return refuse(c, "unexpected end");
    default:
        if (first != '-' && !(classes[first] & C_DIGIT))
            return refuse(c, "invalid value");
        return take_number(c);
    }
}

static bool take_key(struct cursor *c)
{
    int next = peek(c);
    if (next != '"')
        return refuse(c, next < 0 ? "unexpected end" : "a string was expected as a key");
    if (!take_string(c))
        return false;
    next = peek(c);
    if (next != ':')
        return refuse(c, next < 0 ? "unexpected end" : "':' was expected");
    c->at++;
    return true;
}

/* Takes opening brackets (and keys) up to and including a scalar, or up to the closing bracket of
 * an empty pair. */
static bool take_first(struct cursor *c)
{
    for (;;) {
        int first = peek(c);
        if (first != '{' && first != '[')
            return take_scalar(c, first);
        if (c->depth == HW_JSON_DEPTH_MAX)
            return refuse(c, "nested too deeply");
        c->open[c->depth++] = (char)first;
        c->at++;
        if (peek(c) == first + 2) /* in ASCII, '}' is '{' + 2 and ']' is '[' + 2 */
            return true;          /* take_rest closes it */
        if (first == '{' && !take_key(c))
            return false;
    }
}

/* After a value: takes closing brackets. True if a comma follows, and so another value. */
static bool take_rest(struct cursor *c)
{
    while (c->depth > 0) {
        char open = c->open[c->depth - 1];
        int next = peek(c);
        if (next == open + 2) {
            c->at++;
            c->depth--;
        } else if (next == ',') {
            c->at++;
            return open == '[' || take_key(c);
        } else if (next < 0) {
            return refuse(c, "unexpected end");
        } else {
            return refuse(c, open == '{' ? "',' or '}' was expected" : "',' or ']' was expected");
        }
    }
    return false;
}

int hw_json_scan(struct hw_json_scan *scan, struct hw_str text)
{
    struct cursor c; /* not cleared: the array needs no initial values */
    c.at = (const unsigned char *)(text.ptr ? text.ptr : "");
    c.end = c.at + text.len;
    c.why = NULL;
    c.depth = 0;
    while (take_first(&c) && take_rest(&c))
        continue;
    if (!c.why && peek(&c) >= 0)
        refuse(&c, "text after the value");
    *scan = (struct hw_json_scan){.why = c.why};
    if (!c.why)
        return 0;
    scan->error_at = text.len - (size_t)(c.end - c.at);
    return HW_EINVALID_JSON;
}
