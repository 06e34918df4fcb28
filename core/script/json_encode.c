/* json_encode.c -- from Lua values to JSON.
 *
 * Why     lua-cjson's encoder writes 14 digits of a number, handles gaps in an array by global
 *         settings, does not check UTF-8, can't say where in a value the error is, and leaks its
 *         buffer when Lua runs out of memory. A wrapper around all that would be longer than this.
 * How     a recursive walk, bounded by HW_JSON_DEPTH_MAX (which also ends a cycle). It writes into
 *         a buffer on the C stack; when that is full, into a userdata, which a Lua error frees.
 *         Tables are read raw. For a table with __pairs, what __pairs yields is first copied into a
 *         plain table, so that nothing changes during the walk.
 * Thread  the one that has the Lua state. */
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "script/json.h"

struct step { /* from a table to one of its values */
    const char *name;
    lua_Integer index; /* when name is NULL */
};

struct encoder {
    lua_State *L;
    int slot; /* stack index of the userdata that holds `ptr` once `first` is too small */
    char *ptr;
    size_t len, size;
    int depth;
    const char *why; /* what can't be encoded: a static text, or one on the Lua stack */
    struct step path[HW_JSON_DEPTH_MAX];
    char first[1024];
};

static void write_bytes(struct encoder *e, const char *bytes, size_t length)
{
    if (e->size - e->len < length) {
        size_t size = (e->size + length) * 2;
        char *larger = lua_newuserdatauv(e->L, size, 0);
        memcpy(larger, e->ptr, e->len);
        lua_replace(e->L, e->slot);
        e->ptr = larger;
        e->size = size;
    }
    memcpy(e->ptr + e->len, bytes, length);
    e->len += length;
}

static void write_escape(struct encoder *e, unsigned char c)
{
    static const char names[] = "btn?fr"; /* from 0x08; 0x0b has none */
    char escape[8];
    int used;
    if (c == '"' || c == '\\')
        used = snprintf(escape, sizeof escape, "\\%c", c);
    else if (c >= 0x08 && c <= 0x0d && c != 0x0b)
        used = snprintf(escape, sizeof escape, "\\%c", names[c - 0x08]);
    else
        used = snprintf(escape, sizeof escape, "\\u%04x", c);
    write_bytes(e, escape, (size_t)used);
}

static bool encode_string(struct encoder *e, int index)
{
    size_t length;
    const char *at = lua_tolstring(e->L, index, &length), *end = at + length;
    write_bytes(e, "\"", 1);
    while (at < end) {
        const char *start = at;
        while (at < end && (unsigned char)*at >= 0x20 && *at != '"' && *at != '\\') {
            size_t bytes = 1;
            if (*at & 0x80)
                bytes = hw_json_utf8_length((struct hw_str){at, (size_t)(end - at)});
            if (bytes == 0) {
                e->why = "a string that is not valid UTF-8";
                return false;
            }
            at += bytes;
        }
        write_bytes(e, start, (size_t)(at - start));
        if (at < end)
            write_escape(e, (unsigned char)*at++);
    }
    write_bytes(e, "\"", 1);
    return true;
}

static bool encode_number(struct encoder *e, int index)
{
    char text[40];
    int used;
    if (lua_isinteger(e->L, index)) {
        used = snprintf(text, sizeof text, LUA_INTEGER_FMT, lua_tointeger(e->L, index));
    } else {
        double number = lua_tonumber(e->L, index);
        if (!isfinite(number)) {
            e->why = isnan(number) ? "NaN" : "an infinite number";
            return false;
        }
        used = hw_json_print_float(text, sizeof text, number);
    }
    write_bytes(e, text, (size_t)used);
    return true;
}

static bool encode_value(struct encoder *e, int index);

static bool encode_array(struct encoder *e, int table, lua_Integer length)
{
    struct step *step = &e->path[e->depth - 1];
    step->name = NULL;
    write_bytes(e, "[", 1);
    for (lua_Integer i = 1; i <= length; i++) {
        step->index = i;
        if (i > 1)
            write_bytes(e, ",", 1);
        lua_rawgeti(e->L, table, i); /* … value */
        if (!encode_value(e, lua_gettop(e->L)))
            return false;
        lua_pop(e->L, 1); /* … */
    }
    write_bytes(e, "]", 1);
    return true;
}

