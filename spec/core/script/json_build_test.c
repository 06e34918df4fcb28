/* json_build_test.c -- decoded values: the same as lua-cjson's, except for arrays and numbers. */
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "script/json.h"

/* ---- a malloc that can be made to fail, for every library but the Lua states ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__clang__)
#define OWN_MALLOC 0 /* sanitizers replace malloc themselves */
#else
#define OWN_MALLOC 1
#endif

static bool fails; /* every allocation, from here on */

#if OWN_MALLOC
void *__libc_malloc(size_t size);

__attribute__((visibility("default"))) void *malloc(size_t size)
{
    if (!fails)
        return __libc_malloc(size);
    errno = ENOMEM;
    return NULL;
}
#endif

static void *allocate(void *ud, void *old, size_t old_size, size_t size)
{
    (void)ud;
    (void)old_size;
    if (size > 0)
        return realloc(old, size);
    free(old);
    return NULL;
}

/* ---- Lua chunks: `j` is hook.json, `same(a, b)` compares deeply ---- */

static const char prelude[] =
    "local j = ...\n"
    "local function same(a, b, at)\n"
    "  at = at or 'value'\n"
    "  if type(a) ~= 'table' or type(b) ~= 'table' then\n"
    "    if a ~= b then error(at .. ': ' .. tostring(a) .. ' ~= ' .. tostring(b)) end\n"
    "    return\n"
    "  end\n"
    "  for k, v in pairs(a) do same(v, b[k], at .. '.' .. tostring(k)) end\n"
    "  for k in pairs(b) do if a[k] == nil then error(at .. ': extra ' .. tostring(k)) end end\n"
    "end\n"
    "local function again(text, ...)\n"
    "  local written = j.encode(j.decode(text))\n"
    "  if written ~= text then error(text .. ' became ' .. tostring(written)) end\n"
    "end\n";

static lua_State *open_lua(void)
{
    lua_State *L = lua_newstate(allocate, NULL);
    assert_non_null(L);
    luaL_openlibs(L);
    return L;
}

