/* json_test.c -- which texts are JSON, what they become in Lua, and that encoding restores them. */
#include <lauxlib.h>
#include <locale.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "script/json.h"

/* ---- the scan ---- */

/* The text is in a block of exactly its size, so that ASan finds a byte that is read too far. */
static int scan_bytes(struct hw_json_scan *scan, const char *text, size_t length)
{
    char *exact = malloc(length > 0 ? length : 1);
    assert_non_null(exact);
    memcpy(exact, text, length);
    int rc = hw_json_scan(scan, (struct hw_str){length > 0 ? exact : NULL, length});
    free(exact);
    return rc;
}

static void accept(const char *text)
{
    struct hw_json_scan scan;
    if (scan_bytes(&scan, text, strlen(text)) != 0)
        fail_msg("refused: %s (%s at byte %zu)", text, scan.why, scan.error_at);
    assert_null(scan.why);
}

static void refuse_bytes(const char *text, size_t length, size_t at, const char *why)
{
    struct hw_json_scan scan;
    if (scan_bytes(&scan, text, length) != HW_EINVALID_JSON)
        fail_msg("accepted: %s", text);
    if (!scan.why || strcmp(scan.why, why) != 0 || scan.error_at != at)
        fail_msg("%s: \"%s\" at %zu, not \"%s\" at %zu", text, scan.why, scan.error_at, why, at);
}

static void refuse(const char *text, size_t at, const char *why)
{
    refuse_bytes(text, strlen(text), at, why);
}

