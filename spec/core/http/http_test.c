/* http_test.c -- a request has one outcome, however it arrives.
 *
 * Every message here, good or bad, is read at once, in two parts cut at every place, and byte by
 * byte. At each call its bytes are somewhere else, and end right before a guard page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "guard.h"
#include "http/http.h"

enum { MESSAGE_MAX = 16 * 1024 };

#define HOST "Host: h\r\n"
#define POST "POST /p HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct hw_http_limits roomy = {.header_max = 4096, .body_max = 64};

/* ---- reading in parts ---- */

struct reading {
    struct hw_http p;
    int64_t head, whole; /* what head() and body() returned */
    size_t len;
    char bytes[MESSAGE_MAX];
};

static struct guard places[2];
static unsigned place;

/* One call, on a copy that ends at a guard page and is overwritten afterwards. */
static void call(struct reading *r)
{
    struct guard *g = &places[place ^= 1];
    size_t placed = r->len;
    char *at = guard_place(g, r->bytes, r->len);
    if (r->head == 0) {
        r->head = hw_http_head(&r->p, at, r->len);
    }
    if (r->head > 0 && r->whole == 0) {
        r->whole = hw_http_body(&r->p, at, &r->len);
        memcpy(r->bytes, guard_place(&places[place ^ 1], at, r->len), r->len);
    }
    guard_spoil(g, placed);
}

static void begin(struct reading *r, const struct hw_http_limits *limits, bool discard)
{
    memset(&r->p, 0xee, sizeof r->p);
    hw_http_init(&r->p, limits);
    r->p.discard = discard;
    r->head = r->whole = 0;
    r->len = 0;
}

static void feed(struct reading *r, const char *bytes, size_t len)
{
    assert_true(r->len + len <= sizeof r->bytes);
    memcpy(r->bytes + r->len, bytes, len);
    r->len += len;
    if (r->head >= 0 && r->whole == 0)
        call(r);
}

static int64_t outcome(const struct reading *r)
{
    return r->head <= 0 ? r->head : r->whole;
}

static void assert_same_span(struct hw_http_span a, struct hw_http_span b)
{
    assert_int_equal(a.at, b.at);
    assert_int_equal(a.len, b.len);
}

static void assert_same_head(const struct hw_http *a, const struct hw_http *b)
{
    assert_same_span(a->method, b->method);
    assert_same_span(a->path, b->path);
    assert_same_span(a->query, b->query);
    assert_int_equal(a->header_count, b->header_count);
    assert_int_equal(a->more_at, b->more_at);
    for (unsigned i = 0; i < a->header_count && i < HW_HTTP_HEADERS_KEPT; i++) {
        assert_same_span(a->headers[i].name, b->headers[i].name);
        assert_same_span(a->headers[i].value, b->headers[i].value);
    }
    assert_int_equal(a->minor, b->minor);
    assert_int_equal(a->keep_alive, b->keep_alive);
    assert_int_equal(a->expects_continue, b->expects_continue);
    assert_int_equal(a->chunked, b->chunked);
    assert_int_equal(a->content_length, b->content_length);
}

static void assert_same_reading(const struct reading *a, const struct reading *b)
{
    assert_int_equal(a->head, b->head);
    assert_int_equal(a->whole, b->whole);
    assert_ptr_equal(a->p.why, b->p.why);
    assert_int_equal(a->p.body_length, b->p.body_length);
    assert_same_head(&a->p, &b->p);
    if (outcome(a) >= 0) {
        assert_int_equal(a->len, b->len);
        assert_memory_equal(a->bytes, b->bytes, a->len);
    }
}

/* Reads the message at once, into *once, and in every other way, and compares the results. */
static void read_every_way(struct reading *once, const char *bytes, size_t len,
                           const struct hw_http_limits *limits, bool discard)
{
    static struct reading parts;
    begin(once, limits, discard);
    feed(once, bytes, len);
    for (size_t cut = 0; cut <= len; cut++) {
        begin(&parts, limits, discard);
        feed(&parts, bytes, cut);
        feed(&parts, bytes + cut, len - cut);
        assert_same_reading(once, &parts);
    }
    begin(&parts, limits, discard);
    for (size_t i = 0; i < len; i++)
        feed(&parts, bytes + i, 1);
    assert_same_reading(once, &parts);
}

static struct reading result;

static int64_t read_all(struct hw_str message, struct hw_http_limits limits)
{
    read_every_way(&result, message.ptr, message.len, &limits, false);
    return outcome(&result);
}

static int64_t read_text(const char *message)
{
    return read_all(hw_str_of(message), roomy);
}

static void assert_text(struct hw_str is, const char *expected)
{
    if (!hw_str_eq(is, hw_str_of(expected)))
        fail_msg("\"%.*s\" is not \"%s\"", HW_STR_ARG(is), expected);
}

static void assert_span(struct hw_http_span span, const char *expected)
{
    assert_text(hw_http_view(result.bytes, span), expected);
}

static void assert_outcome(const char *message, int64_t is, int expected)
{
    if (is != expected)
        fail_msg("%lld (%s), not %d, for:\n%s", (long long)is,
                 result.p.why ? result.p.why : "no reason", expected, message);
}

/* ---- good messages ---- */

struct good {
    const char *message, *method, *path, *query, *body;
    const char *flags; /* k: keep_alive, e: expects_continue, c: chunked, 0: HTTP/1.0 */
};

