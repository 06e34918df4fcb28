/* json_fuzz.c -- a text that the scan accepts can be decoded, and survives a round trip.
 *
 * The text is in memory of exactly its size. Properties: a refusal has a reason and a position
 * inside the text; decode never raises; encode(decode(x)) is JSON, and decodes to the same as x. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "script/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static bool same(lua_State *L, int a, int b);

static bool same_tables(lua_State *L, int a, int b)
{
    size_t fields = 0;
    luaL_checkstack(L, 8, NULL);
    for (lua_pushnil(L); lua_next(L, a); lua_pop(L, 1)) { /* key value */
        int value = lua_gettop(L);
        lua_pushvalue(L, value - 1);
        lua_rawget(L, b); /* key value other */
        if (!same(L, value, value + 1))
            return false;
        lua_pop(L, 1);
        fields++;
    }
    for (lua_pushnil(L); lua_next(L, b); lua_pop(L, 1))
        fields--;
    return fields == 0;
}

static bool same(lua_State *L, int a, int b)
{
    if (lua_type(L, a) == LUA_TTABLE && lua_type(L, b) == LUA_TTABLE)
        return same_tables(L, a, b);
    return lua_rawequal(L, a, b);
}

static lua_State *open_once(void)
{
    static lua_State *L;
    if (!L) {
        L = luaL_newstate();
        HW_CHECK(L);
        luaL_openlibs(L);
        hw_json_open(L);
    }
    lua_settop(L, 0);
    return L;
}

/* Runs unprotected: a Lua error is a panic, and so a finding. */
static void check_round_trip(struct hw_str text)
{
    struct hw_json_scan scan;
    struct hw_str again;
    lua_State *L = open_once();
    HW_CHECK(hw_json_decode(L, text, &scan) == 0); /* value */
    HW_CHECK(lua_gettop(L) == 1);
    HW_CHECK(hw_json_encode(L, 1) == 0); /* value text */
    again.ptr = lua_tolstring(L, 2, &again.len);
    HW_CHECK(hw_json_decode(L, again, &scan) == 0); /* value text value */
    HW_CHECK(same(L, 1, 3));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *exact = malloc(length > 0 ? length : 1);
    HW_CHECK(exact);
    memcpy(exact, bytes, length);
    struct hw_str text = hw_json_skip_bom((struct hw_str){exact, length});
    struct hw_json_scan scan;
    if (hw_json_scan(&scan, text) == 0)
        check_round_trip(text);
    else
        HW_CHECK(scan.why && scan.error_at <= text.len);
    free(exact);
    return 0;
}
