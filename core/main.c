/* main.c -- the binary: Lua with hookward inside.
 *
 * The command line is Lua (lua/hookward/commands/init.lua), the same that rockspec/hookward runs in
 * the system's Lua. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

#include "base/descriptors.h"
#include "bindings/module.h"
#include "host/signals.h"
#include "script/modules.h"

static const struct hw_modules carried = {luaopen_hookward_core, hw_embedded};

static int traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

/* hookward.commands.main(arg) -> exit code */
static int run(lua_State *L)
{
    int argc = (int)lua_tointeger(L, 1);
    char **argv = lua_touserdata(L, 2);
    luaL_openlibs(L);
    hw_modules_preload(L, &carried);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "hookward.commands");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    lua_createtable(L, argc, 1);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_call(L, 1, 1);
    return 1;
}

int main(int argc, char **argv)
{
    if (hw_descriptors_fill())
        return 1; /* without a standard error stream to report it on */
    hw_signals_disarm();
    lua_State *L = luaL_newstate();
    if (!L) {
        fputs("hookward: out of memory\n", stderr);
        return 1;
    }
    lua_pushcfunction(L, traceback);
    lua_pushcfunction(L, run);
    lua_pushinteger(L, argc);
    lua_pushlightuserdata(L, argv);
    int code = 1;
    if (lua_pcall(L, 2, 1, 1))
        fprintf(stderr, "hookward: bug: %s\n", lua_tostring(L, -1));
    else
        code = (int)lua_tointeger(L, -1);
    lua_close(L);
    return code;
}
