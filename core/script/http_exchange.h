/* http_exchange.h -- one HTTP exchange over libcurl: a request out, the answer into memory.
 *
 * No Lua here, and so nothing that could leave in the middle. http_client.c is the Lua side.
 * Thread  the one that has the curl handle. */
#ifndef HW_HTTP_EXCHANGE_H
#define HW_HTTP_EXCHANGE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "script/proxy.h"

enum {
    HW_HTTP_EXCHANGE_CONNECT_MS = 5000,      /* of the time-out, until there is a connection */
    HW_HTTP_EXCHANGE_HEADER_MAX = 256 * 1024 /* bytes of an answer's header */
};

/* What to send. The texts are the caller's and outlive the exchange. */
struct hw_http_request {
    const char *url;
    const char *unix_path; /* or NULL */
    const char *ca;        /* a file of the only trusted certificates, or NULL */
    char method[32];
    struct hw_str body; /* ptr NULL: none */
    long timeout_ms;
    long expect_ms; /* how long to wait for a 100 Continue before the body is sent; 0: not at all */
    long send_rate; /* bytes of the body a second; 0: as fast as it goes */
    size_t answer_max;
};

struct hw_http_bytes {
    char *ptr;
    size_t len, size;
};

/* All memory of one exchange. */
struct hw_http_exchange {
    struct curl_slist *headers; /* to send, as lines */
    struct hw_http_bytes head;  /* the answer's header lines, without its status line */
    struct hw_http_bytes body;
    size_t body_max;
    struct hw_str to_send; /* of a body that is sent slowly: all of it, and how much is sent */
    size_t sent;
    long send_rate;
    bool head_done;                     /* what comes behind the empty line are trailers */
    const char *proxy, *proxy_variable; /* what it goes through, and who says so; or NULL */
    const char *refused;
    const char *kind; /* of the failure; see http_client.h. Static */
    char error[CURL_ERROR_SIZE + HW_PROXY_SHOWN_MAX + 64]; /* curl writes the first part at most */
};

void hw_http_exchange_init(struct hw_http_exchange *x);

/* May be called twice. */
void hw_http_exchange_fini(struct hw_http_exchange *x);

/* Adds "Name: value" (or curl's "Name:", not to be sent, and "Name;", sent empty), which is
 * copied. False without memory. */
bool hw_http_exchange_add_header(struct hw_http_exchange *x, const char *line);

/* libcurl, initialised once by whoever comes first. */
void hw_http_exchange_init_curl(void);

/* A handle and the connections that it keeps. */
struct hw_http_line {
    CURL *easy;
    CURLM *multi;
};

/* False without memory; then there is nothing to close. Closing may be done twice. */
bool hw_http_exchange_open_line(struct hw_http_line *line);
void hw_http_exchange_close_line(struct hw_http_line *line);

/* curl_multi_init, with its inner pair of sockets closed on exec. NULL when it can't. */
CURLM *hw_http_exchange_new_multi(void);

/* Prepares `easy` for the request; both and `x` must stay where they are until the end. Returns
 * false when it can't; end says why all the same. */
bool hw_http_exchange_begin(CURL *easy, const struct hw_http_request *r,
                            struct hw_http_exchange *x);

/* The exchange is over with curl's `rc`: as run returns. */
long hw_http_exchange_end(CURL *easy, CURLcode rc, struct hw_http_exchange *x);

/* Both, with the exchange in between. Blocks until the answer is complete. Returns its status, or
 * -1 with one line in x->error and a word in x->kind. `line` is as if new before and after, but for
 * the connections it keeps. */
long hw_http_exchange_run(const struct hw_http_line *line, const struct hw_http_request *r,
                          struct hw_http_exchange *x);

/* In the place of hw_http_exchange_run, for tests: takes an answer as if it had arrived. `head` is
 * header lines. Returns as it does: answer_max and the header's limit hold here too. */
long hw_http_exchange_answer(const struct hw_http_request *r, struct hw_http_exchange *x,
                             long status, struct hw_str head, struct hw_str body);

/* What a failure leaves: one line in x->error (line ends become spaces), and its kind (static). */
void hw_http_exchange_fail(struct hw_http_exchange *x, const char *kind, const char *why);

#endif
