/* headers.h -- the header lines of a request that the host received or has kept, as a Lua table.
 *
 * Thread  the one that has the Lua state. */
#ifndef HW_HEADERS_H
#define HW_HEADERS_H

#include <lua.h>

#include "http/request.h"

/* Pushes a table { lower-case name = value }. The values of a repeated name are joined with ", "
 * (RFC 9110, 5.3). An empty table for NULL. May raise a Lua memory error. Stack: -0 +1. */
void hw_headers_push(lua_State *L, const struct hw_request *request);

/* Pushes the same table from what http/kept_headers.h wrote; an empty one for no text. May raise a
 * Lua memory error. Stack: -0 +1. */
void hw_headers_push_kept(lua_State *L, struct hw_str json);

#endif
