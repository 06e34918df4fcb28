/* main.c -- the binary: Lua with hookward inside it, and all that belongs to the process.
 *
 * The command line is Lua (lua/hookward/cli.lua). */
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "embedded.h"
#include "host.h"
#include "module.h"

/* ---- signals: the process's, hence only here ---- */

enum { EXIT_INTERRUPTED = 128 + SIGINT };

static struct hw_host *_Atomic serving;
static atomic_int interrupts;

/* SIGTERM and SIGINT drain; a second SIGINT ends the process now. */
static void on_signal(int number)
{
    struct hw_host *host = serving;
    if (number == SIGINT && atomic_fetch_add(&interrupts, 1) > 0)
        _exit(EXIT_INTERRUPTED);
    if (host)
        hw_host_stop(host);
}

static void set_mask(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(how, &set, NULL);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

/* core.serve(config) -> exit code | nil, why */
static int serve(lua_State *L)
{
    char why[1024];
    bool stuck;
    struct hw_config *config = calloc(1, sizeof *config);
    if (!config)
        return luaL_error(L, "out of memory");
    hw_config_read(config, L, 1);
    set_mask(SIG_BLOCK); /* the host's threads inherit it: signals come to this thread only */
    struct hw_host *host = hw_host_start(config, hw_embedded, why, sizeof why);
    if (!host) {
        lua_pushnil(L);
        lua_pushstring(L, why);
        return 2;
    }
    serving = host;
    catch_signals();
    set_mask(SIG_UNBLOCK);
    int code = hw_host_wait(host, &stuck);
    if (stuck)
        _exit(code); /* nothing may be torn down under a thread that is still running */
    serving = NULL;
    hw_host_free(host);
    lua_pushinteger(L, code);
    return 1;
}

/* ---- the command line ---- */

static int traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

/* hookward.cli.main(arg) -> exit code */
static int run(lua_State *L)
{
    int argc = (int)lua_tointeger(L, 1);
    char **argv = lua_touserdata(L, 2);
    luaL_openlibs(L);
    hw_module_preload(L, hw_embedded);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "hookward.core");
    lua_call(L, 1, 1);
    lua_pushcfunction(L, serve);
    lua_setfield(L, -2, "serve");
    lua_getglobal(L, "require");
    lua_pushliteral(L, "hookward.cli");
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
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ,
           SIG_IGN); /* a file at its size limit is an error of write(), as a full disk is */
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
