/* http.h -- the room of sockets and HTTP/1.1; and its parser: bytes in, views out.
 *
 * The room
 * For       everything between a listening socket and a complete request, and an answer's bytes on
 *           their way back. What a request means is the business of a service (service.h).
 *
 *           listener    the addresses of a host           (bind: one socket for one of them)
 *           acceptor    takes in connections              (crowd: how many)
 *           connection  reads requests, writes answers    (turn: how much; deadline: how long)
 *           access      who the client is, may it send    (preamble, forwarded: behind proxies)
 *           tls         its bytes, encrypted              (handshake, tls_context: certificates)
 *           request     the bytes of one request          (head, body: the parser below)
 *           service     gets complete requests            (waiter: whom its answer goes to)
 *           answer      the bytes of an answer            (write: to the socket; pieces: as made)
 *
 * Promises  a service gets a request only once its last byte has arrived, and from a connection one
 *           at a time, so answers leave in the order of the requests. Every limit on connections,
 *           bytes and time holds, whatever a client sends.
 * Threads   the leader alone, but for what is pure (this parser, address.h, networks.h) and bind.h.
 *
 * The parser
 * Pure and incremental: no I/O, no allocation, no clock, no state but the caller's struct. However
 * a message is split into reads, the outcome is the same. Strict where RFC 9112 lets a server be:
 * what leaves any doubt about where a message ends is refused, and nothing after it is read.
 *
 * Use     init; head() until it is not 0; if there is a body, body() until it is not 0.
 * Where   head.c (with request_line.c), body.c, headers.c; line.c and header_limit.c are what they
 *         share.
 * Thread  whoever owns the struct. */
#ifndef HW_HTTP_H
#define HW_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/* The parser keeps the positions of this many header lines; further ones are searched for in the
 * message each time. Only header_max limits their number. */
enum { HW_HTTP_HEADERS_KEPT = 64 };

/* The most bytes of a chunk-size line with its extensions, without its line end. A longer one is
 * HW_EMALFORMED_REQUEST. */
enum { HW_HTTP_CHUNK_LINE_MAX = 256 };

struct hw_http_limits {
    uint32_t header_max; /* bytes: request line, header lines and trailers together, with line
                          * ends; without the empty line that ends a chunked body */
    uint64_t body_max;   /* bytes of the body, decoded */
};

/* A place in the message's bytes: a position, not a pointer, since the bytes may move. */
struct hw_http_span {
    uint32_t at, len;
};

struct hw_http_header {
    struct hw_http_span name, value; /* the value without the white space around it */
};

struct hw_http {
    /* constant after init */
    struct hw_http_limits limits;

    /* results; the head's are valid once head() returned more than 0 */
    struct hw_http_span method;
    struct hw_http_span path;  /* the target up to its query: of an absolute URI its path ("/" when
                                * it has none); "*" and CONNECT's host:port unchanged */
    struct hw_http_span query; /* after the '?', or empty */
    uint32_t header_count;
    uint8_t minor;         /* 0 or 1: HTTP/1.0 or HTTP/1.1 */
    bool keep_alive;       /* by version and Connection */
    bool expects_continue; /* Expect: 100-continue, on HTTP/1.1, and a body follows */
    bool chunked;
    uint64_t content_length; /* 0 when chunked or absent */
    uint64_t body_length;    /* decoded bytes so far; final once body() returned more than 0 */
    const char *why;         /* after a refusal: a static text for the answer and the log */

    /* set by the caller after head(): body bytes are checked and counted, but not kept */
    bool discard;

    /* the parser's own */
    uint8_t state;
    uint16_t seen;        /* what the special header lines said, as flags */
    int refused;          /* the refusal; it is final */
    uint32_t header_left; /* of header_max */
    uint32_t scanned;     /* bytes of the incomplete line without a control byte */
    uint64_t at;          /* where the incomplete line begins; later, where the kept body ends */
    uint64_t left;        /* bytes of the body, or of the chunk, still to come */
    uint32_t more_at;     /* where the first header line that is not kept begins */

    /* last, so that init need not clear them; the first header_count are valid */
    struct hw_http_header headers[HW_HTTP_HEADERS_KEPT];
};

/* A position among the header lines. Zeroed, it is before the first. */
struct hw_http_walk {
    uint32_t index, at;
};

/* For one message: call it again for the next. */
void hw_http_init(struct hw_http *p, const struct hw_http_limits *limits);

/* Reads the head (request line, header lines, empty line) of the message that begins at bytes[0].
 * When it needs more, call it again with the same bytes and more after them; they may have moved.
 * No byte is read twice, except those of a line that is still incomplete.
 * Returns the head's length in bytes; 0 when it needs more; or a refusal, which is final:
 * HW_EMALFORMED_REQUEST, HW_EHEADER_TOO_LARGE, HW_EBODY_TOO_LARGE, HW_EUNSUPPORTED_VERSION,
 * HW_EUNSUPPORTED_TRANSFER_CODING, HW_EUNSUPPORTED_EXPECTATION; p->why then says more.
 * One empty line before the request line is allowed, and is part of the head's length. */
int64_t hw_http_head(struct hw_http *p, const char *bytes, size_t len);

/* Whether a body follows the head. A chunked one may turn out to be empty. */
bool hw_http_has_body(const struct hw_http *p);

/* Reads the body after the head. `bytes` is the message from its first byte on, *len how many bytes
 * of it have arrived. A chunked body is decoded in place: the framing is taken out and *len shrinks
 * by as much, so the body always stands in one piece right after the head. With p->discard the body
 * bytes are taken out too.
 * When it needs more, call it again with what it left in `bytes` and more after that; the bytes may
 * have moved.
 * Returns the message's length: the head and the kept body. What follows, up to *len, belongs to
 * the next message. Returns 0 when it needs more, or a refusal as above, after which the bytes are
 * undefined. When no body follows, it returns the head's length at once. */
int64_t hw_http_body(struct hw_http *p, char *bytes, size_t *len);

/* How many bytes of the body, or of its present chunk, are still to come; 0 when that is not known.
 * A read of at most that many bytes takes nothing of the next message. */
uint64_t hw_http_left(const struct hw_http *p);

/* Whether the message ends after the bytes that hw_http_left counts. */
bool hw_http_ends_there(const struct hw_http *p);

/* The bytes of a span in the message that begins at `bytes`. */
static inline struct hw_str hw_http_view(const char *bytes, struct hw_http_span span)
{
    return (struct hw_str){bytes + span.at, span.len};
}

/* The next header line of the message that begins at `bytes`, in the message's order. Returns false
 * after the last one. */
bool hw_http_next_header(const struct hw_http *p, const char *bytes, struct hw_http_walk *walk,
                         struct hw_http_header *header);

/* The number of header lines with this name (given in lower case); *value is the first one's. */
unsigned hw_http_find(const struct hw_http *p, const char *bytes, struct hw_str lower,
                      struct hw_str *value);

#endif
