/* http.c -- see http.h; the head of a message is read here
 *
 * How     line by line (line.h). What concerns several header lines is gathered as flags and
 *         judged at the empty line.
 *
 *         START ▸ AFTER_EMPTY ▸ HEADERS ─┬───────────────────────────────────────▸ DONE
 *           (one empty line is allowed)  ├▸ FIXED ────────────────────────────────▸ DONE
 *                                        └▸ CHUNK_SIZE ▸ CHUNK_DATA ▸ CHUNK_END ▸ CHUNK_SIZE …
 *                                                └▸ TRAILERS ─────────────────────▸ DONE
 *
 * Not     what comes behind the head: body.c.
 * Section numbers are RFC 9112's where no other is named. */
#include "http/http.h"

#include "base/check.h"
#include "http/line.h"

enum {
    SEEN_HOST = 1,
    SEEN_LENGTH = 2,
    SEEN_HUGE_LENGTH = 4, /* more than 64 bits can say */
    SEEN_CODING = 8,      /* a Transfer-Encoding line */
    SEEN_CHUNKED = 16,
    SEEN_OTHER_CODING = 32,
    SEEN_CLOSE = 64,
    SEEN_KEEP_ALIVE = 128,
    SEEN_CONTINUE = 256,
    SEEN_OTHER_EXPECTATION = 512
};

/* ---- hosts ---- */

/* The length of an address in brackets, or 0. */
static size_t literal_length(struct hw_str s)
{
    size_t i = 1;
    while (i < s.len && (hw_http_is(s.ptr[i], HW_HTTP_HOST) || s.ptr[i] == ':'))
        i++;
    return i > 2 && i < s.len && s.ptr[i] == ']' ? i + 1 : 0;
}

/* The length of the uri-host (RFC 3986 3.2.2) that s begins with; 0 when it is none. */
static size_t host_length(struct hw_str s)
{
    size_t i = 0;
    if (s.len && s.ptr[0] == '[')
        return literal_length(s);
    while (i < s.len) {
        if (hw_http_is(s.ptr[i], HW_HTTP_HOST))
            i++;
        else if (s.ptr[i] == '%' && s.len - i > 2 && hw_http_hex_value(s.ptr[i + 1]) >= 0 &&
                 hw_http_hex_value(s.ptr[i + 2]) >= 0)
            i += 3;
        else
            break;
    }
    return i;
}

/* uri-host [ ":" port ]. User information is no part of it: RFC 9110 4.2.4 calls it an error. */
static bool is_authority(struct hw_str s)
{
    size_t i = host_length(s);
    if (i == 0)
        return false;
    if (i < s.len && s.ptr[i++] != ':')
        return false;
    while (i < s.len && hw_http_is_digit(s.ptr[i]))
        i++;
    return i == s.len;
}

/* ---- the request line ---- */

static struct hw_http_span span_of(size_t at, size_t len)
{
    return (struct hw_http_span){(uint32_t)at, (uint32_t)len};
}

/* The first byte tells most of what is not HTTP, long before a line end would. */
static int check_first_byte(struct hw_http *p, char c)
{
    if (hw_http_is(c, HW_HTTP_TOKEN) || (c == '\r' && p->state == HW_HTTP_START))
        return 0;
    if (c == 0x16)
        return hw_http_malformed(p, "this looks like TLS; the listener speaks plain HTTP");
    if (c == '\r')
        return hw_http_malformed(p, "more than one empty line before the request line");
    return hw_http_malformed(p, c == '\n' ? hw_http_why_control(c)
                                          : "the first byte can't begin a method");
}

/* Exactly HTTP/1.0 or HTTP/1.1. RFC 9110 2.5 would have us take a higher minor version for 1.1, for
 * the sake of a future that did not come: no HTTP/1.2 exists, so whoever says so is no client of
 * ours, and whoever stands in between may read the message by other rules. */
static int read_version(struct hw_http *p, struct hw_str s)
{
    if (s.len != 8 || memcmp(s.ptr, "HTTP/", 5) != 0 || !hw_http_is_digit(s.ptr[5]) ||
        s.ptr[6] != '.' || !hw_http_is_digit(s.ptr[7]))
        return hw_http_malformed(
            p, "the request line is not: method, target, HTTP/1.1, one space between");
    if (s.ptr[5] != '1' || s.ptr[7] > '1')
        return hw_http_refuse(p, HW_EUNSUPPORTED_VERSION, "the request line names another version");
    p->minor = (uint8_t)(s.ptr[7] - '0');
    return 0;
}

static int split_query(struct hw_http *p, const char *bytes, size_t at, size_t len)
{
    const char *mark = memchr(bytes + at, '?', len);
    size_t path_len = mark ? (size_t)(mark - (bytes + at)) : len;
    p->path = span_of(at, path_len);
    p->query = mark ? span_of(at + path_len + 1, len - path_len - 1) : span_of(at + len, 0);
    return 0;
}

