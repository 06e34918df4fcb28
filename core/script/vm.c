/* vm.c -- see vm.h
 *
 * The registry holds, under the addresses of the keys below: the VM itself, the router's resolve
 * function, and the decoded event between the two stages. */
#include "script/vm.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "script/api.h"
#include "script/forked.h"
#include "script/globals.h"
#include "script/json.h"
#include "script/loader.h"
#include "script/modules.h"
#include "script/null.h"
#include "script/running.h"
#include "script/state_limits.h"
#include "script/stoppable.h"

enum {
    UNLOAD_MS_MAX = 1000 /* for hook.on_unload and for finalizers between jobs: somebody waits */
};

struct hw_vm {
    /* constant after new */
    struct hw_vm_config config;
    struct hw_bundle *bundle;
    lua_State *L;

    /* the holder's only */
    struct hw_limits limits;
    struct hw_running running;
    struct hw_api_warning warning;
};

static const char vm_key, resolve_key, routes_key, unload_key, event_key;

static struct hw_vm *vm_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &vm_key);
    struct hw_vm *vm = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return vm;
}

static void set_deadline(struct hw_vm *vm, uint64_t now_ns)
{
    hw_limits_begin(&vm->limits, now_ns, vm->config.timeout_ms, "handler_timeout");
}

/* ---- errors of scripts, of any type ---- */

/* What an error says of itself; a table without __tostring shows what is in it, as JSON. */
static const char *text_of_error(lua_State *L)
{
    if (lua_tostring(L, 1)) {
        hw_loader_explain(L, 1);
        return lua_tostring(L, 1);
    }
    if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING)
        return lua_tostring(L, -1);
    const char *type = luaL_typename(L, 1);
    if (lua_istable(L, 1) && hw_json_encode(L, 1) == 0)
        return lua_pushfstring(L, "(an error that is a table: %s)", lua_tostring(L, -1));
    return lua_pushfstring(L, "(an error that is a %s value)", type);
}

/* The message handler: any value -> text with a traceback. */
static int describe(lua_State *L)
{
    const char *text = text_of_error(L);
    luaL_traceback(L, L, text, 1);
    return 1;
}

/* For want of the process's memory, and not of its own. */
static bool is_starved(const struct hw_vm *vm, int status)
{
    return status == LUA_ERRMEM && !vm->limits.timed_out && vm->limits.pool.starved;
}

/* What is on top when a call has failed, or was stopped; a view of it, or of `room`. */
static struct hw_str text_of_failure(struct hw_vm *vm, int status, char *room, size_t size)
{
    bool stopped = vm->limits.timed_out;               /* that is raised as if memory were short */
    bool is_text = lua_type(vm->L, -1) == LUA_TSTRING; /* else a conversion could raise again */
    if (is_text && (stopped || status != LUA_ERRMEM))
        return (struct hw_str){lua_tostring(vm->L, -1), lua_rawlen(vm->L, -1)};
    if (stopped)
        return HW_STR("it ran longer than handler_timeout");
    if (status != LUA_ERRMEM)
        return HW_STR("an error in the error's own description");
    if (is_starved(vm, status))
        return HW_STR("out of memory");
    int n =
        snprintf(room, size, "not enough memory (vm_memory is %zu bytes)", vm->config.memory_max);
    return (struct hw_str){room, (size_t)n};
}

/* The text of the error on top, which it pops. */
static struct hw_str take_error(struct hw_vm *vm, int status, struct hw_arena *arena)
{
    char room[80];
    if (vm->limits.timed_out)
        hw_limits_put_why(&vm->limits);
    struct hw_str s = hw_arena_copy(arena, text_of_failure(vm, status, room, sizeof room));
    lua_pop(vm->L, 1);
    return s;
}

/* ---- loading ---- */

