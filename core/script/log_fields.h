/* log_fields.h -- the fields that a handler gives a line of the log.
 *
 * JSON    the fields are in the member "fields", so that none can repeat a member of the line. A
 *         table is written as JSON, hook.null as null.
 * Text    name=value, after the line's own fields. A name that the line has already becomes
 *         fields.NAME. A table is written as its JSON in quotes.
 * Limits  see below. What exceeds a limit is left out, and a "…" says so. A table inside itself,
 *         and values that JSON has no form for (a function), are written as a text.
 * Thread  the one that has the Lua state. */
#ifndef HW_LOG_FIELDS_H
#define HW_LOG_FIELDS_H

#include <lua.h>

#include "base/log.h"

enum {
    HW_LOG_FIELDS_MAX = 32,         /* fields of a line */
    HW_LOG_FIELDS_NAME_MAX = 64,    /* characters of a field's name */
    HW_LOG_FIELDS_DEPTH_MAX = 8,    /* tables inside tables */
    HW_LOG_FIELDS_ITEMS_MAX = 100,  /* items of one table */
    HW_LOG_FIELDS_VALUE_MAX = 4096, /* bytes of a table's JSON */
};

/* Adds the members of the table at `index`, in name order. May raise what a __tostring raises, or a
 * memory error. Needs hw_json_open() first. Stack: -0 +0. */
void hw_log_fields_add(lua_State *L, struct hw_log_line *line, int index);

#endif
