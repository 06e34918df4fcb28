/* json.c -- from JSON to Lua values, and the functions of hook.json.
 *
 * How     decoding is lua-cjson's, in an instance of our own whose settings a handler can't reach.
 *         It never sees a number: each is rewritten as a string that begins with HW_JSON_MARK (a
 *         string value that begins so gets one mark more), and a walk over the result puts the
 *         numbers in. So the versions of lua-cjson, which differ in nothing else that matters
 *         here, give the same result, whatever the locale. Keys are never touched.
 * Memory  everything lives in Lua's hands, so that an error in the middle leaves nothing behind.
 *         (lua-cjson itself loses its scratch buffer, of the text's length, when Lua runs out of
 *         memory while it decodes.)
 * Not     what is JSON: json_scan.c. The other direction: json_encode.c.
 * Thread  the one that has the Lua state. */
#include "json.h"

#include <lauxlib.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "error.h"

static const char decode_key; /* its address is the key in the registry */

struct hw_str hw_json_skip_bom(struct hw_str text)
{
    if (text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0)
        return (struct hw_str){text.ptr + 3, text.len - 3};
    return text;
}

/* ---- numbers, whatever the locale: a handler may call os.setlocale, for the whole process ---- */

static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    HW_CHECK(c_locale != (locale_t)0);
}

static void push_number(lua_State *L, const char *literal)
{
    if (strpbrk(literal, ".eE"))
        lua_pushnumber(L, strtod_l(literal, NULL, c_locale));
    else
        HW_CHECK(lua_stringtonumber(L, literal) > 0); /* a float when 64 bits are too few */
}

int hw_json_print_float(char *text, size_t size, double number)
{
    if (number == 0 && signbit(number))
        return snprintf(text, size, "-0.0");
    int used = 0;
    locale_t before = uselocale(c_locale);
    for (int digits = 14; digits <= 17; digits++) {
        used = snprintf(text, size, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    uselocale(before);
    return used;
}

/* ---- opening ---- */

static void load_cjson(lua_State *L)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "cjson");
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) /* cjson | message */
        luaL_error(L,
                   "hookward needs lua-cjson: install it with `apt-get install lua-cjson` or "
                   "`luarocks install lua-cjson`\n%s",
                   luaL_tolstring(L, -1, NULL));
    lua_getfield(L, -1, "new"); /* cjson new */
    lua_remove(L, -2);
    lua_call(L, 0, 1); /* our cjson */
}

void hw_json_open(lua_State *L)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_c_locale);
    luaL_checkstack(L, 8, NULL);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &decode_key) == LUA_TNIL) {
        load_cjson(L); /* nil cjson */
        lua_getfield(L, -1, "decode_max_depth");
        lua_pushinteger(L, HW_JSON_DEPTH_MAX);
        lua_call(L, 1, 0); /* nil cjson */
        lua_getfield(L, -1, "decode_invalid_numbers");
        lua_pushboolean(L, 0);
        lua_call(L, 1, 0);             /* nil cjson */
        lua_getfield(L, -1, "decode"); /* nil cjson decode */
        lua_rawsetp(L, LUA_REGISTRYINDEX, &decode_key);
        lua_pop(L, 1); /* nil */
    }
    lua_pop(L, 1); /* */
}

/* ---- decoding ---- */

/* The text is valid, which is what lets these three skip without looking. */
static const char *skip_string(const char *at)
{
    for (at++; *at != '"'; at++)
        at += *at == '\\';
    return at + 1;
}

static const char *skip_number(const char *at, const char *end)
{
    while (at < end && ((*at >= '0' && *at <= '9') || strchr("+-.eE", *at)))
        at++;
    return at;
}

static bool is_key(const char *behind, const char *end)
{
    while (behind < end && *behind != ':' && strchr(" \t\r\n", *behind))
        behind++;
    return behind < end && *behind == ':';
}

static char *put(char *to, const char *from, size_t length)
{
    memcpy(to, from, length);
    return to + length;
}

