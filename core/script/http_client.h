/* http_client.h -- outgoing HTTP and HTTPS for handlers and commands, on libcurl.
 *
 * Certificates are verified, always; there is no switch. Redirects are not followed. Only http and
 * https are spoken. It blocks the calling thread, as a handler may. A process that calls it
 * ignores SIGPIPE (some versions of libcurl raise it over TLS).
 * Thread  the one that has the Lua state; a curl handle (with its kept connections) a state. */
#ifndef HW_HTTP_CLIENT_H
#define HW_HTTP_CLIENT_H

#include <lua.h>

enum {
    HW_HTTP_CLIENT_TIMEOUT_MS = 10000, /* the whole exchange, unless `timeout` says otherwise */
    HW_HTTP_CLIENT_ANSWER_MAX = 64 * 1024 * 1024 /* bytes of an answer's body */
};

/* Pushes the table behind hook.http:
 *
 *     request { url =, method =, body =, headers =, timeout =, unix =, answer_max =, ca =,
 *               expect =, send_rate = }
 *     get(url, options)          options: what request takes but for url, method, body
 *     post(url, body, options)
 *
 *     url         http://… or https://…; the one that is required
 *     method      a token; GET, or POST with a body
 *     body        a string, or a table, which is sent as JSON
 *     headers     name -> string or number
 *     timeout     seconds, for the whole exchange
 *     unix        the path of a Unix socket to connect to instead of the url's host
 *     answer_max  bytes of the answer's body; over that it is an error
 *     expect      seconds: sends Expect: 100-continue, and waits for the server's leave so long at
 *                 most before the body is sent
 *     send_rate   bytes of the body to send a second
 *     ca          a file of certificates (PEM): these are trusted, and no others. Else those of
 *                 the environment's SSL_CERT_FILE and SSL_CERT_DIR, else the system's
 *
 * Each returns { status = integer, headers = { lower-case name -> value }, body = string },
 * repeated headers joined with ", "; or nil, one line that says what went wrong, and a word for
 * programs: "resolve" (no such host), "connect" (nobody listens), "timeout", "tls" (its certificate
 * is not trusted, or there is no common ground), "closed" (it hung up), "proxy" (the environment's
 * proxy, proxy.h, can't be found or reached), "failed" (else). Misuse (an
 * unknown option, a wrong type, a header or method that would break the request apart) raises an
 * error. libcurl is not initialised before the first request. Stack: -0 +1. */
void hw_http_client_push_api(lua_State *L);

struct hw_http_request;
struct hw_http_exchange;

/* For who runs the exchange elsewhere: reads the options of request from the table at 1, the only
 * argument. Returns 0 and fills in `out` and x->headers; the texts of `out` live as long as the
 * table and the value on top. Else pushes what request would return, and returns the number of
 * these values. Raises what request would raise. */
int hw_http_client_prepare(lua_State *L, struct hw_http_request *out, struct hw_http_exchange *x);

/* Pushes what request returns, and returns the number of values. `status`: of
 * hw_http_exchange_end. */
int hw_http_client_push_outcome(lua_State *L, long status, const struct hw_http_exchange *x);

/* In libcurl's place, for tests: makes an answer in *x. Returns its status, or -1 with one line in
 * x->error. It may not raise an error in the state that asks. */
struct hw_http_request;
struct hw_http_exchange;
typedef long hw_http_transport_fn(void *ud, const struct hw_http_request *r,
                                  struct hw_http_exchange *x);

struct hw_http_transport {
    hw_http_transport_fn *run;
    void *ud;
};

/* From here on the requests of this state go there; it must live as long as the state.
 * Stack: -0 +0. */
void hw_http_client_set_transport(lua_State *L, struct hw_http_transport *transport);

#endif
