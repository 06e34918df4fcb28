/* later.h -- answers that come later, and answers in pieces.
 *
 *     app.later() -> later               while a request is handled; its handler then returns the
 *                                        object in place of an answer
 *     later:answer(status, headers, body)  the answer, as a handler would return it
 *
 *     later:begin(status, headers)       or the head of an answer in pieces
 *     later:send(text)                   one piece, of at most HW_APP_STREAM_MAX bytes
 *     later:finish()                     the end
 *
 *     later:gone() -> boolean            nobody waits for the answer any more
 *
 * All but `gone` return true, or false and why:
 *     "gone"  the client has left, or its time was up (HW_APP_ANSWER_MS), or it wants no body
 *     "full"  nothing was done: over HW_APP_STREAM_MAX bytes are not sent yet, or over
 *             HW_APP_STREAMS_MAX answers in pieces are under way
 * They raise an error when the answer can't be one, or comes after the last one.
 *
 * A request counts against queue_max until it was answered, has begun to be answered in pieces, or
 * its client has left. When an object is collected, or the handler fails, before the answer is
 * complete, the client gets 500, or after `begin` is cut off.
 * Thread  the app's. */
#ifndef HW_APP_LATER_H
#define HW_APP_LATER_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "app/call.h"

enum { HW_APP_STREAMS_MAX = 100 };

struct hw_app_laters {
    struct hw_app_call *current; /* being handled and not answered; NULL: none */
    struct hw_app_link kept;     /* a ring: the others that the app has */
    size_t streams;
};

void hw_app_laters_init(struct hw_app_laters *laters);

/* Pushes app.later. `laters` must outlive the state. Stack: -0 +1. */
void hw_app_later_push(lua_State *L, struct hw_app_laters *laters);

/* Whether the value at `index` is the object of the present request. */
bool hw_app_later_is_current(lua_State *L, int index, const struct hw_app_laters *laters);

/* The handler has returned that object: the app keeps the call. */
void hw_app_laters_keep(struct hw_app_laters *laters);

/* The handler has returned something else: raises an error when it has begun to send pieces. */
void hw_app_laters_must_not_have_begun(lua_State *L, const struct hw_app_laters *laters);

/* The handler is over. Returns the call, whose answer is known now; NULL when it is kept, or was
 * returned before. */
struct hw_app_call *hw_app_laters_end(struct hw_app_laters *laters);

bool hw_app_laters_are_kept(const struct hw_app_laters *laters);

/* The client of a call that is kept has left: returns the call. */
void hw_app_laters_leave(struct hw_app_laters *laters, struct hw_app_call *call);

/* Returns all calls that are kept, without an answer. */
void hw_app_laters_stop(struct hw_app_laters *laters);

#endif
