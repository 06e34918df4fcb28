/* trial_postgres.h -- could a host use a ledger on PostgreSQL, and what is it like?
 *
 * How     connects as a host does, and reads. Nothing is made or changed, and no lease is taken.
 * Thread  the one that has the Lua state. */
#ifndef HW_TRIAL_POSTGRES_H
#define HW_TRIAL_POSTGRES_H

#include <lua.h>

/* postgres(url, schema, by_body) ->
 *
 *     { server = "15.4", database =, user =, host =, port =,
 *       tls =, is_local =,     a Unix socket, or a loopback address
 *       pooled =,              behind a pooler
 *       durable =,             fsync and full_page_writes are on
 *       synchronous = "",      synchronous_standby_names
 *       standbys = 0,          how many are attached
 *       has_schema =,          false: the first start makes it
 *       may_create =,          it has the right to
 *       hosts = 2 }            alive; nil without a schema
 *
 * or nil, one line without a password, and whether a host would start all the same, since it is only
 * away. A C function. */
int hw_trial_postgres(lua_State *L);

#endif
