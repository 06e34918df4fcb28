/* json.h -- strict JSON with exact numbers, for Lua.
 *
 * Why     lua-cjson falls short in these ways: when an allocation fails, it ends the process.
 *         Version 2.1.0 (Debian's) turns every number into a float, so that 9007199254740993
 *         becomes …992. It accepts NaN, Infinity and hex numbers, invalid UTF-8 and lone
 *         surrogates. It decodes [] and {} to the same table.
 * How     hw_json_scan() walks the text once, in pure C, and refuses what RFC 8259 does not allow.
 *         A second walk builds the value; it is fast because it checks nothing again.
 * Thread  the scan is pure; the rest runs in the thread that has the Lua state.
 *
 * What JSON becomes in Lua:
 *
 *     a number   without fraction and exponent, within 64 bits: an integer (-0 is the integer 0);
 *                every other one: the nearest float (1.0 stays a float)
 *     null       hook.null
 *     an object  a table; of two members with the same name the last one counts
 *     an array   a table with the metatable of arrays. It tells [] from {}, so that [] is written
 *                as [] again, and changes nothing else about the table */
#ifndef HW_JSON_H
#define HW_JSON_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum { HW_JSON_DEPTH_MAX = 100 };

struct hw_json_scan {
    size_t error_at; /* byte offset, when refused */
    const char *why; /* static text, when refused; else NULL */
};

/* Checks `text` against RFC 8259: valid UTF-8, no lone surrogates, nesting up to HW_JSON_DEPTH_MAX,
 * numbers within the range of a double, nothing after the value. A leading BOM is refused, so the
 * caller skips it first (hw_json_skip_bom). Returns 0 or HW_EINVALID_JSON. */
int hw_json_scan(struct hw_json_scan *scan, struct hw_str text);

struct hw_str hw_json_skip_bom(struct hw_str text);

/* The length in bytes (2 to 4) of the first character of `text`; 0 if it is not valid UTF-8
 * (RFC 3629). Not for ASCII characters. */
size_t hw_json_utf8_length(struct hw_str text);

/* Puts what decode and encode need into the state's registry. May be called again.
 * Stack: -0 +0. */
void hw_json_open(lua_State *L);

/* Pushes the value of a text that hw_json_scan() has accepted; any other text is undefined
 * behaviour. May raise a Lua memory error. Needs hw_json_open() first. Stack: -0 +1. */
void hw_json_build(lua_State *L, struct hw_str text);

/* Pushes the number of a JSON literal. Needs hw_json_open() first. Stack: -0 +1. */
void hw_json_push_number(lua_State *L, const char *literal);

/* Pushes the metatable of arrays. Needs hw_json_open() first. Stack: -0 +1. */
void hw_json_push_array_meta(lua_State *L);

/* Scans and builds. Returns 0 and pushes the value, or HW_EINVALID_JSON with scan->why. May raise
 * a Lua memory error. Needs hw_json_open() first. Stack: -0 +1 or +0. */
int hw_json_decode(lua_State *L, struct hw_str text, struct hw_json_scan *scan);

/* Encodes the value at `index`. Returns 0 and pushes the text, or HW_EFAILED and pushes a reason
 * that names the place ("… at items[3].x").
 *
 * An empty table is an object, unless it has the metatable of arrays or is marked as an array by
 * another library: by a metatable whose __jsontype is "array" (dkjson, rapidjson), or by the
 * empty_array_mt or array_mt of lua-cjson. A table with __pairs is encoded as what __pairs yields;
 * if it raises an error, its text is part of the reason. May raise a Lua memory error.
 * Stack: -0 +1. */
int hw_json_encode(lua_State *L, int index);

/* Writes a finite number with the fewest digits (14 or more) that give the same double again. A
 * `size` of 32 is enough. Returns the length. A whole number gets no ".0", since strict parsers of
 * integers refuse it. Negative zero does get it ("-0.0"): "-0" would be read as the integer 0. */
int hw_json_print_float(char *text, size_t size, double number);

/* Pushes hook.null, the value of null. Stack: -0 +1. */
void hw_json_push_null(lua_State *L);

/* Pushes the table behind hook.json. Calls hw_json_open() itself. Stack: -0 +1.
 *
 *     decode(text)   -> value | nil, "reason at byte N" (N counts from 0)
 *     encode(value)  -> text | nil, reason
 *     array(table)   -> the same table, marked so that it is written as [] when it is empty
 *     null
 *
 * Misuse raises an error: a missing argument, decode of a value that is not a string, array of a
 * table that has another metatable. */
void hw_json_push_api(lua_State *L);

#endif