/* hookward.settings: what the configuration's `settings` holds. */
static int load_settings(lua_State *L)
{
    struct hw_vm *vm = vm_of(L);
    if (luaL_loadbufferx(L, vm->bundle->settings.ptr, vm->bundle->settings.len, "=settings", "t"))
        return lua_error(L);
    lua_call(L, 0, 1);
    return 1;
}

static void keep_router(lua_State *L)
{
    hw_loader_require(L, "hookward.handlers.router"); /* router */
    lua_getfield(L, -1, "seal");
    lua_pushboolean(L, vm_of(L)->config.validate);
    lua_call(L, 1, 0);
    lua_getfield(L, -1, "resolve");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &resolve_key);
    lua_getfield(L, -1, "routes");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &routes_key);
    lua_getfield(L, -1, "unload");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &unload_key);
    lua_pop(L, 1);
}

/* The slot keeps a value, so that it is never made anew where nothing is protected. */
static void forget_event(lua_State *L)
{
    lua_pushboolean(L, false);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &event_key);
}

/* A handler file is loaded by `require`, which gives what Lua or hookward has under that name, and
 * would leave the file out without a word. */
static void refuse_taken_names(lua_State *L, const struct hw_bundle *bundle)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (size_t i = 0; i < bundle->count; i++) {
        const struct hw_script *script = &bundle->scripts[i];
        if (!script->handler)
            continue;
        if (lua_getfield(L, -2, script->module) || lua_getfield(L, -2, script->module) ||
            hw_modules_own(vm_of(L)->config.modules, script->module))
            luaL_error(L, "%s: '%s' is the name of a module of Lua's or hookward's; rename it",
                       script->chunk + 1, script->module);
        lua_pop(L, 2);
    }
    lua_pop(L, 2);
}

/* Runs protected; the VM is its light userdata argument. */
static int load_all(lua_State *L)
{
    struct hw_vm *vm = lua_touserdata(L, 1);
    luaL_openlibs(L);
    hw_stoppable_open(L);
    lua_pushlightuserdata(L, vm);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &vm_key);
    hw_running_open(L, &vm->running);
    hw_api_open(L, vm->config.modules);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, load_settings);
    lua_setfield(L, -2, "hookward.settings");
    lua_pop(L, 1);
    hw_null_explain(L);
    hw_loader_open(L, vm->bundle, vm->config.modules);
    hw_loader_require(L, "hookward"); /* before any script can change what it finds in Lua */
    lua_pop(L, 1);
    if (vm->config.fit)
        vm->config.fit(L, vm->config.fit_ud);
    refuse_taken_names(L, vm->bundle);
    for (size_t i = 0; i < vm->bundle->count; i++) {
        if (!vm->bundle->scripts[i].handler)
            continue;
        hw_loader_require(L, vm->bundle->scripts[i].module);
        lua_pop(L, 1);
    }
    keep_router(L);
    forget_event(L);
    hw_api_forget_job(L);
    hw_globals_guard(L);
    return 0;
}

/* Cuts the first line off. */
static struct hw_str take_line(struct hw_str *text)
{
    const char *end = memchr(text->ptr, '\n', text->len);
    size_t len = end ? (size_t)(end - text->ptr) : text->len, skip = len + (end ? 1 : 0);
    struct hw_str line = {text->ptr, len};
    *text = (struct hw_str){text->ptr + skip, text->len - skip};
    return line;
}

static bool ends_with(struct hw_str s, const char *end)
{
    size_t len = strlen(end);
    return s.len >= len && memcmp(s.ptr + s.len - len, end, len) == 0;
}

/* One line of an error. `require` says more on further lines: where it looked, which the first line
 * tells too (loader.h), or why a module that it found can't be loaded. */
static void one_line(struct hw_str text, char *why, size_t size)
{
    if (!text.ptr) {
        snprintf(why, size, "out of memory");
        return;
    }
    struct hw_str line = take_line(&text), more = HW_STR("");
    if (ends_with(line, ":"))
        more = take_line(&text);
    for (; more.len && *more.ptr == '\t'; more.len--)
        more.ptr++;
    snprintf(why, size, "%.*s%s%.*s", (int)line.len, line.ptr, more.len ? " " : "", (int)more.len,
             more.ptr);
}

