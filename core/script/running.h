/* running.h -- the notification that a Lua state is running, if any.
 *
 * Why     functions that scripts call (the log, job.headers, the guard of globals) need it, and
 *         they must not depend on the VM.
 * Thread  the one that has the Lua state. */
#ifndef HW_RUNNING_H
#define HW_RUNNING_H

#include <lua.h>
#include <stdbool.h>

#include "notification.h"

struct hw_running {
    struct hw_notification *n; /* NULL between two notifications */
};

/* Marks the state as a VM's. `running` must live as long as the state. Stack: -0 +0. */
void hw_running_open(lua_State *L, const struct hw_running *running);

/* The notification that runs; NULL between two, and in a state that is not a VM's. Raises
 * nothing. */
struct hw_notification *hw_running_notification(lua_State *L);

/* True in a VM's state, which runs the user's scripts; false in that of a program that has the
 * host. */
bool hw_running_in_vm(lua_State *L);

#endif
