/* api.h -- what the C host offers to a handler, beside plain Lua.
 *
 * The user's face of it is lua/hookward/init.lua; here are the parts that need the host.
 * Thread  the one that has the Lua state. All may raise Lua errors, unless they say otherwise. */
#ifndef HW_API_H
#define HW_API_H

#include <lua.h>

#include "notification.h"
#include "script/modules.h"

/* Prepares a handler's state: hookward's modules, print to the log, commands (command.h), and a
 * refusal in place of what would take the whole host down or lift a limit (os.exit, os.setlocale,
 * debug.sethook). */
void hw_api_open(lua_State *L, const struct hw_modules *modules);

/* A warning as far as its pieces have come; zeroed at first. */
struct hw_api_warning {
    size_t len;
    char text[512]; /* what is longer is cut */
};

/* Lua's warnings (an error in a finalizer, say) go to the log. Never raises. `warning` must live as
 * long as the state. */
void hw_api_set_warnings(lua_State *L, struct hw_api_warning *warning);

/* The handler's second argument. Its `headers` are made when they are first read (or the table is
 * walked by pairs), which must be while the handler runs. Stack: -0 +1. */
void hw_api_push_job(lua_State *L, const struct hw_notification *n);

/* Between jobs. Raises nothing after its first call. Stack: -0 +0. */
void hw_api_forget_job(lua_State *L);

/* A table of the request's header lines, names in lower case; an empty one for NULL.
 * Stack: -0 +1. */
void hw_api_push_headers(lua_State *L, const struct hw_request *request);

/* log(level, message, fields): the function behind hook.log. Stack: -0 +1. */
void hw_api_push_log(lua_State *L);

/* timestamp(text, any_form) -> seconds since 1970 | nil: RFC 3339; with any_form, all that the host
 * takes for a time (timestamp.h). Stack: -0 +1. */
void hw_api_push_timestamp(lua_State *L);

#endif