static bool encode_object(struct encoder *e, int table)
{
    struct step *step = &e->path[e->depth - 1];
    int key = lua_gettop(e->L) + 1;
    bool first = true;
    write_bytes(e, "{", 1);
    lua_pushnil(e->L); /* … key */
    while (lua_next(e->L, table)) {
        step->name = lua_tostring(e->L, key); /* … key value */
        if (!first)
            write_bytes(e, ",", 1);
        first = false;
        if (!encode_string(e, key))
            return false;
        write_bytes(e, ":", 1);
        if (!encode_value(e, key + 1))
            return false;
        lua_settop(e->L, key); /* … key */
    }
    write_bytes(e, "}", 1);
    return true;
}

/* The table's length if its keys are those of an array (0 if it is empty), -1 if they are those of
 * an object, -2 with e->why if they are neither. */
static lua_Integer table_length(struct encoder *e, int table)
{
    lua_Integer count = 0, largest = 0, strings = 0;
    lua_pushnil(e->L); /* … key */
    while (lua_next(e->L, table)) {
        lua_pop(e->L, 1); /* … key */
        lua_Integer key = lua_isinteger(e->L, -1) ? lua_tointeger(e->L, -1) : 0;
        if (lua_type(e->L, -1) == LUA_TSTRING)
            strings++;
        else if (key < 1)
            e->why = "a table with a key that is neither a string nor a positive integer";
        else
            count++;
        largest = key > largest ? key : largest;
    }
    if (!e->why && strings > 0 && count > 0)
        e->why = "a table with both string and integer keys";
    else if (!e->why && count != largest)
        e->why = "an array with gaps";
    if (e->why)
        return -2;
    return strings > 0 ? -1 : count;
}

/* Pushes the field of this name of lua-cjson, or nil if the script has not loaded lua-cjson.
 * Stack: -0 +1. */
static void push_of_cjson(lua_State *L, const char *name)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE); /* loaded */
    lua_pushliteral(L, "cjson");
    lua_rawget(L, -2); /* loaded cjson */
    lua_pushnil(L);
    if (lua_istable(L, -2)) {
        lua_pop(L, 1);
        lua_pushstring(L, name);
        lua_rawget(L, -2); /* loaded cjson field */
    }
    lua_replace(L, -3);
    lua_pop(L, 1); /* field */
}

/* Is the value on top lua-cjson's field of this name? */
static bool is_of_cjson(lua_State *L, const char *name)
{
    push_of_cjson(L, name);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
    return same;
}

/* Is the metatable on top one that marks arrays, ours or another library's? */
static bool is_array_meta(lua_State *L)
{
    hw_json_push_array_meta(L); /* meta ours */
    bool marks = lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
    if (marks)
        return true;
    lua_pushliteral(L, "__jsontype");
    lua_rawget(L, -2); /* meta type */
    marks = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "array") == 0;
    lua_pop(L, 1);
    return marks || is_of_cjson(L, "empty_array_mt") || is_of_cjson(L, "array_mt");
}

static bool is_array_marked(lua_State *L, int table)
{
    if (!lua_getmetatable(L, table))
        return false;
    bool marked = is_array_meta(L);
    lua_pop(L, 1);
    return marked;
}

/* Runs protected: table -> a plain table of what its __pairs yields. */
static int copy_pairs(lua_State *L)
{
    luaL_getmetafield(L, 1, "__pairs");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 3); /* table next state key */
    lua_newtable(L);
    lua_insert(L, 2); /* table copy next state key */
    for (;;) {
        lua_pushvalue(L, 3);
        lua_pushvalue(L, 4);
        lua_pushvalue(L, 5);
        lua_call(L, 2, 2); /* … key value */
        if (lua_isnil(L, -2))
            break;
        lua_pushvalue(L, -2);
        lua_replace(L, 5);
        lua_rawset(L, 2); /* … */
    }
    lua_settop(L, 2);
    return 1;
}

static bool has_pairs(lua_State *L, int table)
{
    if (luaL_getmetafield(L, table, "__pairs") == LUA_TNIL)
        return false;
    lua_pop(L, 1);
    return true;
}

/* Stack: -0 +1. */
static bool push_copy(struct encoder *e, int table)
{
    lua_pushcfunction(e->L, copy_pairs);
    lua_pushvalue(e->L, table);
    int status = lua_pcall(e->L, 1, 1, 0);
    if (status == LUA_OK)
        return true;
    if (status == LUA_ERRMEM)
        lua_error(e->L);
    bool is_text = lua_type(e->L, -1) == LUA_TSTRING;
    e->why = lua_pushfstring(e->L, "a table whose __pairs failed (%s)",
                             is_text ? lua_tostring(e->L, -1) : "an error without a text");
    return false;
}

