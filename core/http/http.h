/* http.h -- the HTTP/1.1 request parser: bytes in, views out.
 *
 * Pure and incremental: no I/O, no allocation, no clock, no state but the caller's struct. However
 * a message is split into reads, the outcome is the same. Strict where RFC 9112 lets a server be:
 * what leaves any doubt about where a message ends is refused, and then nothing behind it counts.
 *
 * Use     init; head() until it is not 0; if there is a body, body() until it is not 0.
 * Thread  whoever owns the struct. */
#ifndef HW_HTTP_H
#define HW_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/* Header lines of one request that the parser keeps the places of; more are looked for in the
 * message again. Only header_max limits their number. */
enum { HW_HTTP_HEADERS_KEPT = 64 };

/* Bytes of one chunk-size line with its extensions, its line end not counted; one more is
 * malformed_request. */
enum { HW_HTTP_CHUNK_LINE_MAX = 256 };

struct hw_http_limits {
    uint32_t header_max; /* bytes: request line, header lines and trailers together, line ends
                          * too; not the empty line that ends a chunked body */
    uint64_t body_max;   /* bytes of the body, decoded */
};

/* A place in the message's bytes; a position and not a pointer, so that the bytes may move. */
struct hw_http_span {
    uint32_t at, len;
};

struct hw_http_header {
    struct hw_http_span name, value; /* the value without the white space around it */
};

struct hw_http {
    /* constant after init */
    struct hw_http_limits limits;

    /* results; the head's are valid once head() was positive */
    struct hw_http_span method;
    struct hw_http_span path;  /* the target up to its query; of an absolute URI its path ("/" when
                                * it has none); "*" and CONNECT's host:port as they are */
    struct hw_http_span query; /* behind the '?', or empty */
    uint32_t header_count;
    uint8_t minor;         /* 0 or 1: HTTP/1.0 or HTTP/1.1 */
    bool keep_alive;       /* by version and Connection */
    bool expects_continue; /* Expect: 100-continue, on HTTP/1.1, and a body follows */
    bool chunked;
    uint64_t content_length; /* 0 when chunked or absent */
    uint64_t body_length;    /* decoded bytes so far; final once body() was positive */
    const char *why;         /* after a refusal: a static text for the answer and the log */

    /* set by the caller after head(): body bytes are checked and counted, but not kept */
    bool discard;

    /* http.c, body.c and line.c only */
    uint8_t state;
    uint16_t seen;        /* what the special header lines said, as flags */
    int refused;          /* the refusal; it is final */
    uint32_t header_left; /* of header_max */
    uint32_t scanned;     /* bytes of the incomplete line that are known to be clean */
    uint64_t at;          /* the incomplete line's start; later the kept body's end */
    uint64_t left;        /* bytes to come of the body, or of the chunk */
    uint32_t more_at;     /* where the first header line is that is not kept */

    /* last, so that init need not clear them: header_count of them are valid, if it kept so many */
    struct hw_http_header headers[HW_HTTP_HEADERS_KEPT];
};

/* A walk along the header lines: begins with zeros. */
struct hw_http_walk {
    uint32_t index, at;
};

/* For one message: call it again for the next. */
void hw_http_init(struct hw_http *p, const struct hw_http_limits *limits);

/* Reads the head (request line, header lines, empty line) of the message that begins at bytes[0].
 * Call it again with the same bytes and more behind them, wherever they are by then. It never
 * looks at a byte twice, but for the line that is still incomplete.
 * Returns the head's length in bytes; 0 when it needs more; or a refusal, which is final:
 * HW_EMALFORMED_REQUEST, HW_EHEADER_TOO_LARGE, HW_EBODY_TOO_LARGE, HW_EUNSUPPORTED_VERSION,
 * HW_EUNSUPPORTED_TRANSFER_CODING, HW_EUNSUPPORTED_EXPECTATION; p->why then says more.
 * One empty line before the request line is read over, and is part of the head's length. */
int64_t hw_http_head(struct hw_http *p, const char *bytes, size_t len);

/* True when a body follows the head, be it of no bytes at all (chunked). */
bool hw_http_has_body(const struct hw_http *p);

/* Reads the body behind the head. `bytes` is the message from its first byte on, `*len` how many
 * are there. A chunked body is decoded in place: the framing is taken out and *len shrinks by as
 * much, so that the body always stands in one piece right behind the head. With p->discard the
 * body bytes are taken out too.
 * Call it again with what it left in `bytes`, wherever that is by then, and more behind it.
 * Returns the message's length (head and kept body; what is behind it, up to *len, belongs to the
 * next message); 0 when it needs more; or a refusal as above, after which the bytes are worthless.
 * May be called, and returns the head's length at once, when no body follows. */
int64_t hw_http_body(struct hw_http *p, char *bytes, size_t *len);

/* How many bytes of the body, or of its chunk at hand, are still to come: what a reader may ask for
 * without taking much of what is behind the message. 0 when that is not known. */
uint64_t hw_http_left(const struct hw_http *p);

/* True when the message ends with those. */
bool hw_http_ends_there(const struct hw_http *p);

/* The bytes of a span in the message that begins at `bytes`. */
static inline struct hw_str hw_http_view(const char *bytes, struct hw_http_span span)
{
    return (struct hw_str){bytes + span.at, span.len};
}

/* The next header line of the message that begins at `bytes`, in their order; false behind the last
 * one. */
bool hw_http_next_header(const struct hw_http *p, const char *bytes, struct hw_http_walk *walk,
                         struct hw_http_header *header);

/* The number of header lines with this name (given in lower case); *value is the first one's. */
unsigned hw_http_find(const struct hw_http *p, const char *bytes, struct hw_str lower,
                      struct hw_str *value);

#endif
