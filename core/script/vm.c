/* vm.c -- see vm.h */
#include "script/vm.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "script/api.h"
#include "script/error_text.h"
#include "script/forked.h"
#include "script/job_table.h"
#include "script/json.h"
#include "script/limits.h"
#include "script/router.h"
#include "script/running.h"
#include "script/setup.h"

enum {
    UNLOAD_MS_MAX = 1000 /* for hook.on_unload, and for finalizers between jobs */
};

struct hw_vm {
    /* constant after new */
    struct hw_vm_config config;
    struct hw_bundle *bundle;
    lua_State *L;

    /* only for the thread that has the VM */
    struct hw_limits limits;
    struct hw_running running;
    struct hw_api_warning warning;
};

static void set_deadline(struct hw_vm *vm, uint64_t now_ns)
{
    hw_limits_begin(&vm->limits, now_ns, vm->config.timeout_ms, "handler_timeout");
}

/* ---- new and free ---- */

/* In the registry: the decoded event, from decode to handle; the handler, from match to handle; its
 * pattern and its `key`, from the match of an ack-first one on. */
static const char event_key, handler_key, pattern_key, lane_key;

/* The entries keep a value, so that setting one again never allocates: nothing is protected then. */
static void forget(lua_State *L, const char *key)
{
    lua_pushboolean(L, false);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

static void forget_event(lua_State *L)
{
    forget(L, &event_key);
    forget(L, &handler_key);
}

/* Runs protected; the VM is its light userdata argument. */
static int load_all(lua_State *L)
{
    struct hw_vm *vm = lua_touserdata(L, 1);
    const struct hw_setup setup = {.bundle = vm->bundle,
                                   .modules = vm->config.modules,
                                   .validate = vm->config.validate,
                                   .ack_first = vm->config.ack_first,
                                   .durable = vm->config.durable,
                                   .fit = vm->config.fit,
                                   .fit_ud = vm->config.fit_ud};
    hw_running_open(L, &vm->running);
    hw_setup_run(L, &setup);
    forget_event(L);
    hw_job_table_forget(L);
    return 0;
}

static int load(struct hw_vm *vm, char *why, size_t why_size)
{
    lua_State *L = vm->L;
    struct hw_arena arena;
    lua_pushcfunction(L, hw_error_text_describe);
    lua_pushcfunction(L, load_all);
    lua_pushlightuserdata(L, vm);
    set_deadline(vm, hw_now_ns());
    int status = lua_pcall(L, 1, 0, 1);
    hw_limits_end(&vm->limits);
    vm->limits.give_up = NULL;
    if (status) {
        hw_arena_init(&arena, NULL, 0);
        hw_error_text_line(hw_error_text_take(&vm->limits, status, &arena), why, why_size);
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

void hw_vm_free(struct hw_vm *vm)
{
    unsigned forks = hw_forked_watch();
    if (vm->L) {
        uint64_t ms = vm->config.timeout_ms;
        lua_settop(vm->L, 0);
        hw_limits_begin(&vm->limits, hw_now_ns(), ms < UNLOAD_MS_MAX ? ms : UNLOAD_MS_MAX, NULL);
        lua_pushcfunction(vm->L, hw_router_unload);
        if (lua_pcall(vm->L, 0, 0, 0))
            hw_log_say(HW_LOG_WARN, "hook.on_unload did not finish");
    }
    hw_limits_close(&vm->limits);
    hw_forked_check(forks); /* a child that a script forked may get here */
    hw_bundle_unref(vm->bundle);
    free(vm);
}

/* ---- decode ---- */

/* Reads the event's Timestamp, in seconds since 1970. Returns NULL, or why it can't. */
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
        return "the event has no Timestamp, which max_age needs";
    return text ? "the Timestamp is not a time such as 2024-05-10T11:09:21Z, which max_age needs"
                : "the Timestamp is not a string, which max_age needs";
}

/* Applies max_age, the only defence against a captured body that is sent again later. A time too
 * far in the future is refused as well: its body would be accepted for too long. */
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

/* Reads what the host needs of the event, which is on top. Returns 0 or the error. */
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
    struct hw_str name = {text, len};
    if (!n->event.ptr || !hw_str_eq(n->event, name)) /* the leader may read an accepted one's */
        n->event = hw_arena_copy(n->arena, name);
    lua_pop(L, 1);
    if (!n->event.ptr)
        return HW_ENOMEM;
    bool first = n->from_row == 0 && !n->accepted; /* later its age is its time in the ledger */
    return first && vm->config.max_age_ms ? check_age(L, vm, n) : 0;
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

/* For a call that failed or was stopped. */
static int fail(const struct hw_vm *vm, struct hw_notification *n, int status)
{
    if (hw_limits_are_starved(&vm->limits, status))
        return hw_notification_starve(n);
    return hw_notification_fail(n, vm->limits.timed_out ? HW_EHANDLER_TIMEOUT : HW_EHANDLER_ERROR);
}

static int end(struct hw_notification *n, int rc)
{
    return rc == HW_ENOMEM ? hw_notification_starve(n) : hw_notification_fail(n, rc);
}

int hw_vm_decode(struct hw_vm *vm, struct hw_notification *n, uint64_t now_ns)
{
    lua_State *L = vm->L;
    vm->running.n = n;
    lua_pushcfunction(L, decode);
    lua_pushlightuserdata(L, vm);
    set_deadline(vm, now_ns); /* finalizers of scripts may run */
    int status = lua_pcall(L, 1, 1, 0);
    if (status || vm->limits.timed_out) {
        n->outcome.detail = hw_error_text_take(&vm->limits, status, n->arena);
        return fail(vm, n, status);
    }
    int rc = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return end(n, rc);
}

/* ---- what a script returned ---- */

/* Copies the value at the index, as tostring() returns it, into the arena. */
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

/* Reads what the handler returned, which is at [first, top]. Returns 0 or the error. */
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
    return count > 2 && hw_api_is_never(L, first + 2) ? HW_EGIVEN_UP : HW_EHANDLER_REFUSED;
}

/* Calls a function in protected mode, with the VM as its argument and a limit of `ms`. Returns 0
 * with its results on the stack, or the outcome's code. */
static int run(struct hw_vm *vm, lua_CFunction fn, int results, uint64_t now_ns, uint64_t ms,
               const char *limit)
{
    lua_State *L = vm->L;
    struct hw_notification *n = vm->running.n;
    lua_settop(L, 0);
    lua_pushcfunction(L, hw_error_text_describe);
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, vm);
    hw_limits_begin(&vm->limits, now_ns, ms, limit);
    int status = lua_pcall(L, 1, results, 1);
    hw_limits_end(&vm->limits);
    if (status == 0 && !vm->limits.timed_out) /* a script may have caught the error */
        return 0;
    n->outcome.detail = hw_error_text_take(&vm->limits, status, n->arena);
    return fail(vm, n, status);
}

