/* vm.c -- see vm.h */
#include "app/vm.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/api.h"
#include "app/later.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "script/api.h"
#include "script/limits.h"
#include "script/stoppable.h"

struct hw_app_vm {
    /* constant after new */
    struct hw_app_vm_config config;
    char module[128]; /* a copy: an app that is given up outlives the text that config named */
    lua_State *L;
    struct hw_app_events *events;

    /* the app's thread only */
    struct hw_limits limits;
    struct hw_api_warning warning;
    struct hw_app_laters laters;
};

/* The registry holds the module's two functions under these addresses. */
static const char handle_key, start_key;

/* ---- entering Lua ---- */

static int describe(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

static void log_error(struct hw_app_vm *vm, const char *what)
{
    struct hw_log_line line;
    size_t len = 0;
    bool was_stopped = vm->limits.timed_out && vm->limits.give_up(vm->limits.give_up_ud);
    if (was_stopped || !hw_log_wants(HW_LOG_ERROR))
        return;
    bool is_text = lua_type(vm->L, -1) == LUA_TSTRING;
    const char *text = is_text ? lua_tolstring(vm->L, -1, &len) : NULL;
    hw_log_begin(&line, HW_LOG_ERROR, hw_str_of(what));
    hw_log_text(&line, "app", hw_str_of(vm->config.module));
    hw_log_lines(&line, "detail",
                 text ? (struct hw_str){text, len} : HW_STR("an error without a text"));
    hw_log_end(&line);
}

/* Calls the function that has `arguments` above it, within the limits, and pops all of them.
 * Returns Lua's status; when that is not 0, the error is on top. */
static int enter(struct hw_app_vm *vm, int arguments)
{
    lua_State *L = vm->L;
    int function = lua_gettop(L) - arguments;
    lua_pushcfunction(L, describe);
    lua_insert(L, function);
    hw_limits_begin(&vm->limits, hw_now_ns(), vm->config.run_ms, NULL);
    int status = lua_pcall(L, arguments, 0, function);
    hw_limits_end(&vm->limits);
    if (status && vm->limits.timed_out)
        hw_limits_put_why(&vm->limits);
    lua_remove(L, function);
    return status;
}

/* Runs protected. */
static int collect_garbage(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT);
    return 0;
}

/* What has failed may have been about to answer a request. Its client is told once the object is
 * collected, and not only when the app happens to allocate more. */
static void collect_laters(struct hw_app_vm *vm)
{
    if (!hw_app_laters_are_kept(&vm->laters))
        return;
    lua_pushcfunction(vm->L, collect_garbage);
    if (enter(vm, 0))
        lua_pop(vm->L, 1);
}

static void call(struct hw_app_vm *vm, int arguments)
{
    if (enter(vm, arguments) == 0)
        return;
    log_error(vm, "an event of an app failed");
    lua_pop(vm->L, 1);
    collect_laters(vm);
}

static void on_event(void *vm, int arguments)
{
    call(vm, arguments);
}

/* ---- loading ---- */

static int load_settings(lua_State *L)
{
    const struct hw_app_vm *vm = lua_touserdata(L, lua_upvalueindex(1));
    struct hw_str source = vm->config.settings.len ? vm->config.settings : HW_STR("return {}");
    if (luaL_loadbufferx(L, source.ptr, source.len, "=settings", "t"))
        return lua_error(L);
    lua_call(L, 0, 1);
    return 1;
}

/* Runs protected. */
static int load(lua_State *L)
{
    struct hw_app_vm *vm = lua_touserdata(L, 1);
    luaL_openlibs(L);
    hw_stoppable_open(L);
    hw_api_open(L, vm->config.modules);
    lua_pushlightuserdata(L, vm);
    lua_pushcclosure(L, load_settings, 1);
    lua_call(L, 0, 1); /* settings */
    hw_app_api_open(L, vm->events, &vm->laters);
    lua_getglobal(L, "require");
    lua_pushstring(L, vm->config.module);
    lua_call(L, 1, 1); /* module */
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "start");
        lua_rawsetp(L, LUA_REGISTRYINDEX, &start_key);
        lua_getfield(L, -1, "handle");
    }
    if (!lua_isfunction(L, -1))
        luaL_error(L, "%s is no app: it must return a function, or a table with `handle`",
                   vm->config.module);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &handle_key);
    return 0;
}

