/* job_table.c -- see job_table.h */
#include "script/job_table.h"

#include <lauxlib.h>
#include <string.h>

#include "script/headers.h"
#include "script/running.h"

static const char meta_key, current_key; /* in the registry: the metatable; the current table */

/* ---- the headers, when they are read ---- */

/* Puts the headers into the table at `index`. */
static void make_headers(lua_State *L, int index)
{
    const struct hw_notification *n = hw_running_notification(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &current_key);
    if (!n || !lua_rawequal(L, -1, index))
        luaL_error(L, "job.headers can be read while the job's handler runs, not later; read them "
                      "earlier and keep what is needed");
    lua_pop(L, 1);
    if (n->request)
        hw_headers_push(L, n->request);
    else
        hw_headers_push_kept(L, n->headers);
    lua_setfield(L, index, "headers");
}

/* __index(job, name) */
static int read_missing(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TSTRING || strcmp(lua_tostring(L, 2), "headers") != 0)
        return 0;
    make_headers(L, 1);
    lua_getfield(L, 1, "headers");
    return 1;
}

static int next_field(lua_State *L)
{
    lua_settop(L, 2);
    return lua_next(L, 1) ? 2 : 0;
}

/* __pairs(job): all fields, whether headers was read before or not. */
static int all_fields(lua_State *L)
{
    lua_pushliteral(L, "headers");
    if (lua_rawget(L, 1) == LUA_TNIL)
        make_headers(L, 1);
    lua_pushcfunction(L, next_field);
    lua_pushvalue(L, 1);
    return 2;
}

static void set_metatable(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &meta_key) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 2);
        lua_pushcfunction(L, read_missing);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, all_fields);
        lua_setfield(L, -2, "__pairs");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &meta_key);
    }
    lua_setmetatable(L, -2);
}

/* ---- the table ---- */

static void set_text(lua_State *L, const char *name, struct hw_str value)
{
    lua_pushlstring(L, value.ptr ? value.ptr : "", value.len);
    lua_setfield(L, -2, name);
}

static void set_bool(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

/* A notification that runs again, without its request, has none. */
static void set_remote(lua_State *L, const struct hw_address *peer)
{
    char text[HW_ADDRESS_TEXT_MAX];
    struct hw_str host = hw_address_host(&peer->any, text, sizeof text);
    if (host.ptr)
        set_text(L, "remote", host);
}

static void set_digest(lua_State *L, const uint8_t digest[HW_DIGEST_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    char text[2 * HW_DIGEST_SIZE];
    for (int i = 0; i < HW_DIGEST_SIZE; i++) {
        text[2 * i] = hex[digest[i] >> 4];
        text[2 * i + 1] = hex[digest[i] & 15];
    }
    set_text(L, "digest", (struct hw_str){text, sizeof text});
}

/* Each delivery of an ordinary one may have run, and one that was taken over has a run without a delivery
 * that was counted; one that was accepted says how often it did. */
static bool may_have_run(const struct hw_notification *n)
{
    uint32_t deliveries = n->known.accepted ? 0 : n->known.deliveries;
    return n->attempt > 0 || n->known.runs > 0 || deliveries > 0;
}

void hw_job_table_push(lua_State *L, const struct hw_notification *n)
{
    lua_createtable(L, 0, 14);
    set_text(L, "id", n->id);
    lua_pushinteger(L, n->attempt);
    lua_setfield(L, -2, "attempt");
    lua_pushinteger(L, n->retry);
    lua_setfield(L, -2, "retry");
    lua_pushinteger(L, (lua_Integer)n->known.runs + 1);
    lua_setfield(L, -2, "run");
    set_bool(L, "last", n->last);
    set_text(L, "event", n->event);
    set_digest(L, n->identity.digest);
    lua_pushnumber(L, n->received_at);
    lua_setfield(L, -2, "received_at");
    set_bool(L, "redelivered", may_have_run(n));
    set_text(L, "body", n->body);
    set_text(L, "key", n->key);
    if (n->client.ptr)
        set_text(L, "client", n->client);
    set_remote(L, &n->peer);
    set_metatable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &current_key);
}

/* The entry keeps a value, so that setting it again never allocates: nothing is protected then. */
void hw_job_table_forget(lua_State *L)
{
    lua_pushboolean(L, false);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &current_key);
}
