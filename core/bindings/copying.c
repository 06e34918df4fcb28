/* copying.c -- see copying.h */
#include "bindings/copying.h"

#include <lauxlib.h>

#include "ledger/move.h"
#include "ledger/pg_schema.h"
#include "script/owned.h"

#define COPY "hookward.ledger.copy" /* a userdata: struct copying */

struct copying {
    struct hw_move *move; /* NULL: closed */
};

static int close_copy(lua_State *L)
{
    struct copying *copying = luaL_checkudata(L, 1, COPY);
    if (copying->move)
        hw_move_close(copying->move);
    copying->move = NULL;
    return 0;
}

static void set_number(lua_State *L, const char *name, int64_t number)
{
    lua_pushinteger(L, number);
    lua_setfield(L, -2, name);
}

/* step() -> more, { total, looked_at, added, changed } | nil, why */
static int step(lua_State *L)
{
    char why[1024];
    struct copying *copying = luaL_checkudata(L, 1, COPY);
    luaL_argcheck(L, copying->move, 1, "it is closed");
    int rc = hw_move_step(copying->move, why, sizeof why);
    if (rc < 0) {
        lua_pushnil(L);
        lua_pushstring(L, why);
        return 2;
    }
    const struct hw_move_progress *progress = hw_move_progress(copying->move);
    lua_pushboolean(L, rc);
    lua_createtable(L, 0, 4);
    set_number(L, "total", progress->total);
    set_number(L, "looked_at", progress->looked_at);
    set_number(L, "added", progress->added);
    set_number(L, "changed", progress->changed);
    return 2;
}

static int copy(lua_State *L)
{
    static const luaL_Reg methods[] = {{"step", step}, {"close", close_copy}, {NULL, NULL}};
    char why[1024];
    const char *from = luaL_checkstring(L, 1), *to = luaL_checkstring(L, 2);
    struct hw_move_options options = {.schema = luaL_optstring(L, 3, "hookward"),
                                      .by_body = lua_toboolean(L, 4)};
    luaL_argcheck(L, hw_pg_schema_is_name(options.schema), 3, "not a schema's name");
    struct copying *copying = lua_newuserdatauv(L, sizeof *copying, 0);
    copying->move = NULL;
    hw_owned_set(L, COPY, methods, close_copy);
    copying->move = hw_move_open(from, to, &options, why, sizeof why);
    if (copying->move)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

void hw_copying_push(lua_State *L)
{
    lua_pushcfunction(L, copy);
}
