/* call.c -- see call.h */
#include "app/call.h"

#include <lauxlib.h>

#include "script/headers.h"
#include "script/json.h"

/* ---- a request ---- */

static void set_text(lua_State *L, const char *name, struct hw_str value)
{
    lua_pushlstring(L, value.ptr ? value.ptr : "", value.len);
    lua_setfield(L, -2, name);
}

void hw_app_call_push_request(lua_State *L, const struct hw_app_call *call)
{
    const struct hw_request *r = call->request;
    lua_createtable(L, 0, 6);
    set_text(L, "method", hw_http_view(r->bytes, r->http.method));
    set_text(L, "path", hw_http_view(r->bytes, r->http.path));
    set_text(L, "query", hw_http_view(r->bytes, r->http.query));
    set_text(L, "body", (struct hw_str){r->bytes + r->head_len, (size_t)r->http.body_length});
    set_text(L, "peer", hw_str_of(call->peer));
    hw_headers_push(L, r);
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

/* Headers that the host writes, since they follow from the answer. */
static bool is_ours(struct hw_str name)
{
    static const struct hw_str ours[] = {
        {"content-length", 14}, {"transfer-encoding", 17}, {"connection", 10}, {"date", 4}};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (hw_str_is(name, ours[i]))
            return true;
    return false;
}

/* Appends "name: value" to the array `lines`; the value is on top. Stack: -0 +0. */
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

/* Appends the lines of one header; its name and value are on top. Stack: -0 +0. */
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

/* Pushes all lines as one text; `type` is the Content-Type unless `headers` has one, or NULL.
 * Stack: -0 +1. */
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

void hw_app_call_read_answer(lua_State *L, struct hw_app_call *call)
{
    int exact;
    lua_Integer status = lua_tointegerx(L, 1, &exact);
    if (!exact || lua_type(L, 1) != LUA_TNUMBER || status < 200 || status > 599)
        luaL_error(L, "the status of an answer must be a whole number from 200 to 599");
    bool is_json = lua_istable(L, 3);
    if (is_json && hw_json_encode(L, 3) != 0)
        luaL_error(L, "the body of an answer can't be encoded as JSON: %s", lua_tostring(L, -1));
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