static int load(struct hw_vm *vm, char *why, size_t why_size)
{
    lua_State *L = vm->L;
    struct hw_arena arena;
    lua_pushcfunction(L, describe);
    lua_pushcfunction(L, load_all);
    lua_pushlightuserdata(L, vm);
    set_deadline(vm, hw_now_ns());
    int status = lua_pcall(L, 1, 0, 1);
    hw_limits_end(&vm->limits);
    vm->limits.give_up = NULL;
    if (status) {
        hw_arena_init(&arena, NULL, 0);
        one_line(take_error(vm, status, &arena), why, why_size);
        hw_arena_fini(&arena);
    }
    lua_settop(L, 0);
    return status ? -1 : 0;
}

struct hw_vm *hw_vm_new(const struct hw_vm_config *config, struct hw_bundle *bundle, char *why,
                        size_t why_size)
{
    struct hw_vm *vm = calloc(1, sizeof *vm);
    snprintf(why, why_size, "out of memory");
    if (!vm)
        return NULL;
    vm->config = *config;
    vm->bundle = hw_bundle_ref(bundle);
    vm->limits.give_up = config->give_up;
    vm->limits.give_up_ud = config->give_up_ud;
    vm->L = hw_limits_open(&vm->limits, config->memory_max);
    if (vm->L) {
        hw_api_set_warnings(vm->L, &vm->warning);
        if (load(vm, why, why_size) == 0)
            return vm;
    }
    hw_vm_free(vm);
    return NULL;
}

static int warn(lua_State *L)
{
    hw_log_say(HW_LOG_WARN, "%s", lua_tostring(L, 1));
    return 0;
}

/* Runs protected: hook.on_unload's functions. A state that failed to load has none. */
static int unload(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &unload_key) != LUA_TFUNCTION)
        return 0;
    lua_pushcfunction(L, warn);
    lua_call(L, 1, 0);
    return 0;
}

void hw_vm_free(struct hw_vm *vm)
{
    unsigned forks = hw_forked_watch();
    if (vm->L) {
        uint64_t ms = vm->config.timeout_ms;
        lua_settop(vm->L, 0);
        hw_limits_begin(&vm->limits, hw_now_ns(), ms < UNLOAD_MS_MAX ? ms : UNLOAD_MS_MAX, NULL);
        lua_pushcfunction(vm->L, unload);
        if (lua_pcall(vm->L, 0, 0, 0))
            hw_log_say(HW_LOG_WARN, "hook.on_unload did not come to its end");
    }
    hw_limits_close(&vm->limits);
    hw_forked_check(forks); /* a child of somebody else's may free it, too */
    hw_bundle_unref(vm->bundle);
    free(vm);
}

/* ---- decode ---- */

/* Seconds since 1970 of the event's Timestamp, or why there are none. */
static const char *read_time(lua_State *L, double *seconds)
{
    size_t len;
    int type = lua_getfield(L, -1, "Timestamp"); /* event value */
    const char *text = type == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
    bool known = text && hw_timestamp_read((struct hw_str){text, len}, seconds) == 0;
    lua_pop(L, 1);
    if (known)
        return NULL;
    if (type == LUA_TNIL)
        return "the event has no Timestamp, which max_age asks for";
    return text ? "the Timestamp is no time such as 2024-05-10T11:09:21Z, which max_age asks for"
                : "the Timestamp is not a text, which max_age asks for";
}

/* By max_age, the only defence against an old body that somebody kept. A time that far ahead is
 * refused too: its body would be new for too long. */