static void accepts_what_the_grammar_allows(void **state)
{
    (void)state;
    static const char *const texts[] = {"null",
                                        "true",
                                        "false",
                                        "0",
                                        "-0",
                                        "-1",
                                        "10",
                                        "0.5",
                                        "-0.0",
                                        "1e5",
                                        "1E+5",
                                        "1.5e-5",
                                        "0e9999",
                                        "0.000e99999999999999999999",
                                        "1e-99999999999999999999",
                                        "\"\"",
                                        "[]",
                                        "{}",
                                        " \t\r\n[ ] \n",
                                        "[[],{}]",
                                        "{\"\":0}",
                                        "{\"a\":1,\"a\":2}",
                                        "[1,\"a\",null,true,{\"b\":[]}]",
                                        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uABcd\"",
                                        "\"\\ud83d\\ude00\"",
                                        "\"\\uDBFF\\uDFFF\"",
                                        "\"\\ue000\"",
                                        "\"\x7f\"",
                                        "\"\xc2\x80\"",
                                        "\"\xdf\xbf\"",
                                        "\"\xe0\xa0\x80\"",
                                        "\"\xed\x9f\xbf\"",
                                        "\"\xee\x80\x80\"",
                                        "\"\xef\xbf\xbf\"",
                                        "\"\xf0\x90\x80\x80\"",
                                        "\"\xf4\x8f\xbf\xbf\"",
                                        "\"\xef\xbb\xbf\"",
                                        "\"\xe2\x80\xa8\"",
                                        "1.7976931348623157e308",
                                        "1.7976931348623158e308",
                                        "-1.7976931348623158e308",
                                        "17976931348623157e292",
                                        "5e-324",
                                        "0.00001e313",
                                        "179769313486231570.000e291",
                                        "\"/\"",
                                        "123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        accept(texts[i]);
}

static void refuses_what_the_grammar_does_not_allow(void **state)
{
    (void)state;
    refuse("", 0, "unexpected end");
    refuse("  \n", 3, "unexpected end");
    refuse("nul", 0, "invalid value");
    refuse("nulL", 0, "invalid value");
    refuse("True", 0, "invalid value");
    refuse("NaN", 0, "invalid value");
    refuse("-NaN", 1, "invalid number");
    refuse("Infinity", 0, "invalid value");
    refuse("-Infinity", 1, "invalid number");
    refuse("+1", 0, "invalid value");
    refuse(".5", 0, "invalid value");
    refuse("5.", 2, "invalid number");
    refuse("-", 1, "invalid number");
    refuse("-.5", 1, "invalid number");
    refuse("01", 0, "number with a leading zero");
    refuse("-00", 1, "number with a leading zero");
    refuse("0x1F", 1, "text after the value");
    refuse("1e", 2, "invalid number");
    refuse("1e+", 3, "invalid number");
    refuse("1.e5", 2, "invalid number");
    refuse("1 2", 2, "text after the value");
    refuse("[]]", 2, "text after the value");
    refuse("{}//x", 2, "text after the value");
    refuse("/*x*/1", 0, "invalid value");
    refuse("[1,]", 3, "invalid value");
    refuse("[,1]", 1, "invalid value");
    refuse("[1 2]", 3, "',' or ']' was expected");
    refuse("[1}", 2, "',' or ']' was expected");
    refuse("{]", 1, "a string was expected as a key");
    refuse("{1:2}", 1, "a string was expected as a key");
    refuse("{a:1}", 1, "a string was expected as a key");
    refuse("{'a':1}", 1, "a string was expected as a key");
    refuse("{\"a\" 1}", 5, "':' was expected");
    refuse("{\"a\"}", 4, "':' was expected");
    refuse("{\"a\":}", 5, "invalid value");
    refuse("{\"a\":1,}", 7, "a string was expected as a key");
    refuse("{\"a\":1]", 6, "',' or '}' was expected");
    refuse("'a'", 0, "invalid value");
    refuse("[1\v]", 2, "',' or ']' was expected");
    refuse("\xef\xbb\xbf[]", 0, "invalid value");
}

static void refuses_bytes_that_are_no_text(void **state)
{
    (void)state;
    refuse_bytes("\0", 1, 0, "invalid value");
    refuse_bytes("[]\0", 3, 2, "text after the value");
    refuse_bytes("1\0", 2, 1, "text after the value");
    refuse_bytes("\"a\0b\"", 5, 2, "control character in a string");
    refuse("\"a\tb\"", 2, "control character in a string");
    refuse("\"a\nb\"", 2, "control character in a string");
    refuse("\"\x1f\"", 1, "control character in a string");
    refuse("{\"\x01\":1}", 2, "control character in a string");
    static const char *const bad[] = {"\"\x80\"",
                                      "\"\xbf\"",
                                      "\"\xc0\x80\"",
                                      "\"\xc1\xbf\"",
                                      "\"\xc2\"",
                                      "\"\xc2 \"",
                                      "\"\xe0\x9f\xbf\"",
                                      "\"\xe0\x80\x80\"",
                                      "\"\xe2\x82\"",
                                      "\"\xe2\x82 \"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xed\xbf\xbf\"",
                                      "\"\xf0\x8f\xbf\xbf\"",
                                      "\"\xf0\x80\x80\x80\"",
                                      "\"\xf4\x90\x80\x80\"",
                                      "\"\xf5\x80\x80\x80\"",
                                      "\"\xf0\x9f\x98\"",
                                      "\"\xf0\x9f\x98 \"",
                                      "\"\xfe\"",
                                      "\"\xff\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuse(bad[i], 1, "invalid UTF-8");
}

static void checks_escapes(void **state)
{
    (void)state;
    refuse("\"\\x41\"", 2, "invalid escape");
    refuse("\"\\'\"", 2, "invalid escape");
    refuse("\"\\U0041\"", 2, "invalid escape");
    refuse("\"\\u12\"", 2, "invalid \\u escape");
    refuse("\"\\u12g4\"", 2, "invalid \\u escape");
    refuse("\"\\u 123\"", 2, "invalid \\u escape");
    refuse("\"\\\"", 3, "unfinished string");
    refuse("\"\\", 2, "unfinished string");
    static const char *const lone[] = {
        "\"\\ud800\"",  "\"\\udbff\"",    "\"\\udc00\"",        "\"\\udfff\\ud800\"",
        "\"\\ud800x\"", "\"\\ud800\\n\"", "\"\\ud800\\ud800\"", "\"\\ud800\\u0041\"",
        "\"\\ud800\\",  "\"\\ud800\\u",   "\"\\ud800\\udc0",    "\"\\uD800\\\\udc00\""};
    for (size_t i = 0; i < sizeof lone / sizeof *lone; i++)
        refuse(lone[i], 2, "lone surrogate escape");
}

static void refuses_numbers_whose_double_is_infinite(void **state)
{
    (void)state;
    refuse("1e309", 0, "number out of range");
    refuse("[-1e309]", 1, "number out of range");
    refuse("1e99999999999999999999999999", 0, "number out of range");
    refuse("0.00001e314", 0, "number out of range");
    refuse("1.7976931348623159e308", 0, "number out of range");
    /* 2^1024 - 2^970 is the first number that rounds to infinity; all 309 digits decide */
    static const char first[] =
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017"
        "977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273"
        "854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704"
        "342711559699508093042880177904174497792";
    refuse(first, 0, "number out of range");
    char text[700];
    snprintf(text, sizeof text, "%.308s1.99", first); /* the last digit, a 2, becomes 1.99 */
    accept(text);
    snprintf(text, sizeof text, "%s.000", first);
    refuse(text, 0, "number out of range");
    snprintf(text, sizeof text, "0.%se309", first);
    refuse(text, 0, "number out of range");
    memset(text, '0', sizeof text);
    memcpy(text, "0.", 2);
    strcpy(text + 650, "1e957");
    accept(text); /* 10^-649 times 10^957: the 1 is the 649th digit after the point */
    strcpy(text + 650, "1e958");
    refuse(text, 0, "number out of range");
}

static void refuses_every_prefix(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"Event\":\"A.B\",\"n\":[-1.5e+3,0,{\"\\u007f\\ud83d\\ude00\":\"\xf0\x9f\x98\x80\"}],"
        "\"t\":true}",
        "[[[[\"a\"],{\"b\":{\"c\":null}}]],false]",
        "\"\xe2\x82\xac\\n\"",
        "{}",
        "[]",
        "null"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct hw_json_scan scan;
        size_t length = strlen(texts[i]);
        accept(texts[i]);
        for (size_t cut = 0; cut < length; cut++) {
            assert_int_equal(scan_bytes(&scan, texts[i], cut), HW_EINVALID_JSON);
            assert_true(scan.error_at <= cut);
        }
    }
}

/* `depth` brackets, { and [ in turn */
static char *nested(int depth, const char *inner)
{
    char *text = malloc((size_t)depth * 8 + strlen(inner) + 1), *to = text;
    assert_non_null(text);
    for (int i = 0; i < depth; i++)
        to = stpcpy(to, i % 2 ? "{\"a\":" : "[");
    to = stpcpy(to, inner);
    for (int i = depth - 1; i >= 0; i--)
        to = stpcpy(to, i % 2 ? "}" : "]");
    return text;
}

static void nests_to_100_and_no_deeper(void **state)
{
    (void)state;
    static const char *const inner[] = {"[]", "{}", "[1]", "{\"a\":1}"};
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
        char *text = nested(HW_JSON_DEPTH_MAX - 1, inner[i]);
        accept(text);
        free(text);
        text = nested(HW_JSON_DEPTH_MAX, inner[i]);
        refuse(text, (size_t)(strstr(text, inner[i]) - text), "nested too deeply");
        free(text);
    }
    char *deep = malloc(1 << 20);
    assert_non_null(deep);
    memset(deep, '[', 1 << 20);
    refuse_bytes(deep, 1 << 20, HW_JSON_DEPTH_MAX, "nested too deeply");
    free(deep);
}

