/* api.c -- see api.h */
#include "app/api.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdlib.h>

#include "app/later.h"
#include "app/sender.h"
#include "base/error.h"
#include "script/http_client.h"

struct timer {
    uv_timer_t handle;
    struct hw_app_events *events;
    struct timer *prev, *next;
    lua_Integer number;
    int ref; /* of the function */
};

struct hw_app_events {
    uv_loop_t *loop;
    hw_app_enter_fn *enter;
    void *enter_ud;
    lua_State *L;
    struct hw_sender *sender;
    struct timer *timers;
    size_t timer_count;
    lua_Integer last_number;
    bool stopped;
};

static const double AFTER_MAX = 1e9; /* seconds */

static struct hw_app_events *events_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

struct hw_app_events *hw_app_events_new(uv_loop_t *loop, hw_app_enter_fn *enter, void *ud)
{
    struct hw_app_events *e = calloc(1, sizeof *e);
    struct hw_sender *sender = e ? hw_sender_new(loop) : NULL;
    if (!sender) {
        free(e);
        return NULL;
    }
    e->loop = loop;
    e->enter = enter;
    e->enter_ud = ud;
    e->sender = sender;
    return e;
}

/* ---- timers ---- */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void drop_timer(struct timer *t)
{
    if (t->next)
        t->next->prev = t->prev;
    if (t->prev)
        t->prev->next = t->next;
    else
        t->events->timers = t->next;
    t->events->timer_count--;
    uv_close((uv_handle_t *)&t->handle, on_closed);
}

static void on_timer(uv_timer_t *handle)
{
    struct timer *t = handle->data;
    struct hw_app_events *e = t->events;
    lua_State *L = e->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->ref);
    luaL_unref(L, LUA_REGISTRYINDEX, t->ref);
    drop_timer(t);
    e->enter(e->enter_ud, 0);
}

static struct timer *new_timer(struct hw_app_events *e)
{
    struct timer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    uv_timer_init(e->loop, &t->handle);
    t->handle.data = t;
    t->events = e;
    t->number = ++e->last_number;
    t->ref = LUA_NOREF;
    t->next = e->timers;
    if (t->next)
        t->next->prev = t;
    e->timers = t;
    e->timer_count++;
    return t;
}

/* after(seconds, fn) -> number */
static int app_after(lua_State *L)
{
    struct hw_app_events *e = events_of(L);
    double seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0 && seconds <= AFTER_MAX, 1, "not a number of seconds");
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    if (e->timer_count >= HW_APP_TIMERS_MAX)
        return luaL_error(L, "over %d timers", HW_APP_TIMERS_MAX);
    int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    struct timer *t = e->stopped ? NULL : new_timer(e);
    if (!t) {
        luaL_unref(L, LUA_REGISTRYINDEX, ref);
        return luaL_error(L, "no timer can be started");
    }
    t->ref = ref;
    uv_update_time(e->loop);
    uv_timer_start(&t->handle, on_timer, (uint64_t)(seconds * 1000), 0);
    lua_pushinteger(L, t->number);
    return 1;
}

/* cancel(number) -> boolean */
static int app_cancel(lua_State *L)
{
    lua_Integer number = luaL_checkinteger(L, 1);
    struct timer *t = events_of(L)->timers;
    while (t && t->number != number)
        t = t->next;
    if (t) {
        luaL_unref(L, LUA_REGISTRYINDEX, t->ref);
        drop_timer(t);
    }
    lua_pushboolean(L, t != NULL);
    return 1;
}

/* ---- sending ---- */

#define SEND "hookward.app.send" /* a userdata: struct send, with these user values */

enum { OPTIONS = 1, TEXT, FUNCTION };

struct send {
    struct hw_send base;
    struct hw_app_events *events;
    int ref; /* of the userdata, until the exchange is over */
};

static int collect_send(lua_State *L)
{
    struct send *s = lua_touserdata(L, 1);
    hw_http_exchange_fini(&s->base.exchange);
    return 0;
}

