/* json.c -- numbers, the metatable of arrays, and the functions of hook.json.
 *
 * Why     the process must not influence JSON: neither its locale, nor the settings of a JSON
 *         library that a handler uses.
 * Not     whether a text is JSON: json_scan.c. From JSON to Lua: json_build.c. From Lua to JSON:
 *         json_encode.c.
 * Thread  the one that has the Lua state. */
#include "script/json.h"

#include <lauxlib.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/error.h"

static const char array_key; /* its address is the key in the registry */

struct hw_str hw_json_skip_bom(struct hw_str text)
{
    if (text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0)
        return (struct hw_str){text.ptr + 3, text.len - 3};
    return text;
}

/* ---- numbers, in the C locale: the program that has the host may have set another ---- */

static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    HW_CHECK(c_locale != (locale_t)0);
}

void hw_json_push_number(lua_State *L, const char *literal)
{
    if (strpbrk(literal, ".eE"))
        lua_pushnumber(L, strtod_l(literal, NULL, c_locale));
    else
        HW_CHECK(lua_stringtonumber(L, literal) > 0); /* a float if it exceeds 64 bits */
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

/* ---- arrays, and decoding ---- */

void hw_json_open(lua_State *L)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_c_locale);
    luaL_checkstack(L, 8, NULL);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key) == LUA_TNIL) {
        lua_createtable(L, 0, 1);
        lua_pushliteral(L, "array");
        lua_setfield(L, -2, "__jsontype"); /* as dkjson marks arrays */
        lua_rawsetp(L, LUA_REGISTRYINDEX, &array_key);
    }
    lua_pop(L, 1);
}

void hw_json_push_array_meta(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
}

int hw_json_decode(lua_State *L, struct hw_str text, struct hw_json_scan *scan)
{
    int rc = hw_json_scan(scan, text);
    if (rc == 0)
        hw_json_build(L, text);
    return rc;
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
    hw_json_push_array_meta(L); /* table meta */
    bool other = lua_getmetatable(L, 1) && !lua_rawequal(L, 2, 3);
    luaL_argcheck(L, !other, 1, "a table without a metatable of its own was expected");
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

void hw_json_push_null(lua_State *L)
{
    lua_pushlightuserdata(L, NULL); /* lua-cjson's null, in every version */
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
