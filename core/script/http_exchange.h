/* http_exchange.h -- one HTTP exchange over libcurl: a request out, the answer into memory.
 *
 * Not     no Lua: a Lua error can't jump out of the middle. http_client.c is the Lua side.
 * Thread  the one that has the curl handle. */
#ifndef HW_HTTP_EXCHANGE_H
#define HW_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "script/curl.h"
#include "script/proxy.h"

enum {
    HW_HTTP_EXCHANGE_CONNECT_MS = 5000,      /* to connect, unless timeout_ms is shorter */
    HW_HTTP_EXCHANGE_HEADER_MAX = 256 * 1024 /* bytes of an answer's header */
};

/* The request. The texts belong to the caller and must outlive the exchange. */
struct hw_http_request {
    const char *url;
    const char *unix_path; /* or NULL */
    const char *connect;   /* "host:port" to connect to in place of the url's, or NULL */
    bool proxy_protocol;   /* begin the connection with a header of the PROXY protocol */
    const char *ca;        /* a file of the only certificates that are trusted, or NULL */
    const char *client_cert, *client_key; /* files (PEM) to identify with; or NULL */
    char method[32];
    struct hw_str body; /* ptr NULL: none */
    long timeout_ms;
    long expect_ms; /* the longest wait for a 100 Continue before the body is sent; 0: none */
    long send_rate; /* bytes of the body to send a second; 0: no limit */
    size_t answer_max;
};

struct hw_http_bytes {
    char *ptr;
    size_t len, size;
};

/* All memory of one exchange. */
struct hw_http_exchange {
    struct curl_slist *headers; /* the request's header lines */
    struct curl_slist *connect; /* what request.connect is to curl */
    struct hw_http_bytes head;  /* the answer's header lines, without its status line */
    struct hw_http_bytes body;  /* the answer's body */
    size_t body_max;
    struct hw_str to_send; /* with send_rate: the whole body of the request */
    size_t sent;           /* how much of it is sent */
    long send_rate;
    bool head_done; /* the empty line has come; header lines after it are trailers */
    const char *proxy, *proxy_variable; /* the proxy and the variable that names it; or NULL */
    const char *refused;                /* why the answer is refused, or NULL. Static */
    const char *kind;                   /* of the failure; see http_client.h. Static */
    char error[CURL_ERROR_SIZE + HW_PROXY_SHOWN_MAX + 64]; /* curl writes CURL_ERROR_SIZE at most */
};

void hw_http_exchange_init(struct hw_http_exchange *x);

/* May be called twice. */
void hw_http_exchange_fini(struct hw_http_exchange *x);

/* Adds a header line, which is copied: "Name: value". As curl has it, "Name:" keeps a header from
 * being sent, and "Name;" sends it empty. False if there is no memory. */
bool hw_http_exchange_add_header(struct hw_http_exchange *x, const char *line);

/* A curl handle and the connections that it keeps. */
struct hw_http_line {
    CURL *easy;
    CURLM *multi;
};

/* False if there is no libcurl or no memory; then there is nothing to close. A line may be closed
 * twice. */
bool hw_http_exchange_open_line(struct hw_http_line *line);
void hw_http_exchange_close_line(struct hw_http_line *line);

/* curl_multi_init, with its internal pair of sockets marked close-on-exec. NULL on failure. */
CURLM *hw_http_exchange_new_multi(void);

/* Prepares `easy` for the request. All three must stay in place until hw_http_exchange_end. False
 * on failure; hw_http_exchange_end must be called then as well, and says why. */
bool hw_http_exchange_begin(CURL *easy, const struct hw_http_request *r,
                            struct hw_http_exchange *x);

/* Ends the exchange, whose result is curl's `rc`. Returns what hw_http_exchange_run returns. */
long hw_http_exchange_end(CURL *easy, CURLcode rc, struct hw_http_exchange *x);

/* Begins, runs and ends an exchange. Blocks until the answer is complete. Returns its status, or -1
 * with one line in x->error and a word in x->kind. `line` keeps its connections, and nothing else
 * of the exchange. */
long hw_http_exchange_run(const struct hw_http_line *line, const struct hw_http_request *r,
                          struct hw_http_exchange *x);

/* Takes the place of hw_http_exchange_run in tests: takes an answer as if it had arrived. `head`
 * holds its header lines. The limits of the header and of the body apply. Returns what
 * hw_http_exchange_run returns. */
long hw_http_exchange_answer(const struct hw_http_request *r, struct hw_http_exchange *x,
                             long status, struct hw_str head, struct hw_str body);

/* Records a failure: one line in x->error (line ends become spaces) and its kind (static). */
void hw_http_exchange_fail(struct hw_http_exchange *x, const char *kind, const char *why);

#endif