static void run(const char *chunk)
{
    lua_State *L = open_lua();
    lua_pushfstring(L, "%s%s", prelude, chunk);
    if (luaL_loadbuffer(L, lua_tostring(L, -1), lua_rawlen(L, -1), "=chunk") != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    hw_json_push_api(L);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    lua_close(L);
}

static void a_failed_allocation_does_not_end_the_process(void **state)
{
    (void)state;
    static const char text[] =
        "{\"Event\":\"A.B\",\"s\":\"\\u00e9\\n\",\"n\":[1,2.5,12345678901234567890],\"e\":[]}";
    if (!OWN_MALLOC)
        skip();
    lua_State *L = open_lua();
    struct hw_json_scan scan;
    hw_json_open(L);
    fails = true;
    void *volatile none = malloc(1); /* malloc does fail */
    int rc = hw_json_decode(L, HW_STR(text), &scan);
    int encoded = hw_json_encode(L, -1);
    fails = false;
    assert_null(none);
    assert_int_equal(rc, 0);
    assert_int_equal(encoded, 0);
    lua_close(L);
}

static void empty_arrays_stay_arrays(void **state)
{
    (void)state;
    run("for _, text in ipairs { '[]', '{}', '[[]]', '[{}]', '{\"v\":[]}', '{\"v\":{}}',\n"
        "    '{\"a\":{\"b\":[[],{},[[{\"c\":[]}]]]}}' } do again(text) end\n"
        "again(('['):rep(100) .. (']'):rep(100))\n"
        "again(('['):rep(99) .. '{}' .. (']'):rep(99))");
}

static void arrays_that_become_empty_stay_arrays(void **state)
{
    (void)state;
    run("local t = j.decode('{\"v\":[1,2]}')\n"
        "table.remove(t.v) table.remove(t.v)\n"
        "assert(j.encode(t) == '{\"v\":[]}')\n"
        "t.v[1] = 'x' assert(j.encode(t) == '{\"v\":[\"x\"]}')\n"
        "t = j.decode('{\"v\":[]}') t.v.name = 1 assert(j.encode(t) == '{\"v\":{\"name\":1}}')\n"
        "t = j.decode('{\"v\":{\"a\":1}}') t.v.a = nil assert(j.encode(t) == '{\"v\":{}}')");
}

static void a_copy_with_its_metatable_is_an_array(void **state)
{
    (void)state;
    run("local function copy(t)\n"
        "  local new = {}\n"
        "  for k, v in pairs(t) do new[k] = type(v) == 'table' and copy(v) or v end\n"
        "  return setmetatable(new, getmetatable(t))\n"
        "end\n"
        "assert(j.encode(copy(j.decode '{\"v\":[[],{}]}')) == '{\"v\":[[],{}]}')\n"
        "assert(j.encode { v = j.array {} } == '{\"v\":[]}')\n"
        "assert(j.encode(j.array(j.array {})) == '[]')\n"
        "local ok, why = pcall(j.array, setmetatable({}, {}))\n"
        "assert(not ok and why:find('a table without a metatable of its own was expected'))");
}

static void an_array_is_a_plain_table_otherwise(void **state)
{
    (void)state;
    run("local t = j.decode '[]'\n"
        "assert(#t == 0 and next(t) == nil and rawlen(t) == 0 and t[1] == nil and t.x == nil)\n"
        "for _ in pairs(t) do error 'not empty' end\n"
        "for _ in ipairs(t) do error 'not empty' end\n"
        "assert(tostring(t):find '^table: ')\n"
        "table.insert(t, 'b') table.insert(t, 1, 'a') table.sort(t)\n"
        "assert(#t == 2 and table.concat(t, ',') == 'a,b' and select('#', table.unpack(t)) == 2)\n"
        "local ok, why = pcall(function() return t + 1 end)\n"
        "assert(why:find 'a table value')\n"
        "assert(j.decode '[]' ~= j.decode '[]')\n"
        "assert(getmetatable(j.decode '{}') == nil and getmetatable(j.decode '{\"a\":1}') == nil)\n"
        "assert(getmetatable(j.decode '[]') == getmetatable(j.decode '[1]'))");
}

static void other_libraries_marks_of_an_array_count(void **state)
{
    (void)state;
    run("local empty, always, value = {}, {}, io.stdout\n"
        "assert(j.encode(setmetatable({}, { __jsontype = 'array' })) == '[]')\n"
        "assert(j.encode(setmetatable({}, { __jsontype = 'object' })) == '{}')\n"
        "assert(j.encode(setmetatable({}, { __jsontype = 7 })) == '{}')\n"
        "assert(j.encode(setmetatable({}, { __index = { x = 1 } })) == '{}')\n"
        "assert(j.encode(setmetatable({}, empty)) == '{}')\n"
        "package.loaded.cjson = { empty_array_mt = empty, array_mt = always }\n"
        "assert(j.encode { setmetatable({}, empty), setmetatable({}, always) } == '[[],[]]')\n"
        "assert(j.encode { setmetatable({}, {}) } == '[{}]')\n"
        "local view = setmetatable({}, { __jsontype = 'array', __pairs = function() return next, "
        "{} "
        "end })\n"
        "assert(j.encode(view) == '[]')\n"
        "package.loaded.cjson = true assert(j.encode(setmetatable({}, empty)) == '{}')\n"
        "package.loaded.cjson = nil assert(j.encode(setmetatable({}, empty)) == '{}')");
}

static void the_empty_array_of_cjson_is_written(void **state)
{
    (void)state;
    static const char place;
    lua_State *L = open_lua();
    hw_json_open(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_newtable(L);
    lua_pushlightuserdata(L, (void *)&place);
    lua_setfield(L, -2, "empty_array");
    lua_setfield(L, -2, "cjson");
    lua_newtable(L);
    lua_pushlightuserdata(L, (void *)&place);
    lua_rawseti(L, -2, 1);
    assert_int_equal(hw_json_encode(L, -1), 0);
    assert_string_equal(lua_tostring(L, -1), "[[]]");
    lua_close(L);
}

/* Sizes around that of a batch, and members with the same name. */
static void long_tables_arrive_whole(void **state)
{
    (void)state;
    run("for _, n in ipairs { 1, 15, 16, 17, 31, 32, 33, 48, 49, 5001 } do\n"
        "  local list, map, want = {}, {}, {}\n"
        "  for i = 1, n do\n"
        "    list[i] = tostring(i)\n"
        "    map[i] = (' \"k%d\" : %d'):format(i, i)\n"
        "    want['k' .. i] = i\n"
        "  end\n"
        "  local t = j.decode('[ ' .. table.concat(list, ' , ') .. ' ]')\n"
        "  assert(#t == n and t[n] == n)\n"
        "  for i = 1, n do assert(t[i] == i) end\n"
        "  same(want, j.decode('{' .. table.concat(map, ' ,\\n') .. '}'))\n"
        "  map[n + 1] = '\"k1\":\"last\"'\n"
        "  assert(j.decode('{' .. table.concat(map, ',') .. '}').k1 == 'last')\n"
        "end");
}

static void numbers_of_any_length_arrive(void **state)
{
    (void)state;
    run("for digits = 1, 25 do\n"
        "  local text = ('9'):rep(digits)\n"
        "  for _, one in ipairs { text, '-' .. text, text .. '.5', text .. 'e2', text .. 'E-3' } "
        "do\n"
        "    local value, want = j.decode(one), tonumber(one)\n"
        "    assert(value == want and math.type(value) == math.type(want), one)\n"
        "    assert(j.decode('[' .. one .. ']')[1] == want, one)\n"
        "  end\n"
        "end\n"
        "assert(j.decode('1.' .. ('3'):rep(300)) == 4 / 3)\n"
        "assert(j.decode('0.' .. ('0'):rep(61) .. '1') == 1e-62)");
}

/* lua-cjson decodes these strings to the same values. */
static void reads_strings_as_cjson_does(void **state)
{
    (void)state;
    run("local cjson = require 'cjson'\n"
        "local seed = os.time() math.randomseed(seed)\n"
        "local R = math.random\n"
        "local parts = { function() return ('\\\\u%04x'):format(R(0, 0xd7ff)) end,\n"
        "  function() return ('\\\\u%04X'):format(R(0xe000, 0xffff)) end,\n"
        "  function() return ('\\\\uD8%02x\\\\udC%02X'):format(R(0, 255), R(0, 255)) end,\n"
        "  function() return ('\\\\udb%02x\\\\uDF%02X'):format(R(0, 255), R(0, 255)) end,\n"
        "  function() return utf8.char(R(0x80, 0xd7ff)) end,\n"
        "  function() return ('\\\\%s'):format(('bfnrt\"\\\\/'):sub(R(8)):sub(1, 1)) end,\n"
        "  function() return ('x'):rep(R(0, 60)) end }\n"
        "for _ = 1, 3000 do\n"
        "  local t = {}\n"
        "  for i = 1, R(0, 8) do t[i] = parts[R(#parts)]() end\n"
        "  local text = '{\"' .. table.concat(t) .. '\":[\"' .. table.concat(t) .. '\",\"\"]}'\n"
        "  local ok, why = pcall(same, cjson.decode(text), j.decode(text))\n"
        "  if not ok then error('seed ' .. seed .. ': ' .. text .. ': ' .. why) end\n"
        "end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_allocation_does_not_end_the_process),
        cmocka_unit_test(empty_arrays_stay_arrays),
        cmocka_unit_test(arrays_that_become_empty_stay_arrays),
        cmocka_unit_test(a_copy_with_its_metatable_is_an_array),
        cmocka_unit_test(an_array_is_a_plain_table_otherwise),
        cmocka_unit_test(other_libraries_marks_of_an_array_count),
        cmocka_unit_test(the_empty_array_of_cjson_is_written),
        cmocka_unit_test(long_tables_arrive_whole),
        cmocka_unit_test(numbers_of_any_length_arrive),
        cmocka_unit_test(reads_strings_as_cjson_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
