/* error_text.h -- the text of an error that a script raised, for the log and the ledger.
 *
 * How     an error may be any value. A message handler makes a text of it while the call stack is
 *         still there. A failed call leaves that text, or another value when Lua was out of memory
 *         or the handler itself failed.
 * Thread  the one that has the Lua state. */
#ifndef HW_ERROR_TEXT_H
#define HW_ERROR_TEXT_H

#include <lua.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"
#include "script/limits.h"

/* A message handler for lua_pcall: any value -> a text with a traceback. Needs hw_require_open()
 * and hw_json_open() first. */
int hw_error_text_describe(lua_State *L);

/* Pops the value on top and returns its text, after a call that returned `status` or was stopped.
 * The text is in the arena; its ptr is NULL if there was no memory. Raises nothing. Stack: -1
 * +0. */
struct hw_str hw_error_text_take(struct hw_limits *limits, int status, struct hw_arena *arena);

/* Writes the text as one line: its first, without the traceback. A text with a ptr of NULL is "out
 * of memory". */
void hw_error_text_line(struct hw_str text, char *line, size_t size);

#endif
