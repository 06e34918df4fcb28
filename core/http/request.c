/* request.c -- see request.h */
#include "http/request.h"

#include <stdlib.h>

#include "base/error.h"

void hw_requests_init(struct hw_requests *pool, struct hw_http_limits limits)
{
    *pool = (struct hw_requests){.limits = limits};
}

static void destroy(struct hw_request *request)
{
    free(request->memory);
    free(request);
}

/* ---- spare ones ---- */

void hw_requests_fini(struct hw_requests *pool)
{
    for (struct hw_request *r = pool->spare, *next; r; r = next) {
        next = r->next;
        destroy(r);
    }
    pool->spare = NULL;
    pool->count = 0;
}

static struct hw_request *create(void)
{
    struct hw_request *request = calloc(1, sizeof *request);
    char *memory = malloc(HW_REQUEST_FIRST);
    if (!request || !memory) {
        free(request);
        free(memory);
        return NULL;
    }
    request->memory = memory;
    request->cap = HW_REQUEST_FIRST;
    return request;
}

/* A message begins at `bytes`, and `len` bytes of it have arrived. */
static void begin(struct hw_requests *pool, struct hw_request *request, char *bytes, size_t len)
{
    request->bytes = bytes;
    request->len = len;
    request->head_len = 0;
    hw_http_init(&request->http, &pool->limits);
}

struct hw_request *hw_request_take(struct hw_requests *pool)
{
    struct hw_request *request = pool->spare;
    if (request) {
        pool->spare = request->next;
        pool->count--;
    } else if (!(request = create())) {
        return NULL;
    }
    request->next = NULL;
    request->pool = pool;
    pool->bytes += request->cap;
    begin(pool, request, request->memory, 0);
    return request;
}

void hw_request_put(struct hw_requests *pool, struct hw_request *request)
{
    pool->bytes -= request->cap;
    if (pool->count == HW_REQUEST_SPARE || request->cap != HW_REQUEST_FIRST) {
        destroy(request);
        return;
    }
    request->next = pool->spare;
    pool->spare = request;
    pool->count++;
}

/* ---- room ---- */

/* Grows by what has arrived, not by the Content-Length, which is only a claim. */
static size_t next_capacity(const struct hw_request *request)
{
    if (request->cap < HW_REQUEST_STEP)
        return request->cap * 4;
    return request->cap * 2;
}

static int resize(struct hw_request *request, size_t cap)
{
    char *memory = realloc(request->memory, cap);
    if (!memory)
        return HW_ENOMEM;
    request->bytes = memory + (request->bytes - request->memory);
    request->memory = memory;
    request->pool->bytes += cap - request->cap;
    request->cap = cap;
    return 0;
}

/* Moves the message to the beginning of the memory, over what was skipped. */
static void close_up(struct hw_request *request)
{
    memmove(request->memory, request->bytes, request->len);
    request->bytes = request->memory;
}

static bool is_too_much(const struct hw_requests *pool, size_t more)
{
    return pool->bytes_max && pool->bytes + more > pool->bytes_max;
}

size_t hw_request_room(const struct hw_request *request)
{
    return request->cap - (size_t)(request->bytes - request->memory) - request->len;
}

int hw_request_reserve(struct hw_request *request)
{
    if (hw_request_room(request))
        return 0;
    if (request->bytes > request->memory) {
        close_up(request);
        return 0;
    }
    size_t cap = next_capacity(request);
    uint64_t end = request->len + hw_http_left(&request->http);
    if (hw_http_ends_there(&request->http) && end < cap)
        cap = (size_t)end;
    if (is_too_much(request->pool, cap - request->cap))
        return HW_EOVERLOADED;
    return resize(request, cap);
}

int hw_request_append(struct hw_request *request, struct hw_str bytes)
{
    if (request->bytes > request->memory)
        close_up(request);
    while (hw_request_room(request) < bytes.len)
        if (resize(request, next_capacity(request)))
            return HW_ENOMEM;
    memcpy(request->bytes + request->len, bytes.ptr, bytes.len);
    request->len += bytes.len;
    return 0;
}

/* ---- what follows a message ---- */

struct hw_request *hw_request_skip(struct hw_requests *pool, struct hw_request *request, size_t end)
{
    if (request->len == end) {
        hw_request_put(pool, request);
        return NULL;
    }
    begin(pool, request, request->bytes + end, request->len - end);
    return request;
}

/* The message is shorter than what follows, so it is the one that is copied: into the memory of
 * `next`, which gets the old memory with the rest. The parser stays with the message. */
static int move_message(struct hw_requests *pool, struct hw_request *request, size_t end,
                        struct hw_request *next)
{
    struct hw_str message = {request->bytes, end};
    struct hw_request old = *request;
    request->bytes = request->memory = next->memory;
    request->cap = next->cap;
    request->len = 0;
    next->memory = old.memory;
    next->cap = old.cap;
    begin(pool, next, old.bytes + end, old.len - end);
    return hw_request_append(request, message);
}

int hw_request_part(struct hw_requests *pool, struct hw_request *request, size_t end,
                    struct hw_request **behind)
{
    struct hw_str rest = {request->bytes + end, request->len - end};
    *behind = NULL;
    if (rest.len == 0)
        return 0;
    *behind = hw_request_take(pool);
    if (!*behind)
        return HW_ENOMEM;
    if (end < rest.len)
        return move_message(pool, request, end, *behind);
    request->len = end;
    return hw_request_append(*behind, rest);
}
