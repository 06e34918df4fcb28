/* diagnose_body.c -- see diagnose_body.h */
#include "signing/diagnose_body.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/error.h"

/* ---- variations ---- */

/* Each writes its variation of `body` to `out` (room for 2 * len + 4 bytes) and returns its length,
 * or -1 when there is none. */
typedef long (*vary_fn)(char *out, struct hw_str body);

static bool has_bom(struct hw_str body)
{
    return body.len >= 3 && memcmp(body.ptr, "\xef\xbb\xbf", 3) == 0;
}

static long copy(char *out, const char *from, size_t len)
{
    if (len)
        memcpy(out, from, len);
    return (long)len;
}

static long with_bom(char *out, struct hw_str body)
{
    if (has_bom(body))
        return -1;
    copy(out, "\xef\xbb\xbf", 3);
    return 3 + copy(out + 3, body.ptr, body.len);
}

static long without_bom(char *out, struct hw_str body)
{
    return has_bom(body) ? copy(out, body.ptr + 3, body.len - 3) : -1;
}

static long with_crlf(char *out, struct hw_str body)
{
    char *start = out;
    for (size_t i = 0; i < body.len; i++) {
        if (body.ptr[i] == '\n' && (i == 0 || body.ptr[i - 1] != '\r'))
            *out++ = '\r';
        *out++ = body.ptr[i];
    }
    return out - start;
}

static long with_lf(char *out, struct hw_str body)
{
    char *start = out;
    for (size_t i = 0; i < body.len; i++) {
        if (body.ptr[i] != '\r' || i + 1 == body.len || body.ptr[i + 1] != '\n')
            *out++ = body.ptr[i];
    }
    return out - start;
}

static long with_newline(char *out, struct hw_str body)
{
    long len = copy(out, body.ptr, body.len);
    out[len++] = '\n';
    return len;
}

static long with_crlf_added(char *out, struct hw_str body)
{
    long len = copy(out, body.ptr, body.len);
    out[len++] = '\r';
    out[len++] = '\n';
    return len;
}

