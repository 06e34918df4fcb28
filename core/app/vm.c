/* vm.c -- see vm.h
 *
 * The registry holds, under the addresses of the keys below: the VM, and the two functions. */
#include "app/vm.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/api.h"
#include "base/error.h"
#include "base/log.h"
#include "script/api.h"
#include "script/json.h"
#include "script/state_limits.h"
#include "script/stoppable.h"
#include "trip/job.h"

struct hw_app_vm {
    /* constant after new */
    struct hw_app_vm_config config;
    char module[128]; /* config's: an app that is given up outlives the text that it came from */
    lua_State *L;
    struct hw_app_events *events;

    /* the app's thread only */
    struct hw_limits limits;
    struct hw_api_warning warning;
};

static const char vm_key, handle_key, start_key;

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
    if (!hw_log_wants(HW_LOG_ERROR))
        return;
    bool is_text = lua_type(vm->L, -1) == LUA_TSTRING;
    const char *text = is_text ? lua_tolstring(vm->L, -1, &len) : NULL;
    hw_log_begin(&line, HW_LOG_ERROR, hw_str_of(what));
    hw_log_text(&line, "app", hw_str_of(vm->config.module));
    hw_log_lines(&line, "detail",
                 text ? (struct hw_str){text, len} : HW_STR("an error without a text"));
    hw_log_end(&line);
}

/* Calls what is on top with the arguments above it; pops both. Returns Lua's status, with the error
 * on top when it is not 0. */
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

static void call(struct hw_app_vm *vm, int arguments)
{
    if (enter(vm, arguments) == 0)
        return;
    log_error(vm, "an event of an app failed");
    lua_pop(vm->L, 1);
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
    lua_pushlightuserdata(L, vm);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &vm_key);
    hw_api_open(L, vm->config.modules);
    lua_pushlightuserdata(L, vm);
    lua_pushcclosure(L, load_settings, 1);
    lua_call(L, 0, 1); /* settings */
    hw_app_api_open(L, vm->events);
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

/* ---- a request ---- */

static void set_text(lua_State *L, const char *name, struct hw_str value)
{
    lua_pushlstring(L, value.ptr ? value.ptr : "", value.len);
    lua_setfield(L, -2, name);
}

static void push_request(lua_State *L, const struct hw_app_call *call)
{
    const struct hw_request *r = call->request;
    lua_createtable(L, 0, 6);
    set_text(L, "method", hw_http_view(r->bytes, r->http.method));
    set_text(L, "path", hw_http_view(r->bytes, r->http.path));
    set_text(L, "query", hw_http_view(r->bytes, r->http.query));
    set_text(L, "body", (struct hw_str){r->bytes + r->head_len, (size_t)r->http.body_length});
    set_text(L, "peer", hw_str_of(call->peer));
    hw_api_push_headers(L, r);
    lua_setfield(L, -2, "headers");
}

/* ---- an answer ---- */

static bool is_name(struct hw_str name)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (c == 0 || !strchr(marks, c)))
            return false;
    }
    return name.len > 0;
}