static const struct good good[] = {
    /* targets */
    {"GET / HTTP/1.1\r\n" HOST "\r\n", "GET", "/", "", "", "k"},
    {"\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "GET", "/", "", "", "k"},
    {"!#$%&'*+-.^_`|~09AZaz /a HTTP/1.1\r\n" HOST "\r\n", "!#$%&'*+-.^_`|~09AZaz", "/a", "", "",
     "k"},
    {"GET /a/b?c=d?e HTTP/1.1\r\n" HOST "\r\n", "GET", "/a/b", "c=d?e", "", "k"},
    {"GET /? HTTP/1.1\r\n" HOST "\r\n", "GET", "/", "", "", "k"},
    {"GET //a/%zz|{\"~ HTTP/1.1\r\n" HOST "\r\n", "GET", "//a/%zz|{\"~", "", "", "k"},
    {"GET http://h/a?b HTTP/1.1\r\n" HOST "\r\n", "GET", "/a", "b", "", "k"},
    {"GET hTTpS://[::1]:8443/a HTTP/1.1\r\n" HOST "\r\n", "GET", "/a", "", "", "k"},
    {"GET http://h HTTP/1.1\r\n" HOST "\r\n", "GET", "/", "", "", "k"},
    {"GET https://h:1?b HTTP/1.1\r\n" HOST "\r\n", "GET", "/", "b", "", "k"},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS", "*", "", "", "k"},
    {"M-SEARCH * HTTP/1.1\r\n" HOST "\r\n", "M-SEARCH", "*", "", "", "k"},
    {"CONNECT h:443 HTTP/1.1\r\n" HOST "\r\n", "CONNECT", "h:443", "", "", "k"},
    {"CONNECT [::1]:443 HTTP/1.1\r\n" HOST "\r\n", "CONNECT", "[::1]:443", "", "", "k"},

    /* versions and Connection */
    {"GET / HTTP/1.0\r\n\r\n", "GET", "/", "", "", "0"},
    {"GET / HTTP/1.0\r\n" HOST "\r\n", "GET", "/", "", "", "0"},
    {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET", "/", "", "", "0k"},
    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", "GET", "/", "", "",
     "0"},
    {POST "Connection: close\r\n\r\n", "POST", "/p", "", "", ""},
    {POST "connection: x, ,\tCLOSE ,keep-alive\r\n\r\n", "POST", "/p", "", "", ""},
    {POST "Connection: upgrade\r\nCONNECTION: Close\r\n\r\n", "POST", "/p", "", "", ""},
    {POST "Connection: closed, clos, \"close\"\r\n\r\n", "POST", "/p", "", "", "k"},
    {POST "Connection:\r\n\r\n", "POST", "/p", "", "", "k"},

    /* hosts */
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET", "/", "", "", "k"},
    {"GET / HTTP/1.1\r\nhOST: a-b.c_d~%41:8080\r\n\r\n", "GET", "/", "", "", "k"},
    {"GET / HTTP/1.1\r\nHost: 127.0.0.1:\r\n\r\n", "GET", "/", "", "", "k"},
    {"GET / HTTP/1.1\r\nHost: [fe80::1]:80\r\n\r\n", "GET", "/", "", "", "k"},

    /* bodies */
    {POST "Content-Length: 0\r\n\r\n", "POST", "/p", "", "", "k"},
    {POST "Content-Length: 5\r\n\r\nhello", "POST", "/p", "", "hello", "k"},
    {POST "content-LENGTH:\t0000000000000000000000005 \r\n\r\nhello", "POST", "/p", "", "hello",
     "k"},
    {"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n\r\n\r\nx", "POST", "/", "", "\r\n\r\nx", "0"},
    {CHUNKED "0\r\n\r\n", "POST", "/p", "", "", "kc"},
    {CHUNKED "5\r\nhello\r\n0\r\n\r\n", "POST", "/p", "", "hello", "kc"},
    {CHUNKED "0000000000000001\r\nh\r\n4\r\nello\r\n000\r\n\r\n", "POST", "/p", "", "hello", "kc"},
    {CHUNKED "a;b=c\r\n0123456789\r\nB \t; d=\"\t\x80\"\r\nabcdefghijk\r\n0;e\r\n\r\n", "POST",
     "/p", "", "0123456789abcdefghijk", "kc"},
    {CHUNKED "4\r\n\r\n\r\n\r\n0\r\nA: b\r\nContent-Length: 9\r\n\r\n", "POST", "/p", "",
     "\r\n\r\n", "kc"},
    {POST "transfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n", "POST", "/p", "", "", "kc"},
    {CHUNKED "1;a=\"\\\"; \\\\\" ;b;c=d;\r\nx\r\n0;a = \"\"\r\n\r\n", "POST", "/p", "", "x", "kc"},

    /* expectations */
    {POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", "POST", "/p", "", "x", "ke"},
    {POST "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST", "/p", "",
     "", "kec"},
    {POST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", "POST", "/p", "", "", "k"},
    {POST "Expect: 100-continue\r\n\r\n", "POST", "/p", "", "", "k"},
    {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", "POST", "/", "", "x",
     "0"},
    {"POST / HTTP/1.0\r\nExpect: a miracle\r\n\r\n", "POST", "/", "", "", "0"},
    {POST "Expect:\r\nContent-Length: 1\r\n\r\nx", "POST", "/p", "", "x", "k"},
    {POST "Expect: , \t,\r\n\r\n", "POST", "/p", "", "", "k"},
    {POST "Expect: ,100-continue\r\nContent-Length: 1\r\n\r\nx", "POST", "/p", "", "x", "ke"},
};

static void assert_flags(const char *flags)
{
    assert_int_equal(result.p.minor, strchr(flags, '0') ? 0 : 1);
    assert_int_equal(result.p.keep_alive, strchr(flags, 'k') != NULL);
    assert_int_equal(result.p.expects_continue, strchr(flags, 'e') != NULL);
    assert_int_equal(result.p.chunked, strchr(flags, 'c') != NULL);
}

static void reads_what_is_well_formed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        const struct good *g = &good[i];
        int64_t whole = read_text(g->message);
        size_t body = strlen(g->body);
        if (whole <= 0)
            assert_outcome(g->message, whole, 1);
        assert_int_equal(whole, result.len);
        assert_span(result.p.method, g->method);
        assert_span(result.p.path, g->path);
        assert_span(result.p.query, g->query);
        assert_int_equal(result.p.body_length, body);
        assert_int_equal(whole, result.head + (int64_t)body);
        assert_text((struct hw_str){result.bytes + result.head, body}, g->body);
        assert_flags(g->flags);
    }
}

static void waits_for_every_byte_of_a_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        for (size_t len = strlen(good[i].message); len-- > 0;) {
            begin(&result, &roomy, false);
            feed(&result, good[i].message, len);
            assert_int_equal(outcome(&result), 0);
            assert_null(result.p.why);
        }
}