static struct send *push_send(lua_State *L)
{
    struct send *s = lua_newuserdatauv(L, sizeof *s, 3);
    memset(s, 0, sizeof *s);
    hw_http_exchange_init(&s->base.exchange);
    luaL_setmetatable(L, SEND);
    return s;
}

/* The user may change the table while curl still reads its texts. */
static void push_copy(lua_State *L, int table)
{
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2); /* copy key key value */
        lua_rawset(L, -4);
    }
}

/* Runs protected: calls the user's function. Arguments: send, status. */
static int tell(lua_State *L)
{
    struct send *s = lua_touserdata(L, 1);
    long status = (long)lua_tointeger(L, 2);
    lua_getiuservalue(L, 1, FUNCTION);
    int count = hw_http_client_push_outcome(L, status, &s->base.exchange);
    hw_http_exchange_fini(&s->base.exchange);
    lua_call(L, count, 0);
    return 0;
}

static void on_sent(struct hw_send *base, long status)
{
    struct send *s = (struct send *)base;
    struct hw_app_events *e = s->events;
    lua_State *L = e->L;
    int ref = s->ref;
    if (!e->stopped) {
        lua_pushcfunction(L, tell);
        lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
        lua_pushinteger(L, status);
        e->enter(e->enter_ud, 2);
    }
    luaL_unref(L, LUA_REGISTRYINDEX, ref);
}

/* Calls hw_http_client_prepare on the copied options; returns the number of values it pushed. */
static int prepare(lua_State *L)
{
    struct send *s = lua_touserdata(L, lua_upvalueindex(1));
    int failed = hw_http_client_prepare(L, &s->base.request, &s->base.exchange);
    return failed ? failed : 1;
}

/* request(options, fn) -> true | nil, why, kind */
static int app_request(lua_State *L)
{
    struct hw_app_events *e = events_of(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    struct send *s = push_send(L); /* options fn send */
    push_copy(L, 1);               /* options fn send copy */
    lua_pushvalue(L, 3);
    lua_pushcclosure(L, prepare, 1);
    lua_pushvalue(L, 4);
    lua_call(L, 1, LUA_MULTRET); /* options fn send copy, text | nil why kind */
    if (!s->base.request.url)
        return 3;
    lua_setiuservalue(L, 3, TEXT);
    lua_setiuservalue(L, 3, OPTIONS); /* options fn send */
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, 3, FUNCTION);
    s->events = e;
    s->base.sent = on_sent;
    s->ref = luaL_ref(L, LUA_REGISTRYINDEX); /* options fn */
    int rc = hw_sender_begin(e->sender, &s->base);
    if (rc == 0) {
        lua_pushboolean(L, true);
        return 1;
    }
    luaL_unref(L, LUA_REGISTRYINDEX, s->ref);
    lua_pushnil(L);
    lua_pushstring(L, rc == HW_EOVERLOADED ? "too many requests are under way" : "out of memory");
    lua_pushliteral(L, "failed");
    return 3;
}

/* ---- the module ---- */

void hw_app_events_stop(struct hw_app_events *e)
{
    e->stopped = true;
    while (e->timers)
        drop_timer(e->timers);
    hw_sender_stop(e->sender);
}

void hw_app_events_free(struct hw_app_events *e)
{
    hw_sender_free(e->sender);
    free(e);
}

static int return_module(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    return 1;
}

void hw_app_api_open(lua_State *L, struct hw_app_events *events, struct hw_app_laters *laters)
{
    static const luaL_Reg functions[] = {
        {"after", app_after}, {"cancel", app_cancel}, {"request", app_request}, {NULL, NULL}};
    events->L = L;
    luaL_newmetatable(L, SEND);
    lua_pushcfunction(L, collect_send);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newlibtable(L, functions); /* settings module */
    lua_pushlightuserdata(L, events);
    luaL_setfuncs(L, functions, 1);
    hw_app_later_push(L, laters);
    lua_setfield(L, -2, "later");
    lua_insert(L, -2);
    lua_setfield(L, -2, "settings"); /* module */
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_insert(L, -2);
    lua_pushcclosure(L, return_module, 1);
    lua_setfield(L, -2, "hookward.app");
    lua_pop(L, 1);
}
