/* json_build.c -- from valid JSON to its Lua value.
 *
 * How     hw_json_scan() has accepted the text, so nothing is checked again. Members are collected
 *         on the Lua stack, a few at a time, so that most tables are created with their final
 *         size. Each array gets the metatable of arrays.
 * Memory  Lua owns everything, so a Lua error in the middle leaks nothing.
 * Thread  the one that has the Lua state. */
#include <lauxlib.h>

#include "script/json.h"

enum {
    BATCH = 16,                  /* members collected before they go into their table */
    LEVEL_SLOTS = 2 * BATCH + 8, /* of the Lua stack, for a table and its batch */
    SAFE_DIGITS = 18             /* any number of so many digits fits 64 bits */
};

struct text {
    lua_State *L;
    const char *at, *end;
    int array_meta; /* stack index of the metatable of arrays */
};

static void push_value(struct text *t);

/* The next byte that is not white space. In a valid text there always is one. */
static char next_byte(struct text *t)
{
    while (*t->at == ' ' || *t->at == '\n' || *t->at == '\r' || *t->at == '\t')
        t->at++;
    return *t->at;
}

/* ---- strings ---- */

static unsigned hex4(const char *at)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++)
        value = value * 16 + (unsigned)(at[i] <= '9' ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
    return value;
}

static char *put_utf8(char *to, unsigned code)
{
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    int tails = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char heads[] = {0, 0xc0, 0xe0, 0xf0};
    *to++ = (char)(heads[tails] | code >> 6 * tails);
    while (tails-- > 0)
        *to++ = (char)(0x80 | (code >> 6 * tails & 0x3f));
    return to;
}

/* Takes the rest of an escape, after its backslash. */
static char *put_escape(struct text *t, char *to)
{
    static const char plain[] = "bfnrt", meant[] = "\b\f\n\r\t";
    char name = *t->at++;
    if (name != 'u') {
        const char *found = strchr(plain, name);
        *to++ = found ? meant[found - plain] : name;
        return to;
    }
    unsigned code = hex4(t->at);
    t->at += 4;
    if (code >= 0xd800 && code <= 0xdbff) { /* \uDC00 to \uDFFF follows */
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(t->at + 2) - 0xdc00);
        t->at += 6;
    }
    return put_utf8(to, code);
}

static const char *closing_quote(const char *at)
{
    for (; *at != '"'; at++)
        at += *at == '\\';
    return at;
}

/* The buffer is large enough: no escape decodes to more bytes than it is written with. */
static void push_escaped(struct text *t)
{
    luaL_Buffer buffer;
    char *start = luaL_buffinitsize(t->L, &buffer, (size_t)(closing_quote(t->at) - t->at));
    char *to = start;
    while (*t->at != '"') {
        if (*t->at != '\\') {
            *to++ = *t->at++;
        } else {
            t->at++;
            to = put_escape(t, to);
        }
    }
    t->at++;
    luaL_pushresultsize(&buffer, (size_t)(to - start));
}

static void push_string(struct text *t)
{
    const char *at = ++t->at;
    while (*at != '"' && *at != '\\')
        at++;
    if (*at == '\\') {
        push_escaped(t);
        return;
    }
    lua_pushlstring(t->L, t->at, (size_t)(at - t->at));
    t->at = at + 1;
}

/* ---- numbers ---- */

/* False, with nothing pushed, for a number with a fraction, an exponent or too many digits. */
static bool push_short_integer(struct text *t)
{
    const char *at = t->at, *first = at + (*at == '-');
    lua_Integer value = 0;
    for (at = first; at < t->end && *at >= '0' && *at <= '9'; at++) {
        if (at - first == SAFE_DIGITS)
            return false;
        value = value * 10 + (*at - '0');
    }
    if (at < t->end && (*at == '.' || *at == 'e' || *at == 'E'))
        return false;
    lua_pushinteger(t->L, *t->at == '-' ? -value : value);
    t->at = at;
    return true;
}

/* Long integers and floats are converted by functions that need a terminating zero byte. */
static void push_number(struct text *t)
{
    char small[64];
    if (push_short_integer(t))
        return;
    const char *at = t->at;
    while (at < t->end && ((*at >= '0' && *at <= '9') || strchr("+-.eE", *at)))
        at++;
    size_t length = (size_t)(at - t->at);
    if (length < sizeof small) {
        memcpy(small, t->at, length);
        small[length] = '\0';
        hw_json_push_number(t->L, small);
    } else {
        lua_pushlstring(t->L, t->at, length);
        hw_json_push_number(t->L, lua_tostring(t->L, -1));
        lua_remove(t->L, -2);
    }
    t->at = at;
}

/* ---- arrays and objects ---- */

/* Takes a comma, if it is next; otherwise the closing bracket is. */
static bool take_comma(struct text *t)
{
    return next_byte(t) == ',' && t->at++;
}

/* Pushes up to BATCH values (with their keys, in an object) and returns how many. */
static int push_batch(struct text *t, bool keys, bool *more)
{
    int count = 0;
    do {
        if (keys) {
            next_byte(t);
            push_string(t);
            next_byte(t);
            t->at++; /* the colon */
        }
        push_value(t);
        count++;
        *more = take_comma(t);
    } while (*more && count < BATCH);
    return count;
}

static void set_items(lua_State *L, int table, lua_Integer length, int count)
{
    while (count > 0)
        lua_rawseti(L, table, length + count--);
}

/* In the order of the text: of two members with the same name the last one counts. */
static void set_pairs(lua_State *L, int table, int count)
{
    for (int i = 0; i < count; i++) {
        lua_pushvalue(L, table + 1 + 2 * i);
        lua_pushvalue(L, table + 2 + 2 * i);
        lua_rawset(L, table);
    }
    lua_settop(L, table);
}

static void push_table(struct text *t, bool object)
{
    lua_State *L = t->L;
    lua_Integer length = 0;
    int table = lua_gettop(L) + 1;
    luaL_checkstack(L, LEVEL_SLOTS, NULL);
    lua_pushnil(L); /* the table's slot */
    t->at++;
    bool more = next_byte(t) != (object ? '}' : ']');
    do {
        int count = more ? push_batch(t, object, &more) : 0; /* table values… */
        if (length == 0) {
            lua_createtable(L, object ? 0 : count, object ? count : 0);
            lua_replace(L, table);
        }
        object ? set_pairs(L, table, count) : set_items(L, table, length, count);
        length += count;
    } while (more);
    t->at++;
    if (!object) {
        lua_pushvalue(L, t->array_meta);
        lua_setmetatable(L, table);
    }
}

static void push_value(struct text *t)
{
    char first = next_byte(t);
    switch (first) {
    case '{':
    case '[':
        push_table(t, first == '{');
        return;
    case '"':
        push_string(t);
        return;
    case 'n':
        hw_json_push_null(t->L);
        break;
    case 't':
    case 'f':
        lua_pushboolean(t->L, first == 't');
        break;
    default:
        push_number(t);
        return;
    }
    t->at += first == 'f' ? 5 : 4;
}

void hw_json_build(lua_State *L, struct hw_str text)
{
    struct text t = {L, text.ptr, text.ptr + text.len, lua_gettop(L) + 1};
    luaL_checkstack(L, 8, NULL);
    hw_json_push_array_meta(L); /* meta */
    push_value(&t);             /* meta value */
    lua_remove(L, -2);
}
