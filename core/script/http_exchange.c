/* http_exchange.c -- see http_exchange.h
 *
 * Each exchange resets the curl handle at its end, so that the handle never points into an exchange
 * that is gone; its connections may be closed much later. */
#include "script/http_exchange.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/descriptors.h"
#include "base/sigpipe.h"
#include "base/version.h"
#include "script/proxy.h"

/* ---- curl's descriptors: a child must not inherit them ---- */

enum { POLL_MS = 1000 }; /* the same as in curl_easy_perform */

static void wake(void *multi)
{
    hw_curl.multi_wakeup(multi);
}

CURLM *hw_http_exchange_new_multi(void)
{
    CURLM *multi = hw_curl_load() ? NULL : hw_curl.multi_init();
    if (multi)
        hw_descriptors_seal_pair(wake, multi);
    return multi;
}

/* While a thread of curl's resolves a name, the only descriptors to wait for are a pair of sockets
 * that this thread writes to at its end. */
static void seal_resolver(CURLM *multi)
{
    fd_set readable, writable, exceptional;
    int last = -1;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_ZERO(&exceptional);
    if (hw_curl.multi_fdset(multi, &readable, &writable, &exceptional, &last) == CURLM_OK &&
        last >= 0)
        hw_descriptors_seal_pair_of(last);
}

static curl_socket_t on_open(void *unused, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)unused;
    (void)purpose;
    return hw_descriptors_socket(address->family, address->socktype, address->protocol);
}

bool hw_http_exchange_open_line(struct hw_http_line *line)
{
    *line = (struct hw_http_line){NULL, NULL};
    if (hw_curl_load())
        return false;
    *line = (struct hw_http_line){hw_curl.easy_init(), hw_http_exchange_new_multi()};
    if (line->easy && line->multi)
        return true;
    hw_http_exchange_close_line(line);
    return false;
}

void hw_http_exchange_close_line(struct hw_http_line *line)
{
    if (line->easy)
        hw_curl.easy_cleanup(line->easy);
    if (line->multi)
        hw_curl.multi_cleanup(line->multi);
    *line = (struct hw_http_line){NULL, NULL};
}

/* ---- one exchange ---- */

void hw_http_exchange_init(struct hw_http_exchange *x)
{
    memset(x, 0, sizeof *x);
}

void hw_http_exchange_fini(struct hw_http_exchange *x)
{
    if (x->headers)
        hw_curl.slist_free_all(x->headers);
    if (x->connect)
        hw_curl.slist_free_all(x->connect);
    free(x->head.ptr);
    free(x->body.ptr);
    hw_http_exchange_init(x);
}

bool hw_http_exchange_add_header(struct hw_http_exchange *x, const char *line)
{
    struct curl_slist *longer = hw_curl_load() ? NULL : hw_curl.slist_append(x->headers, line);
    if (longer)
        x->headers = longer;
    return longer != NULL;
}

static bool append(struct hw_http_bytes *bytes, const char *more, size_t length)
{
    if (bytes->size - bytes->len <= length) { /* <=: an empty answer gets a buffer too */
        size_t size = bytes->len + length < 4096 ? 4096 : (bytes->len + length) * 2;
        char *larger = realloc(bytes->ptr, size);
        if (!larger)
            return false;
        bytes->ptr = larger;
        bytes->size = size;
    }
    memcpy(bytes->ptr + bytes->len, more, length);
    bytes->len += length;
    return true;
}

static const char body_too_large[] = "the answer is larger than answer_max";
static const char header_too_large[] = "the header of the answer is too large";

/* Takes up to `max` bytes in all. To return anything but more.len makes curl end the exchange. */
static size_t receive(struct hw_http_exchange *x, struct hw_http_bytes *to, struct hw_str more,
                      size_t max, const char *too_large)
{
    if (more.len > max - to->len)
        x->refused = too_large;
    else if (!append(to, more.ptr, more.len))
        x->refused = "out of memory";
    return x->refused ? 0 : more.len;
}

