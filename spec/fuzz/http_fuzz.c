/* http_fuzz.c -- the request parser's result does not depend on how the bytes arrive.
 *
 * The input is what a client sends. Its last bytes also decide where it is cut into reads. Each
 * call gets the bytes in memory of exactly their size.
 *
 * Properties
 *   In parts or at once, the result is the same.
 *   All spans lie inside the head.
 *   A complete message is complete from its own bytes alone, and not from one byte less.
 *   Limits hold, and a refusal has a reason. */
#include <stdlib.h>

#include "base/check.h"
#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

struct reading {
    struct hw_http p;
    int64_t head, whole;
    size_t len;
    char *bytes;
};

static char *copy_of(const char *bytes, size_t len)
{
    char *copy = malloc(len);
    HW_CHECK(copy || len == 0);
    if (len)
        memcpy(copy, bytes, len);
    return copy;
}

static void begin(struct reading *r, const struct hw_http_limits *limits, bool discard)
{
    memset(r, 0, sizeof *r);
    hw_http_init(&r->p, limits);
    r->p.discard = discard;
}

static void feed(struct reading *r, const char *bytes, size_t len)
{
    char *grown = malloc(r->len + len);
    HW_CHECK(grown || r->len + len == 0);
    if (r->len)
        memcpy(grown, r->bytes, r->len);
    if (len)
        memcpy(grown + r->len, bytes, len);
    free(r->bytes);
    r->bytes = grown;
    r->len += len;
    if (r->head == 0)
        r->head = hw_http_head(&r->p, r->bytes, r->len);
    if (r->head > 0 && r->whole == 0)
        r->whole = hw_http_body(&r->p, r->bytes, &r->len);
}

static void end(struct reading *r)
{
    free(r->bytes);
}

static int64_t outcome(const struct reading *r)
{
    return r->head <= 0 ? r->head : r->whole;
}

static bool same_span(struct hw_http_span a, struct hw_http_span b)
{
    return a.at == b.at && a.len == b.len;
}

static void check_same_head(const struct hw_http *a, const struct hw_http *b)
{
    HW_CHECK(same_span(a->method, b->method));
    HW_CHECK(same_span(a->path, b->path) && same_span(a->query, b->query));
    HW_CHECK(a->header_count == b->header_count);
    HW_CHECK(a->more_at == b->more_at);
    for (unsigned i = 0; i < a->header_count && i < HW_HTTP_HEADERS_KEPT; i++) {
        HW_CHECK(same_span(a->headers[i].name, b->headers[i].name));
        HW_CHECK(same_span(a->headers[i].value, b->headers[i].value));
    }
    HW_CHECK(a->minor == b->minor && a->keep_alive == b->keep_alive);
    HW_CHECK(a->expects_continue == b->expects_continue && a->chunked == b->chunked);
    HW_CHECK(a->content_length == b->content_length);
}

/* Compares everything but what follows the message, which one of the two may lack. */
static void check_same(const struct reading *a, const struct reading *b)
{
    HW_CHECK(a->head == b->head && a->whole == b->whole);
    HW_CHECK(a->p.why == b->p.why && a->p.body_length == b->p.body_length);
    check_same_head(&a->p, &b->p);
    if (a->whole > 0)
        HW_CHECK(memcmp(a->bytes, b->bytes, (size_t)a->whole) == 0);
}

static void check_inside(struct hw_http_span span, int64_t head)
{
    HW_CHECK((int64_t)span.at + span.len <= head);
}

static void check_value(struct hw_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        HW_CHECK(c == '\t' || (c >= 0x20 && c != 0x7f));
    }
    HW_CHECK(value.len == 0 || (value.ptr[0] > ' ' || value.ptr[0] < 0));
}

static void check_found(const struct reading *r)
{
    const struct hw_http *p = &r->p;
    HW_CHECK(p->method.len > 0 && p->path.len > 0);
    check_inside(p->method, r->head);
    check_inside(p->path, r->head);
    struct hw_str path = hw_http_view(r->bytes, p->path);
    struct hw_str method = hw_http_view(r->bytes, p->method);
    HW_CHECK(path.ptr[0] == '/' || hw_str_eq(path, HW_STR("*")) ||
             hw_str_eq(method, HW_STR("CONNECT")));
    check_inside(p->query, r->head);
    struct hw_http_walk walk = {0};
    struct hw_http_header header;
    while (hw_http_next_header(p, r->bytes, &walk, &header)) {
        HW_CHECK(header.name.len > 0);
        check_inside(header.name, r->head);
        check_inside(header.value, r->head);
        check_value(hw_http_view(r->bytes, header.value));
    }
    HW_CHECK(walk.index == p->header_count);
}

static void check_limits(const struct reading *r)
{
    HW_CHECK(r->head <= (int64_t)r->p.limits.header_max);
    HW_CHECK(r->p.body_length <= r->p.limits.body_max);
    HW_CHECK(!(r->p.chunked && r->p.content_length));
    if (r->whole > 0)
        HW_CHECK(r->whole == r->head + (r->p.discard ? 0 : (int64_t)r->p.body_length));
}

/* The same bytes in parts; the input's last bytes decide their sizes. */
static void check_parts(const struct reading *once, const char *input, size_t len)
{
    struct reading parts;
    uint64_t seed = 0;
    memcpy(&seed, input + (len < 8 ? 0 : len - 8), len < 8 ? len : 8);
    begin(&parts, &once->p.limits, once->p.discard);
    for (size_t at = 0, n; at < len; at += n) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        n = 1 + (seed >> 33) % (seed >> 63 ? 200 : 4);
        n = n < len - at ? n : len - at;
        feed(&parts, input + at, n);
    }
    check_same(once, &parts);
    if (outcome(once) >= 0)
        HW_CHECK(once->len == parts.len && memcmp(once->bytes, parts.bytes, once->len) == 0);
    end(&parts);
}

/* A message needs all of its bytes and no others. */
static void check_alone(const struct reading *once, const char *input, size_t len)
{
    size_t used = len - (once->len - (size_t)once->whole);
    for (size_t less = 0; less < 2; less++) {
        struct reading alone;
        char *bytes = copy_of(input, used - less);
        begin(&alone, &once->p.limits, once->p.discard);
        feed(&alone, bytes, used - less);
        if (less)
            HW_CHECK(outcome(&alone) == 0);
        else
            check_same(once, &alone);
        end(&alone);
        free(bytes);
    }
}

static void read_with(const char *input, size_t len, struct hw_http_limits limits, bool discard)
{
    struct reading once;
    begin(&once, &limits, discard);
    feed(&once, input, len);
    check_limits(&once);
    HW_CHECK((outcome(&once) < 0) == (once.p.why != NULL));
    if (once.head > 0)
        check_found(&once);
    if (len)
        check_parts(&once, input, len);
    if (once.whole > 0)
        check_alone(&once, input, len);
    end(&once);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    const struct hw_http_limits ordinary = {16 * 1024, 1024 * 1024}, tight = {96, 12};
    for (int discard = 0; discard < 2; discard++) {
        read_with((const char *)input, len, ordinary, discard);
        read_with((const char *)input, len, tight, discard);
    }
    return 0;
}