static bool encode_table(struct encoder *e, int table)
{
    int top = lua_gettop(e->L), given = table;
    if (e->depth == HW_JSON_DEPTH_MAX) {
        e->why = "a table nested more than 100 deep (or inside itself)";
        return false;
    }
    luaL_checkstack(e->L, 12, NULL);
    if (has_pairs(e->L, table)) {
        if (!push_copy(e, table))
            return false;
        table = top + 1;
    }
    lua_Integer length = table_length(e, table);
    if (length < -1)
        return false;
    e->depth++;
    bool is_array = length > 0 || (length == 0 && is_array_marked(e->L, given));
    bool done = is_array ? encode_array(e, table, length) : encode_object(e, table);
    if (!done)
        return false; /* e->depth stays: the reason names the path */
    e->depth--;
    lua_settop(e->L, top);
    return true;
}

/* hook.null, or lua-cjson's `empty_array`. False for any other pointer. */
static bool encode_pointer(struct encoder *e, int index)
{
    bool null = lua_touserdata(e->L, index) == NULL;
    luaL_checkstack(e->L, 8, NULL);
    lua_pushvalue(e->L, index);
    bool array = !null && is_of_cjson(e->L, "empty_array");
    lua_pop(e->L, 1);
    if (null || array)
        write_bytes(e, null ? "null" : "[]", null ? 4 : 2);
    return null || array;
}

static bool encode_value(struct encoder *e, int index)
{
    switch (lua_type(e->L, index)) {
    case LUA_TNIL:
        write_bytes(e, "null", 4);
        return true;
    case LUA_TBOOLEAN:
        lua_toboolean(e->L, index) ? write_bytes(e, "true", 4) : write_bytes(e, "false", 5);
        return true;
    case LUA_TNUMBER:
        return encode_number(e, index);
    case LUA_TSTRING:
        return encode_string(e, index);
    case LUA_TTABLE:
        return encode_table(e, index);
    case LUA_TLIGHTUSERDATA:
        if (encode_pointer(e, index))
            return true;
        /* fall through */
    default:
        e->why = lua_pushfstring(e->L, "a %s", luaL_typename(e->L, index));
        return false;
    }
}

static bool is_name(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    return length > 0 && text[length] == 0 && strchr("0123456789", text[0]) == NULL;
}

/* The reason is for a log: unprintable characters become '?', and a long key is cut. */
static void add_key(luaL_Buffer *buffer, const char *key)
{
    enum { SHOWN = 40 };
    luaL_addstring(buffer, "[\"");
    for (int i = 0; i < SHOWN && key[i]; i++)
        luaL_addchar(buffer, key[i] >= 0x20 && key[i] < 0x7f ? key[i] : '?');
    luaL_addstring(buffer, "\"]");
}

/* items[3].x["odd key"] */
static void add_path(const struct encoder *e, luaL_Buffer *buffer)
{
    for (int i = 0; i < e->depth; i++) {
        const char *name = e->path[i].name;
        if (!name) {
            lua_pushfstring(e->L, "[%I]", e->path[i].index);
            luaL_addvalue(buffer);
        } else if (is_name(name)) {
            luaL_addstring(buffer, i > 0 ? "." : "");
            luaL_addstring(buffer, name);
        } else {
            add_key(buffer, name);
        }
    }
}

static void push_reason(const struct encoder *e)
{
    luaL_Buffer buffer;
    luaL_buffinit(e->L, &buffer);
    luaL_addstring(&buffer, "cannot encode ");
    luaL_addstring(&buffer, e->why);
    if (e->depth > 0)
        luaL_addstring(&buffer, " at ");
    add_path(e, &buffer);
    luaL_pushresult(&buffer);
}

int hw_json_encode(lua_State *L, int index)
{
    struct encoder e; /* not cleared: 3 KB, most of it never read */
    index = lua_absindex(L, index);
    luaL_checkstack(L, 8, NULL);
    lua_pushnil(L); /* slot */
    e.L = L;
    e.slot = lua_gettop(L);
    e.ptr = e.first;
    e.size = sizeof e.first;
    e.len = 0;
    e.depth = 0;
    e.why = NULL;
    bool done = encode_value(&e, index);
    if (done)
        lua_pushlstring(L, e.ptr, e.len);
    else
        push_reason(&e);
    lua_replace(L, e.slot); /* text | reason … */
    lua_settop(L, e.slot);  /* text | reason */
    return done ? 0 : HW_EFAILED;
}