static size_t on_body(char *bytes, size_t one, size_t length, void *exchange);
static size_t on_header(char *bytes, size_t one, size_t length, void *exchange);
static size_t on_slow_body(char *bytes, size_t one, size_t room, void *exchange);
static int on_seek(void *exchange, curl_off_t offset, int origin);

static CURLcode configure_trust(CURL *easy, const struct hw_http_request *r)
{
    /* The curl program reads these variables; libcurl does not. */
    const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
    CURLcode rc = CURLE_OK;
    if (r->ca) {
        rc |= hw_curl.easy_setopt(easy, CURLOPT_CAINFO, r->ca);
        rc |= hw_curl.easy_setopt(easy, CURLOPT_CAPATH, NULL);
    } else {
        if (file && *file)
            rc |= hw_curl.easy_setopt(easy, CURLOPT_CAINFO, file);
        if (folder && *folder)
            rc |= hw_curl.easy_setopt(easy, CURLOPT_CAPATH, folder);
    }
    rc |= hw_curl.easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    return rc;
}

/* The key may be in the certificate's file, as curl's own option has it. */
static CURLcode configure_identity(CURL *easy, const struct hw_http_request *r)
{
    CURLcode rc = CURLE_OK;
    if (!r->client_cert)
        return rc;
    rc |= hw_curl.easy_setopt(easy, CURLOPT_SSLCERT, r->client_cert);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_SSLKEY, r->client_key ? r->client_key : r->client_cert);
    /* without a password OpenSSL asks for one at the terminal */
    rc |= hw_curl.easy_setopt(easy, CURLOPT_KEYPASSWD, "");
    return rc;
}

static CURLcode configure_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500 /* 7.85.0 */
    return hw_curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    return hw_curl.easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/* curl limits the rate of the pieces that it gets, so it gets small ones. */
static CURLcode configure_slow_body(CURL *easy, const struct hw_http_request *r,
                                    struct hw_http_exchange *x)
{
    CURLcode rc = CURLE_OK;
    x->to_send = r->body;
    x->sent = 0;
    x->send_rate = r->send_rate;
    rc |= hw_curl.easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_READFUNCTION, on_slow_body);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_READDATA, x);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_SEEKDATA, x);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)r->send_rate);
    return rc;
}

static CURLcode configure_body(CURL *easy, const struct hw_http_request *r,
                               struct hw_http_exchange *x)
{
    CURLcode rc = CURLE_OK;
    bool wants_length = r->body.ptr || strcmp(r->method, "POST") == 0 ||
                        strcmp(r->method, "PUT") == 0 || strcmp(r->method, "PATCH") == 0;
    if (wants_length) {
        rc |= hw_curl.easy_setopt(easy, CURLOPT_POST, 1L);
        rc |= hw_curl.easy_setopt(easy, CURLOPT_POSTFIELDS, r->body.ptr ? r->body.ptr : "");
        rc |= hw_curl.easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
        if (r->expect_ms)
            rc |= hw_curl.easy_setopt(easy, CURLOPT_EXPECT_100_TIMEOUT_MS, r->expect_ms);
        if (r->send_rate)
            rc |= configure_slow_body(easy, r, x);
    } else if (strcmp(r->method, "HEAD") == 0) {
        rc |= hw_curl.easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    rc |= hw_curl.easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
    return rc;
}

/* curl must not read the environment itself; see proxy.h. */
static CURLcode configure_proxy(CURL *easy, const struct hw_http_request *r,
                                struct hw_http_exchange *x)
{
    CURLcode rc = CURLE_OK;
    x->proxy = r->unix_path || r->connect ? NULL : hw_proxy_of(r->url, &x->proxy_variable);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_PROXY, x->proxy ? x->proxy : "");
    rc |= hw_curl.easy_setopt(easy, CURLOPT_NOPROXY, "");
    return rc;
}

