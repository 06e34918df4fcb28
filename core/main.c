/* main.c -- the binary: Lua with hookward inside it, and all that belongs to the process.
 *
 * The command line is Lua (lua/hookward/cli.lua). */
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app_host.h"
#include "config.h"
#include "embedded.h"
#include "host.h"
#include "log.h"
#include "module.h"

/* ---- signals: the process's, hence only here ---- */

enum { EXIT_INTERRUPTED = 128 + SIGINT };

static struct hw_host *_Atomic serving;
static struct hw_app_host *_Atomic serving_app;
static atomic_bool asked_to_stop; /* maybe before there was a host */
static atomic_int interrupts;

/* SIGHUP reloads; SIGTERM and SIGINT drain; a second SIGINT ends the process now. Any thread may be
 * struck: they don't block signals, since the programs that a handler starts inherit what is
 * blocked, and could not be ended by a SIGTERM. */
static void on_signal(int number)
{
    if (number == SIGINT && atomic_fetch_add(&interrupts, 1) > 0)
        _exit(EXIT_INTERRUPTED);
    if (number != SIGHUP)
        asked_to_stop = true;
    struct hw_host *host = serving;
    struct hw_app_host *app = serving_app;
    if (app)
        hw_app_host_stop(app); /* it has nothing to reload */
    else if (host && number == SIGHUP)
        hw_host_reload(host);
    else if (host)
        hw_host_stop(host);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

static void on_harmless(int number)
{
    (void)number;
}

/* A reader that is gone, and a file at its size limit, are errors of write(), as a full disk is.
 * Not SIG_IGN: that would be handed down to the programs that a handler starts. */
static void disarm_signals(void)
{
    struct sigaction action = {.sa_handler = on_harmless, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL);
}

enum { CLOSE_S = 10 }; /* closing the ledger writes its log back, which takes a slow disk a while */

static void on_alarm(int number)
{
    static const char text[] = "hookward: a script's finalizer never came back; ended without it\n";
    (void)number;
    ssize_t unheard = write(STDERR_FILENO, text, sizeof text - 1);
    (void)unheard;
    _exit(EXIT_FAILURE);
}

/* All is answered and on disk, but finalizers of the scripts run while their states are closed, and
 * Lua calls no hook in them: nothing else ends one that never does. */
static void limit_closing(void)
{
    struct sigaction action = {.sa_handler = on_alarm};
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    alarm(CLOSE_S);
}

/* ---- limits: the process's as well ---- */

enum { FILES_A_WORKER = 8, FILES_BESIDE = 128 }; /* the ledger's, the handlers', the loop's */

/* Every connection is an open file, and the usual limit is 1024: over it connections are lost
 * without a word, and the ledger can't be opened again. Returns how many files may be open if that
 * is not enough, else 0. */
static unsigned long raise_file_limit(const struct hw_config *config)
{
    struct rlimit limit;
    rlim_t wanted = config->max_connections + config->workers * FILES_A_WORKER + FILES_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
        return 0;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur < wanted ? (unsigned long)limit.rlim_cur : 0;
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
    unsigned long files = raise_file_limit(config);
    catch_signals();
    struct hw_host *host = hw_host_start(config, hw_embedded, why, sizeof why);
    if (!host) {
        lua_pushnil(L);
        lua_pushstring(L, why);
        return 2;
    }
    if (files)
        hw_log_say(HW_LOG_WARN,
                   "this process may have %lu files open (ulimit -n): too few for "
                   "max_connections, some may be turned away",
                   files);
    serving = host;
    if (asked_to_stop)
        hw_host_stop(host);
    int code = hw_host_wait(host, &stuck);
    if (stuck)
        _exit(code); /* nothing may be torn down under a thread that is still running */
    serving = NULL;
    limit_closing();
    hw_host_free(host);
    alarm(0);
    lua_pushinteger(L, code);
    return 1;
}

/* core.serve_app(config, module) -> exit code | nil, why: hosts one app, and nothing else */
static int serve_app(lua_State *L)
{
    char why[1024];
    const char *module = luaL_checkstring(L, 2);
    struct hw_config *config = calloc(1, sizeof *config);
    if (!config)
        return luaL_error(L, "out of memory");
    hw_config_read(config, L, 1);
    catch_signals();
    struct hw_app_host *host = hw_app_host_start(config, module, hw_embedded, why, sizeof why);
    if (!host) {
        lua_pushnil(L);
        lua_pushstring(L, why);
        return 2;
    }
    serving_app = host;
    if (asked_to_stop)
        hw_app_host_stop(host);
    hw_app_host_run(host);
    serving_app = NULL;
    limit_closing();
    hw_app_host_free(host);
    alarm(0);
    lua_pushinteger(L, 0);
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
    lua_pushcfunction(L, serve_app);
    lua_setfield(L, -2, "serve_app");
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
    disarm_signals();
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