/* ---- decoding and encoding, by Lua chunks: `j` is hook.json, `same(a, b)` compares deeply ---- */

static const char prelude[] =
    "local j = ...\n"
    "local unpack, D = table.unpack, '\\127'\n"
    "local function is(a, b)\n"
    "  if math.type(a) ~= math.type(b) or (a ~= b and (a == a or b == b)) then\n"
    "    error(('%s %s, not %s %s'):format(math.type(a) or type(a), tostring(a),\n"
    "      math.type(b) or type(b), tostring(b)), 2)\n"
    "  end\n"
    "end\n"
    "local function same(a, b, at)\n"
    "  at = at or 'value'\n"
    "  if type(a) ~= 'table' or type(b) ~= 'table' then\n"
    "    if a ~= b then error(at .. ': ' .. tostring(a) .. ' ~= ' .. tostring(b)) end\n"
    "    return\n"
    "  end\n"
    "  for k, v in pairs(a) do same(v, b[k], at .. '.' .. tostring(k)) end\n"
    "  for k in pairs(b) do if a[k] == nil then error(at .. ': extra ' .. tostring(k)) end end\n"
    "end\n"
    "local function refused(reason, ...)\n"
    "  local v, why = ...\n"
    "  is(select('#', ...), 2) is(v, nil) is(why, reason)\n"
    "end\n";