/* http://host:port/path?query, with the scheme's length already known. */
static int read_absolute(struct hw_http *p, const char *bytes, size_t at, size_t len, size_t scheme)
{
    const char *target = bytes + at;
    size_t i = scheme;
    while (i < len && target[i] != '/' && target[i] != '?')
        i++;
    if (!is_authority((struct hw_str){target + scheme, i - scheme}))
        return hw_http_malformed(p, "the target's host is not host or host:port");
    split_query(p, bytes, at + i, len - i);
    if (p->path.len == 0)
        p->path = span_of(at + scheme - 1, 1); /* no path is "/", and here stands one */
    return 0;
}

static size_t scheme_length(struct hw_str target)
{
    if (target.len >= 7 && hw_str_is((struct hw_str){target.ptr, 7}, HW_STR("http://")))
        return 7;
    if (target.len >= 8 && hw_str_is((struct hw_str){target.ptr, 8}, HW_STR("https://")))
        return 8;
    return 0;
}

/* Whether it is one of RFC 9110's methods for a resource: then "*" is no target. OPTIONS has it,
 * and so may others of which we know nothing (M-SEARCH has). */
static bool needs_path(struct hw_str method)
{
    static const struct hw_str methods[] = {HW_STR("GET"),  HW_STR("HEAD"),  HW_STR("POST"),
                                            HW_STR("PUT"),  HW_STR("PATCH"), HW_STR("DELETE"),
                                            HW_STR("TRACE")};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (hw_str_eq(method, methods[i]))
            return true;
    return false;
}

/* The four forms of 3.2. */
static int read_target(struct hw_http *p, const char *bytes, size_t at, size_t len)
{
    struct hw_str target = {bytes + at, len}, method = hw_http_view(bytes, p->method);
    size_t scheme;
    if (hw_str_eq(method, HW_STR("CONNECT"))) {
        if (!is_authority(target) || !hw_http_is_digit(target.ptr[len - 1]) ||
            host_length(target) == len)
            return hw_http_malformed(p, "the target of CONNECT is not host:port");
        p->path = span_of(at, len);
        return 0;
    }
    if (target.ptr[0] == '/')
        return split_query(p, bytes, at, len);
    if (hw_str_eq(target, HW_STR("*")) && !needs_path(method)) {
        p->path = span_of(at, len);
        return 0;
    }
    if ((scheme = scheme_length(target)))
        return read_absolute(p, bytes, at, len, scheme);
    return hw_http_malformed(p, "the target is neither a path nor an http URI");
}

/* The version goes before the target, so that an HTTP/2 preface is called what it is. */
static int read_request_line(struct hw_http *p, const char *bytes, size_t at, size_t len)
{
    const char *line = bytes + at;
    size_t i = 0, target, end;
    while (i < len && hw_http_is(line[i], HW_HTTP_TOKEN))
        i++;
    p->method = span_of(at, i);
    if (i == len || line[i] != ' ')
        return hw_http_malformed(p, "the method is not a token with one space behind it");
    target = end = i + 1;
    while (end < len && hw_http_is(line[end], HW_HTTP_TARGET))
        end++;
    if (end == target || end == len || line[end] != ' ')
        return hw_http_malformed(p, "the target is not visible ASCII with one space behind it");
    int rc = read_version(p, (struct hw_str){line + end + 1, len - end - 1});
    return rc ? rc : read_target(p, bytes, at + target, end - target);
}

/* ---- header lines ---- */

/* Cuts the next element off a comma-separated list; false when there is none left. */
static bool next_element(struct hw_str *list, struct hw_str *element)
{
    if (!list->ptr)
        return false;
    const char *comma = memchr(list->ptr, ',', list->len);
    size_t len = comma ? (size_t)(comma - list->ptr) : list->len;
    *element = hw_http_trim((struct hw_str){list->ptr, len});
    *list = comma ? (struct hw_str){comma + 1, list->len - len - 1} : HW_STR_NONE;
    return true;
}

static int read_host(struct hw_http *p, struct hw_str value)
{
    if (p->seen & SEEN_HOST)
        return hw_http_malformed(p, "more than one Host");
    p->seen |= SEEN_HOST;
    if (value.len && !is_authority(value))
        return hw_http_malformed(p, "Host is not host or host:port");
    return 0;
}

/* One plain number. 6.3 would let us fold "5, 5" into one, but who sends it is confused or wants
 * us to be. */
