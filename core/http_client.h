/* http_client.h -- outgoing HTTP and HTTPS for handlers and commands, on libcurl.
 *
 * Certificates are verified, always; there is no switch. Redirects are not followed. Only http and
 * https are spoken. It blocks the calling thread, as a handler may.
 * Thread  the one that has the Lua state; a curl handle (with its kept connections) a state. */
#ifndef HW_HTTP_CLIENT_H
#define HW_HTTP_CLIENT_H

#include <lua.h>

enum {
    HW_HTTP_CLIENT_TIMEOUT_MS = 10000,        /* the whole exchange, unless `timeout` says otherwise */
    HW_HTTP_CLIENT_ANSWER_MAX = 64 * 1024 * 1024 /* bytes of an answer's body */
};

/* Pushes the table behind hook.http: request{ method, url, body, headers, timeout, unix, answer_max },
 * get(url, options), post(url, body, options); each returns { status, headers, body } or nil, error.
 * A table as body is sent as JSON. Stack: -0 +1. */
void hw_http_client_push_api(lua_State *L);

#endif