static CURLcode configure_place(CURL *easy, const struct hw_http_request *r,
                                struct hw_http_exchange *x)
{
    CURLcode rc = CURLE_OK;
    if (r->unix_path)
        rc |= hw_curl.easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, r->unix_path);
    if (r->connect) {
        char rule[300];
        int len = snprintf(rule, sizeof rule, "::%s", r->connect); /* whatever the url's are */
        x->connect = len < (int)sizeof rule ? hw_curl.slist_append(NULL, rule) : NULL;
        rc |= x->connect ? hw_curl.easy_setopt(easy, CURLOPT_CONNECT_TO, x->connect)
                         : CURLE_OUT_OF_MEMORY;
    }
    if (r->proxy_protocol)
        rc |= hw_curl.easy_setopt(easy, CURLOPT_HAPROXYPROTOCOL, 1L);
    return rc;
}

static CURLcode configure(CURL *easy, const struct hw_http_request *r, struct hw_http_exchange *x)
{
    long connect_ms = HW_HTTP_EXCHANGE_CONNECT_MS;
    CURLcode rc = CURLE_OK;
    rc |= hw_curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, x->error);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L); /* signals are not safe with threads */
    rc |= hw_curl.easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_USERAGENT, "hookward/" HW_VERSION);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_URL, r->url);
    rc |= configure_place(easy, r, x);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_HTTPHEADER, x->headers);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_TIMEOUT_MS, r->timeout_ms);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                              r->timeout_ms < connect_ms ? r->timeout_ms : connect_ms);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_WRITEDATA, x);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    rc |= hw_curl.easy_setopt(easy, CURLOPT_HEADERDATA, x);
    rc |= configure_proxy(easy, r, x);
    rc |= configure_protocols(easy);
    rc |= configure_body(easy, r, x);
    rc |= configure_trust(easy, r);
    rc |= configure_identity(easy, r);
    return rc == CURLE_OK ? CURLE_OK : CURLE_FAILED_INIT;
}

static const char *kind_of(CURLcode rc)
{
    switch (rc) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return "resolve";
    case CURLE_COULDNT_CONNECT:
        return "connect";
    case CURLE_OPERATION_TIMEDOUT:
        return "timeout";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
        return "tls";
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return "closed";
    default:
        return "failed";
    }
}

void hw_http_exchange_fail(struct hw_http_exchange *x, const char *kind, const char *why)
{
    x->kind = kind;
    if (why != x->error)
        snprintf(x->error, sizeof x->error, "%s", why);
    for (char *c = x->error; *c; c++)
        if (*c == '\r' || *c == '\n')
            *c = ' ';
}

/* Names the proxy in x->error: the host that can't be resolved or reached is the proxy. */
static void tell_proxy(struct hw_http_exchange *x)
{
    char shown[HW_PROXY_SHOWN_MAX], said[CURL_ERROR_SIZE];
    hw_proxy_show(x->proxy, shown);
    memcpy(said, x->error, sizeof said);
    said[sizeof said - 1] = '\0';
    snprintf(x->error, sizeof x->error, "through the proxy %s (%s): %s", shown, x->proxy_variable,
             said);
    if (strcmp(x->kind, "resolve") == 0 || strcmp(x->kind, "connect") == 0)
        x->kind = "proxy";
}

bool hw_http_exchange_begin(CURL *easy, const struct hw_http_request *r, struct hw_http_exchange *x)
{
    x->body_max = r->answer_max;
    return configure(easy, r, x) == CURLE_OK;
}

long hw_http_exchange_end(CURL *easy, CURLcode rc, struct hw_http_exchange *x)
{
    long status = -1;
    if (rc == CURLE_OK)
        hw_curl.easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    hw_curl.easy_reset(easy); /* keeps the connections */
    if (rc == CURLE_OK)
        return status;
    const char *why = x->error[0] ? x->error : hw_curl.easy_strerror(rc);
    hw_http_exchange_fail(x, kind_of(rc), x->refused ? x->refused : why);
    if (x->proxy && !x->refused)
        tell_proxy(x);
    return -1;
}