static char *put_marked(char *to, struct hw_str text)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    while (at < end) {
        const char *start = at;
        if (*at == '"') {
            at = skip_string(at);
            *to++ = '"';
            start++;
            struct hw_str content = {start, (size_t)(at - start - 1)};
            if (hw_json_is_marked(content) && !is_key(at, end))
                *to++ = HW_JSON_MARK;
            to = put(to, start, (size_t)(at - start));
        } else if (*at == '-' || (*at >= '0' && *at <= '9')) {
            at = skip_number(at, end);
            *to++ = '"';
            *to++ = HW_JSON_MARK;
            to = put(to, start, (size_t)(at - start));
            *to++ = '"';
        } else {
            *to++ = *at++;
        }
    }
    return to;
}

static void push_marked_text(lua_State *L, struct hw_str text, const struct hw_json_scan *scan)
{
    luaL_Buffer buffer;
    char *start = luaL_buffinitsize(L, &buffer, text.len + 3 * scan->numbers + scan->marked);
    luaL_pushresultsize(&buffer, (size_t)(put_marked(start, text) - start));
}

/* Pushes what the marked string on top stands for; false, and nothing, when it has no mark. */
static bool push_unmarked(lua_State *L)
{
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    if (length == 0 || text[0] != HW_JSON_MARK)
        return false;
    if (length > 1 && (text[1] == '-' || (text[1] >= '0' && text[1] <= '9')))
        push_number(L, text + 1);
    else
        lua_pushlstring(L, text + 1, length - 1);
    return true;
}

/* Replaces the marked strings in the table on top. It has at most HW_JSON_DEPTH_MAX levels. */
static void unmark_table(lua_State *L)
{
    lua_pushnil(L); /* table key */
    while (lua_next(L, -2)) {
        int type = lua_type(L, -1); /* table key value */
        if (type == LUA_TTABLE) {
            unmark_table(L);
        } else if (type == LUA_TSTRING && push_unmarked(L)) { /* table key value new */
            lua_pushvalue(L, -3);
            lua_insert(L, -2);
            lua_rawset(L, -5); /* table key value: an existing field may be set while walking */
        }
        lua_pop(L, 1); /* table key */
    }
}

static void unmark(lua_State *L)
{
    luaL_checkstack(L, 2 * HW_JSON_DEPTH_MAX + 8, NULL);
    if (lua_type(L, -1) == LUA_TTABLE)
        unmark_table(L);
    else if (lua_type(L, -1) == LUA_TSTRING && push_unmarked(L)) /* value new */
        lua_replace(L, -2);
}

int hw_json_decode(lua_State *L, struct hw_str text, struct hw_json_scan *scan)
{
    int rc = hw_json_scan(scan, text);
    if (rc != 0)
        return rc;
    bool marked = scan->numbers > 0 || scan->marked > 0;
    luaL_checkstack(L, 8, NULL);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &decode_key); /* decode */
    if (marked)
        push_marked_text(L, text, scan);
    else
        lua_pushlstring(L, text.ptr, text.len); /* decode text */
    lua_call(L, 1, 1);                          /* value */
    if (marked)
        unmark(L);
    return 0;
}

/* ---- the Lua functions ---- */

static int l_decode(lua_State *L)
{
    struct hw_json_scan scan;
    struct hw_str whole;
    luaL_checktype(L, 1, LUA_TSTRING);
    whole.ptr = lua_tolstring(L, 1, &whole.len);
    struct hw_str text = hw_json_skip_bom(whole);
    if (hw_json_decode(L, text, &scan) == 0)
        return 1;
    lua_pushnil(L);
    lua_pushfstring(L, "%s at byte %I", scan.why,
                    (lua_Integer)(scan.error_at + (whole.len - text.len)));
    return 2;
}

static int l_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    if (hw_json_encode(L, 1) == 0)
        return 1;
    lua_pushnil(L);
    lua_insert(L, -2); /* nil reason */
    return 2;
}

static int l_array(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_newmetatable(L, HW_JSON_ARRAY); /* table metatable */
    lua_setmetatable(L, 1);
    return 1;
}

void hw_json_push_null(lua_State *L)
{
    lua_pushlightuserdata(L, NULL); /* it is cjson.null, in every version */
}

void hw_json_push_api(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"decode", l_decode}, {"encode", l_encode}, {"array", l_array}, {NULL, NULL}};
    hw_json_open(L);
    luaL_newlib(L, functions);
    hw_json_push_null(L);
    lua_setfield(L, -2, "null");
}
