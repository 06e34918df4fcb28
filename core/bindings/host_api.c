/* host_api.c -- see host_api.h */
#include "bindings/host_api.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>

#include "app/host.h"
#include "host/instance.h"
#include "host/signals.h"
#include "script/modules.h"
#include "script/owned.h"
#include "script/running.h"

#define HOST "hookward.host" /* a userdata: struct host; its user value keeps the modules alive */

struct host {
    struct hw_instance *instance; /* NULL once it was closed */
};

static const char *const states[HW_INSTANCE_STATES] = {
    [HW_INSTANCE_RUNNING] = "running",   [HW_INSTANCE_DRAINED] = "drained",
    [HW_INSTANCE_CUT_OFF] = "cut_off",   [HW_INSTANCE_STUCK] = "stuck",
    [HW_INSTANCE_UNCLOSED] = "unclosed",
};

/* The host of a method call. Raises an error in a forked child, which has none of its threads. */
static struct hw_instance *check_host(lua_State *L)
{
    struct host *h = luaL_checkudata(L, 1, HOST);
    if (!h->instance)
        luaL_error(L, "this host was closed");
    if (!hw_instance_is_here(h->instance))
        luaL_error(L, "this host belongs to the process that this one was forked from");
    return h->instance;
}

static int stop(lua_State *L)
{
    hw_instance_stop(check_host(L));
    return 0;
}

static int wait(lua_State *L)
{
    struct hw_instance *i = check_host(L);
    lua_Integer ms = luaL_optinteger(L, 2, -1);
    lua_pushstring(L, states[hw_instance_wait(i, ms < INT_MAX ? (int)ms : INT_MAX)]);
    return 1;
}

static int reload(lua_State *L)
{
    char text[1024];
    int rc = hw_instance_reload(check_host(L), text, sizeof text);
    if (rc)
        lua_pushnil(L);
    lua_pushstring(L, text);
    return rc ? 2 : 1;
}

static void push_addresses(lua_State *L, const struct hw_instance *i)
{
    const char *const *addresses = hw_instance_addresses(i);
    lua_newtable(L);
    for (lua_Integer n = 0; addresses[n]; n++) {
        lua_pushstring(L, addresses[n]);
        lua_rawseti(L, -2, n + 1);
    }
}

static int addresses(lua_State *L)
{
    push_addresses(L, check_host(L));
    return 1;
}

/* ---- stats ---- */

static void set_number(lua_State *L, const char *name, uint64_t number)
{
    lua_pushinteger(L, (lua_Integer)number);
    lua_setfield(L, -2, name);
}

/* All codes that a sender may get, also those with a count of 0. */
static void push_errors(lua_State *L, const struct hw_stats *stats)
{
    lua_newtable(L);
    for (int code = HW_ERROR_BASE + 1; code < HW_ERELOAD_FAILED; code++)
        set_number(L, hw_error_name(code), hw_stats_get(&stats->errors[hw_stats_row(code)]));
}

static int stats(lua_State *L)
{
    struct hw_instance_facts facts;
    struct hw_instance *i = check_host(L);
    hw_instance_read(i, &facts);
    bool running = hw_instance_wait(i, 0) == HW_INSTANCE_RUNNING;
    lua_createtable(L, 0, HW_COUNT_END + 5);
    lua_pushstring(L, !running ? "stopped" : facts.stopping ? "stopping" : "running");
    lua_setfield(L, -2, "state");
    for (int n = 0; n < HW_COUNT_END; n++)
        set_number(L, hw_stats_name((enum hw_count)n), hw_stats_get(&facts.stats.counts[n]));
    push_errors(L, &facts.stats);
    lua_setfield(L, -2, "errors");
    set_number(L, "release", facts.version.number);
    lua_pushstring(L, facts.version.version);
    lua_setfield(L, -2, "version");
    if (facts.version.error[0]) {
        lua_pushstring(L, facts.version.error);
        lua_setfield(L, -2, "reload_error");
    }
    return 1;
}

/* ---- start and end ---- */

static int on_close(lua_State *L)
{
    struct host *h = luaL_checkudata(L, 1, HOST);
    struct hw_instance *i = h->instance;
    h->instance = NULL;
    if (i)
        hw_instance_free(i);
    return 0;
}

static struct host *push_host(lua_State *L)
{
    static const luaL_Reg methods[] = {{"stop", stop},     {"wait", wait},
                                       {"reload", reload}, {"addresses", addresses},
                                       {"stats", stats},   {NULL, NULL}};
    struct host *h = lua_newuserdatauv(L, sizeof *h, 1); /* host */
    h->instance = NULL;
    hw_owned_set(L, HOST, methods, on_close);
    return h;
}

static struct hw_config *read_config(lua_State *L)
{
    struct hw_config *config = calloc(1, sizeof *config);
    if (!config)
        luaL_error(L, "out of memory");
    hw_config_read(config, L, 1);
    return config;
}

/* start(config, signals) -> host | nil, why, stopped: a signal ended it before it had started */
static int start(lua_State *L)
{
    char why[1024];
    bool signals = lua_toboolean(L, 2);
    if (hw_running_in_vm(L))
        return luaL_error(L, "a handler script can't start a host; the program that loads it can");
    struct host *h = push_host(L); /* … host */
    const struct hw_modules *modules = hw_modules_of(L);
    lua_setiuservalue(L, -2, 1);
    struct hw_config *config = read_config(L);
    h->instance = hw_instance_start(config, modules, signals, why, sizeof why);
    if (h->instance)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, why[0] ? why : "it was stopped while it waited for the previous host");
    lua_pushboolean(L, !why[0]);
    return 3;
}

void hw_host_push_start(lua_State *L)
{
    lua_pushcfunction(L, start);
}

/* ---- an app ---- */

static void on_stop_signal(void *host)
{
    hw_app_host_stop(host);
}

/* serve_app(config, module) */
static int serve_app(lua_State *L)
{
    char why[1024];
    const char *module = luaL_checkstring(L, 2);
    const struct hw_modules *modules = hw_modules_of(L);
    struct hw_config *config = read_config(L);
    hw_signals_catch();
    struct hw_app_host *host = hw_app_host_start(config, module, modules, why, sizeof why);
    if (host) {
        /* SIGHUP: an app has nothing to reload, and a terminal that is closed ends it */
        struct hw_signals_target entry = {
            .host = host, .stop = on_stop_signal, .reload = on_stop_signal};
        hw_signals_add(&entry); /* there is room: a process runs one command */
        hw_app_host_run(host);
        hw_signals_remove(&entry);
        lua_pushinteger(L, hw_app_host_free(host) ? 0 : 1);
    } else {
        lua_pushnil(L);
        lua_pushstring(L, why);
    }
    hw_signals_release();
    return host ? 1 : 2;
}

void hw_host_push_serve_app(lua_State *L)
{
    lua_pushcfunction(L, serve_app);
}