static int read_content_length(struct hw_http *p, struct hw_str value)
{
    uint64_t n = 0;
    if (p->seen & SEEN_LENGTH)
        return hw_http_malformed(p, "more than one Content-Length");
    p->seen |= SEEN_LENGTH;
    if (value.len == 0)
        return hw_http_malformed(p, "Content-Length is empty");
    for (size_t i = 0; i < value.len; i++) {
        if (!hw_http_is_digit(value.ptr[i]))
            return hw_http_malformed(p, "Content-Length is not a plain decimal number");
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(value.ptr[i] - '0'), &n))
            p->seen |= SEEN_HUGE_LENGTH;
    }
    p->content_length = n;
    return 0;
}

/* Lists may have empty elements (RFC 9110 5.6.1), but this one decides where the message ends. */
static int read_coding(struct hw_http *p, struct hw_str coding)
{
    size_t i = 0;
    while (i < coding.len && hw_http_is(coding.ptr[i], HW_HTTP_TOKEN))
        i++;
    bool plain = i == coding.len;
    bool chunked = hw_str_is((struct hw_str){coding.ptr, i}, HW_STR("chunked"));
    if (p->seen & SEEN_CHUNKED)
        return hw_http_malformed(p, "Transfer-Encoding: chunked is repeated, or is not the last");
    if (i == 0 ||
        (!plain && (chunked || (coding.ptr[i] != ';' && !hw_http_is_blank(coding.ptr[i])))))
        return hw_http_malformed(p, "Transfer-Encoding is not a list of plain codings");
    p->seen |= chunked ? SEEN_CHUNKED : SEEN_OTHER_CODING;
    return 0;
}

static int read_transfer_encoding(struct hw_http *p, struct hw_str value)
{
    struct hw_str coding;
    p->seen |= SEEN_CODING;
    while (next_element(&value, &coding)) {
        int rc = read_coding(p, coding);
        if (rc)
            return rc;
    }
    return 0;
}

static int read_connection(struct hw_http *p, struct hw_str value)
{
    struct hw_str option;
    while (next_element(&value, &option)) {
        if (hw_str_is(option, HW_STR("close")))
            p->seen |= SEEN_CLOSE;
        else if (hw_str_is(option, HW_STR("keep-alive")))
            p->seen |= SEEN_KEEP_ALIVE;
    }
    return 0;
}

/* A list (RFC 9110 10.1.1), and so perhaps of nothing. */
static int read_expect(struct hw_http *p, struct hw_str value)
{
    struct hw_str expectation;
    while (next_element(&value, &expectation)) {
        if (hw_str_is(expectation, HW_STR("100-continue")))
            p->seen |= SEEN_CONTINUE;
        else if (expectation.len)
            p->seen |= SEEN_OTHER_EXPECTATION;
    }
    return 0;
}

/* The lines that mean something to us; their lengths tell nearly all others apart at once. */
static int read_special(struct hw_http *p, struct hw_str name, struct hw_str value)
{
    switch (name.len) {
    case 4:
        return hw_str_is(name, HW_STR("host")) ? read_host(p, value) : 0;
    case 6:
        return hw_str_is(name, HW_STR("expect")) ? read_expect(p, value) : 0;
    case 10:
        return hw_str_is(name, HW_STR("connection")) ? read_connection(p, value) : 0;
    case 14:
        return hw_str_is(name, HW_STR("content-length")) ? read_content_length(p, value) : 0;
    case 17:
        return hw_str_is(name, HW_STR("transfer-encoding")) ? read_transfer_encoding(p, value) : 0;
    default:
        return 0;
    }
}

static int read_header_line(struct hw_http *p, const char *bytes, size_t at, size_t len)
{
    struct hw_str name, value;
    int rc = hw_http_split_header(p, (struct hw_str){bytes + at, len}, &name, &value);
    if (rc)
        return rc;
    if (p->header_count < HW_HTTP_HEADERS_KEPT)
        p->headers[p->header_count] = (struct hw_http_header){
            span_of(at, name.len), span_of((size_t)(value.ptr - bytes), value.len)};
    else if (p->header_count == HW_HTTP_HEADERS_KEPT)
        p->more_at = (uint32_t)at;
    p->header_count++;
    return read_special(p, name, value);
}

/* ---- the end of the head ---- */

static int check_framing(struct hw_http *p)
{
    if (p->minor == 1 && !(p->seen & SEEN_HOST))
        return hw_http_malformed(p, "no Host");
    if (!(p->seen & SEEN_CODING))
        return 0;
    if (p->seen & SEEN_LENGTH)
        return hw_http_malformed(p, "both Content-Length and Transfer-Encoding");
    if (p->minor == 0)
        return hw_http_malformed(p, "Transfer-Encoding on HTTP/1.0");
    /* 6.3 wants a 400 when chunked is not the last coding, 6.1 a 501 for a coding that is not
     * understood: with none at all that we understand, the latter is what helps. */
    if (p->seen & SEEN_OTHER_CODING)
        return hw_http_refuse(p, HW_EUNSUPPORTED_TRANSFER_CODING,
                              "Transfer-Encoding names another");
    return 0;
}

