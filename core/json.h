/* json.h -- strict JSON with exact numbers, on top of whichever lua-cjson is installed.
 *
 * Why     lua-cjson 2.1.0 (Debian's) turns every number into a float, so that 9007199254740993
 *         arrives as …992; it also takes NaN, Infinity and hex for JSON, and lets invalid UTF-8
 *         and anything with a lone surrogate pass.
 * How     hw_json_scan() walks the text once, pure C, and refuses what RFC 8259 does not allow.
 *         A text that holds integers goes to lua-cjson with each of them marked as a string; a
 *         walk over the result turns the marks into Lua integers. A text without any goes as it is.
 * Thread  the scan is pure; the rest runs in the thread that has the Lua state. */
#ifndef HW_JSON_H
#define HW_JSON_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "str.h"

enum { HW_JSON_DEPTH_MAX = 100 };

struct hw_json_scan {
    size_t integers;   /* integer literals that fit 64 bits */
    size_t marked;     /* string values that begin with the mark and need escaping */
    size_t error_at;   /* byte offset, when refused */
    const char *why;   /* static text, when refused */
};

/* Checks `text` against RFC 8259, valid UTF-8, no lone surrogate, nesting up to HW_JSON_DEPTH_MAX,
 * numbers within a double's range, nothing behind the value. One leading BOM must have been
 * skipped by the caller (hw_json_skip_bom). Returns 0 or HW_EINVALID_JSON. */
int hw_json_scan(struct hw_json_scan *scan, struct hw_str text);

struct hw_str hw_json_skip_bom(struct hw_str text);

/* Loads lua-cjson in this state and keeps what decode and encode need in its registry. Raises a
 * Lua error that says how to install lua-cjson when it is missing. Stack: -0 +0. */
void hw_json_open(lua_State *L);

/* Decodes; pushes the value. Returns 0, or HW_EINVALID_JSON with *why and nothing pushed. May raise
 * a Lua memory error. `why` is static or lives in `scan`. Stack: -0 +1 or +0. */
int hw_json_decode(lua_State *L, struct hw_str text, struct hw_json_scan *scan);

/* hook.null: pushes what decode uses for null. */
void hw_json_push_null(lua_State *L);

/* The Lua functions behind hook.json: decode(text) -> value | nil, "reason at byte N";
 * encode(value) -> text | nil, reason. Both are total for any argument but raise for misuse
 * (no argument). Pushes a table { decode =, encode =, null = }. Stack: -0 +1. */
void hw_json_push_api(lua_State *L);

#endif