/* ---- match ---- */

/* Runs protected, with the message handler below it. */
static int match(lua_State *L)
{
    struct hw_vm *vm = lua_touserdata(L, 1);
    struct hw_notification *n = vm->running.n;
    hw_router_push_resolve(L);
    lua_pushlstring(L, n->event.ptr, n->event.len);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &event_key);
    lua_call(L, 2, 6); /* vm handler place violation pattern key concurrency */
    if (lua_isnil(L, 2)) {
        n->outcome.unhandled = vm->config.accept_unhandled;
        lua_pushinteger(L, vm->config.accept_unhandled ? 0 : HW_ENO_HANDLER);
        return 1;
    }
    n->outcome.place = keep(L, 3, n);
    n->ack_first = !lua_isnil(L, 5);
    n->pool_max = (uint32_t)lua_tointeger(L, 7);
    if (!lua_isnil(L, 4)) {
        n->outcome.reason = keep(L, 4, n);
        lua_pushinteger(L, HW_ESCHEMA_VIOLATION);
        return 1;
    }
    if (n->pool_max && !n->pool.ptr)
        n->pool = keep(L, 5, n);
    if (n->ack_first) {
        lua_settop(L, 6);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &lane_key);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &pattern_key);
    }
    lua_settop(L, 2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &handler_key);
    lua_pushinteger(L, n->pool_max && !n->pool.ptr ? HW_ENOMEM : 0);
    return 1;
}