static void leaves_the_next_message_behind_this_one(void **state)
{
    static char both[1024];
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        for (int discard = 0; discard < 2; discard++) {
            const char *next = "\r\n\x16 anything at all";
            size_t body = discard ? 0 : strlen(good[i].body);
            snprintf(both, sizeof both, "%s%s", good[i].message, next);
            read_every_way(&result, both, strlen(both), &roomy, discard);
            assert_true(result.whole > 0);
            assert_int_equal(result.whole, result.head + (int64_t)body);
            assert_text(
                (struct hw_str){result.bytes + result.whole, result.len - (size_t)result.whole},
                next);
        }
}

static void reads_pipelined_messages_one_after_the_other(void **state)
{
    static char stream[MESSAGE_MAX];
    size_t len = 0;
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        len += (size_t)snprintf(stream + len, sizeof stream - len, "%s", good[i].message);
    for (size_t i = 0; i < COUNT(good); i++) {
        begin(&result, &roomy, false);
        feed(&result, stream, len);
        assert_true(result.whole > 0);
        assert_span(result.p.path, good[i].path);
        assert_int_equal(result.p.body_length, strlen(good[i].body));
        len = result.len - (size_t)result.whole;
        memcpy(stream, result.bytes + result.whole, len);
    }
    assert_int_equal(len, 0);
}

static void gives_each_header_line_in_order_and_trimmed(void **state)
{
    struct hw_str value = HW_STR_NONE;
    (void)state;
    assert_true(read_text(POST "X-A:1\r\nx-a: \t two\twords \t\r\nEmpty:\r\nBlank: \t \r\n"
                               "Obs: \x80\xff\r\n\r\n") > 0);
    assert_int_equal(result.p.header_count, 6);
    assert_span(result.p.headers[0].name, "Host");
    assert_span(result.p.headers[1].name, "X-A");
    assert_span(result.p.headers[1].value, "1");
    assert_span(result.p.headers[2].value, "two\twords");
    assert_span(result.p.headers[3].value, "");
    assert_span(result.p.headers[4].value, "");
    assert_span(result.p.headers[5].value, "\x80\xff");
    assert_int_equal(hw_http_find(&result.p, result.bytes, HW_STR("x-a"), &value), 2);
    assert_text(value, "1");
    assert_int_equal(hw_http_find(&result.p, result.bytes, HW_STR("x-b"), &value), 0);
    assert_int_equal(hw_http_find(&result.p, result.bytes, HW_STR("empty"), &value), 1);
    assert_text(value, "");
}

static void knows_whether_a_body_follows(void **state)
{
    (void)state;
    assert_true(read_text(POST "\r\n") > 0);
    assert_false(hw_http_has_body(&result.p));
    assert_true(read_text(POST "Content-Length: 0\r\n\r\n") > 0);
    assert_false(hw_http_has_body(&result.p));
    assert_true(read_text(POST "Content-Length: 1\r\n\r\nx") > 0);
    assert_true(hw_http_has_body(&result.p));
    assert_true(read_text(CHUNKED "0\r\n\r\n") > 0);
    assert_true(hw_http_has_body(&result.p));
}

/* ---- bad messages ---- */

struct bad {
    struct hw_str message;
    int code;
};

#define BAD(text)                                                                                  \
    {                                                                                              \
        HW_STR(text), HW_EMALFORMED_REQUEST                                                        \
    }
#define REFUSED(text, code)                                                                        \
    {                                                                                              \
        HW_STR(text), code                                                                         \
    }

