/* log_fields.h -- the fields that a handler gives a line of the log.
 *
 * JSON    they stand under "fields", so that none can repeat a member of the line's own; a table is
 *         JSON, hook.null is null.
 * Text    name=value behind the line's own; a name that the line has itself is fields.NAME; a table
 *         is its JSON as a text.
 * Limits  below; what is over one is left out, and a "…" says so. A table inside itself, and what
 * no JSON can hold (a function, NaN), is written as a text. Thread  the one that has the Lua state.
 */
#ifndef HW_LOG_FIELDS_H
#define HW_LOG_FIELDS_H

#include <lua.h>

#include "base/log.h"

enum {
    HW_LOG_FIELDS_MAX = 32,         /* fields of a line */
    HW_LOG_FIELDS_NAME_MAX = 64,    /* characters of a field's name */
    HW_LOG_FIELDS_DEPTH_MAX = 8,    /* tables inside tables */
    HW_LOG_FIELDS_ITEMS_MAX = 100,  /* items of a table inside a field */
    HW_LOG_FIELDS_VALUE_MAX = 4096, /* bytes of a table's JSON */
};

/* Adds what the table at `index` holds, in name order. May raise what a __tostring raises, or a
 * memory error. hw_json_open() came before. Stack: -0 +0. */
void hw_log_fields_add(lua_State *L, struct hw_log_line *line, int index);

#endif