int hw_vm_match(struct hw_vm *vm, struct hw_notification *n, uint64_t now_ns)
{
    int rc = run(vm, match, 1, now_ns, vm->config.timeout_ms, "handler_timeout");
    return rc ? rc : end(n, (int)lua_tointeger(vm->L, -1));
}

/* ---- the lane ---- */

static void check_key(lua_State *L, int key)
{
    size_t len = 0;
    if (lua_isinteger(L, key))
        return;
    if (lua_type(L, key) == LUA_TNUMBER)
        luaL_error(L, "key: it returned a number with a fraction");
    if (lua_type(L, key) != LUA_TSTRING)
        luaL_error(L, "key: it returned a %s, not a text, an integer, nil or false",
                   luaL_typename(L, key));
    lua_tolstring(L, key, &len);
    if (len > HW_VM_KEY_MAX)
        luaL_error(L, "key: it returned a text of %d bytes; at most %d are allowed", (int)len,
                   HW_VM_KEY_MAX);
}

/* Runs protected, with the message handler below it. The pattern keeps the keys of one handler apart
 * from those of another. */
static int find_lane(lua_State *L)
{
    struct hw_vm *vm = lua_touserdata(L, 1);
    struct hw_notification *n = vm->running.n;
    bool has_key = lua_rawgetp(L, LUA_REGISTRYINDEX, &lane_key) == LUA_TFUNCTION;
    if (has_key) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &event_key);
        lua_call(L, 1, 1); /* vm key */
    }
    if (!has_key || !lua_toboolean(L, 2)) {
        lua_pushinteger(L, 0);
        return 1;
    }
    check_key(L, 2);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pattern_key);
    lua_pushlstring(L, "", 1);
    lua_pushvalue(L, 2);
    lua_concat(L, 3); /* pattern NUL key */
    n->lane = keep(L, -1, n);
    lua_pushinteger(L, n->lane.ptr ? 0 : HW_ENOMEM);
    return 1;
}

int hw_vm_find_lane(struct hw_vm *vm, struct hw_notification *n, uint64_t now_ns)
{
    uint64_t ms = vm->config.timeout_ms < HW_VM_KEY_MS ? vm->config.timeout_ms : HW_VM_KEY_MS;
    int rc = run(vm, find_lane, 1, now_ns, ms, "a key may take");
    if (rc == HW_EHANDLER_TIMEOUT)
        return hw_notification_fail(n, HW_EHANDLER_ERROR);
    return rc ? rc : end(n, (int)lua_tointeger(vm->L, -1));
}

/* ---- handle ---- */

/* Runs protected, with the message handler below it. */
static int handle(lua_State *L)
{
    struct hw_vm *vm = lua_touserdata(L, 1);
    struct hw_notification *n = vm->running.n;
    n->outcome.ran = true;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &handler_key);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &event_key);
    hw_job_table_push(L, n);     /* vm handler event job */
    lua_call(L, 2, LUA_MULTRET); /* vm results… */
    lua_pushinteger(L, read_results(L, 2, n));
    return 1;
}

int hw_vm_handle(struct hw_vm *vm, struct hw_notification *n, uint64_t now_ns)
{
    int rc = run(vm, handle, 1, now_ns, vm->config.timeout_ms, "handler_timeout");
    return rc ? rc : end(n, (int)lua_tointeger(vm->L, -1));
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
    hw_job_table_forget(L);
    if (vm->limits.pool.used <= vm->config.memory_max / 2)
        return false;
    hw_vm_collect(vm);
    return vm->limits.pool.used > vm->config.memory_max / 2;
}

size_t hw_vm_memory(const struct hw_vm *vm)
{
    return vm->limits.pool.used;
}

size_t hw_vm_count_handlers(struct hw_vm *vm)
{
    return hw_router_count(vm->L);
}

char *hw_vm_routes_as_json(struct hw_vm *vm)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    bool written = hw_router_write_routes(vm->L, out) && !ferror(out);
    if (fclose(out) == 0 && written)
        return text;
    free(text);
    return NULL;
}

void hw_vm_push_routes(struct hw_vm *vm, lua_State *to)
{
    hw_router_push_routes(vm->L, to);
}
