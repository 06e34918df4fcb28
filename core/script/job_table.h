/* job_table.h -- the second argument of a handler: a table that describes the notification.
 *
 * How     `headers` is made when it is first read, or when pairs() walks the table: few handlers
 *         read it, and it is half of the table's cost. The request must still be there, so this is
 *         possible only while the handler runs; the registry knows the current table.
 * Thread  the one that has the Lua state. */
#ifndef HW_JOB_TABLE_H
#define HW_JOB_TABLE_H

#include <lua.h>

#include "notification.h"

/* Pushes the table and makes it the current one. `n` must be the notification that runs
 * (running.h). May raise a Lua memory error. Stack: -0 +1. */
void hw_job_table_push(lua_State *L, const struct hw_notification *n);

/* From here on no table is the current one. Called between two jobs, and once before the first;
 * only the first call may raise an error. Stack: -0 +0. */
void hw_job_table_forget(lua_State *L);

#endif