static int check_age(lua_State *L, const struct hw_vm *vm, struct hw_notification *n)
{
    double then, age_max = (double)vm->config.max_age_ms / 1000;
    const char *why = read_time(L, &then);
    if (why) {
        n->outcome.reason = hw_str_of(why);
        return HW_EMALFORMED_TIMESTAMP;
    }
    double age = n->received_at - then;
    return age > age_max ? HW_ETOO_OLD : age < -age_max ? HW_ETOO_NEW : 0;
}

static int read_event(lua_State *L, struct hw_vm *vm, struct hw_notification *n)
{
    size_t len;
    if (lua_type(L, -1) != LUA_TTABLE)
        return HW_EMISSING_EVENT;
    lua_pushliteral(L, "Event");
    lua_rawget(L, -2);
    if (lua_type(L, -1) != LUA_TSTRING)
        return HW_EMISSING_EVENT;
    const char *text = lua_tolstring(L, -1, &len);
    n->event = hw_arena_copy(n->arena, (struct hw_str){text, len});
    lua_pop(L, 1);
    if (!n->event.ptr)
        return HW_ENOMEM;
    return vm->config.max_age_ms ? check_age(L, vm, n) : 0;
}

/* Runs protected; leaves the event in the registry. */
static int decode(lua_State *L)
{
    struct hw_vm *vm = lua_touserdata(L, 1);
    struct hw_notification *n = vm->running.n;
    struct hw_json_scan scan;
    struct hw_str json = hw_json_skip_bom(n->body);
    int rc = hw_json_decode(L, json, &scan);
    if (rc) {
        char text[160];
        snprintf(text, sizeof text, "the body is not valid JSON: %s at byte %zu", scan.why,
                 scan.error_at + (n->body.len - json.len));
        n->outcome.reason = hw_arena_copy(n->arena, hw_str_of(text));
    } else {
        rc = read_event(L, vm, n);
        lua_settop(L, 2);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &event_key);
    }
    lua_pushinteger(L, rc);
    return 1;
}

/* A call did not come to its end, or was stopped. */
static int fail(const struct hw_vm *vm, struct hw_notification *n, int status)
{
    if (is_starved(vm, status))
        return hw_notification_starve(n);
    return hw_notification_fail(n, vm->limits.timed_out ? HW_EHANDLER_TIMEOUT : HW_EHANDLER_ERROR);
}

int hw_vm_decode(struct hw_vm *vm, struct hw_notification *n, uint64_t now_ns)
{
    lua_State *L = vm->L;
    vm->running.n = n;
    lua_pushcfunction(L, decode);
    lua_pushlightuserdata(L, vm);
    set_deadline(vm, now_ns); /* a script's finalizer may run */
    int status = lua_pcall(L, 1, 1, 0);
    if (status || vm->limits.timed_out) {
        n->outcome.detail = take_error(vm, status, n->arena);
        return fail(vm, n, status);
    }
    int rc = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return rc == HW_ENOMEM ? hw_notification_starve(n) : hw_notification_fail(n, rc);
}

/* ---- handle ---- */

static struct hw_str keep(lua_State *L, int index, struct hw_notification *n)
{
    size_t len;
    const char *text = luaL_tolstring(L, index, &len);
    struct hw_str s = hw_arena_copy(n->arena, (struct hw_str){text, len});
    lua_pop(L, 1);
    return s;
}

static int is_status(lua_State *L, int index, lua_Integer *status)
{
    int whole;
    *status = lua_tointegerx(L, index, &whole);
    return whole && (*status == 200 || *status == 400);
}

/* What the handler returned, at [first, top] -> the outcome. */
static int read_results(lua_State *L, int first, struct hw_notification *n)
{
    lua_Integer status;
    int count = lua_gettop(L) - first + 1;
    if (count <= 0)
        return 0;
    if (lua_type(L, first) == LUA_TNUMBER) {
        if (!is_status(L, first, &status)) {
            lua_pushfstring(L,
                            "the handler returned the number %s; only 200 and 400 mean something",
                            luaL_tolstring(L, first, NULL));
            n->outcome.detail = keep(L, -1, n);
            return HW_EHANDLER_ERROR;
        }
        if (status == 200)
            return 0;
    } else if (lua_toboolean(L, first)) {
        return 0;
    }
    if (count > 1 && !lua_isnil(L, first + 1))
        n->outcome.reason = keep(L, first + 1, n);
    return HW_EHANDLER_REFUSED;
}