static lua_State *open_lua(void)
{
    lua_State *L = luaL_newstate();
    assert_non_null(L);
    luaL_openlibs(L);
    return L;
}

static void run_in(lua_State *L, const char *chunk)
{
    lua_settop(L, 0);
    lua_pushfstring(L, "%s%s", prelude, chunk);
    if (luaL_loadbuffer(L, lua_tostring(L, -1), lua_rawlen(L, -1), "=chunk") != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    hw_json_push_api(L);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
}

static void run(const char *chunk)
{
    lua_State *L = open_lua();
    run_in(L, chunk);
    lua_close(L);
}

static void integers_arrive_exactly(void **state)
{
    (void)state;
    run("for _, n in ipairs { 0, 1, -1, 10, 2^53|0, (2^53|0)-1, (2^53|0)+1, -(2^53|0), "
        "-(2^53|0)-1,\n"
        "    1-(2^53|0), math.maxinteger, math.mininteger, math.maxinteger-1, math.mininteger+1 } "
        "do\n"
        "  local text = ('%d'):format(n)\n"
        "  is(j.decode(text), n) is(j.decode('[' .. text .. ']')[1], n)\n"
        "  is(j.decode('{\"a\":' .. text .. ' }').a, n) is(j.encode(n), text)\n"
        "end\n"
        "is(j.decode('-0'), 0) is(1 / j.decode('[-0]')[1], 1/0)\n"
        "is(j.decode('9223372036854775808'), 2.0^63)\n"
        "is(j.decode('-9223372036854775809'), -2.0^63)\n"
        "is(j.decode('18446744073709551616'), 2.0^64)\n"
        "is(j.decode('100000000000000000000000000000000000000000'), 1e41)\n");
}

static void other_numbers_arrive_as_the_nearest_float(void **state)
{
    (void)state;
    run("for text, n in pairs { ['1.0'] = 1.0, ['1e2'] = 100.0, ['-0.0'] = -0.0, ['0.1'] = 0.1,\n"
        "    ['1E+2'] = 100.0, ['1e308'] = 1e308, ['5e-324'] = 5e-324, ['1e-400'] = 0.0,\n"
        "    ['2.2250738585072014e-308'] = 0x1p-1022, ['1.7976931348623158e308'] = "
        "0x1.fffffffffffffp1023,\n"
        "    ['0.1000000000000000055511151231257827021181583404541015625'] = 0.1,\n"
        "    ['9007199254740993.0'] = 2.0^53, ['0e9'] = 0.0 } do\n"
        "  is(j.decode(text), n) is(j.decode('{\"a\":[' .. text .. ']}').a[1], n)\n"
        "end\n"
        "is(1 / j.decode('-0.0'), -1/0)\n"
        "is(j.decode('0.' .. ('3'):rep(1000)), 0.3333333333333333)\n");
}

static void numbers_do_not_follow_the_locale(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE"};
    lua_State *L = open_lua();
    run_in(L, "is(j.decode('1.5'), 1.5)");
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++)
        found = setlocale(LC_ALL, names[i]) != NULL;
    if (!found) {
        lua_close(L);
        skip();
    }
    run_in(L,
           "is(j.decode('[1.5]')[1], 3/2) is(j.encode(3/2), '1.5') is(j.encode(1e300), '1e+300')\n"
           "is(j.encode(j.decode '1.7976931348623157e308'), '1.7976931348623157e+308')\n"
           "is(select(2, j.decode('1.7976931348623159e308')), 'number out of range at byte 0')");
    lua_close(L);
    L = open_lua();
    run_in(L, "is(j.decode('[1.5]')[1], 3/2)");
    lua_close(L);
    setlocale(LC_ALL, "C");
}