static bool is_value(struct hw_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* These follow from the answer itself. */
static bool is_ours(struct hw_str name)
{
    static const struct hw_str ours[] = {
        {"content-length", 14}, {"transfer-encoding", 17}, {"connection", 10}, {"date", 4}};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (hw_str_is(name, ours[i]))
            return true;
    return false;
}

/* Adds "name: value" to the array `lines`, for the value on top. */
static void add_line(lua_State *L, const char *name, int lines)
{
    struct hw_str text = HW_STR_NONE;
    lua_Integer count = (lua_Integer)lua_rawlen(L, lines);
    if (lua_type(L, -1) == LUA_TSTRING || lua_type(L, -1) == LUA_TNUMBER)
        text.ptr = luaL_tolstring(L, -1, &text.len);
    if (!text.ptr || !is_value(text))
        luaL_error(L, "the header %s of an answer must be a text of one line, or a number", name);
    if (count == HW_APP_FIELDS_MAX)
        luaL_error(L, "an answer has at most %d header lines", HW_APP_FIELDS_MAX);
    lua_pushfstring(L, "%s: %s\r\n", name, text.ptr); /* value text line */
    lua_rawseti(L, lines, count + 1);
    lua_pop(L, 1);
}

/* Adds the header whose name and value are on top. */
static void add_header(lua_State *L, int lines)
{
    struct hw_str name = HW_STR_NONE;
    if (lua_type(L, -2) == LUA_TSTRING)
        name.ptr = lua_tolstring(L, -2, &name.len);
    if (!name.ptr || !is_name(name) || is_ours(name))
        luaL_error(L, "an answer can't have the header %s", luaL_tolstring(L, -2, NULL));
    if (!lua_istable(L, -1)) {
        add_line(L, name.ptr, lines);
        return;
    }
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
        add_line(L, name.ptr, lines);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* The lines of `headers` in one text. Stack: -0 +1. */
static void push_fields(lua_State *L, int headers, const char *type)
{
    bool has_type = false;
    lua_newtable(L);
    int lines = lua_gettop(L);
    if (!lua_isnil(L, headers)) {
        if (!lua_istable(L, headers))
            luaL_error(L, "the headers of an answer must be a table, not %s",
                       luaL_typename(L, headers));
        for (lua_pushnil(L); lua_next(L, headers); lua_pop(L, 1)) {
            add_header(L, lines);
            has_type |= hw_str_is(hw_str_of(lua_tostring(L, -2)), HW_STR("content-type"));
        }
    }
    if (type && !has_type) {
        lua_pushstring(L, type);
        add_line(L, "Content-Type", lines);
        lua_pop(L, 1);
    }
    int count = (int)lua_rawlen(L, lines);
    luaL_checkstack(L, count + 1, "the headers of an answer");
    for (int i = 1; i <= count; i++)
        lua_rawgeti(L, lines, i);
    lua_concat(L, count);
}

static struct hw_str keep(lua_State *L, struct hw_arena *arena, int index)
{
    struct hw_str text;
    text.ptr = lua_tolstring(L, index, &text.len);
    struct hw_str copy = hw_arena_copy(arena, text);
    if (!copy.ptr)
        luaL_error(L, "out of memory");
    return copy;
}

/* 1: status, 2: headers, 3: body. */
static void read_answer(lua_State *L, struct hw_app_call *call)
{
    int exact;
    lua_Integer status = lua_tointegerx(L, 1, &exact);
    if (!exact || lua_type(L, 1) != LUA_TNUMBER || status < 200 || status > 599)
        luaL_error(L, "the status of an answer must be a whole number from 200 to 599");
    bool is_json = lua_istable(L, 3);
    if (is_json && hw_json_encode(L, 3) != 0)
        luaL_error(L, "the body of an answer can't be JSON: %s", lua_tostring(L, -1));
    if (is_json)
        lua_replace(L, 3);
    if (!lua_isnil(L, 3) && lua_type(L, 3) != LUA_TSTRING)
        luaL_error(L, "the body of an answer must be a string or a table, not %s",
                   luaL_typename(L, 3));
    push_fields(L, 2, is_json ? "application/json; charset=utf-8" : NULL);
    call->reply.status = (int)status;
    call->reply.fields = keep(L, &call->arena, -1);
    if (!lua_isnil(L, 3))
        call->reply.body = keep(L, &call->arena, 3);
}

/* Runs protected. */
static int answer(lua_State *L)
{
    struct hw_app_call *call = lua_touserdata(L, 1);
    lua_settop(L, 0);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &handle_key);
    push_request(L, call);
    lua_call(L, 1, 3);
    read_answer(L, call);
    return 0;
}

void hw_app_vm_handle(struct hw_app_vm *vm, struct hw_app_call *call)
{
    lua_pushcfunction(vm->L, answer);
    lua_pushlightuserdata(vm->L, call);
    call->code = enter(vm, 1) ? HW_EAPP_ERROR : 0;
    if (call->code == 0)
        return;
    log_error(vm, "a request to an app failed");
    lua_pop(vm->L, 1);
}
