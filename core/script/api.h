/* api.h -- what scripts get from the host beside Lua's library: log, print, time; and what is
 * refused.
 *
 * Not     lua/hookward/init.lua, which a handler requires. Here are its parts that need the host.
 * Thread  the one that has the Lua state. All functions may raise Lua errors, unless they say
 *         otherwise. */
#ifndef HW_API_H
#define HW_API_H

#include <lua.h>
#include <stdbool.h>

#include "script/modules.h"

/* Prepares a state for scripts: hookward's modules, print to the log, commands (command.h).
 * Functions that would end or change the whole host, or turn off a limit, raise an error (os.exit,
 * os.setlocale, debug.sethook). Stack: -0 +0. */
void hw_api_open(lua_State *L, const struct hw_modules *modules);

/* The pieces of a warning so far; zeroed at first. */
struct hw_api_warning {
    size_t len;
    char text[512]; /* a longer warning is cut */
};

/* Sends Lua's warnings, such as an error in a finalizer, to the log. Never raises. `warning` must
 * live as long as the state. Stack: -0 +0. */
void hw_api_set_warnings(lua_State *L, struct hw_api_warning *warning);

/* Pushes log(level, message, fields), the function behind hook.log. Stack: -0 +1. */
void hw_api_push_log(lua_State *L);

/* Pushes retry_after(ms) -> boolean: the delay before the next retry of the notification at hand;
 * false when there is none. Stack: -0 +1. */
void hw_api_push_retry_after(lua_State *L);

/* Pushes what hook.never returns behind its reason, so that the host knows it. Stack: -0 +1. */
void hw_api_push_never(lua_State *L);
bool hw_api_is_never(lua_State *L, int index);

/* Pushes timestamp(text, any_form) -> seconds since 1970 | nil. The text must be RFC 3339; with
 * any_form, any form that the host accepts (timestamp.h). Stack: -0 +1. */
void hw_api_push_timestamp(lua_State *L);

#endif