static void first_line(lua_State *L, char *why, size_t size)
{
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "out of memory";
    snprintf(why, size, "%.*s", (int)strcspn(text, "\n"), text);
}

static bool is_stopping(void *stop)
{
    return *(const atomic_bool *)stop;
}

int hw_app_vm_open(struct hw_app_vm **out, const struct hw_app_vm_config *config, uv_loop_t *loop,
                   const atomic_bool *stop, char *why, size_t why_size)
{
    struct hw_app_vm *vm = *out = calloc(1, sizeof *vm);
    snprintf(why, why_size, "out of memory");
    if (!vm)
        return HW_ENOMEM;
    vm->config = *config;
    hw_app_laters_init(&vm->laters);
    snprintf(vm->module, sizeof vm->module, "%s", config->module);
    vm->config.module = vm->module;
    vm->limits.give_up = is_stopping;
    vm->limits.give_up_ud = (void *)stop;
    vm->events = hw_app_events_new(loop, on_event, vm);
    vm->L = vm->events ? hw_limits_open(&vm->limits, config->memory_max) : NULL;
    if (!vm->L)
        return HW_ENOMEM;
    hw_api_set_warnings(vm->L, &vm->warning);
    lua_pushcfunction(vm->L, load);
    lua_pushlightuserdata(vm->L, vm);
    int status = enter(vm, 1);
    if (status)
        first_line(vm->L, why, why_size);
    lua_settop(vm->L, 0);
    return status ? HW_EFAILED : 0;
}

static int call_start(lua_State *L)
{
    char *const *addresses = lua_touserdata(L, 1);
    lua_Integer count = lua_tointeger(L, 2);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &start_key) != LUA_TFUNCTION)
        return 0;
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 0; i < count; i++) {
        lua_pushstring(L, addresses[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_call(L, 1, 0);
    return 0;
}

void hw_app_vm_start(struct hw_app_vm *vm, char *const *addresses, size_t count)
{
    lua_pushcfunction(vm->L, call_start);
    lua_pushlightuserdata(vm->L, (void *)addresses);
    lua_pushinteger(vm->L, (lua_Integer)count);
    call(vm, 2);
}

void hw_app_vm_stop(struct hw_app_vm *vm)
{
    hw_app_laters_stop(&vm->laters);
    if (vm->events)
        hw_app_events_stop(vm->events);
}

void hw_app_vm_free(struct hw_app_vm *vm)
{
    hw_limits_close(&vm->limits);
    if (vm->events)
        hw_app_events_free(vm->events);
    free(vm);
}

/* ---- handling a request ---- */

/* Runs protected. */
static int answer(lua_State *L)
{
    struct hw_app_vm *vm = lua_touserdata(L, 1);
    struct hw_app_call *call = lua_touserdata(L, 2);
    lua_settop(L, 0);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &handle_key);
    hw_app_call_push_request(L, call);
    lua_call(L, 1, 3);
    if (!vm->laters.current) /* the handler has answered itself */
        return 0;
    if (hw_app_later_is_current(L, 1, &vm->laters)) {
        hw_app_laters_keep(&vm->laters);
        return 0;
    }
    hw_app_laters_must_not_have_begun(L, &vm->laters);
    hw_app_call_read_answer(L, call);
    return 0;
}

bool hw_app_vm_handle(struct hw_app_vm *vm, struct hw_app_call *call)
{
    vm->laters.current = call;
    lua_pushcfunction(vm->L, answer);
    lua_pushlightuserdata(vm->L, vm);
    lua_pushlightuserdata(vm->L, call);
    int status = enter(vm, 2);
    if (status) {
        log_error(vm, "a request to an app failed");
        lua_pop(vm->L, 1);
    }
    call = hw_app_laters_end(&vm->laters);
    if (call)
        call->code = status ? HW_EAPP_ERROR : 0;
    return call;
}

void hw_app_vm_leave(struct hw_app_vm *vm, struct hw_app_call *call)
{
    hw_app_laters_leave(&vm->laters, call);
}
