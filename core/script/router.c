/* router.c -- see router.h */
#include "script/router.h"

#include "base/check.h"
#include "base/json_out.h"
#include "base/log.h"
#include "script/require.h"

const char hw_router_resolve_key;
static const char routes_key, unload_key; /* in the registry */

/* Keeps the field `name` of the router, which is on top. */
static void keep(lua_State *L, const char *name, const char *key)
{
    lua_getfield(L, -1, name);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void hw_router_open(lua_State *L, bool validate, bool ack_first, bool durable)
{
    hw_require_module(L, "hookward.handlers.router"); /* router */
    lua_getfield(L, -1, "seal");
    lua_pushboolean(L, validate);
    lua_pushstring(L, ack_first ? "first" : "last");
    lua_pushboolean(L, durable);
    lua_call(L, 3, 0);
    keep(L, "resolve", &hw_router_resolve_key);
    keep(L, "routes", &routes_key);
    keep(L, "unload", &unload_key);
    lua_pop(L, 1);
}

/* ---- routes ---- */

/* Copies t[index] of the table on top of `from` to the field `name` of the table on top of `to`. */
static void copy_field(lua_State *from, lua_Integer index, lua_State *to, const char *name)
{
    lua_rawgeti(from, -1, index);
    lua_pushstring(to, lua_tostring(from, -1));
    lua_setfield(to, -2, name);
    lua_pop(from, 1);
}

void hw_router_push_routes(lua_State *from, lua_State *to)
{
    int top = lua_gettop(from);
    lua_rawgetp(from, LUA_REGISTRYINDEX, &routes_key);
    int status = lua_pcall(from, 0, 1, 0); /* { { pattern, place, schema, way }… } */
    HW_CHECK(status == 0);
    lua_newtable(to);
    for (lua_Integer i = 1; lua_rawgeti(from, -1, i) == LUA_TTABLE; i++) {
        lua_createtable(to, 0, 4);
        copy_field(from, 1, to, "pattern");
        copy_field(from, 2, to, "place");
        copy_field(from, 3, to, "schema");
        copy_field(from, 4, to, "way");
        lua_rawseti(to, -2, i);
        lua_pop(from, 1);
    }
    lua_settop(from, top);
}

/* The field `name` of the route on top, as a member of a JSON object; nothing if it is nil. */
static void write_field(lua_State *L, FILE *out, const char *name)
{
    switch (lua_getfield(L, -1, name)) {
    case LUA_TSTRING:
        fprintf(out, ",\"%s\":", name);
        hw_json_out_text(out, hw_str_of(lua_tostring(L, -1)));
        break;
    case LUA_TNUMBER:
        fprintf(out, ",\"%s\":%lld", name, (long long)lua_tointeger(L, -1));
        break;
    case LUA_TBOOLEAN:
        fprintf(out, ",\"%s\":%s", name, lua_toboolean(L, -1) ? "true" : "false");
        break;
    }
    lua_pop(L, 1);
}

static void write_index(lua_State *L, FILE *out, lua_Integer index, const char *name)
{
    lua_rawgeti(L, -1, index);
    if (lua_isstring(L, -1)) {
        fprintf(out, "%s\"%s\":", index > 1 ? "," : "", name);
        hw_json_out_text(out, hw_str_of(lua_tostring(L, -1)));
    }
    lua_pop(L, 1);
}

bool hw_router_write_routes(lua_State *L, FILE *out)
{
    int top = lua_gettop(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &routes_key);
    bool read = lua_pcall(L, 0, 1, 0) == LUA_OK;
    putc('[', out);
    for (lua_Integer i = 1; read && lua_rawgeti(L, top + 1, i) == LUA_TTABLE; i++) {
        fputs(i > 1 ? ",{" : "{", out);
        write_index(L, out, 1, "pattern");
        write_index(L, out, 2, "place");
        write_index(L, out, 3, "schema");
        write_field(L, out, "ack_first");
        write_field(L, out, "concurrency");
        write_field(L, out, "in_order");
        putc('}', out);
        lua_pop(L, 1);
    }
    putc(']', out);
    lua_settop(L, top);
    return read;
}

size_t hw_router_count(lua_State *L)
{
    size_t count = 0;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &routes_key);
    if (lua_pcall(L, 0, 1, 0) == LUA_OK)
        count = lua_rawlen(L, -1);
    lua_pop(L, 1);
    return count;
}

/* ---- unloading ---- */

static int warn(lua_State *L)
{
    hw_log_say(HW_LOG_WARN, "%s", lua_tostring(L, 1));
    return 0;
}

int hw_router_unload(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &unload_key) != LUA_TFUNCTION)
        return 0;
    lua_pushcfunction(L, warn);
    lua_call(L, 1, 0);
    return 0;
}
