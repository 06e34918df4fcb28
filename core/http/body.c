/* body.c -- the body of a message: of a fixed length, or in chunks, followed by trailers.
 *
 * See http.h; the states are drawn in head.c.
 * Section numbers are RFC 9112's. */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "http/header_limit.h"
#include "http/http.h"
#include "http/line.h"

/* The body is read at `from` and kept up to `to`; the bytes between the two were taken out. */
struct cursor {
    char *bytes;
    size_t len, from, to;
};

/* Takes what has arrived of the body, or of the chunk. */
static int read_data(struct hw_http *p, struct cursor *c, uint8_t next)
{
    size_t n = c->len - c->from;
    if (n > p->left)
        n = (size_t)p->left;
    if (!p->discard) {
        if (c->to != c->from)
            memmove(c->bytes + c->to, c->bytes + c->from, n);
        c->to += n;
    }
    c->from += n;
    p->left -= n;
    p->body_length += n;
    if (p->left)
        return HW_HTTP_NEED_MORE;
    p->state = next;
    return HW_HTTP_GO_ON;
}

static struct hw_str skip(struct hw_str s, size_t n)
{
    return hw_http_trim((struct hw_str){s.ptr + n, s.len - n});
}

static size_t token_length(struct hw_str s)
{
    size_t i = 0;
    while (i < s.len && hw_http_is(s.ptr[i], HW_HTTP_TOKEN))
        i++;
    return i;
}

/* The length of a quoted-string (RFC 9110 5.6.4) with its quotes; 0 when it is not closed. */
static size_t quoted_length(struct hw_str s)
{
    for (size_t i = 1; i < s.len; i++) {
        if (s.ptr[i] == '"')
            return i + 1;
        i += s.ptr[i] == '\\';
    }
    return 0;
}

/* *( ";" name [ "=" ( token / quoted-string ) ] ), with white space allowed between all parts
 * (7.1.1). Extensions are ignored, but they must be well-formed. */
static bool are_extensions(struct hw_str s)
{
    while (s.len) {
        if (s.ptr[0] != ';')
            return false;
        s = skip(s, 1);
        s = skip(s, token_length(s));
        if (s.len == 0 || s.ptr[0] != '=')
            continue;
        s = skip(s, 1);
        size_t value = s.len && s.ptr[0] == '"' ? quoted_length(s) : token_length(s);
        if (value == 0)
            return false;
        s = skip(s, value);
    }
    return true;
}

/* chunk-size [ extensions ] */
static int read_chunk_size(struct hw_http *p, struct hw_str line)
{
    size_t i = 0;
    uint64_t size = 0;
    for (; i < line.len && hw_http_hex_value(line.ptr[i]) >= 0; i++) {
        if (i == 16)
            return hw_http_malformed(p, "a chunk size of more than 16 digits");
        size = size << 4 | (uint64_t)hw_http_hex_value(line.ptr[i]);
    }
    struct hw_str rest = hw_http_trim((struct hw_str){line.ptr + i, line.len - i});
    if (i == 0 || (i < line.len && (rest.len == 0 || rest.ptr[0] != ';')))
        return hw_http_malformed(p, "a chunk size is not a plain hexadecimal number");
    if (!are_extensions(rest))
        return hw_http_malformed(p, "a chunk extension is not name, name=token or name=\"…\"");
    if (size > p->limits.body_max - p->body_length)
        return hw_http_refuse(p, HW_EBODY_TOO_LARGE, "its chunks add up to more");
    p->left = size;
    p->state = size ? HW_HTTP_CHUNK_DATA : HW_HTTP_TRAILERS;
    return HW_HTTP_GO_ON;
}

static int take_chunk_size(struct hw_http *p, struct cursor *c)
{
    const char *line = c->bytes + c->from;
    int found = hw_http_find_line_end(p, line, c->len - c->from, HW_HTTP_CHUNK_LINE_MAX + 2);
    if (found == HW_HTTP_TOO_LONG)
        return hw_http_malformed(p, "a chunk-size line of more than 256 bytes");
    if (found != HW_HTTP_GO_ON)
        return found;
    struct hw_str whole = {line, p->scanned};
    c->from += whole.len + 2;
    p->scanned = 0;
    return read_chunk_size(p, whole);
}

static int take_chunk_end(struct hw_http *p, struct cursor *c)
{
    const char *end = c->bytes + c->from;
    size_t n = c->len - c->from;
    if ((n > 0 && end[0] != '\r') || (n > 1 && end[1] != '\n'))
        return hw_http_malformed(p, "a chunk is longer than its size says, or no CRLF follows it");
    if (n < 2)
        return HW_HTTP_NEED_MORE;
    c->from += 2;
    p->state = HW_HTTP_CHUNK_SIZE;
    return HW_HTTP_GO_ON;
}

/* A trailer must obey the rules of header lines and is then dropped, as 7.1.2 allows: nothing after
 * a body may change what was decided before it. The empty line at the end always fits; otherwise a
 * head of exactly header_max could have no chunked body. */
static int take_trailer(struct hw_http *p, struct cursor *c)
{
    struct hw_str name, value, line = {c->bytes + c->from, 0};
    int found = hw_http_header_limit_find(p, line.ptr, c->len - c->from, 2);
    if (found != HW_HTTP_GO_ON)
        return found;
    line.len = p->scanned;
    c->from += line.len + 2;
    if (line.len)
        hw_http_header_limit_count(p);
    p->scanned = 0;
    if (line.len == 0) {
        p->state = HW_HTTP_DONE;
        return HW_HTTP_GO_ON;
    }
    int rc = hw_http_split_header(p, line, &name, &value);
    return rc ? rc : HW_HTTP_GO_ON;
}

static int step(struct hw_http *p, struct cursor *c)
{
    switch (p->state) {
    case HW_HTTP_FIXED:
        return read_data(p, c, HW_HTTP_DONE);
    case HW_HTTP_CHUNK_SIZE:
        return take_chunk_size(p, c);
    case HW_HTTP_CHUNK_DATA:
        return read_data(p, c, HW_HTTP_CHUNK_END);
    case HW_HTTP_CHUNK_END:
        return take_chunk_end(p, c);
    default:
        return take_trailer(p, c);
    }
}

int64_t hw_http_body(struct hw_http *p, char *bytes, size_t *len)
{
    struct cursor c = {bytes, *len, p->at, p->at};
    HW_CHECK(p->refused || (p->state > HW_HTTP_HEADERS && p->at <= *len));
    if (p->refused)
        return p->refused;
    while (p->state != HW_HTTP_DONE && step(p, &c) == HW_HTTP_GO_ON)
        continue;
    if (p->refused)
        return p->refused;
    if (c.from != c.to) {
        memmove(bytes + c.to, bytes + c.from, c.len - c.from);
        *len -= c.from - c.to;
    }
    p->at = c.to;
    return p->state == HW_HTTP_DONE ? (int64_t)p->at : 0;
}

bool hw_http_has_body(const struct hw_http *p)
{
    return p->chunked || p->content_length > 0;
}

uint64_t hw_http_left(const struct hw_http *p)
{
    return p->state == HW_HTTP_FIXED || p->state == HW_HTTP_CHUNK_DATA ? p->left : 0;
}

bool hw_http_ends_there(const struct hw_http *p)
{
    return p->state == HW_HTTP_FIXED;
}
