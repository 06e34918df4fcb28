/* request.h -- the bytes of one request and what the parser saw in them.
 *
 * A connection reads into it (leader only); when the request is complete it moves into the job,
 * bytes and all: nothing is copied. An idle connection has none.
 * Behind  a read may have brought the beginning of what comes behind the message. A message that
 *         nobody wants is skipped where it stands. One that moves on is parted from what is behind
 *         it, and of the two the shorter one is copied: so however much is pipelined, no byte of a
 *         message costs more than one copy.
 * Thread  the leader, then whoever has the job. */
#ifndef HW_REQUEST_H
#define HW_REQUEST_H

#include <stddef.h>

#include "http/http.h"

enum {
    HW_REQUEST_FIRST = 4096,     /* bytes: an ordinary request fits */
    HW_REQUEST_STEP = 64 * 1024, /* a longer one grows by doubling, from here on by need */
    HW_REQUEST_SPARE = 256       /* requests kept for reuse */
};

struct hw_request {
    struct hw_request *next; /* among the spare ones */
    struct hw_requests *pool;
    struct hw_http http;
    size_t head_len; /* 0 until the head is complete */
    size_t len;
    char *bytes;  /* of the message; in front of it stands what was skipped */
    char *memory; /* that they stand in */
    size_t cap;   /* its size */
};

/* Leader only. */
struct hw_requests {
    struct hw_request *spare;
    size_t count; /* of these */
    struct hw_http_limits limits;
    size_t bytes;     /* that all others have, those of jobs too */
    size_t bytes_max; /* over it none grows; 0: no limit */
};

void hw_requests_init(struct hw_requests *pool, struct hw_http_limits limits);
void hw_requests_fini(struct hw_requests *pool);

/* NULL without memory. */
struct hw_request *hw_request_take(struct hw_requests *pool);
void hw_request_put(struct hw_requests *pool, struct hw_request *request);

/* Bytes that may be written behind len. */
size_t hw_request_room(const struct hw_request *request);

/* Makes room to read into: at least one byte behind len. For a body whose length is known it never
 * grows past the message's end. Returns 0, HW_ENOMEM, or HW_EOVERLOADED: all together would have
 * more than bytes_max. */
int hw_request_reserve(struct hw_request *request);

/* Nobody wants the message that ends at `end`: what is behind it is the next one's beginning.
 * Returns the request, or NULL and puts it when nothing is. */
struct hw_request *hw_request_skip(struct hw_requests *pool, struct hw_request *request,
                                   size_t end);

/* Parts the message that ends at `end` from what is behind it, which is then in *behind: a request
 * of its own, or NULL when nothing is. Returns 0 or HW_ENOMEM. */
int hw_request_part(struct hw_requests *pool, struct hw_request *request, size_t end,
                    struct hw_request **behind);

/* Appends a copy. Returns 0 or HW_ENOMEM. */
int hw_request_append(struct hw_request *request, struct hw_str bytes);

#endif
