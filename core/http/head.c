/* head.c -- the head of a message: request line, header lines, empty line.
 *
 * How     line by line (line.h). What several header lines decide together is gathered as flags and
 *         judged at the empty line.
 *
 *         START ▸ AFTER_EMPTY ▸ HEADERS ─┬───────────────────────────────────────▸ DONE
 *           (one empty line is allowed)  ├▸ FIXED ────────────────────────────────▸ DONE
 *                                        └▸ CHUNK_SIZE ▸ CHUNK_DATA ▸ CHUNK_END ▸ CHUNK_SIZE …
 *                                                └▸ TRAILERS ─────────────────────▸ DONE
 *
 * Not     what follows the head: body.c.
 * Section numbers are RFC 9112's where no other is named. */
#include "base/check.h"
#include "http/header_limit.h"
#include "http/http.h"
#include "http/line.h"
#include "http/request_line.h"

enum {
    SEEN_HOST = 1,
    SEEN_LENGTH = 2,
    SEEN_HUGE_LENGTH = 4, /* over 64 bits */
    SEEN_CODING = 8,      /* a Transfer-Encoding line */
    SEEN_CHUNKED = 16,
    SEEN_OTHER_CODING = 32,
    SEEN_CLOSE = 64,
    SEEN_KEEP_ALIVE = 128,
    SEEN_CONTINUE = 256,
    SEEN_OTHER_EXPECTATION = 512
};

/* ---- header lines ---- */

/* Cuts the next element off a comma-separated list. Returns false when none is left. */
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
    if (value.len && !hw_http_is_authority(value))
        return hw_http_malformed(p, "Host is not host or host:port");
    return 0;
}

/* One plain number. 6.3 would allow "5, 5" to count as 5, but its sender is confused or wants to
 * confuse us. */
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

/* Other lists may have empty elements (RFC 9110 5.6.1); this one decides where the message ends, so
 * it may not. */
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

/* A list (RFC 9110 10.1.1), which may be empty. */
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

/* The header lines that the parser itself acts on. The length alone rules out nearly every other
 * name. */
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
            hw_http_span_of(at, name.len), hw_http_span_of((size_t)(value.ptr - bytes), value.len)};
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
    /* 6.3 wants 400 when chunked is not the last coding, 6.1 wants 501 for an unknown coding. Where
     * both hold, 501 tells the client more. */
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
    /* HTTP/1.0 had no expectations: RFC 9110 10.1.1 has a server ignore them. */
    if (p->minor == 1 && (p->seen & SEEN_OTHER_EXPECTATION))
        return hw_http_refuse(p, HW_EUNSUPPORTED_EXPECTATION, "Expect names another");
    if ((p->seen & SEEN_HUGE_LENGTH) || p->content_length > p->limits.body_max)
        return hw_http_refuse(p, HW_EBODY_TOO_LARGE, "its Content-Length says so");
    p->expects_continue = p->minor == 1 && (p->seen & SEEN_CONTINUE) && hw_http_has_body(p);
    p->left = p->content_length;
    p->state = p->chunked ? HW_HTTP_CHUNK_SIZE : p->left ? HW_HTTP_FIXED : HW_HTTP_DONE;
    return 0;
}

/* ---- line by line ---- */

/* Most input that is not HTTP is known by its first byte, long before a line end comes. */
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

/* One whole line of the head. */
static int read_head_line(struct hw_http *p, const char *bytes, size_t at, size_t len)
{
    if (p->state == HW_HTTP_HEADERS)
        return len == 0 ? end_head(p) : read_header_line(p, bytes, at, len);
    p->state = len == 0 ? HW_HTTP_AFTER_EMPTY : HW_HTTP_HEADERS;
    return len == 0 ? 0 : hw_http_read_request_line(p, bytes, at, len);
}

void hw_http_init(struct hw_http *p, const struct hw_http_limits *limits)
{
    /* A message's length is returned as a positive int64_t. */
    const uint64_t most = INT64_MAX - UINT32_MAX;
    memset(p, 0, offsetof(struct hw_http, headers));
    p->limits = *limits;
    if (p->limits.body_max > most)
        p->limits.body_max = most;
    p->header_left = limits->header_max;
}

int64_t hw_http_head(struct hw_http *p, const char *bytes, size_t len)
{
    HW_CHECK(p->refused || p->at <= len);
    while (p->state <= HW_HTTP_HEADERS && !p->refused) {
        size_t at = p->at;
        if (at == len || (p->state != HW_HTTP_HEADERS && check_first_byte(p, bytes[at])))
            break;
        if (hw_http_header_limit_find(p, bytes + at, len - at, 0) != HW_HTTP_GO_ON)
            break;
        size_t line = p->scanned;
        p->at += line + 2;
        hw_http_header_limit_count(p);
        p->scanned = 0;
        read_head_line(p, bytes, at, line);
    }
    if (p->refused)
        return p->refused;
    return p->state <= HW_HTTP_HEADERS ? 0 : (int64_t)p->at;
}
