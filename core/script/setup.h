/* setup.h -- fills a new VM's state: Lua's libraries, what hookward offers, the user's scripts.
 *
 * How     in an order that no script can disturb: hookward's own modules are loaded before any
 *         script can change what they find in Lua, and the globals are guarded at the end.
 * Thread  the one that has the Lua state. */
#ifndef HW_SETUP_H
#define HW_SETUP_H

#include <lua.h>
#include <stdbool.h>

#include "base/config.h"
#include "script/bundle.h"
#include "script/modules.h"

struct hw_setup {
    const struct hw_bundle *bundle;
    const struct hw_modules *modules;  /* hookward's own */
    bool validate, ack_first, durable; /* see vm.h */
    hw_vm_fit_fn *fit;                 /* see config.h; may be NULL */
    void *fit_ud;
};

/* Fills a new state of hw_limits_open. Bundle and modules must live as long as the state. Raises
 * the errors of scripts, and its own. Stack: -0 +0. */
void hw_setup_run(lua_State *L, const struct hw_setup *setup);

#endif
