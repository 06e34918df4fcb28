/* later.c -- see later.h */
#include "app/later.h"

#include <lauxlib.h>
#include <string.h>

#include "app/queues.h"
#include "base/error.h"

#define LATER "hookward.app.later"

#define KEPT_CALL(at) ((struct hw_app_call *)((char *)(at)-offsetof(struct hw_app_call, kept)))

struct hw_app_later {
    struct hw_app_laters *laters;
    struct hw_app_call *call; /* NULL once it was returned */
    bool begun, gone;
};

/* ---- the calls that the app has ---- */

void hw_app_laters_init(struct hw_app_laters *laters)
{
    *laters = (struct hw_app_laters){0};
    laters->kept.prev = laters->kept.next = &laters->kept;
}

static void keep(struct hw_app_laters *laters, struct hw_app_call *call)
{
    call->kept = (struct hw_app_link){laters->kept.prev, &laters->kept};
    call->kept.prev->next = call->kept.next->prev = &call->kept;
}

/* The object is not the call's any more. */
static void part(struct hw_app_laters *laters, struct hw_app_call *call)
{
    struct hw_app_later *later = call->later;
    if (later) {
        laters->streams -= later->begun;
        later->call = NULL;
    }
    call->later = NULL;
    if (laters->current == call)
        laters->current = NULL;
    if (call->kept.next) {
        call->kept.prev->next = call->kept.next;
        call->kept.next->prev = call->kept.prev;
    }
    call->kept = (struct hw_app_link){0};
}

static void give_back(struct hw_app_laters *laters, struct hw_app_call *call, int code)
{
    part(laters, call);
    call->code = code;
    hw_app_queues_return(call);
}

struct hw_app_call *hw_app_laters_end(struct hw_app_laters *laters)
{
    struct hw_app_call *call = laters->current;
    if (call)
        part(laters, call);
    return call;
}

void hw_app_laters_keep(struct hw_app_laters *laters)
{
    struct hw_app_call *call = laters->current;
    laters->current = NULL;
    keep(laters, call);
    if (hw_app_queues_is_gone(call))
        hw_app_laters_leave(laters, call);
    else if (!call->later->begun)
        hw_app_queues_keep(call, false);
}

bool hw_app_laters_are_kept(const struct hw_app_laters *laters)
{
    return laters->kept.next != &laters->kept;
}

void hw_app_laters_must_not_have_begun(lua_State *L, const struct hw_app_laters *laters)
{
    const struct hw_app_later *later = laters->current->later;
    if (later && later->begun)
        luaL_error(L, "a handler that has begun to send pieces must return its later object");
}

void hw_app_laters_leave(struct hw_app_laters *laters, struct hw_app_call *call)
{
    if (call->later)
        call->later->gone = true;
    give_back(laters, call, HW_EAPP_ERROR);
}

void hw_app_laters_stop(struct hw_app_laters *laters)
{
    while (hw_app_laters_are_kept(laters))
        hw_app_laters_leave(laters, KEPT_CALL(laters->kept.next));
}

/* ---- the object ---- */

static struct hw_app_later *later_at(lua_State *L, int index)
{
    return luaL_checkudata(L, index, LATER);
}

static int push_failure(lua_State *L, const char *why)
{
    lua_pushboolean(L, false);
    lua_pushstring(L, why);
    return 2;
}

static int push_success(lua_State *L)
{
    lua_pushboolean(L, true);
    return 1;
}

/* Whether the client has left. Raises an error when the answer was complete before. */
static bool is_gone(lua_State *L, const struct hw_app_later *later)
{
    if (later->gone)
        return true;
    if (!later->call)
        luaL_error(L, "the request was answered before");
    return hw_app_queues_is_gone(later->call);
}

static void must_have_begun(lua_State *L, const struct hw_app_later *later, bool begun)
{
    if (later->call && later->begun != begun)
        luaL_error(L, begun ? "the answer was not begun" : "the answer was begun before");
}

/* Reads the answer at 2, 3 and 4 into the call. The object stays on the stack, so that it is not
 * collected meanwhile. */
