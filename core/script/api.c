/* api.c -- see api.h */
#include "script/api.h"

#include <lauxlib.h>

#include "base/log.h"
#include "base/timestamp.h"
#include "script/command.h"
#include "script/log_fields.h"
#include "script/modules.h"
#include "script/running.h"

/* ---- log ---- */

/* log(level, message, fields) */
static int log_line(lua_State *L)
{
    struct hw_log_line line;
    size_t len;
    enum hw_log_level level = (enum hw_log_level)luaL_checkinteger(L, 1);
    if (!hw_log_wants(level))
        return 0;
    lua_settop(L, 3);
    if (!lua_isnil(L, 3))
        luaL_checktype(L, 3, LUA_TTABLE);
    const char *message = luaL_tolstring(L, 2, &len);
    const struct hw_notification *n = hw_running_notification(L);
    hw_log_begin(&line, level, (struct hw_str){message, len});
    if (n) {
        hw_log_text(&line, "event", n->event);
        hw_log_text(&line, "job", n->id);
    }
    if (!lua_isnil(L, 3))
        hw_log_fields_add(L, &line, 3);
    hw_log_end(&line);
    return 0;
}

void hw_api_push_log(lua_State *L)
{
    lua_pushcfunction(L, log_line);
}

/* print(…), as Lua's: the values in one line, with tabs between them */
static int print_to_log(lua_State *L)
{
    luaL_Buffer b;
    int count = lua_gettop(L);
    luaL_buffinit(L, &b);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&b, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    lua_pushcfunction(L, log_line);
    lua_pushinteger(L, HW_LOG_INFO);
    lua_pushvalue(L, -3);
    lua_call(L, 2, 0);
    return 0;
}

/* ---- timestamp ---- */

/* timestamp(text, any_form) */
static int read_timestamp(lua_State *L)
{
    struct hw_str text;
    double seconds;
    text.ptr = luaL_checklstring(L, 1, &text.len);
    if (lua_toboolean(L, 2) ? hw_timestamp_read(text, &seconds)
                            : hw_timestamp_parse(text, &seconds))
        lua_pushnil(L);
    else
        lua_pushnumber(L, seconds);
    return 1;
}

void hw_api_push_timestamp(lua_State *L)
{
    lua_pushcfunction(L, read_timestamp);
}

/* ---- retries ---- */

static int retry_after(lua_State *L)
{
    struct hw_notification *n = hw_running_notification(L);
    lua_Integer ms = luaL_checkinteger(L, 1);
    if (n)
        n->outcome.retry_after_ms = ms;
    lua_pushboolean(L, n != NULL);
    return 1;
}

void hw_api_push_retry_after(lua_State *L)
{
    lua_pushcfunction(L, retry_after);
}

static char never; /* its address is the mark */

void hw_api_push_never(lua_State *L)
{
    lua_pushlightuserdata(L, &never);
}

bool hw_api_is_never(lua_State *L, int index)
{
    return lua_touserdata(L, index) == &never;
}

/* ---- functions that are refused ---- */

/* Takes the place of a function. The upvalue says why. */
static int refuse(lua_State *L)
{
    return luaL_error(L, "%s", lua_tostring(L, lua_upvalueindex(1)));
}

static void refuse_field(lua_State *L, const char *library, const char *name, const char *why)
{
    lua_getglobal(L, library);
    lua_pushstring(L, why);
    lua_pushcclosure(L, refuse, 1);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

void hw_api_open(lua_State *L, const struct hw_modules *modules)
{
    hw_modules_preload(L, modules);
    lua_register(L, "print", print_to_log);
    hw_command_open(L);
    refuse_field(L, "os", "exit",
                 "os.exit would stop the whole host; return nil and a reason, or raise an error");
    refuse_field(L, "os", "setlocale", "os.setlocale would change the locale of every handler");
    refuse_field(L, "debug", "sethook", "debug.sethook would turn handler_timeout off");
}

/* ---- warnings ---- */

/* Lua passes a warning in pieces: "error in ", "__gc", " (" … */
static void on_warning(void *ud, const char *piece, int more)
{
    struct hw_api_warning *w = ud;
    if (w->len == 0 && !more && piece[0] == '@')
        return; /* a control message: "@on" */
    size_t room = sizeof w->text - 1 - w->len, len = strlen(piece);
    if (len > room)
        len = room;
    memcpy(w->text + w->len, piece, len);
    w->len += len;
    if (more)
        return;
    hw_log_say(HW_LOG_WARN, "Lua: %.*s", (int)w->len, w->text);
    w->len = 0;
}

void hw_api_set_warnings(lua_State *L, struct hw_api_warning *warning)
{
    lua_setwarnf(L, on_warning, warning);
}
