/* router.h -- the router of lua/hookward/handlers/router.lua, as the VM calls it.
 *
 * How     its functions are kept in the registry, where no script can replace them.
 * Thread  the one that has the Lua state. */
#ifndef HW_ROUTER_H
#define HW_ROUTER_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Ends the registration of handlers and keeps the router's functions; after all scripts are loaded.
 * The flags are those of struct hw_vm_config. May raise. Stack: -0 +0. */
void hw_router_open(lua_State *L, bool validate, bool ack_first, bool durable);

extern const char hw_router_resolve_key; /* in the registry: resolve */

/* Pushes resolve(event_name, event) -> handler | nil, place, violation, pattern, key, concurrency.
 * `violation` says how the event breaks its schema, if it does; what follows is for an ack-first
 * handler alone. Stack: -0 +1. */
static inline void hw_router_push_resolve(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &hw_router_resolve_key);
}

/* Pushes the routes on the other state, the most specific first: an array of { pattern =, place =,
 * schema = } (vm.h). Stack of `from`: -0 +0, of `to`: -0 +1. */
void hw_router_push_routes(lua_State *from, lua_State *to);

/* Writes the routes as hw_vm_routes_as_json has them. False when the state is out of memory.
 * Stack: -0 +0. */
bool hw_router_write_routes(lua_State *L, FILE *out);

/* How many routes there are; 0 when the state is out of memory. Stack: -0 +0. */
size_t hw_router_count(lua_State *L);

/* For lua_pcall: runs the functions of hook.on_unload, and logs the error of one that fails. Does
 * nothing in a state whose scripts could not be loaded. */
int hw_router_unload(lua_State *L);

#endif