static const struct bad bad[] = {
    /* what is not HTTP, or not yet a request line */
    BAD("\x16\x03\x01\x02"),
    BAD("\n"),
    BAD("\r\n\r"),
    BAD("\r\n\n"),
    BAD("\rG"),
    BAD(" "),
    BAD("\0"),
    BAD("\x80"),
    BAD("(GET"),
    BAD("GET /\x01"),
    BAD("GET /\0"),
    BAD("GET /\x7f"),
    BAD("SSH-2.0-OpenSSH_9.2\r\n"),

    /* request lines */
    BAD("GET\r\n"),
    BAD("GET /\r\n"),
    BAD("GET / \r\n"),
    BAD("GET  / HTTP/1.1\r\n"),
    BAD("GET /  HTTP/1.1\r\n"),
    BAD("GET / HTTP/1.1 \r\n"),
    BAD("GET\t/ HTTP/1.1\r\n"),
    BAD("GET /\tHTTP/1.1\r\n"),
    BAD("G(T / HTTP/1.1\r\n"),
    BAD("G\x80T / HTTP/1.1\r\n"),
    BAD("GET /a b HTTP/1.1\r\n"),
    BAD("GET /a#b HTTP/1.1\r\n"),
    BAD("GET /a\x80 HTTP/1.1\r\n"),
    BAD("GET /a\tb HTTP/1.1\r\n"),
    BAD("GET a HTTP/1.1\r\n"),
    BAD("GET ?a HTTP/1.1\r\n"),
    BAD("GET * HTTP/1.1\r\n"),
    BAD("POST * HTTP/1.1\r\n"),
    BAD("M-SEARCH ** HTTP/1.1\r\n"),
    BAD("OPTIONS ** HTTP/1.1\r\n"),
    BAD("GET h:443 HTTP/1.1\r\n"),
    BAD("GET ftp://h/ HTTP/1.1\r\n"),
    BAD("GET http:/h HTTP/1.1\r\n"),
    BAD("GET http:// HTTP/1.1\r\n"),
    BAD("GET http:///a HTTP/1.1\r\n"),
    BAD("GET http://?a HTTP/1.1\r\n"),
    BAD("GET http://:80/ HTTP/1.1\r\n"),
    BAD("GET http://u@h/ HTTP/1.1\r\n"),
    BAD("GET http://h:8o/ HTTP/1.1\r\n"),
    BAD("CONNECT / HTTP/1.1\r\n"),
    BAD("CONNECT h HTTP/1.1\r\n"),
    BAD("CONNECT h1 HTTP/1.1\r\n"),
    BAD("CONNECT h: HTTP/1.1\r\n"),
    BAD("CONNECT :1 HTTP/1.1\r\n"),
    BAD("CONNECT http://h/ HTTP/1.1\r\n"),

    /* versions */
    BAD("GET / http/1.1\r\n"),
    BAD("GET / HTTP/1.\r\n"),
    BAD("GET / HTTP/1\r\n"),
    BAD("GET / HTTP/11\r\n"),
    BAD("GET / HTTP/1.10\r\n"),
    BAD("GET / HTTP/01.1\r\n"),
    BAD("GET / HTTP/1,1\r\n"),
    BAD("GET / HTTP/a.1\r\n"),
    BAD("GET / HTTPS/1.1\r\n"),
    REFUSED("GET / HTTP/1.2\r\n", HW_EUNSUPPORTED_VERSION),
    REFUSED("GET / HTTP/0.9\r\n", HW_EUNSUPPORTED_VERSION),
    REFUSED("GET / HTTP/2.0\r\n", HW_EUNSUPPORTED_VERSION),
    REFUSED("GET / HTTP/2.1\r\n", HW_EUNSUPPORTED_VERSION),
    REFUSED("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HW_EUNSUPPORTED_VERSION),

    /* line ends */
    BAD("GET / HTTP/1.1\n"),
    BAD("GET / HTTP/1.1\r\r\n"),
    BAD("GET / HTTP/1.1\rHost: h\r\n\r\n"),
    BAD(POST "A: b\n\r\n"),
    BAD(POST "A: b\rC: d\r\n\r\n"),
    BAD(POST "A: b\r\n\n"),
    BAD(POST "A: b\r\n\rx"),
    BAD(POST "\n"),

    /* header lines */
    BAD("GET / HTTP/1.1\r\n Host: h\r\n\r\n"),
    BAD(POST "A: b\r\n c\r\n\r\n"),
    BAD(POST "A: b\r\n\tc\r\n\r\n"),
    BAD(POST " \r\n"),
    BAD(POST "A : b\r\n"),
    BAD(POST "A\t: b\r\n"),
    BAD(POST "A b: c\r\n"),
    BAD(POST ": b\r\n"),
    BAD(POST "A\r\n"),
    BAD(POST "A(: b\r\n"),
    BAD(POST "\"A\": b\r\n"),
    BAD(POST "\xc3\xa4: b\r\n"),
    BAD(POST "A: b\0"),
    BAD(POST "A: b\x1b"),
    BAD(POST "A: b\x7f"),
    BAD(POST "A: 2345678\x0b"),

    /* Host */
    BAD("GET / HTTP/1.1\r\n\r\n"),
    BAD("GET http://h/ HTTP/1.1\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\nHost2: h\r\n\r\n"),
    BAD(POST "host: h\r\n"),
    BAD("GET / HTTP/1.0\r\n" HOST HOST),
    BAD("GET / HTTP/1.1\r\nHost: a b\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: a, b\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: a/b\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: u@h\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: h:http\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: h:1:2\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: :80\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: %4\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: %4g\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: h\x80\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: [::1\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: []\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: [::1]x\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: [/]\r\n"),

    /* Content-Length */
    BAD(POST "Content-Length:\r\n"),
    BAD(POST "Content-Length: +5\r\n"),
    BAD(POST "Content-Length: -5\r\n"),
    BAD(POST "Content-Length: 0x5\r\n"),
    BAD(POST "Content-Length: 5 5\r\n"),
    BAD(POST "Content-Length: 5, 5\r\n"),
    BAD(POST "Content-Length: 5.0\r\n"),
    BAD(POST "Content-Length: 1e1\r\n"),
    BAD(POST "Content-Length: \"5\"\r\n"),
    BAD(POST "Content-Length: 5\r\ncontent-length: 5\r\n"),
    BAD(POST "Content-Length: 5\r\nContent-Length: 6\r\n"),
    BAD(POST "Content-Length: 99999999999999999999x\r\n"),

    /* Transfer-Encoding */
    BAD(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
    BAD(POST "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n"),
    BAD("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD("POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunked, chunked\r\n"),
    BAD(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    BAD(POST "Transfer-Encoding: chunked, gzip\r\n"),
    BAD(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"),
    BAD(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n"),
    BAD(POST "Transfer-Encoding:\r\n"),
    BAD(POST "Transfer-Encoding: ,chunked\r\n"),
    BAD(POST "Transfer-Encoding: chunked,\r\n"),
    BAD(POST "Transfer-Encoding: \"chunked\"\r\n"),
    BAD(POST "Transfer-Encoding: chunked;q=1\r\n"),
    BAD(POST "Transfer-Encoding: chunked x\r\n"),
    BAD(POST "Transfer-Encoding: gzip/chunked\r\n"),
    BAD(POST "Transfer-Encoding: \x0b"
             "chunked\r\n"),
    BAD(POST "Transfer-Encoding\t: chunked\r\n"),
    REFUSED(POST "Transfer-Encoding: gzip\r\n\r\n", HW_EUNSUPPORTED_TRANSFER_CODING),
    REFUSED(POST "Transfer-Encoding: identity\r\n\r\n", HW_EUNSUPPORTED_TRANSFER_CODING),
    REFUSED(POST "Transfer-Encoding: xchunked\r\n\r\n", HW_EUNSUPPORTED_TRANSFER_CODING),
    REFUSED(POST "Transfer-Encoding: gzip, chunked\r\n\r\n", HW_EUNSUPPORTED_TRANSFER_CODING),
    REFUSED(POST "Transfer-Encoding: a;b=c\r\nTransfer-Encoding: chunked\r\n\r\n",
            HW_EUNSUPPORTED_TRANSFER_CODING),

    /* Expect */
    REFUSED(POST "Expect: 200-ok\r\n\r\n", HW_EUNSUPPORTED_EXPECTATION),
    REFUSED(POST "Expect: 100-continue, 200-ok\r\n\r\n", HW_EUNSUPPORTED_EXPECTATION),
    REFUSED(POST "Expect: 100-continue\r\nExpect: more\r\n\r\n", HW_EUNSUPPORTED_EXPECTATION),

    /* chunks */
    BAD(CHUNKED "\r\n"),
    BAD(CHUNKED "g\r\n"),
    BAD(CHUNKED "0x5\r\n"),
    BAD(CHUNKED "+5\r\n"),
    BAD(CHUNKED "-1\r\n"),
    BAD(CHUNKED " 5\r\n"),
    BAD(CHUNKED "5 \r\n"),
    BAD(CHUNKED "5 5\r\n"),
    BAD(CHUNKED "5,\r\n"),
    BAD(CHUNKED ";a\r\n"),
    BAD(CHUNKED "00000000000000005\r\n"),
    BAD(CHUNKED "10000000000000005\r\n"),
    BAD(CHUNKED "5\n"),
    BAD(CHUNKED "5\rx"),
    BAD(CHUNKED "5;a\n"),
    BAD(CHUNKED "5;a=\"b\r\n"),
    BAD(CHUNKED "5;a=\"b\\\"\r\n"),
    BAD(CHUNKED "5;a=\"\r\n"),
    BAD(CHUNKED "5;a=\"b\"c\r\n"),
    BAD(CHUNKED "5;a=\r\n"),
    BAD(CHUNKED "5;a b\r\n"),
    BAD(CHUNKED "5;\"a\"\r\n"),
    BAD(CHUNKED "5;a\0"),
    BAD(CHUNKED "5;\x1f"),
    BAD(CHUNKED "5\r\nhello\n"),
    BAD(CHUNKED "5\r\nhello\r\r"),
    BAD(CHUNKED "5\r\nhello!"),
    BAD(CHUNKED "5\r\nhello0\r\n\r\n"),
    BAD(CHUNKED "1\r\nx\r\n\r\n"),

    /* trailers */
    BAD(CHUNKED "0\r\n\n"),
    BAD(CHUNKED "0\r\n\rx"),
    BAD(CHUNKED "0\r\nA: b\n"),
    BAD(CHUNKED "0\r\n A: b\r\n"),
    BAD(CHUNKED "0\r\nA: b\r\n c\r\n"),
    BAD(CHUNKED "0\r\nA : b\r\n"),
    BAD(CHUNKED "0\r\nA\r\n"),
    BAD(CHUNKED "0\r\n: b\r\n"),
    BAD(CHUNKED "0\r\nA: \x02"),
};

static void refuses_what_is_malformed_or_unsupported(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_outcome(bad[i].message.ptr, read_all(bad[i].message, roomy), bad[i].code);
        assert_non_null(result.p.why);
    }
}

/* These are refused at their last byte; most others only when a line is whole. */
static void refuses_at_once(void **state)
{
    const struct hw_str settled[] = {
        HW_STR("\x16"),
        HW_STR("\n"),
        HW_STR("\r\n\r"),
        HW_STR("("),
        HW_STR("GET /\x01"),
        HW_STR("GET / HTTP/1.1\n"),
        HW_STR("GET / HTTP/1.1\rx"),
        HW_STR("GET / HTTP/1.1\r\nA: b\0"),
        HW_STR(CHUNKED "5;\x1f"),
        HW_STR(CHUNKED "1\r\nx\n"),
        HW_STR(CHUNKED "1\r\nx\rx"),
        HW_STR(CHUNKED "0\r\nA: \x7f"),
    };
    (void)state;
    for (size_t i = 0; i < COUNT(settled); i++) {
        assert_int_equal(read_all((struct hw_str){settled[i].ptr, settled[i].len - 1}, roomy), 0);
        assert_int_equal(read_all(settled[i], roomy), HW_EMALFORMED_REQUEST);
    }
}

static void says_what_is_wrong(void **state)
{
    const struct {
        const char *message, *why;
    } texts[] = {
        {"\x16", "this looks like TLS; the listener speaks plain HTTP"},
        {"PROXY TCP4 203.0.113.9 10.0.0.1 5555 443\r\n",
         "this looks like the PROXY protocol; the listener has no proxy_protocol = true"},
        {"PROXY UNKNOWN\r\n",
         "this looks like the PROXY protocol; the listener has no proxy_protocol = true"},
        {"PROXY TCP /\r\n",
         "the request line is not: method, target, HTTP/1.1, with one space between"},
        {"\r\n\r\n", "more than one empty line before the request line"},
        {"GET / HTTP/1.1\n", "a line ends with a bare LF"},
        {"GET / HTTP/1.1\rx", "a CR without an LF after it"},
        {POST "A: b\r\n c\r\n", "a header line begins with white space"},
        {POST "A : b\r\n", "white space before a header line's colon"},
        {POST "A(: b\r\n", "a header line has no colon, or its name is not a token"},
        {POST ": b\r\n", "a header line without a name"},
        {"GET / HTTP/1.1\r\n\r\n", "no Host"},
        {"GET / HTTP/1.1\r\n" HOST HOST, "more than one Host"},
        {POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
         "both Content-Length and Transfer-Encoding"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(read_text(texts[i].message), HW_EMALFORMED_REQUEST);
        assert_string_equal(result.p.why, texts[i].why);
    }
}

static void stays_refused(void **state)
{
    size_t len = 2;
    char more[] = POST "\r\n";
    (void)state;
    read_text("\x16");
    const char *why = result.p.why;
    assert_int_equal(hw_http_head(&result.p, more, sizeof more - 1), HW_EMALFORMED_REQUEST);
    assert_int_equal(hw_http_body(&result.p, more, &len), HW_EMALFORMED_REQUEST);
    assert_ptr_equal(result.p.why, why);
}

static void takes_every_byte_for_what_it_is(void **state)
{
    const char *token =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    char text[64];
    (void)state;
    for (int c = 1; c < 256; c++) {
        bool control = (c < 0x20 && c != '\t') || c == 0x7f;
        bool visible = c > 0x20 && c < 0x7f;
        snprintf(text, sizeof text, "A%c / HTTP/1.0\r\n\r\n", c);
        assert_int_equal(read_text(text) > 0, strchr(token, c) != NULL);
        snprintf(text, sizeof text, "A /%c HTTP/1.0\r\n\r\n", c);
        assert_int_equal(read_text(text) > 0, visible && c != '#');
        snprintf(text, sizeof text, "A / HTTP/1.0\r\nA%c: b\r\n\r\n", c);
        assert_int_equal(read_text(text) > 0, strchr(token, c) != NULL || c == ':');
        snprintf(text, sizeof text, "A / HTTP/1.0\r\nA: b%cbbbbbbbbb\r\n\r\n", c);
        assert_int_equal(read_text(text) > 0, !control);
        snprintf(text, sizeof text, "A / HTTP/1.0\r\nHost: b%cb\r\n\r\n", c);
        assert_int_equal(read_text(text) > 0, visible && !strchr("\"#%/:<>?@[\\]^`{|}", c));
    }
}

/* ---- limits ---- */

/* A head of exactly `len` bytes, written over `text`. */
static struct hw_str head_of(char *text, size_t len, const char *start)
{
    size_t at = (size_t)sprintf(text, "%sX: ", start);
    memset(text + at, 'x', len - at);
    memcpy(text + len - 4, "\r\n\r\n", 5);
    return (struct hw_str){text, len};
}

static void holds_the_head_to_header_max(void **state)
{
    static char text[512];
    struct hw_http_limits limits = {.header_max = 200, .body_max = 64};
    (void)state;
    assert_int_equal(read_all(head_of(text, 200, POST), limits), 200);
    for (size_t len = 201; len < 206; len++)
        assert_int_equal(read_all(head_of(text, len, POST), limits), HW_EHEADER_TOO_LARGE);

    /* a long line is refused at once, the request line too; what is not HTTP is still malformed */
    memset(text, 'x', 201);
    assert_int_equal(read_all((struct hw_str){text, 200}, limits), 0);
    assert_int_equal(read_all((struct hw_str){text, 201}, limits), HW_EHEADER_TOO_LARGE);
    text[199] = '\r';
    assert_int_equal(read_all((struct hw_str){text, 201}, limits), HW_EHEADER_TOO_LARGE);
    text[199] = '\n';
    assert_int_equal(read_all((struct hw_str){text, 200}, limits), HW_EMALFORMED_REQUEST);
}

static void counts_the_trailers_to_header_max(void **state)
{
    static char text[512];
    const size_t head = 180;
    struct hw_http_limits limits = {.header_max = 200, .body_max = 64};
    (void)state;
    head_of(text, head, POST "Transfer-Encoding: chunked\r\n");
    strcpy(text + head, "1\r\nx\r\n0\r\nA: 456789012345678\r\n\r\n");
    assert_int_equal(read_all(hw_str_of(text), limits), head + 1);
    strcpy(text + head, "1\r\nx\r\n0\r\nA: 456789012345\r\nB:\r\n\r\n");
    assert_int_equal(read_all(hw_str_of(text), limits), HW_EHEADER_TOO_LARGE);
    strcpy(text + head, "1\r\nx\r\n0\r\nA: 4567890123456789\r\n\r\n");
    assert_int_equal(read_all(hw_str_of(text), limits), HW_EHEADER_TOO_LARGE);
    strcpy(text + head, "0\r\nA: 456789012345678901");
    assert_int_equal(read_all(hw_str_of(text), limits), HW_EHEADER_TOO_LARGE);
}

static void lets_a_full_head_have_a_chunked_body(void **state)
{
    static char text[512];
    struct hw_http_limits limits = {.header_max = 200, .body_max = 64};
    (void)state;
    head_of(text, 200, POST "Transfer-Encoding: chunked\r\n");
    strcpy(text + 200, "1\r\nx\r\n0\r\n\r\n");
    assert_int_equal(read_all(hw_str_of(text), limits), 201);
    strcpy(text + 200, "0\r\nA:\r\n\r\n");
    assert_int_equal(read_all(hw_str_of(text), limits), HW_EHEADER_TOO_LARGE);
}

/* Both those whose positions are kept and those that are searched for each time. */
static void finds_any_number_of_header_lines(void **state)
{
    enum { LINES = 3 * HW_HTTP_HEADERS_KEPT };
    static char text[16384];
    char name[32], expected[32];
    (void)state;
    for (int lines = 1; lines <= LINES; lines++) {
        size_t len = (size_t)sprintf(text, POST);
        for (int i = 1; i < lines; i++)
            len += (size_t)sprintf(text + len, i % 2 ? "A%d: \t%d: \r\n" : "a%d:%d:\r\n", i, i);
        len += (size_t)sprintf(text + len, "\r\n");
        assert_int_equal(read_text(text), len);
        assert_int_equal(result.p.header_count, lines);
        struct hw_http_walk walk = {0};
        struct hw_http_header header;
        struct hw_str value;
        assert_true(hw_http_next_header(&result.p, result.bytes, &walk, &header)); /* Host */
        for (int i = 1; i < lines; i++) {
            assert_true(hw_http_next_header(&result.p, result.bytes, &walk, &header));
            sprintf(name, i % 2 ? "A%d" : "a%d", i);
            sprintf(expected, "%d:", i);
            assert_span(header.name, name);
            assert_span(header.value, expected);
            sprintf(name, "a%d", i);
            assert_int_equal(hw_http_find(&result.p, result.bytes, hw_str_of(name), &value), 1);
            assert_text(value, expected);
        }
        assert_false(hw_http_next_header(&result.p, result.bytes, &walk, &header));
    }
}

static void holds_the_body_to_body_max(void **state)
{
    static char text[256];
    const char *const lengths[] = {"65", "18446744073709551615", "18446744073709551616",
                                   "99999999999999999999999999"};
    (void)state;
    snprintf(text, sizeof text, POST "Content-Length: 64\r\n\r\n%064d", 0);
    assert_int_equal(read_text(text), strlen(text));
    for (size_t i = 0; i < COUNT(lengths); i++) {
        snprintf(text, sizeof text, POST "Content-Length: %s\r\n\r\n", lengths[i]);
        assert_int_equal(read_text(text), HW_EBODY_TOO_LARGE);
        assert_int_equal(result.head, HW_EBODY_TOO_LARGE);
    }
}

static void holds_the_chunks_to_body_max(void **state)
{
    static char text[512];
    (void)state;
    snprintf(text, sizeof text, CHUNKED "40\r\n%064d\r\n0\r\n\r\n", 0);
    assert_true(read_text(text) > 0);
    snprintf(text, sizeof text, CHUNKED "3f\r\n%063d\r\n1\r\nx\r\n0\r\n\r\n", 0);
    assert_true(read_text(text) > 0);
    snprintf(text, sizeof text, CHUNKED "3f\r\n%063d\r\n2\r\n", 0);
    assert_int_equal(read_text(text), HW_EBODY_TOO_LARGE);
    assert_int_equal(read_text(CHUNKED "41\r\n"), HW_EBODY_TOO_LARGE);
    assert_int_equal(read_text(CHUNKED "ffffffffffffffff\r\n"), HW_EBODY_TOO_LARGE);
    assert_int_equal(read_text(CHUNKED "1\r\nx\r\nffffffffffffffff\r\n"), HW_EBODY_TOO_LARGE);
}

static void takes_bodies_of_any_size_when_nothing_limits_them(void **state)
{
    struct hw_http_limits limits = {.header_max = UINT32_MAX, .body_max = UINT64_MAX};
    (void)state;
    assert_int_equal(read_all(HW_STR(POST "Content-Length: 9223372032559808512\r\n\r\n"), limits),
                     0);
    assert_int_equal(read_all(HW_STR(POST "Content-Length: 9223372032559808513\r\n\r\n"), limits),
                     HW_EBODY_TOO_LARGE);
    assert_int_equal(read_all(HW_STR(CHUNKED "7fffffff00000000\r\nx"), limits), 0);
    assert_int_equal(read_all(HW_STR(CHUNKED "1\r\nx\r\n7fffffff00000000\r\n"), limits),
                     HW_EBODY_TOO_LARGE);
}

static void holds_a_chunk_size_line_to_its_length(void **state)
{
    static char text[512];
    size_t at = (size_t)sprintf(text, CHUNKED), ext = HW_HTTP_CHUNK_LINE_MAX - 2;
    (void)state;
    sprintf(text + at, "1;%0*d\r\nx\r\n0\r\n\r\n", (int)ext, 0);
    assert_true(read_text(text) > 0);
    sprintf(text + at, "1;%0*d\r\nx\r\n0\r\n\r\n", (int)ext + 1, 0);
    assert_int_equal(read_text(text), HW_EMALFORMED_REQUEST);
    sprintf(text + at, "1;%0*d", (int)ext + 3, 0);
    assert_int_equal(read_text(text), HW_EMALFORMED_REQUEST);
}

/* ---- how it reads ---- */

static void counts_but_does_not_keep_a_discarded_body(void **state)
{
    const char *const messages[] = {POST "Content-Length: 5\r\n\r\nhello",
                                    CHUNKED "2\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n"};
    (void)state;
    for (size_t i = 0; i < COUNT(messages); i++) {
        read_every_way(&result, messages[i], strlen(messages[i]), &roomy, true);
        assert_true(result.whole > 0);
        assert_int_equal(result.whole, result.head);
        assert_int_equal(result.len, result.head);
        assert_int_equal(result.p.body_length, 5);
    }
    const char *over = CHUNKED "40\r\n";
    begin(&result, &roomy, true);
    feed(&result, over, strlen(over));
    for (int i = 0; i < 64; i++)
        feed(&result, "x", 1);
    assert_int_equal(result.len, result.head);
    feed(&result, "\r\n1\r\n", 5);
    assert_int_equal(outcome(&result), HW_EBODY_TOO_LARGE);
}

/* If the value were scanned again, the LFs that are put there meanwhile would be refused. */
static void scans_no_byte_of_a_long_line_twice(void **state)
{
    char text[] = POST "X: aaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n";
    size_t len = sizeof text - 1;
    struct hw_http p;
    (void)state;
    hw_http_init(&p, &roomy);
    assert_int_equal(hw_http_head(&p, text, len - 5), 0);
    memset(text + len - 20, '\n', 12);
    assert_int_equal(hw_http_head(&p, text, len), len);
}

static uint32_t random_below(uint32_t n)
{
    static uint64_t seed = 20240510;
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % n;
}

static void spoil_some_bytes(char *text, size_t len)
{
    const char bytes[] = "\r\n\t :;,0159afAF\"\x00\x7f\x80/?*";
    for (unsigned i = random_below(3); i > 0; i--)
        text[random_below((uint32_t)len)] = bytes[random_below(sizeof bytes)];
}

static void reads_any_message_alike_in_any_parts(void **state)
{
    static struct reading once, parts;
    static char text[1024];
    (void)state;
    for (int round = 0; round < 50000; round++) {
        const char *from = good[random_below(COUNT(good))].message;
        struct hw_http_limits limits = {20 + random_below(150), 1 + random_below(30)};
        bool discard = random_below(2);
        size_t len = (size_t)snprintf(text, sizeof text, "%s%s", from, POST);
        spoil_some_bytes(text, len);
        begin(&once, &limits, discard);
        feed(&once, text, len);
        begin(&parts, &limits, discard);
        for (size_t at = 0, n; at < len; at += n) {
            n = 1 + random_below(40);
            n = n < len - at ? n : len - at;
            feed(&parts, text + at, n);
        }
        assert_same_reading(&once, &parts);
    }
}

static int open_places(void **state)
{
    (void)state;
    guard_open(&places[0], MESSAGE_MAX);
    guard_open(&places[1], MESSAGE_MAX);
    return 0;
}

static int close_places(void **state)
{
    (void)state;
    guard_close(&places[0]);
    guard_close(&places[1]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_well_formed),
        cmocka_unit_test(waits_for_every_byte_of_a_message),
        cmocka_unit_test(leaves_the_next_message_behind_this_one),
        cmocka_unit_test(reads_pipelined_messages_one_after_the_other),
        cmocka_unit_test(gives_each_header_line_in_order_and_trimmed),
        cmocka_unit_test(knows_whether_a_body_follows),
        cmocka_unit_test(refuses_what_is_malformed_or_unsupported),
        cmocka_unit_test(refuses_at_once),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(stays_refused),
        cmocka_unit_test(takes_every_byte_for_what_it_is),
        cmocka_unit_test(holds_the_head_to_header_max),
        cmocka_unit_test(counts_the_trailers_to_header_max),
        cmocka_unit_test(lets_a_full_head_have_a_chunked_body),
        cmocka_unit_test(finds_any_number_of_header_lines),
        cmocka_unit_test(holds_the_body_to_body_max),
        cmocka_unit_test(holds_the_chunks_to_body_max),
        cmocka_unit_test(takes_bodies_of_any_size_when_nothing_limits_them),
        cmocka_unit_test(holds_a_chunk_size_line_to_its_length),
        cmocka_unit_test(counts_but_does_not_keep_a_discarded_body),
        cmocka_unit_test(scans_no_byte_of_a_long_line_twice),
        cmocka_unit_test(reads_any_message_alike_in_any_parts),
    };
    return cmocka_run_group_tests(tests, open_places, close_places);
}
