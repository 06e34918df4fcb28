/* request.h -- the bytes of one request, and what the parser found in them.
 *
 * How     a connection reads into it (leader only). Once the request is complete, it is handed on
 *         with its bytes: nothing is copied. An idle connection has none.
 * Next    a read may bring the beginning of the next message too. A message that was refused is
 *         skipped in place. One that is handed on is split from what follows it, and the shorter
 *         of the two is copied: however much is pipelined, no byte of a message is copied twice.
 * Thread  the leader, then the owner of the request. */
#ifndef HW_REQUEST_H
#define HW_REQUEST_H

#include <stddef.h>

#include "http/http.h"

enum {
    HW_REQUEST_FIRST = 4096,     /* bytes that it begins with: an ordinary request fits */
    HW_REQUEST_STEP = 64 * 1024, /* up to here it grows fourfold, then twofold */
    HW_REQUEST_SPARE = 256       /* requests kept for reuse */
};

struct hw_request {
    struct hw_request *next; /* among the spare ones */
    struct hw_requests *pool;
    struct hw_http http;
    size_t head_len; /* 0 until the head is complete */
    size_t len;
    char *bytes;  /* the message; in `memory`, after what was skipped */
    char *memory; /* of `cap` bytes */
    size_t cap;
};

/* Leader only. */
struct hw_requests {
    struct hw_request *spare;
    size_t count; /* of spare ones */
    struct hw_http_limits limits;
    size_t bytes;     /* memory of all requests in use, those of jobs included */
    size_t bytes_max; /* none may grow beyond this; 0: no limit */
};

void hw_requests_init(struct hw_requests *pool, struct hw_http_limits limits);
void hw_requests_fini(struct hw_requests *pool);

/* Take returns an empty request, or NULL without memory; put gives it back. */
struct hw_request *hw_request_take(struct hw_requests *pool);
void hw_request_put(struct hw_requests *pool, struct hw_request *request);

/* How many bytes may be written after the first len. */
size_t hw_request_room(const struct hw_request *request);

/* Makes room to read into: at least one byte after the first len. For a body of known length it
 * never grows past the message's end. Returns 0, HW_ENOMEM, or HW_EOVERLOADED when all requests
 * together would have more than bytes_max. */
int hw_request_reserve(struct hw_request *request);

/* Drops the message that ends at `end`. What follows is the beginning of the next one: returns the
 * request with it. When nothing follows, gives the request back and returns NULL. */
struct hw_request *hw_request_skip(struct hw_requests *pool, struct hw_request *request,
                                   size_t end);

/* Splits the message that ends at `end` from what follows it. *behind is then a request of its own
 * with what follows, or NULL when nothing does. Returns 0 or HW_ENOMEM. */
int hw_request_part(struct hw_requests *pool, struct hw_request *request, size_t end,
                    struct hw_request **behind);

/* Appends a copy of `bytes`. Returns 0 or HW_ENOMEM. */
int hw_request_append(struct hw_request *request, struct hw_str bytes);

#endif
