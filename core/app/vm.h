/* vm.h -- the Lua state of an app: its handler, its timers, what it sends.
 *
 * An app is a Lua module that returns a function, or a table with that function as `handle`
 * (call.h). The table may also have `start(addresses)`, which is called once, when the listeners
 * are open. The app has all of hookward's modules and `hookward.app` (api.h). It must not block,
 * since nobody else answers meanwhile.
 * Limits  memory, and a time limit for each entry into Lua.
 * Thread  open, stop on a failed start, free: whoever has the leader's loop; the rest: the app's
 *         thread. */
#ifndef HW_APP_VM_H
#define HW_APP_VM_H

#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "app/call.h"
#include "base/str.h"
#include "script/modules.h"

enum {
    HW_APP_MEMORY_MAX = 256 * 1024 * 1024, /* bytes of the state */
    HW_APP_RUN_MS = 10000                  /* of one entry into Lua */
};

struct hw_app_vm_config {
    const char *module; /* "hookward.sandbox" */
    const struct hw_modules *modules;
    struct hw_str settings; /* Lua source that returns app.settings; may be empty */
    size_t memory_max;      /* bytes */
    uint64_t run_ms;
};

struct hw_app_vm;

/* Makes a state and loads the module. Returns 0, or HW_ENOMEM or HW_EFAILED with one line in `why`.
 * Then *out may be NULL; if not, stop and free it all the same. Whatever runs ends soon after
 * `stop` becomes true. */
int hw_app_vm_open(struct hw_app_vm **out, const struct hw_app_vm_config *config, uv_loop_t *loop,
                   const atomic_bool *stop, char *why, size_t why_size);

/* Calls the module's `start`, if it has one. */
void hw_app_vm_start(struct hw_app_vm *vm, char *const *addresses, size_t count);

/* Calls the handler. Returns true when the call's code and reply are filled in, and it is to be
 * returned. Returns false when the answer comes later or came already: the call must not be touched
 * any more then. */
bool hw_app_vm_handle(struct hw_app_vm *vm, struct hw_app_call *call);

/* The client of a call that the app has kept is gone: returns the call. */
void hw_app_vm_leave(struct hw_app_vm *vm, struct hw_app_call *call);

/* Ends the timers and what is being sent, and returns the calls that the app has kept. Then run the
 * loop until its handles are closed, before the VM is freed. */
void hw_app_vm_stop(struct hw_app_vm *vm);
void hw_app_vm_free(struct hw_app_vm *vm);

#endif
