/* line.h -- reads a message's lines, in its head and in a chunked body.
 *
 * For the parser alone: head.c, request_line.c, headers.c and body.c. Trailers are read like
 * header lines.
 * How     a line is first scanned for its end, eight bytes at a time and no byte twice. The scan
 *         deals with control bytes and line ends; a line is split only once it is whole. So the
 *         outcome depends on the bytes alone, never on where a read ended.
 * Thread  whoever owns the struct. */
#ifndef HW_HTTP_LINE_H
#define HW_HTTP_LINE_H

#include "http/http.h"

/* p->state: up to HEADERS the head is being read, after it the body. */
enum {
    HW_HTTP_START,
    HW_HTTP_AFTER_EMPTY,
    HW_HTTP_HEADERS,
    HW_HTTP_FIXED,
    HW_HTTP_CHUNK_SIZE,
    HW_HTTP_CHUNK_DATA,
    HW_HTTP_CHUNK_END,
    HW_HTTP_TRAILERS,
    HW_HTTP_DONE
};

/* What a step of reading returns, besides a refusal. */
enum { HW_HTTP_NEED_MORE, HW_HTTP_GO_ON, HW_HTTP_TOO_LONG };

/* Classes of bytes, as flags. */
enum {
    HW_HTTP_TARGET = 1, /* allowed in a target */
    HW_HTTP_TOKEN = 2,  /* RFC 9110 5.6.2 */
    HW_HTTP_HOST = 4    /* unreserved and sub-delims: RFC 3986 2.2, 2.3 */
};

extern const uint8_t hw_http_classes[256];

static inline bool hw_http_is(char c, uint8_t class)
{
    return hw_http_classes[(unsigned char)c] & class;
}

static inline bool hw_http_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool hw_http_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline int hw_http_hex_value(char c)
{
    if (hw_http_is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Refuse the message, for good; `why` is static. Both return the code. */
int hw_http_refuse(struct hw_http *p, int code, const char *why);
int hw_http_malformed(struct hw_http *p, const char *why);

/* What is wrong with a control byte in a line. */
const char *hw_http_why_control(char c);

/* Looks for the CRLF of the line that begins at `line`. `len` bytes from there on have arrived; the
 * line may have `max`, its CRLF included. Returns HW_HTTP_GO_ON (then p->scanned is the line's
 * length), HW_HTTP_NEED_MORE, HW_HTTP_TOO_LONG or a refusal. */
int hw_http_find_line_end(struct hw_http *p, const char *line, size_t len, size_t max);

static inline struct hw_http_span hw_http_span_of(size_t at, size_t len)
{
    return (struct hw_http_span){(uint32_t)at, (uint32_t)len};
}

/* Without the white space around it. */
static inline struct hw_str hw_http_trim(struct hw_str s)
{
    while (s.len && hw_http_is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len && hw_http_is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

/* Splits name ":" OWS value OWS; the scan has checked the value's bytes. Returns 0 or a refusal. */
int hw_http_split_header(struct hw_http *p, struct hw_str line, struct hw_str *name,
                         struct hw_str *value);

#endif
