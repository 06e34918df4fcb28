/* http_client.h -- outgoing HTTP and HTTPS for handlers and commands, on libcurl.
 *
 * Certificates are always verified; no option turns that off. Redirects are not followed. Only http
 * and https are allowed. A request blocks the calling thread, as a handler may. SIGPIPE is blocked
 * meanwhile, since some versions of libcurl raise it over TLS.
 *
 * Not     the options: http_options.c. The exchange itself: http_exchange.c.
 * Thread  the one that has the Lua state. Each state has a curl handle, with its connections. */
#ifndef HW_HTTP_CLIENT_H
#define HW_HTTP_CLIENT_H

#include <lua.h>

/* Pushes the table behind hook.http:
 *
 *     request { url =, method =, body =, headers =, timeout =, unix =, answer_max =, ca =,
 *               client_cert =, client_key =, connect =, proxy_protocol =, expect =, send_rate = }
 *     get(url, options)          options: what request takes but for url, method, body
 *     post(url, body, options)
 *
 *     url         http://… or https://…; required
 *     method      a token; GET by default, or POST with a body
 *     body        a string, or a table, which is sent as JSON
 *     headers     name -> string or number
 *     timeout     seconds for the whole exchange; 10 by default
 *     unix        the path of a Unix socket to connect to, in place of the url's host
 *     connect     "host:port" to connect to, in place of the url's host and port; the certificate
 *                 must still be for the url's host
 *     proxy_protocol  true: the connection begins with a header of the PROXY protocol (version 1), as
 *                 that of a load balancer
 *     answer_max  bytes of the answer's body, 64 MB by default and at most; more is an error
 *     expect      seconds: sends Expect: 100-continue, and waits so long at most for a 100 Continue
 *                 before it sends the body
 *     send_rate   bytes of the body to send a second
 *     ca          a file of certificates (PEM), the only ones that are trusted. By default those of
 *                 the environment's SSL_CERT_FILE and SSL_CERT_DIR, else the system's
 *     client_cert, client_key  files (PEM) of the certificate that the server is shown and of its
 *                 key, which must not be encrypted; without client_key it is in client_cert
 *
 * Each returns { status = integer, headers = { lower-case name -> value }, body = string }, where
 * the values of repeated headers are joined with ", "; or nil, one line that says what went wrong,
 * and a word for programs:
 *
 *     resolve    there is no such host
 *     connect    nobody listens there
 *     timeout
 *     tls        the certificate is not trusted, a file of certificates can't be used, or no common
 *                version or cipher was found
 *     closed     the server closed the connection
 *     proxy      the environment's proxy (proxy.h) can't be resolved or reached
 *     failed     anything else
 *
 * Misuse raises an error: an unknown option, a wrong type, a header or method that would corrupt
 * the request. libcurl is not initialised before the first request. Stack: -0 +1. */
void hw_http_client_push_api(lua_State *L);

struct hw_http_request;
struct hw_http_exchange;

/* For callers that run the exchange themselves: reads the options of `request` from the table at 1,
 * the only value on the stack. Returns 0 and fills in `out` and x->headers; the texts of `out` live
 * as long as the table and the value on top. On failure pushes what `request` would return, and
 * returns the number of these values. Raises what `request` would raise. */
int hw_http_client_prepare(lua_State *L, struct hw_http_request *out, struct hw_http_exchange *x);

/* Pushes what `request` returns, and returns the number of values. `status` is what
 * hw_http_exchange_end returned. */
int hw_http_client_push_outcome(lua_State *L, long status, const struct hw_http_exchange *x);

/* Takes libcurl's place in tests: writes an answer to *x. Returns its status, or -1 with one line
 * in x->error. Must not raise an error in the state that makes the request. */
typedef long hw_http_transport_fn(void *ud, const struct hw_http_request *r,
                                  struct hw_http_exchange *x);

struct hw_http_transport {
    hw_http_transport_fn *run;
    void *ud;
};

/* From here on the requests of this state go to `transport`, which must live as long as the state.
 * Stack: -0 +0. */
void hw_http_client_set_transport(lua_State *L, struct hw_http_transport *transport);

#endif
