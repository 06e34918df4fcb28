/* http_options.h -- the options of hook.http, from a Lua table to a request.
 *
 * How     a table of functions, one for each option, that check and keep its value. An option that
 *         is unknown, has a wrong type or would corrupt the request raises an error.
 * Not     the options' meaning: http_client.h.
 * Thread  the one that has the Lua state. All functions may raise Lua errors. */
#ifndef HW_HTTP_OPTIONS_H
#define HW_HTTP_OPTIONS_H

#include <lua.h>
#include <stdbool.h>

#include "script/http_exchange.h"

enum {
    HW_HTTP_OPTIONS_TIMEOUT_MS = 10000,           /* the default of `timeout` */
    HW_HTTP_OPTIONS_ANSWER_MAX = 64 * 1024 * 1024 /* the default of answer_max, and its limit */
};

struct hw_http_options {
    struct hw_http_request out; /* its texts belong to Lua values */
    bool body_is_json;          /* the body is a table, not encoded yet */
    bool has_content_type, has_expect;
};

/* Sets the defaults. */
void hw_http_options_init(struct hw_http_options *o);

/* Reads the table at `index`. If not `positional`, url, method and body are unknown options. The
 * table must stay on the stack, since it keeps the texts. Stack: -0 +0. */
void hw_http_options_read(lua_State *L, struct hw_http_options *o, int index, bool positional);

/* Read one option's value at `index`. Stack: -0 +0. */
void hw_http_options_read_url(lua_State *L, struct hw_http_options *o, int index);
void hw_http_options_read_body(lua_State *L, struct hw_http_options *o, int index);

/* After all options are read: encodes the body at the index `body` if it is a table, and chooses
 * the method if none is given. Returns true and pushes a value that keeps the body's text, or false
 * and pushes the reason. Stack: -0 +1. */
bool hw_http_options_complete(lua_State *L, struct hw_http_options *o, int body);

/* Adds the header lines of the options at `index` (0: there are none), and those that curl would
 * choose otherwise, to the exchange. Stack: -0 +0. */
void hw_http_options_put_headers(lua_State *L, struct hw_http_options *o,
                                 struct hw_http_exchange *x, int index);

#endif
