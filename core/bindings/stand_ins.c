/* stand_ins.c -- see stand_ins.h */
#include "bindings/stand_ins.h"

#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>

#include "script/http_exchange.h"

struct hw_kept_line {
    enum hw_log_level level;
    size_t len;
    char *json;
};

/* ---- the log's lines ---- */

static void keep_line(void *ud, enum hw_log_level level, struct hw_str json)
{
    struct hw_stand_ins *s = ud;
    if (s->line_count == s->line_cap) {
        size_t cap = s->line_cap ? s->line_cap * 2 : 16;
        struct hw_kept_line *lines = realloc(s->lines, cap * sizeof *lines);
        if (!lines)
            return;
        s->lines = lines;
        s->line_cap = cap;
    }
    char *copy = malloc(json.len);
    if (!copy)
        return;
    memcpy(copy, json.ptr, json.len);
    s->lines[s->line_count++] = (struct hw_kept_line){level, json.len, copy};
}

void hw_stand_ins_forget_lines(struct hw_stand_ins *s)
{
    for (size_t i = 0; i < s->line_count; i++)
        free(s->lines[i].json);
    s->line_count = 0;
}

void hw_stand_ins_push_lines(lua_State *L, struct hw_stand_ins *s)
{
    lua_createtable(L, (int)s->line_count, 0);
    for (size_t i = 0; i < s->line_count; i++) {
        lua_createtable(L, 2, 0);
        lua_pushstring(L, hw_log_level_name(s->lines[i].level));
        lua_rawseti(L, -2, 1);
        lua_pushlstring(L, s->lines[i].json, s->lines[i].len);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    hw_stand_ins_forget_lines(s);
}

/* ---- hook.http ---- */

struct call {
    const struct hw_http_request *request;
    struct hw_http_exchange *exchange;
    long status;
};

static void push_call(lua_State *L, const struct call *c)
{
    const struct hw_http_request *r = c->request;
    lua_createtable(L, 0, 6);
    lua_pushstring(L, r->method);
    lua_setfield(L, -2, "method");
    lua_pushstring(L, r->url);
    lua_setfield(L, -2, "url");
    lua_pushstring(L, r->unix_path);
    lua_setfield(L, -2, "unix");
    lua_pushnumber(L, (double)r->timeout_ms / 1000);
    lua_setfield(L, -2, "timeout");
    if (r->body.ptr) {
        lua_pushlstring(L, r->body.ptr, r->body.len);
        lua_setfield(L, -2, "body");
    }
    lua_newtable(L);
    lua_Integer i = 0;
    for (struct curl_slist *line = c->exchange->headers; line; line = line->next) {
        lua_pushstring(L, line->data);
        lua_rawseti(L, -2, ++i);
    }
    lua_setfield(L, -2, "headers");
}

/* Runs protected in the outer state. Arguments: on_http, the struct. */
static int call_outer(lua_State *L)
{
    struct call *c = lua_touserdata(L, 2);
    struct hw_str head, body;
    lua_pushvalue(L, 1);
    push_call(L, c);
    lua_call(L, 1, 3); /* on_http struct status head body */
    if (lua_isnil(L, 3)) {
        static const char *const kinds[] = {"resolve", "connect", "timeout", "tls",
                                            "closed",  "failed",  NULL};
        const char *kind = kinds[luaL_checkoption(L, 5, "failed", kinds)];
        hw_http_exchange_fail(c->exchange, kind, luaL_optstring(L, 4, "failed"));
        return 0;
    }
    long status = (long)luaL_checkinteger(L, 3);
    head.ptr = luaL_checklstring(L, 4, &head.len);
    body.ptr = luaL_checklstring(L, 5, &body.len);
    c->status = hw_http_exchange_answer(c->request, c->exchange, status, head, body);
    return 0;
}

/* Called by hook.http in the VM, and so must not raise. */
static long exchange(void *ud, const struct hw_http_request *r, struct hw_http_exchange *x)
{
    struct hw_stand_ins *s = ud;
    lua_State *L = s->outer;
    struct call call = {.request = r, .exchange = x, .status = -1};
    if (!L || !lua_checkstack(L, 4)) {
        hw_http_exchange_fail(x, "failed",
                              L ? "out of memory" : "there is no network while a set is closed");
        return -1;
    }
    lua_pushcfunction(L, call_outer);
    lua_pushvalue(L, s->on_http);
    lua_pushlightuserdata(L, &call);
    if (lua_pcall(L, 2, 0, 0)) {
        const char *why = lua_tostring(L, -1);
        hw_http_exchange_fail(x, "failed", why ? why : "failed");
        lua_pop(L, 1);
    }
    return call.status;
}

/* ---- the clock ---- */

static struct hw_stand_ins *stand_ins_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(2));
}

/* Calls Lua's own function with all arguments. */
static int call_original(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

static int os_time(lua_State *L)
{
    struct hw_stand_ins *s = stand_ins_of(L);
    if (!s->clock_stands || !lua_isnoneornil(L, 1))
        return call_original(L);
    lua_pushinteger(L, (lua_Integer)floor(s->at));
    return 1;
}

static int os_date(lua_State *L)
{
    struct hw_stand_ins *s = stand_ins_of(L);
    if (s->clock_stands && lua_isnoneornil(L, 2)) {
        lua_settop(L, 1);
        if (lua_isnil(L, 1)) {
            lua_pushliteral(L, "%c");
            lua_replace(L, 1);
        }
        lua_pushinteger(L, (lua_Integer)floor(s->at));
    }
    return call_original(L);
}

/* Puts `function`, which gets the original and the stand-ins as upvalues, in os.<name>'s place. */
static void wrap(lua_State *L, const char *name, lua_CFunction function, struct hw_stand_ins *s)
{
    lua_getfield(L, -1, name); /* os original */
    lua_pushlightuserdata(L, s);
    lua_pushcclosure(L, function, 2);
    lua_setfield(L, -2, name); /* os */
}

void hw_stand_ins_fit(lua_State *L, void *ud)
{
    struct hw_stand_ins *s = ud;
    hw_http_client_set_transport(L, &s->transport);
    lua_getglobal(L, "os");
    wrap(L, "time", os_time, s);
    wrap(L, "date", os_date, s);
    lua_pop(L, 1);
}

/* ---- around a call ---- */

void hw_stand_ins_init(struct hw_stand_ins *s)
{
    *s = (struct hw_stand_ins){.transport = {exchange, s}};
}

void hw_stand_ins_fini(struct hw_stand_ins *s)
{
    hw_stand_ins_forget_lines(s);
    free(s->lines);
    s->lines = NULL;
    s->line_cap = 0;
}

struct hw_log_tap hw_stand_ins_begin(struct hw_stand_ins *s, lua_State *L, int on_http, int at)
{
    s->outer = L;
    s->on_http = on_http;
    s->clock_stands = !lua_isnoneornil(L, at);
    if (s->clock_stands)
        s->at = lua_tonumber(L, at);
    return hw_stand_ins_begin_close(s);
}

struct hw_log_tap hw_stand_ins_begin_close(struct hw_stand_ins *s)
{
    return hw_log_set_tap((struct hw_log_tap){keep_line, s});
}

void hw_stand_ins_end(struct hw_stand_ins *s, struct hw_log_tap before)
{
    hw_log_set_tap(before);
    s->outer = NULL;
}
