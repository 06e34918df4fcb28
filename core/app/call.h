/* call.h -- one request on its way through an app, and the answer that its handler returns.
 *
 *     handle(request) -> status, headers, body
 *
 *     request   { method, path, query, headers (lower-case names), body, peer }
 *     status    a whole number from 200 to 599
 *     headers   nil, or name -> value; a value is a string, a number, or a list of these
 *     body      nil, a string, or a table, which is sent as JSON
 *
 * Thread  one at a time: the leader makes a call, the app's thread answers it, the leader sends the
 *         answer and frees the call. */
#ifndef HW_APP_CALL_H
#define HW_APP_CALL_H

#include <lua.h>

#include "base/arena.h"
#include "http/answer.h"
#include "http/request.h"
#include "http/waiter.h"

enum { HW_APP_FIELDS_MAX = 64 }; /* header lines of an answer */

struct hw_app_call {
    /* travels with the call */
    struct hw_app_call *next;
    struct hw_request *request;
    char peer[96];
    int code;              /* 0: there is a reply; or HW_EAPP_ERROR */
    struct hw_reply reply; /* its texts are in `arena` */
    struct hw_arena arena;

    /* leader only */
    struct hw_waiter *waiters; /* the connection; NULL once it is gone */
};

/* Pushes what a handler gets. Stack: -0 +1. */
void hw_app_call_push_request(lua_State *L, const struct hw_app_call *call);

/* Turns a handler's three results, which stand at 1, 2 and 3, into the call's reply. Raises an
 * error when they are no answer. */
void hw_app_call_read_answer(lua_State *L, struct hw_app_call *call);

#endif