/* Runs protected, the message handler below it. */
static int handle(lua_State *L)
{
    struct hw_vm *vm = lua_touserdata(L, 1);
    struct hw_notification *n = vm->running.n;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &resolve_key);
    lua_pushlstring(L, n->event.ptr, n->event.len);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &event_key);
    lua_call(L, 2, 3); /* vm handler place violation */
    if (lua_isnil(L, 2)) {
        n->outcome.unhandled = vm->config.accept_unhandled;
        lua_pushinteger(L, vm->config.accept_unhandled ? 0 : HW_ENO_HANDLER);
        return 1;
    }
    n->outcome.place = keep(L, 3, n);
    if (!lua_isnil(L, 4)) {
        n->outcome.reason = keep(L, 4, n);
        lua_pushinteger(L, HW_ESCHEMA_VIOLATION);
        return 1;
    }
    n->outcome.ran = true;
    lua_settop(L, 3);
    lua_pushvalue(L, 2);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &event_key);
    hw_api_push_job(L, n);       /* vm handler place handler event job */
    lua_call(L, 2, LUA_MULTRET); /* vm handler place results… */
    lua_pushinteger(L, read_results(L, 4, n));
    return 1;
}

int hw_vm_handle(struct hw_vm *vm, struct hw_notification *n, uint64_t now_ns)
{
    lua_State *L = vm->L;
    lua_pushcfunction(L, describe);
    lua_pushcfunction(L, handle);
    lua_pushlightuserdata(L, vm);
    set_deadline(vm, now_ns);
    int status = lua_pcall(L, 1, 1, 1);
    hw_limits_end(&vm->limits);
    if (status || vm->limits.timed_out) { /* the last call may have been a pcall */
        n->outcome.detail = take_error(vm, status, n->arena);
        return fail(vm, n, status);
    }
    return hw_notification_fail(n, (int)lua_tointeger(L, -1));
}

void hw_vm_collect(struct hw_vm *vm)
{
    hw_limits_begin(&vm->limits, hw_now_ns(), UNLOAD_MS_MAX, NULL);
    lua_gc(vm->L, LUA_GCCOLLECT);
    hw_limits_end(&vm->limits);
}

bool hw_vm_rest(struct hw_vm *vm)
{
    lua_State *L = vm->L;
    vm->running.n = NULL;
    lua_settop(L, 0);
    forget_event(L);
    hw_api_forget_job(L);
    if (vm->limits.pool.used <= vm->config.memory_max / 2)
        return false;
    hw_vm_collect(vm);
    return vm->limits.pool.used > vm->config.memory_max / 2;
}

/* ---- routes ---- */

/* Copies t[index] of the VM's table on top to the field `name` of the other state's. */
static void copy_field(lua_State *from, lua_Integer index, lua_State *to, const char *name)
{
    lua_rawgeti(from, -1, index);
    lua_pushstring(to, lua_tostring(from, -1));
    lua_setfield(to, -2, name);
    lua_pop(from, 1);
}

void hw_vm_push_routes(struct hw_vm *vm, lua_State *to)
{
    lua_State *L = vm->L;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &routes_key);
    int status = lua_pcall(L, 0, 1, 0); /* { { pattern, place, schema }… } */
    HW_CHECK(status == 0);
    lua_newtable(to);
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TTABLE; i++) {
        lua_createtable(to, 0, 3);
        copy_field(L, 1, to, "pattern");
        copy_field(L, 2, to, "place");
        copy_field(L, 3, to, "schema");
        lua_rawseti(to, -2, i);
        lua_pop(L, 1);
    }
    lua_settop(L, 0);
}