static long without_newline(char *out, struct hw_str body)
{
    while (body.len && (body.ptr[body.len - 1] == '\n' || body.ptr[body.len - 1] == '\r'))
        body.len--;
    return copy(out, body.ptr, body.len);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static long trimmed(char *out, struct hw_str body)
{
    size_t start = 0;
    while (start < body.len && is_space(body.ptr[start]))
        start++;
    while (body.len > start && is_space(body.ptr[body.len - 1]))
        body.len--;
    return copy(out, body.ptr + start, body.len - start);
}

/* JSON without white space between its tokens, as a proxy that parses it may write it again. */
static long compact(char *out, struct hw_str body)
{
    char *start = out;
    bool quoted = false;
    for (size_t i = 0; i < body.len; i++) {
        char c = body.ptr[i];
        if (quoted && c == '\\' && i + 1 < body.len) {
            *out++ = c;
            c = body.ptr[++i];
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && is_space(c)) {
            continue;
        }
        *out++ = c;
    }
    return out - start;
}

/* The character of UTF-8 at *at, or -1. Moves *at past it. */
static long next_char(struct hw_str text, size_t *at)
{
    unsigned char c = (unsigned char)text.ptr[(*at)++];
    int more = c < 0x80 ? 0 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : -1;
    if (more < 0 || (size_t)more > text.len - *at)
        return -1;
    long value = more == 0 ? c : c & (0x3f >> more);
    for (; more > 0; more--)
        value = value << 6 | (text.ptr[(*at)++] & 0x3f);
    return value;
}

static char *put_utf16(char *out, unsigned unit)
{
    *out++ = (char)(unit & 0xff);
    *out++ = (char)(unit >> 8);
    return out;
}

static long to_utf16(char *out, struct hw_str body)
{
    char *start = out;
    for (size_t at = has_bom(body) ? 3 : 0; at < body.len;) {
        long c = next_char(body, &at);
        if (c < 0 || c > 0x10ffff)
            return -1;
        if (c >= 0x10000) {
            out = put_utf16(out, 0xd800 + ((unsigned)(c - 0x10000) >> 10));
            c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        out = put_utf16(out, (unsigned)c);
    }
    return out - start;
}

static long to_utf16_with_bom(char *out, struct hw_str body)
{
    long len = to_utf16(out + 2, body);
    put_utf16(out, 0xfeff);
    return len < 0 ? -1 : len + 2;
}

static char *put_utf8(char *out, unsigned long c)
{
    if (c < 0x80) {
        *out++ = (char)c;
        return out;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    *out++ = (char)((0xff00u >> (more + 1) & 0xff) | c >> (6 * more));
    while (more-- > 0)
        *out++ = (char)(0x80 | (c >> (6 * more) & 0x3f));
    return out;
}

/* From UTF-16LE. Returns -1 for an odd length, and for a body without any zero byte. */
static long from_utf16(char *out, struct hw_str body)
{
    const unsigned char *in = (const unsigned char *)body.ptr;
    char *start = out;
    if (body.len % 2 || body.len < 2 || !memchr(body.ptr, '\0', body.len))
        return -1;
    for (size_t i = in[0] == 0xff && in[1] == 0xfe ? 2 : 0; i < body.len; i += 2) {
        unsigned long c = in[i] | (unsigned long)in[i + 1] << 8;
        if (c >= 0xd800 && c < 0xdc00 && i + 3 < body.len) {
            unsigned long low = in[i + 2] | (unsigned long)in[i + 3] << 8;
            c = 0x10000 + ((c - 0xd800) << 10) + ((low - 0xdc00) & 0x3ff);
            i += 2;
        }
        out = put_utf8(out, c);
    }
    return out - start;
}

static long to_bytes(char *out, struct hw_str body, long end)
{
    char *start = out;
    for (size_t at = 0; at < body.len;) {
        long c = next_char(body, &at);
        if (c < 0)
            return -1;
        if (c >= 0x10000) /* .NET writes one '?' for each half of a pair */
            *out++ = '?';
        *out++ = (char)(c < end ? c : '?');
    }
    return out - start;
}

static long to_ascii(char *out, struct hw_str body)
{
    return to_bytes(out, body, 0x80);
}

static long to_latin1(char *out, struct hw_str body)
{
    return to_bytes(out, body, 0x100);
}

static long empty(char *out, struct hw_str body)
{
    (void)out, (void)body;
    return 0;
}

static const struct {
    vary_fn vary;
    const char *condition;
} variations[] = {
    {with_bom, "the body began with a UTF-8 BOM"},
    {without_bom, "the body had no UTF-8 BOM at its start"},
    {with_crlf, "the body's line ends were CRLF"},
    {with_lf, "the body's line ends were LF"},
    {without_newline, "the body had no newline at its end"},
    {with_newline, "the body had a newline (LF) at its end"},
    {with_crlf_added, "the body had a newline (CRLF) at its end"},
    {trimmed, "the body had no white space around it"},
    {compact, "the body's JSON were compact (no white space between its parts)"},
    {to_utf16, "the body were in UTF-16LE"},
    {to_utf16_with_bom, "the body were in UTF-16LE with a BOM"},
    {from_utf16, "the body were in UTF-8 (it is in UTF-16LE)"},
    {to_ascii, "the body were in ASCII, with ? for anything else"},
    {to_latin1, "the body were in Latin-1"},
    {empty, "the body were empty"},
};

#define VARIATIONS (sizeof variations / sizeof variations[0])
_Static_assert(VARIATIONS < HW_BODIES_MAX, "the body itself takes one more place");

/* Copies the variation, unless it equals the body or an earlier variation. */
static int add(struct hw_bodies *bodies, const char *condition, struct hw_str text)
{
    for (size_t i = 0; i < bodies->count; i++) {
        if (hw_str_eq(bodies->list[i].text, text))
            return 0;
    }
    char *own = malloc(text.len + 1);
    if (!own)
        return HW_ENOMEM;
    copy(own, text.ptr, text.len);
    bodies->list[bodies->count].condition = condition;
    bodies->list[bodies->count++].text = (struct hw_str){own, text.len};
    return 0;
}

int hw_bodies_init(struct hw_bodies *bodies, struct hw_str body)
{
    bodies->count = 1;
    bodies->list[0].condition = "";
    bodies->list[0].text = body;
    char *room = malloc(2 * body.len + 4);
    int rc = room ? 0 : HW_ENOMEM;
    for (size_t i = 0; rc == 0 && i < VARIATIONS; i++) {
        long len = variations[i].vary(room, body);
        if (len >= 0)
            rc = add(bodies, variations[i].condition, (struct hw_str){room, (size_t)len});
    }
    free(room);
    if (rc)
        hw_bodies_fini(bodies);
    return rc;
}

void hw_bodies_fini(struct hw_bodies *bodies)
{
    for (size_t i = 1; i < bodies->count; i++)
        free((char *)bodies->list[i].text.ptr);
    bodies->count = 0;
}

/* ---- compression ---- */

static bool begins(struct hw_str body, const char *magic, size_t len)
{
    return body.len >= len && memcmp(body.ptr, magic, len) == 0;
}

/* RFC 1950, 2.2: deflate, with a valid window size and header check. No JSON begins so. */
static bool is_zlib(struct hw_str body)
{
    const unsigned char *in = (const unsigned char *)body.ptr;
    return body.len >= 2 && (in[0] & 0x0f) == 8 && in[0] >> 4 <= 7 &&
           ((unsigned)in[0] << 8 | in[1]) % 31 == 0;
}

const char *hw_body_compression(struct hw_str body)
{
    if (begins(body, "\x1f\x8b", 2))
        return "gzip";
    if (begins(body, "\x28\xb5\x2f\xfd", 4))
        return "zstd";
    return is_zlib(body) ? "deflate" : NULL;
}