static int end_head(struct hw_http *p)
{
    int rc = check_framing(p);
    if (rc)
        return rc;
    p->chunked = p->seen & SEEN_CHUNKED;
    p->keep_alive = !(p->seen & SEEN_CLOSE) && (p->minor == 1 || (p->seen & SEEN_KEEP_ALIVE));
    /* HTTP/1.0 had no expectations: RFC 9110 10.1.1 has us read over them. */
    if (p->minor == 1 && (p->seen & SEEN_OTHER_EXPECTATION))
        return hw_http_refuse(p, HW_EUNSUPPORTED_EXPECTATION, "Expect names another");
    if ((p->seen & SEEN_HUGE_LENGTH) || p->content_length > p->limits.body_max)
        return hw_http_refuse(p, HW_EBODY_TOO_LARGE, "its Content-Length says so");
    p->expects_continue = p->minor == 1 && (p->seen & SEEN_CONTINUE) && hw_http_has_body(p);
    p->left = p->content_length;
    p->state = p->chunked ? HW_HTTP_CHUNK_SIZE : p->left ? HW_HTTP_FIXED : HW_HTTP_DONE;
    return 0;
}

/* One whole line of the head. */
static int read_head_line(struct hw_http *p, const char *bytes, size_t at, size_t len)
{
    if (p->state == HW_HTTP_HEADERS)
        return len == 0 ? end_head(p) : read_header_line(p, bytes, at, len);
    p->state = len == 0 ? HW_HTTP_AFTER_EMPTY : HW_HTTP_HEADERS;
    return len == 0 ? 0 : read_request_line(p, bytes, at, len);
}

int64_t hw_http_head(struct hw_http *p, const char *bytes, size_t len)
{
    HW_CHECK(p->refused || p->at <= len);
    while (p->state <= HW_HTTP_HEADERS && !p->refused) {
        size_t at = p->at;
        if (at == len || (p->state != HW_HTTP_HEADERS && check_first_byte(p, bytes[at])))
            break;
        if (hw_http_find_header_line_end(p, bytes + at, len - at, p->header_left) != HW_HTTP_GO_ON)
            break;
        size_t line = p->scanned;
        p->at += line + 2;
        p->header_left -= (uint32_t)line + 2;
        p->scanned = 0;
        read_head_line(p, bytes, at, line);
    }
    if (p->refused)
        return p->refused;
    return p->state <= HW_HTTP_HEADERS ? 0 : (int64_t)p->at;
}

/* ---- the rest ---- */

void hw_http_init(struct hw_http *p, const struct hw_http_limits *limits)
{
    /* A message's length is returned as a positive int64_t; nobody will miss the difference. */
    const uint64_t most = INT64_MAX - UINT32_MAX;
    memset(p, 0, offsetof(struct hw_http, headers));
    p->limits = *limits;
    if (p->limits.body_max > most)
        p->limits.body_max = most;
    p->header_left = limits->header_max;
}

bool hw_http_has_body(const struct hw_http *p)
{
    return p->chunked || p->content_length > 0;
}

/* A line that was read before: it has a colon, and its end is the next CR. */
static size_t split_again(const char *bytes, size_t at, struct hw_http_header *header)
{
    const char *line = bytes + at, *end = line, *colon;
    while (*end != '\r')
        end++;
    colon = memchr(line, ':', (size_t)(end - line));
    struct hw_str value = hw_http_trim((struct hw_str){colon + 1, (size_t)(end - colon - 1)});
    header->name = span_of(at, (size_t)(colon - line));
    header->value = span_of((size_t)(value.ptr - bytes), value.len);
    return (size_t)(end + 2 - bytes);
}

static inline bool next_header(const struct hw_http *p, const char *bytes,
                               struct hw_http_walk *walk, struct hw_http_header *header)
{
    if (walk->index == p->header_count)
        return false;
    if (walk->index < HW_HTTP_HEADERS_KEPT)
        *header = p->headers[walk->index];
    else
        walk->at = (uint32_t)split_again(bytes, walk->at ? walk->at : p->more_at, header);
    walk->index++;
    return true;
}

bool hw_http_next_header(const struct hw_http *p, const char *bytes, struct hw_http_walk *walk,
                         struct hw_http_header *header)
{
    return next_header(p, bytes, walk, header);
}

unsigned hw_http_find(const struct hw_http *p, const char *bytes, struct hw_str lower,
                      struct hw_str *value)
{
    unsigned count = 0;
    struct hw_http_walk walk = {0};
    struct hw_http_header header;
    while (next_header(p, bytes, &walk, &header)) {
        if (!hw_str_is(hw_http_view(bytes, header.name), lower))
            continue;
        if (count++ == 0)
            *value = hw_http_view(bytes, header.value);
    }
    return count;
}
