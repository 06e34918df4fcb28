/* error_text.c -- see error_text.h */
#include "script/error_text.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "script/json.h"
#include "script/require.h"

/* ---- any value becomes a text ---- */

/* The text of the value at 1. A table without __tostring is shown as JSON. */
static const char *text_of(lua_State *L)
{
    if (lua_tostring(L, 1)) {
        hw_require_explain(L, 1);
        return lua_tostring(L, 1);
    }
    if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING)
        return lua_tostring(L, -1);
    const char *type = luaL_typename(L, 1);
    if (lua_istable(L, 1) && hw_json_encode(L, 1) == 0)
        return lua_pushfstring(L, "(an error that is a table: %s)", lua_tostring(L, -1));
    return lua_pushfstring(L, "(an error that is a %s value)", type);
}

int hw_error_text_describe(lua_State *L)
{
    const char *text = text_of(L);
    luaL_traceback(L, L, text, 1);
    return 1;
}

/* ---- after a failed call ---- */

/* A view of the text on top, or of `room`. */
static struct hw_str text_of_failure(const struct hw_limits *l, int status, char *room, size_t size)
{
    bool stopped = l->timed_out;                      /* raised as a memory error; limits.h */
    bool is_text = lua_type(l->L, -1) == LUA_TSTRING; /* to convert another value may raise */
    if (is_text && (stopped || status != LUA_ERRMEM))
        return (struct hw_str){lua_tostring(l->L, -1), lua_rawlen(l->L, -1)};
    if (stopped)
        return HW_STR("it ran longer than handler_timeout");
    if (status != LUA_ERRMEM)
        return HW_STR("the description of the error raised another error");
    if (hw_limits_are_starved(l, status))
        return HW_STR("out of memory");
    int n = snprintf(room, size, "not enough memory (vm_memory is %zu bytes)", l->pool.max);
    return (struct hw_str){room, (size_t)n};
}

struct hw_str hw_error_text_take(struct hw_limits *limits, int status, struct hw_arena *arena)
{
    char room[80];
    if (limits->timed_out)
        hw_limits_put_why(limits);
    struct hw_str s = hw_arena_copy(arena, text_of_failure(limits, status, room, sizeof room));
    lua_pop(limits->L, 1);
    return s;
}

/* ---- one line ---- */

/* Cuts the first line off `text` and returns it. */
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

/* The second line is added if the first one ends with a colon: then `require` says there why a
 * module that it found can't be loaded. */
void hw_error_text_line(struct hw_str text, char *line, size_t size)
{
    if (!text.ptr) {
        snprintf(line, size, "out of memory");
        return;
    }
    struct hw_str first = take_line(&text), more = HW_STR("");
    if (ends_with(first, ":"))
        more = take_line(&text);
    for (; more.len && *more.ptr == '\t'; more.len--)
        more.ptr++;
    snprintf(line, size, "%.*s%s%.*s", (int)first.len, first.ptr, more.len ? " " : "",
             (int)more.len, more.ptr);
}
