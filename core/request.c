/* request.c -- see request.h */
#include "request.h"

#include <stdlib.h>

#include "error.h"

void hw_requests_init(struct hw_requests *pool, struct hw_http_limits limits)
{
    *pool = (struct hw_requests){.limits = limits};
}

static void destroy(struct hw_request *request)
{
    free(request->bytes);
    free(request);
}

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
    struct hw_request *request = malloc(sizeof *request);
    char *bytes = malloc(HW_REQUEST_FIRST);
    if (!request || !bytes) {
        free(request);
        free(bytes);
        return NULL;
    }
    request->bytes = bytes;
    request->cap = HW_REQUEST_FIRST;
    return request;
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
    request->head_len = request->len = 0;
    hw_http_init(&request->http, &pool->limits);
    return request;
}

void hw_request_put(struct hw_requests *pool, struct hw_request *request)
{
    if (pool->count == HW_REQUEST_SPARE || request->cap != HW_REQUEST_FIRST) {
        destroy(request);
        return;
    }
    request->next = pool->spare;
    pool->spare = request;
    pool->count++;
}

/* Never more than a doubling ahead of what has really arrived: a Content-Length is only a claim. */
static size_t next_capacity(const struct hw_request *request)
{
    if (request->cap < HW_REQUEST_STEP)
        return request->cap * 4;
    return request->cap * 2;
}

int hw_request_reserve(struct hw_request *request)
{
    if (request->len < request->cap)
        return 0;
    size_t cap = next_capacity(request);
    char *bytes = realloc(request->bytes, cap);
    if (!bytes)
        return HW_ENOMEM;
    request->bytes = bytes;
    request->cap = cap;
    return 0;
}

int hw_request_append(struct hw_request *request, struct hw_str bytes)
{
    while (request->cap - request->len < bytes.len) {
        size_t cap = next_capacity(request);
        char *grown = realloc(request->bytes, cap);
        if (!grown)
            return HW_ENOMEM;
        request->bytes = grown;
        request->cap = cap;
    }
    memcpy(request->bytes + request->len, bytes.ptr, bytes.len);
    request->len += bytes.len;
    return 0;
}
