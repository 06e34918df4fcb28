/* log_fields.c -- see log_fields.h
 *
 * Why not json_encode.c? A handler logs whatever value it has, often when something is wrong. So
 * nothing is refused here, and everything has a limit. */
#include "script/log_fields.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script/json.h"

enum { NAME_MAX_LEN = HW_LOG_FIELDS_NAME_MAX, ITEMS_MAX = HW_LOG_FIELDS_ITEMS_MAX };

/* The JSON of a table, as far as it is written. */
struct text {
    lua_State *L;
    size_t len;
    int depth;
    const void *path[HW_LOG_FIELDS_DEPTH_MAX]; /* the tables around the current one */
    char bytes[HW_LOG_FIELDS_VALUE_MAX];
};

enum { CLOSING = 256 /* bytes kept free for a number and the brackets that close all tables */ };

static bool is_full(const struct text *t)
{
    return t->len + CLOSING >= sizeof t->bytes;
}

static void put(struct text *t, const char *bytes, size_t len)
{
    size_t room = sizeof t->bytes - t->len;
    len = len < room ? len : room;
    memcpy(t->bytes + t->len, bytes, len);
    t->len += len;
}

static void put_string(struct text *t, struct hw_str s)
{
    char escape[8];
    put(t, "\"", 1);
    for (size_t i = 0, n; i < s.len && !is_full(t); i += n) {
        unsigned char c = (unsigned char)s.ptr[i];
        n = 1;
        if (c == '"' || c == '\\')
            put(t, (char[]){'\\', (char)c}, 2);
        else if (c < 0x20 || c == 0x7f)
            put(t, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
        else if (c < 0x80)
            put(t, s.ptr + i, 1);
        else if ((n = hw_str_utf8(s, i)) > 0)
            put(t, s.ptr + i, n);
        else
            n = 1, put(t, "\xef\xbf\xbd", 3);
    }
    put(t, "\"", 1);
}

static void put_ellipsis(struct text *t)
{
    put(t, "\"…\"", strlen("\"…\""));
}

/* Writes the value at the index as tostring() returns it, in quotes. */
static void put_shown(struct text *t, int index)
{
    struct hw_str s;
    s.ptr = luaL_tolstring(t->L, index, &s.len);
    put_string(t, s);
    lua_pop(t->L, 1);
}

static bool has_tostring(lua_State *L, int index)
{
    if (luaL_getmetafield(L, index, "__tostring") == LUA_TNIL)
        return false;
    lua_pop(L, 1);
    return true;
}

static bool is_list(lua_State *L, int table)
{
    lua_Integer count = 0, length = (lua_Integer)lua_rawlen(L, table);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        count++;
    if (count != length)
        return false;
    if (count > 0 || !lua_getmetatable(L, table))
        return count > 0;
    hw_json_push_array_meta(L); /* meta ours */
    bool list = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return list;
}

static void put_value(struct text *t, int index);

static void put_list(struct text *t, int table)
{
    lua_Integer length = (lua_Integer)lua_rawlen(t->L, table);
    put(t, "[", 1);
    for (lua_Integer i = 1; i <= length; i++) {
        if (i > 1)
            put(t, ",", 1);
        if (i > ITEMS_MAX || is_full(t)) {
            put_ellipsis(t);
            break;
        }
        lua_rawgeti(t->L, table, i);
        put_value(t, lua_gettop(t->L));
        lua_pop(t->L, 1);
    }
    put(t, "]", 1);
}

struct member {
    const char *name; /* on the Lua stack, at index */
    int index;        /* its value is above it */
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

/* Pushes up to `max` names and values, and returns how many; *more is set if there are others.
 * `members` is sorted by name, since a table has no order and lines should look alike. */
static int push_members(lua_State *L, int table, struct member *members, int max, bool *more)
{
    int count = 0;
    luaL_checkstack(L, 2 * max + 8, "hook.log");
    lua_pushnil(L); /* … key */
    while (lua_next(L, table)) {
        if (count == max) {
            lua_pop(L, 2);
            *more = true;
            break;
        }
        members[count].name = luaL_tolstring(L, -2, NULL); /* … key value name */
        lua_insert(L, -3);                                 /* … name key value */
        lua_insert(L, -2);                                 /* … name value key */
        members[count++].index = lua_gettop(L) - 2;
    }
    qsort(members, (size_t)count, sizeof *members, by_name);
    return count;
}

static void put_object(struct text *t, int table)
{
    struct member members[ITEMS_MAX];
    int top = lua_gettop(t->L);
    bool more = false;
    int count = push_members(t->L, table, members, ITEMS_MAX, &more);
    put(t, "{", 1);
    int i = 0;
    for (; i < count && !is_full(t); i++) {
        struct hw_str name;
        name.ptr = lua_tolstring(t->L, members[i].index, &name.len);
        if (i > 0)
            put(t, ",", 1);
        put_string(t, name);
        put(t, ":", 1);
        put_value(t, members[i].index + 1);
    }
    if (more || i < count) {
        const char *rest = i > 0 ? ",\"…\":true" : "\"…\":true";
        put(t, rest, strlen(rest));
    }
    put(t, "}", 1);
    lua_settop(t->L, top);
}

static bool is_inside(const struct text *t, const void *table)
{
    for (int i = 0; i < t->depth; i++)
        if (t->path[i] == table)
            return true;
    return false;
}

/* Writes a table with __pairs, such as hook.config, as what that yields. False without __pairs. */
static bool put_view(struct text *t, int index)
{
    if (luaL_getmetafield(t->L, index, "__pairs") == LUA_TNIL)
        return false;
    bool done = hw_json_encode(t->L, index) == 0 && !is_full(t) && /* pairs json */
                lua_rawlen(t->L, -1) < sizeof t->bytes - t->len - CLOSING;
    if (done)
        put(t, lua_tostring(t->L, -1), lua_rawlen(t->L, -1));
    else
        put_shown(t, index);
    lua_pop(t->L, 2);
    return true;
}

static void put_table(struct text *t, int index)
{
    const void *table = lua_topointer(t->L, index);
    luaL_checkstack(t->L, 16, "hook.log");
    if (has_tostring(t->L, index)) {
        put_shown(t, index);
    } else if (is_inside(t, table)) {
        put_string(t, HW_STR("a table inside itself"));
    } else if (t->depth == HW_LOG_FIELDS_DEPTH_MAX) {
        put_ellipsis(t);
    } else if (!put_view(t, index)) {
        t->path[t->depth++] = table;
        is_list(t->L, index) ? put_list(t, index) : put_object(t, index);
        t->depth--;
    }
}

static void put_number(struct text *t, int index)
{
    char text[40];
    double number = lua_tonumber(t->L, index);
    int used;
    if (lua_isinteger(t->L, index))
        used = snprintf(text, sizeof text, LUA_INTEGER_FMT, lua_tointeger(t->L, index));
    else if (isfinite(number))
        used = hw_json_print_float(text, sizeof text, number);
    else
        used = snprintf(text, sizeof text, "null");
    put(t, text, (size_t)used);
}

static void put_value(struct text *t, int index)
{
    switch (lua_type(t->L, index)) {
    case LUA_TTABLE:
        put_table(t, index);
        return;
    case LUA_TNUMBER:
        put_number(t, index);
        return;
    case LUA_TBOOLEAN:
        lua_toboolean(t->L, index) ? put(t, "true", 4) : put(t, "false", 5);
        return;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(t->L, index) == NULL) {
            put(t, "null", 4);
            return;
        } /* fall through */
    default:
        put_shown(t, index);
    }
}

/* ---- the fields of a line ---- */

/* A field's name is written without quotes, so unusual characters become '_'. */
static void plain_name(char out[NAME_MAX_LEN + 1], const char *name)
{
    size_t i = 0;
    for (; name[i] && i < NAME_MAX_LEN; i++) {
        char c = name[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '_' || c == '-' || c == '.';
        out[i] = plain ? c : '_';
    }
    out[i] = '\0';
}

static void add_table(lua_State *L, struct hw_log_line *line, const char *name, int index)
{
    struct text t; /* not cleared: most of it is never read */
    t.L = L;
    t.len = 0;
    t.depth = 0;
    put_table(&t, index);
    hw_log_json(line, name, (struct hw_str){t.bytes, t.len});
}

static void add_value(lua_State *L, struct hw_log_line *line, const char *name, int index)
{
    size_t len;
    int type = lua_type(L, index);
    if (lua_isinteger(L, index)) {
        hw_log_int(line, name, lua_tointeger(L, index));
    } else if (type == LUA_TNUMBER) {
        hw_log_number(line, name, lua_tonumber(L, index));
    } else if (type == LUA_TBOOLEAN) {
        hw_log_bool(line, name, lua_toboolean(L, index));
    } else if (type == LUA_TLIGHTUSERDATA && lua_touserdata(L, index) == NULL) {
        hw_log_json(line, name, HW_STR("null"));
    } else if (type == LUA_TTABLE && !has_tostring(L, index)) {
        add_table(L, line, name, index);
    } else {
        const char *text = luaL_tolstring(L, index, &len);
        hw_log_text(line, name, (struct hw_str){text, len});
        lua_pop(L, 1);
    }
}

/* "a b" and "a_b" become the same name: only the first one is written. */
static bool is_repeated(const char *name, const struct member *before, int count)
{
    char other[NAME_MAX_LEN + 1];
    for (int i = 0; i < count; i++) {
        plain_name(other, before[i].name);
        if (strcmp(name, other) == 0)
            return true;
    }
    return false;
}

void hw_log_fields_add(lua_State *L, struct hw_log_line *line, int index)
{
    struct member members[HW_LOG_FIELDS_MAX];
    char name[NAME_MAX_LEN + 1];
    int top = lua_gettop(L);
    bool more = false;
    int count = push_members(L, index, members, HW_LOG_FIELDS_MAX, &more);
    if (count > 0 && hw_log_group(line, "fields")) {
        for (int i = 0; i < count; i++) {
            plain_name(name, members[i].name);
            if (!is_repeated(name, members, i))
                add_value(L, line, name, members[i].index + 1);
        }
        if (more && !is_repeated("...", members, count))
            hw_log_text(line, "...", HW_STR("more"));
        hw_log_group_end(line);
    }
    lua_settop(L, top);
}