static void strings_with_odd_beginnings_come_through(void **state)
{
    (void)state;
    run("local forms = { D, '\\\\u007f', '\\\\u007F' }\n"
        "for _, form in ipairs(forms) do\n"
        "  for tail, plain in pairs { [''] = '', ['1'] = '1', ['-1.5e3'] = '-1.5e3', [D] = D, x = "
        "'x',\n"
        "      ['\\\\u007f1'] = D .. '1', ['\\\\\"'] = '\"', ['\\\\\\\\'] = '\\\\' } do\n"
        "    local s, raw = '\"' .. form .. tail .. '\"', D .. plain\n"
        "    is(j.decode(s), raw)\n"
        "    is(j.decode('[7,' .. s .. ',8]')[2], raw)\n"
        "    local t = j.decode('{' .. s .. ' : ' .. s .. ',\"n\":3, ' .. '\"o\":{' .. s .. "
        "':4}}')\n"
        "    is(t[raw], raw) is(t.n, 3) is(t.o[raw], 4)\n"
        "  end\n"
        "end\n"
        "is(j.decode('\"5\"'), '5') is(j.decode('[\"5\",5]')[1], '5')\n"
        "is(j.decode('{\"5\":5}')['5'], 5) is(j.decode('{\"5\":5}')[5], nil)\n"
        "is(j.decode('[\"a' .. D .. '1\",1]')[1], 'a' .. D .. '1')");
}

static void values_arrive_as_documented(void **state)
{
    (void)state;
    run("is(j.decode('null'), j.null) is(j.null, require 'cjson'.null)\n"
        "is(j.decode('[null,1]')[1], j.null) is(j.decode('{\"a\":1,\"a\":2}').a, 2)\n"
        "is(j.decode('true'), true) is(j.decode('false'), false)\n"
        "is(#j.decode('\"\\\\u0000a\"'), 2) is(j.decode('\"\\\\ud83d\\\\ude00\"'), '\\u{1F600}')\n"
        "is(j.decode('\"\\\\u20ac\\\\/\"'), '\\u{20ac}/')\n"
        "is(next(j.decode('[]')), nil) is(next(j.decode('{}')), nil)\n"
        "is(j.decode('\\xef\\xbb\\xbf1'), 1)\n"
        "local t = j.decode(('['):rep(100) .. '1' .. (']'):rep(100))\n"
        "for _ = 1, 100 do t = t[1] end\n"
        "is(t, 1)");
}

static void decode_says_what_is_wrong_and_where(void **state)
{
    (void)state;
    run("refused('invalid value at byte 3', j.decode '[1,]')\n"
        "refused('unexpected end at byte 0', j.decode '')\n"
        "refused('unexpected end at byte 3', j.decode '\\xef\\xbb\\xbf')\n"
        "refused('invalid value at byte 3', j.decode '\\xef\\xbb\\xbf\\xef\\xbb\\xbf1')\n"
        "refused('nested too deeply at byte 100', j.decode(('['):rep(101) .. (']'):rep(101)))\n"
        "is(pcall(j.decode), false) is(pcall(j.decode, nil), false) is(pcall(j.decode, 5), false)");
}

static void settings_of_the_handlers_cjson_change_nothing(void **state)
{
    (void)state;
    run("local c = require 'cjson'\n"
        "c.decode_max_depth(2) c.decode_invalid_numbers(true) c.encode_number_precision(3)\n"
        "c.decode = nil\n"
        "is(j.decode('[[[[1.2345678901234567]]]]')[1][1][1][1], 1.2345678901234567)\n"
        "is(j.encode(1.2345678901234567), '1.2345678901234567')");
}

static void encodes_plainly(void **state)
{
    (void)state;
    run("is(j.encode({}), '{}') is(j.encode(j.array {}), '[]') is(j.encode(j.array { 1 }), '[1]')\n"
        "is(j.encode({ 1, 'a', true, false, j.null }), '[1,\"a\",true,false,null]')\n"
        "is(j.encode({ a = { b = { 1 } } }), '{\"a\":{\"b\":[1]}}') is(j.encode(nil), 'null')\n"
        "is(j.encode('\\0\\1\\8\\9\\10\\11\\12\\13\\31\"\\\\/\\127\\u{e9}\\u{2028}\\u{1F600}'),\n"
        "  "
        "'\"\\\\u0000\\\\u0001\\\\b\\\\t\\\\n\\\\u000b\\\\f\\\\r\\\\u001f\\\\\"\\\\\\\\/"
        "\\127\\u{e9}\\u{2028}\\u{1F600}\"')\n"
        "is(j.encode(0.1), '0.1') is(j.encode(0.1 + 0.2), '0.30000000000000004')\n"
        "is(j.encode(2.0), '2') is(j.encode(-0.0), '-0.0') is(j.encode(1e300), '1e+300')\n"
        "is(j.encode(2^53), '9007199254740992') is(j.encode(9007199254740993), "
        "'9007199254740993')\n"
        "is(j.encode(5e-324), '4.9406564584125e-324') is(j.encode(1/3), '0.3333333333333333')\n"
        "is(j.encode(j.decode '{\"a\":[1,2.5,null]}'), '{\"a\":[1,2.5,null]}')\n"
        "local long = ('x'):rep(100000)\n"
        "is(j.encode({ long, long }), '[\"' .. long .. '\",\"' .. long .. '\"]')\n"
        "local t = 1 for _ = 1, 100 do t = { t } end\n"
        "is(j.encode(t), ('['):rep(100) .. '1' .. (']'):rep(100))");
}

