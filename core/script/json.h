/* json.h -- strict JSON with exact numbers, for Lua.
 *
 * Why     not lua-cjson: when an allocation fails its buffer ends the process; 2.1.0 (Debian's)
 *         turns every number into a float, so that 9007199254740993 arrives as …992; it takes NaN,
 *         Infinity and hex for JSON, lets invalid UTF-8 and lone surrogates pass, and makes of []
 *         what it makes of {}.
 * How     hw_json_scan() walks the text once, pure C, and refuses what RFC 8259 does not allow; a
 *         second walk builds the value, which is as fast as it can be since it checks nothing.
 * Thread  the scan is pure; the rest runs in the thread that has the Lua state.
 *
 * What arrives: a literal without fraction and exponent that fits 64 bits is a Lua integer (-0 is
 * the integer 0), every other number the nearest float (1.0 stays a float). null is hook.null. Of
 * two members with one name the last one counts. An array has the metatable of arrays, by which []
 * is told from {} and stays [] when it is written; it changes nothing else about the table. */
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

/* Checks `text` against RFC 8259, valid UTF-8, no lone surrogate, nesting up to HW_JSON_DEPTH_MAX,
 * numbers within a double's range, nothing behind the value. One leading BOM must have been
 * skipped by the caller (hw_json_skip_bom). Returns 0 or HW_EINVALID_JSON. */
int hw_json_scan(struct hw_json_scan *scan, struct hw_str text);

struct hw_str hw_json_skip_bom(struct hw_str text);

/* How many bytes (2 to 4) the character takes that `text` begins with; 0 if that is not valid
 * UTF-8 (RFC 3629). Not for ASCII. */
size_t hw_json_utf8_length(struct hw_str text);

/* Keeps what decode and encode need in the state's registry. Again is allowed. Stack: -0 +0. */
void hw_json_open(lua_State *L);

/* Pushes the value of a text that hw_json_scan() has accepted; no other may come here. May raise a
 * Lua memory error. hw_json_open() came before. Stack: -0 +1. */
void hw_json_build(lua_State *L, struct hw_str text);

/* Pushes the number that a literal of JSON stands for. */
void hw_json_push_number(lua_State *L, const char *literal);

/* Pushes the metatable of arrays. hw_json_open() came before. */
void hw_json_push_array_meta(lua_State *L);

/* Decodes; pushes the value. Returns 0, or HW_EINVALID_JSON with *why and nothing pushed. May raise
 * a Lua memory error. `why` is static or lives in `scan`. hw_json_open() came before.
 * Stack: -0 +1 or +0. */
int hw_json_decode(lua_State *L, struct hw_str text, struct hw_json_scan *scan);

/* Encodes the value at `index`. An empty table is an object, unless it has the metatable of arrays,
 * or what other libraries mark one with: a metatable whose __jsontype is "array" (dkjson,
 * rapidjson), the empty_array_mt or array_mt of lua-cjson. Returns 0 and pushes the text, or
 * HW_EFAILED and pushes a reason that names the place ("… at items[3].x"). A table with __pairs is
 * what that goes through; an error in it is such a reason, with its text. May raise a Lua memory
 * error. Stack: -0 +1. */
int hw_json_encode(lua_State *L, int index);

/* Writes a finite number with the fewest digits (14 or more) that give the same double again; for
 * `size` 32 is enough. Returns the length. A whole number gets no ".0", since strict readers of
 * integers refuse that; but the negative zero does, whose sign would be lost. */
int hw_json_print_float(char *text, size_t size, double number);

/* hook.null: pushes what decode uses for null. Stack: -0 +1. */
void hw_json_push_null(lua_State *L);

/* The Lua functions behind hook.json: decode(text) -> value | nil, "reason at byte N" (N counts
 * from 0); encode(value) -> text | nil, reason. Both are total for any argument but raise for
 * misuse (no argument; decode of what is not a string). array(table) marks a table, so that it is
 * written as [] when it is empty, and returns it; it refuses one with another metatable. Pushes a
 * table { decode =, encode =, array =, null = }; opens if that was not done yet. Stack: -0 +1. */
void hw_json_push_api(lua_State *L);

#endif