/* What curl_easy_perform does; but that hides its sockets, and so they can't be sealed. */
static CURLcode perform(const struct hw_http_line *line)
{
    int running, rest;
    CURLcode rc = CURLE_FAILED_INIT;
    if (hw_curl.multi_add_handle(line->multi, line->easy) != CURLM_OK)
        return rc;
    CURLMcode mc = hw_curl.multi_perform(line->multi, &running);
    if (mc == CURLM_OK && running)
        seal_resolver(line->multi);
    while (mc == CURLM_OK && running) {
        mc = hw_curl.multi_poll(line->multi, NULL, 0, POLL_MS, NULL);
        if (mc == CURLM_OK)
            mc = hw_curl.multi_perform(line->multi, &running);
    }
    CURLMsg *message = mc == CURLM_OK ? hw_curl.multi_info_read(line->multi, &rest) : NULL;
    if (message)
        rc = message->data.result;
    hw_curl.multi_remove_handle(line->multi, line->easy);
    return rc;
}

long hw_http_exchange_run(const struct hw_http_line *line, const struct hw_http_request *r,
                          struct hw_http_exchange *x)
{
    CURLcode rc = CURLE_FAILED_INIT;
    sigset_t before;
    hw_sigpipe_block(&before); /* with CURLOPT_NOSIGNAL, curl does not do so itself */
    if (hw_http_exchange_begin(line->easy, r, x))
        rc = perform(line);
    hw_sigpipe_restore(&before);
    return hw_http_exchange_end(line->easy, rc, x);
}

long hw_http_exchange_answer(const struct hw_http_request *r, struct hw_http_exchange *x,
                             long status, struct hw_str head, struct hw_str body)
{
    receive(x, &x->head, head, HW_HTTP_EXCHANGE_HEADER_MAX, header_too_large);
    if (!x->refused)
        receive(x, &x->body, body, r->answer_max, body_too_large);
    if (!x->refused)
        return status;
    hw_http_exchange_fail(x, kind_of(CURLE_WRITE_ERROR), x->refused);
    return -1;
}

/* ---- called by curl ---- */

static size_t on_body(char *bytes, size_t one, size_t length, void *exchange)
{
    struct hw_http_exchange *x = exchange;
    return receive(x, &x->body, (struct hw_str){bytes, one * length}, x->body_max, body_too_large);
}

static size_t on_header(char *bytes, size_t one, size_t length, void *exchange)
{
    struct hw_http_exchange *x = exchange;
    struct hw_str line = {bytes, one * length};
    if (line.len >= 5 && memcmp(line.ptr, "HTTP/", 5) == 0) {
        x->head.len = 0; /* the lines before belong to a 100 Continue */
        x->head_done = false;
    } else if (line.len > 0 && (line.ptr[0] == '\r' || line.ptr[0] == '\n')) {
        x->head_done = true;
    } else if (!x->head_done) {
        return receive(x, &x->head, line, HW_HTTP_EXCHANGE_HEADER_MAX, header_too_large);
    }
    return line.len;
}

enum { SLOW_PIECES = 10 }; /* a second */

static size_t on_slow_body(char *bytes, size_t one, size_t room, void *exchange)
{
    struct hw_http_exchange *x = exchange;
    size_t n = x->to_send.len - x->sent, piece = (size_t)x->send_rate / SLOW_PIECES;
    if (n > (piece ? piece : 1))
        n = piece ? piece : 1;
    if (n > one * room)
        n = one * room;
    memcpy(bytes, x->to_send.ptr + x->sent, n);
    x->sent += n;
    return n;
}

/* curl sends the body again when a kept connection turns out to be closed. */
static int on_seek(void *exchange, curl_off_t offset, int origin)
{
    struct hw_http_exchange *x = exchange;
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > x->to_send.len)
        return CURL_SEEKFUNC_FAIL;
    x->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}