static void encode_names_the_place_it_refuses(void **state)
{
    (void)state;
    run("local c = { a = {} } c.a[1] = c\n"
        "local E = 'cannot encode '\n"
        "refused(E .. 'a function', j.encode(print))\n"
        "refused(E .. 'a function at items[3].x', j.encode { items = { 1, 2, { x = print } } })\n"
        "refused(E .. 'a userdata at [2]', j.encode { 1, io.stdout })\n"
        "refused(E .. 'a thread at [1][1]', j.encode { { coroutine.create(print) } })\n"
        "refused(E .. 'NaN at a[\"b c\"][1]', j.encode { a = { ['b c'] = { 0/0 } } })\n"
        "refused(E .. 'an infinite number at x', j.encode { x = 1/0 })\n"
        "refused(E .. 'an infinite number', j.encode(-math.huge))\n"
        "refused(E .. 'a string that is not valid UTF-8 at s', j.encode { s = 'a\\xff' })\n"
        "refused(E .. 'a string that is not valid UTF-8', j.encode '\\xed\\xa0\\x80')\n"
        "refused(E .. 'a string that is not valid UTF-8', j.encode '\\xe2\\x82')\n"
        "refused(E .. 'a string that is not valid UTF-8 at [\"a?\"]', j.encode { ['a\\xff'] = 1 "
        "})\n"
        "refused(E .. 'an array with gaps at a', j.encode { a = { 1, [3] = 3 } })\n"
        "refused(E .. 'an array with gaps', j.encode { [1000000000000] = 3 })\n"
        "refused(E .. 'a table with both string and integer keys', j.encode { 1, a = 2 })\n"
        "local odd = E .. 'a table with a key that is neither a string nor a positive integer'\n"
        "refused(odd, j.encode { [0] = 1 }) refused(odd, j.encode { [1.5] = 1 })\n"
        "refused(odd, j.encode { [true] = 1 }) refused(odd, j.encode { [-1] = 1 })\n"
        "refused(odd .. ' at [1]', j.encode { { a = 1, [print] = 2 } })\n"
        "local _, why = j.encode(c)\n"
        "assert(why:find('cannot encode a table nested more than 100 deep (or inside itself) at "
        "a[1].a[1].', 1, true))\n"
        "local t = 1 for _ = 1, 101 do t = { t } end\n"
        "assert(select(2, j.encode(t)):find('nested more than 100', 1, true))\n"
        "is(pcall(j.encode), false) is(pcall(j.array, 1), false)\n"
        "refused(E .. 'a function', j.encode(print))");
}

static void encodes_what_pairs_goes_through(void **state)
{
    (void)state;
    run("local function view(t) return setmetatable({}, { __pairs = function(v) return next, t end "
        "}) "
        "end\n"
        "is(j.encode(view { a = 1 }), '{\"a\":1}') is(j.encode(view { 1, 'b' }), '[1,\"b\"]')\n"
        "is(j.encode(view {}), '{}') is(j.encode(view(view {})), '{}')\n"
        "is(j.encode { view { x = { view { 1 } } }, 2 }, '[{\"x\":[[1]]},2]')\n"
        "local t = 1 for _ = 1, 100 do t = view { t } end\n"
        "is(j.encode(t), ('['):rep(100) .. '1' .. (']'):rep(100))\n"
        "is(select(2, j.encode(view { t })):match('^cannot encode (.-) at'),\n"
        "  'a table nested more than 100 deep (or inside itself)')\n"
        "local c = {} c[1] = view(c)\n"
        "assert(select(2, j.encode(c)):find('inside itself', 1, true))\n"
        "is(j.encode(setmetatable({ a = 1 }, { __index = { b = 2 } })), '{\"a\":1}')\n"
        "local big = {} for i = 1, 5000 do big['k' .. i] = i end\n"
        "is(j.encode(j.decode(j.encode(view(big)))):len(), j.encode(big):len())");
}

