/* json.h -- strict JSON with exact numbers, on top of whichever lua-cjson is installed.
 *
 * Why     lua-cjson 2.1.0 (Debian's) turns every number into a float, so that 9007199254740993
 *         arrives as …992; it also takes NaN, Infinity and hex for JSON, and lets invalid UTF-8
 *         and anything with a lone surrogate pass.
 * How     hw_json_scan() walks the text once, pure C, and refuses what RFC 8259 does not allow.
 *         A text that holds numbers goes to lua-cjson with each of them marked as a string; a
 *         walk over the result turns the marks into numbers. A text without any goes as it is.
 * Thread  the scan is pure; the rest runs in the thread that has the Lua state.
 *
 * What arrives: a literal without fraction and exponent that fits 64 bits is a Lua integer (-0 is
 * the integer 0), every other number the nearest float (1.0 stays a float). null is hook.null. Of
 * two members with one name the last one counts. Both {} and [] are empty tables. */
#ifndef HW_JSON_H
#define HW_JSON_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "str.h"

enum {
    HW_JSON_DEPTH_MAX = 100,
    HW_JSON_MARK = 0x7f /* DEL: rare in real text, one byte, legal inside a string as it is */
};

/* The metatable of a table that hook.json.array() marked. */
#define HW_JSON_ARRAY "hookward.json.array"

struct hw_json_scan {
    size_t numbers;  /* number literals */
    size_t marked;   /* string values that begin with the mark themselves */
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

/* Does what stands between a string's quotes (valid, escapes and all) begin with the mark? */
bool hw_json_is_marked(struct hw_str content);

/* Loads lua-cjson in this state and keeps what decode and encode need in its registry. Raises a
 * Lua error that says how to install lua-cjson when it is missing. Again is allowed. Call it while
 * `require` is still Lua's own. Stack: -0 +0. */
void hw_json_open(lua_State *L);

/* Decodes; pushes the value. Returns 0, or HW_EINVALID_JSON with *why and nothing pushed. May raise
 * a Lua memory error. `why` is static or lives in `scan`. hw_json_open() came before.
 * Stack: -0 +1 or +0. */
int hw_json_decode(lua_State *L, struct hw_str text, struct hw_json_scan *scan);

/* Encodes the value at `index`. Returns 0 and pushes the text, or HW_EFAILED and pushes a reason
 * that names the place ("… at items[3].x"). A table with __pairs is what that goes through; an
 * error in it is such a reason, with its text. May raise a Lua memory error. Stack: -0 +1. */
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
 * written as [] when it is empty, and returns it. Pushes a table { decode =, encode =, array =,
 * null = }; opens if that was not done yet. Stack: -0 +1. */
void hw_json_push_api(lua_State *L);

#endif
