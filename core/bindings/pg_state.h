/* pg_state.h -- what a ledger on PostgreSQL has to run, what is paused, and which hosts share it.
 *
 * Thread  the one that has the Lua state. */
#ifndef HW_PG_STATE_H
#define HW_PG_STATE_H

#include <lua.h>

/* As in ledger_backlog.h and ledger_check.h. A pause is in force at each host within seconds. check
 * names indexes that PostgreSQL calls invalid. */
int hw_pg_backlog_call(lua_State *L);
int hw_pg_pauses_call(lua_State *L);
int hw_pg_pause_call(lua_State *L);
int hw_pg_check_call(lua_State *L);
int hw_pg_limit_call(lua_State *L);

/* handle:hosts() -> { { id, name, version, started_at, alive, gone_at, seconds_left, running,
 * scripts, scripts_at }, … } | nil, why: each start of a host that is still known, the newest last.
 * seconds_left: of its lease, below 0 after its end, nil for one that is gone; alive: it is not
 * gone, and its lease has not run out; running: how many notifications it has in hand. */
int hw_pg_hosts_call(lua_State *L);

/* handle:facts() -> { server ("15.4"), pooled, durable, tls, local, standbys, host, port, database,
 * user, schema, duplicates } of the connection */
int hw_pg_facts_call(lua_State *L);

/* handle:go_by_body() -> true | nil, why: makes it one of duplicates = "by-body", while no host is
 * alive. */
int hw_pg_go_by_body_call(lua_State *L);

#endif