static void an_error_in_pairs_is_the_reason(void **state)
{
    (void)state;
    run("local function bad(what) return setmetatable({}, { __pairs = what }) end\n"
        "local E = 'cannot encode a table whose __pairs failed '\n"
        "refused(E .. '(boom) at a[1]', j.encode { a = { bad(function() error('boom', 0) end) } "
        "})\n"
        "refused(E .. '(late)', j.encode(bad(function(v)\n"
        "  return function(_, k) if k then error('late', 0) end return 'k', 1 end, v end)))\n"
        "refused(E .. '(an error without a text)', j.encode(bad(function() error {} end)))\n"
        "refused(E .. '(attempt to call a number value)', j.encode(bad(5)))\n"
        "refused('cannot encode a table with both string and integer keys at x',\n"
        "  j.encode { x = bad(function() return next, { 1, a = 2 } end) })\n"
        "local r = bad(nil) getmetatable(r).__pairs = function() return next, { j.encode(r) } end\n"
        "assert(select(2, j.encode(r)) or j.encode(r))");
}

static void what_is_encoded_decodes_equal(void **state)
{
    (void)state;
    run("local seed = os.time() math.randomseed(seed)\n"
        "local R = math.random\n"
        "local function str()\n"
        "  local t = {}\n"
        "  for i = 1, R(0, 6) do\n"
        "    t[i] = ({ D, '1', '-', '\"', '\\\\', '\\0', utf8.char(R(0, 0xd7ff)), "
        "utf8.char(R(0xe000, 0x10ffff)) })[R(8)]\n"
        "  end\n"
        "  return table.concat(t)\n"
        "end\n"
        "local function float()\n"
        "  local f = (string.unpack('d', string.pack('j', R(0))))\n"
        "  return f - f == 0 and f or R()\n"
        "end\n"
        "local function value(depth)\n"
        "  local kind = R(depth > 4 and 6 or 8)\n"
        "  if kind == 1 then return j.null elseif kind == 2 then return R(2) == 1\n"
        "  elseif kind == 3 then return R(0) elseif kind == 4 then return R(-9, 9)\n"
        "  elseif kind == 5 then return float() elseif kind == 6 then return str() end\n"
        "  local t = {}\n"
        "  for i = 1, R(0, 5) do t[kind == 7 and i or str()] = value(depth + 1) end\n"
        "  return t\n"
        "end\n"
        "for _ = 1, 3000 do\n"
        "  local v = value(0)\n"
        "  local ok, why = pcall(same, v, j.decode(assert(j.encode(v))))\n"
        "  if not ok then error('seed ' .. seed .. ': ' .. why) end\n"
        "end");
}

/* ---- memory ---- */

struct budget {
    long left; /* how many more allocations succeed; negative: all */
    long bytes;
};

static void *allocate(void *ud, void *old, size_t old_size, size_t size)
{
    struct budget *budget = ud;
    size_t before = old ? old_size : 0;
    if (size > before && budget->left >= 0 && budget->left-- == 0) {
        budget->left = 0;
        return NULL;
    }
    budget->bytes += (long)size - (long)before;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, size);
}

static int decode_and_encode(lua_State *L);

static int pairs_of_the_kept(lua_State *L)
{
    lua_getglobal(L, "next");
    lua_rawgetp(L, LUA_REGISTRYINDEX, decode_and_encode);
    return 2;
}

static int decode_and_encode(lua_State *L)
{
    static const char text[] =
        "{\"a\":[1,2.5,\"\x7f\",{\"b\":-3}],\"c\":\"x\\ny\",\"d\":[[[9007199254740993]],[]]}";
    struct hw_json_scan scan;
    lua_settop(L, 0);
    assert_int_equal(hw_json_decode(L, HW_STR(text), &scan), 0);
    lua_createtable(L, 2, 0);
    lua_insert(L, 1);
    lua_rawseti(L, 1, 1);
    for (int i = 2; i < 50; i++) {
        lua_pushliteral(L, "long enough to leave the first buffer behind, in the end, and grow");
        lua_rawseti(L, 1, i);
    }
    lua_pushvalue(L, 1); /* once more, through __pairs */
    lua_rawsetp(L, LUA_REGISTRYINDEX, decode_and_encode);
    lua_newtable(L);
    lua_newtable(L);
    lua_pushcfunction(L, pairs_of_the_kept);
    lua_setfield(L, -2, "__pairs");
    lua_setmetatable(L, -2);
    assert_int_equal(hw_json_encode(L, -1), 0);
    assert_int_equal(hw_json_encode(L, 1), 0);
    assert_true(lua_rawequal(L, -1, -2));
    lua_pushcfunction(L, decode_and_encode);
    lua_rawseti(L, 1, 50);
    assert_int_equal(hw_json_encode(L, 1), HW_EFAILED);
    return 0;
}