static void read_answer(lua_State *L, struct hw_app_call *call)
{
    lua_settop(L, 4);
    lua_rotate(L, 1, -1); /* status headers body object */
    hw_app_call_read_answer(L, call);
}

/* later:answer(status, headers, body) */
static int later_answer(lua_State *L)
{
    struct hw_app_later *later = later_at(L, 1);
    if (is_gone(L, later))
        return push_failure(L, "gone");
    must_have_begun(L, later, false);
    read_answer(L, later->call);
    give_back(later->laters, later->call, 0);
    return push_success(L);
}

/* later:begin(status, headers) */
static int later_begin(lua_State *L)
{
    struct hw_app_later *later = later_at(L, 1);
    struct hw_app_laters *laters = later->laters;
    lua_settop(L, 3);
    if (is_gone(L, later))
        return push_failure(L, "gone");
    must_have_begun(L, later, false);
    if (laters->streams >= HW_APP_STREAMS_MAX)
        return push_failure(L, "full");
    read_answer(L, later->call);
    later->begun = true;
    laters->streams++;
    hw_app_queues_keep(later->call, true);
    return push_success(L);
}

/* later:send(text) */
static int later_send(lua_State *L)
{
    struct hw_app_later *later = later_at(L, 1);
    struct hw_str text;
    text.ptr = luaL_checklstring(L, 2, &text.len);
    luaL_argcheck(L, text.len <= HW_APP_STREAM_MAX, 2, "a piece is too long");
    if (is_gone(L, later))
        return push_failure(L, "gone");
    must_have_begun(L, later, true);
    switch (hw_app_queues_add(later->call, text)) {
    case HW_APP_GONE:
        return push_failure(L, "gone");
    case HW_APP_FULL:
        return push_failure(L, "full");
    default:
        return push_success(L);
    }
}

/* later:finish() */
static int later_finish(lua_State *L)
{
    struct hw_app_later *later = later_at(L, 1);
    if (is_gone(L, later))
        return push_failure(L, "gone");
    must_have_begun(L, later, true);
    give_back(later->laters, later->call, 0);
    return push_success(L);
}

/* later:gone() -> boolean */
static int later_gone(lua_State *L)
{
    struct hw_app_later *later = later_at(L, 1);
    lua_pushboolean(L, later->gone || (later->call && hw_app_queues_is_gone(later->call)));
    return 1;
}

/* While the handler runs, it may still return an answer. */
static int collect(lua_State *L)
{
    struct hw_app_later *later = lua_touserdata(L, 1);
    struct hw_app_call *call = later->call;
    if (!call)
        return 0;
    if (call == later->laters->current && !later->begun) {
        call->later = NULL;
        later->call = NULL;
    } else {
        give_back(later->laters, call, HW_EAPP_ERROR);
    }
    return 0;
}

/* later() -> later */
static int new_later(lua_State *L)
{
    struct hw_app_laters *laters = lua_touserdata(L, lua_upvalueindex(1));
    if (!laters->current)
        return luaL_error(L, "no request is being handled that has no answer yet");
    if (laters->current->later)
        return luaL_error(L, "the request has such an object already");
    struct hw_app_later *later = lua_newuserdatauv(L, sizeof *later, 0);
    *later = (struct hw_app_later){.laters = laters};
    luaL_setmetatable(L, LATER);
    if (laters->current && !laters->current->later) { /* making it may have collected another */
        later->call = laters->current;
        later->call->later = later;
    }
    return 1;
}

bool hw_app_later_is_current(lua_State *L, int index, const struct hw_app_laters *laters)
{
    const struct hw_app_later *later = luaL_testudata(L, index, LATER);
    return later && later->call && later->call == laters->current;
}

void hw_app_later_push(lua_State *L, struct hw_app_laters *laters)
{
    static const luaL_Reg methods[] = {{"answer", later_answer}, {"begin", later_begin},
                                       {"send", later_send},     {"finish", later_finish},
                                       {"gone", later_gone},     {NULL, NULL}};
    luaL_newmetatable(L, LATER);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, collect);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_pushlightuserdata(L, laters);
    lua_pushcclosure(L, new_later, 1);
}
