/* call.h -- one request on its way through an app, and the answer that its handler returns.
 *
 *     handle(request) -> status, headers, body | later
 *
 *     request   { method, path, query, headers (lower-case names), body, peer }
 *     status    a whole number from 200 to 599
 *     headers   nil, or name -> value; a value is a string, a number, or a list of these
 *     body      nil, a string, or a table, which is sent as JSON
 *     later     an object of app.later(): the answer comes later, or in pieces (later.h)
 *
 * Thread  the leader makes a call, the app's thread answers it, the leader sends the answer and
 *         frees the call. What passes between the two is guarded by a lock (queues.h). */
#ifndef HW_APP_CALL_H
#define HW_APP_CALL_H

#include <lua.h>
#include <stdbool.h>

#include "base/arena.h"
#include "http/answer.h"
#include "http/request.h"
#include "http/waiter.h"

enum { HW_APP_FIELDS_MAX = 64 }; /* header lines of an answer */

struct hw_app_later;
struct hw_app_queues;

/* In a ring; `next` is NULL when it is in none. */
struct hw_app_link {
    struct hw_app_link *prev, *next;
};

struct hw_app_call {
    /* constant once the app has it */
    struct hw_app_queues *queues;
    char peer[96];

    /* travels with the call; the reply stays as it is once the answer has begun */
    struct hw_request *request; /* NULL once an answer in pieces has begun */
    int code;                   /* 0: there is a reply; or HW_EAPP_ERROR */
    struct hw_reply reply;      /* its texts are in `arena` */
    struct hw_arena arena;

    /* guarded by queues->m */
    struct hw_app_link to_app, to_leader;
    bool gone;     /* nobody waits for the answer any more */
    bool begun;    /* it is an answer in pieces, and its head is there */
    bool returned; /* by the app's thread, for good */
    char *pieces;  /* what the leader has not taken yet */
    size_t pieces_len, pieces_cap;
    size_t unsent; /* bytes of pieces that the connection has not sent yet */

    /* app's thread only */
    bool seen; /* by the handler */
    struct hw_app_later *later;
    struct hw_app_link kept; /* among those whose answer comes later */

    /* leader only */
    struct hw_waiter *waiters; /* the connection; NULL once it is gone */
    bool waits;                /* its answer comes later */
    bool streams;              /* the connection has its head */
    size_t in_flight;          /* bytes of pieces that the connection is sending */
};

/* Pushes what a handler gets. Stack: -0 +1. */
void hw_app_call_push_request(lua_State *L, const struct hw_app_call *call);

/* Turns a handler's three results, which stand at 1, 2 and 3, into the call's reply. Raises an
 * error when they are no answer. */
void hw_app_call_read_answer(lua_State *L, struct hw_app_call *call);

#endif