static void running_out_of_memory_loses_nothing(void **state)
{
    (void)state;
    int rc = LUA_ERRMEM;
    long n;
    for (n = 0; rc != LUA_OK; n++) {
        struct budget budget = {.left = -1};
        lua_State *L = lua_newstate(allocate, &budget);
        assert_non_null(L);
        luaL_openlibs(L);
        hw_json_open(L);
        lua_gc(L, LUA_GCSTOP);
        lua_pushcfunction(L, decode_and_encode);
        budget.left = n;
        rc = lua_pcall(L, 0, 0, 0);
        assert_true(rc == LUA_OK || rc == LUA_ERRMEM);
        budget.left = -1;
        lua_pushcfunction(L, decode_and_encode); /* the state still works */
        assert_int_equal(lua_pcall(L, 0, 0, 0), LUA_OK);
        lua_close(L);
        assert_int_equal(budget.bytes, 0);
        assert_true(n < 10000);
    }
    assert_true(n > 20);
}

static void leaves_the_stack_as_documented(void **state)
{
    (void)state;
    lua_State *L = open_lua();
    struct hw_json_scan scan;
    hw_json_open(L);
    hw_json_open(L);
    assert_int_equal(lua_gettop(L), 0);
    assert_int_equal(hw_json_decode(L, HW_STR("[1,{\"a\":\"\x7f\"}]"), &scan), 0);
    assert_int_equal(lua_gettop(L), 1);
    assert_int_equal(hw_json_decode(L, HW_STR("[1,"), &scan), HW_EINVALID_JSON);
    assert_int_equal(lua_gettop(L), 1);
    assert_int_equal(hw_json_encode(L, -1), 0);
    assert_string_equal(lua_tostring(L, -1), "[1,{\"a\":\"\x7f\"}]");
    assert_int_equal(lua_gettop(L), 2);
    lua_pushcfunction(L, decode_and_encode);
    assert_int_equal(hw_json_encode(L, -1), HW_EFAILED);
    assert_string_equal(lua_tostring(L, -1), "cannot encode a function");
    assert_int_equal(lua_gettop(L), 4);
    lua_pushlightuserdata(L, &scan); /* a pointer that is not null */
    assert_int_equal(hw_json_encode(L, -1), HW_EFAILED);
    assert_string_equal(lua_tostring(L, -1), "cannot encode a userdata");
    lua_close(L);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_the_grammar_allows),
        cmocka_unit_test(refuses_what_the_grammar_does_not_allow),
        cmocka_unit_test(refuses_bytes_that_are_no_text),
        cmocka_unit_test(checks_escapes),
        cmocka_unit_test(refuses_numbers_whose_double_is_infinite),
        cmocka_unit_test(refuses_every_prefix),
        cmocka_unit_test(nests_to_100_and_no_deeper),
        cmocka_unit_test(integers_arrive_exactly),
        cmocka_unit_test(other_numbers_arrive_as_the_nearest_float),
        cmocka_unit_test(numbers_do_not_follow_the_locale),
        cmocka_unit_test(strings_with_odd_beginnings_come_through),
        cmocka_unit_test(values_arrive_as_documented),
        cmocka_unit_test(decode_says_what_is_wrong_and_where),
        cmocka_unit_test(settings_of_the_handlers_cjson_change_nothing),
        cmocka_unit_test(encodes_plainly),
        cmocka_unit_test(encode_names_the_place_it_refuses),
        cmocka_unit_test(encodes_what_pairs_goes_through),
        cmocka_unit_test(an_error_in_pairs_is_the_reason),
        cmocka_unit_test(what_is_encoded_decodes_equal),
        cmocka_unit_test(running_out_of_memory_loses_nothing),
        cmocka_unit_test(leaves_the_stack_as_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
