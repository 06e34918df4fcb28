/* vm.h -- a Lua state with its limits, all handler files loaded, that runs one job at a time.
 *
 * Why     handlers are plain Lua and may block; each of `workers` states serves one job at a time.
 * How     an allocator that refuses past vm_memory; a count hook that ends a Lua loop at its
 *         deadline. Every entry into Lua is protected: no error of a script's leaves this file.
 * Not     no threads, no queues; what a handler may call is in api.c and lua/hookward.
 * Thread  one at a time, whichever holds the VM. */
#ifndef HW_VM_H
#define HW_VM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "notification.h"
#include "script/bundle.h"
#include "script/modules.h"

struct hw_vm;
struct lua_State;

struct hw_vm_config {
    size_t memory_max;   /* bytes of a state */
    uint64_t timeout_ms; /* of a handler, and of loading a file */
    uint64_t max_age_ms; /* 0: none */
    bool accept_unhandled;
    bool validate;                    /* every event that has a schema must keep it */
    const struct hw_modules *modules; /* hookward's own */
    /* True: loading ends. Asked now and then while scripts load, not later. May be NULL. */
    bool (*give_up)(void *give_up_ud);
    void *give_up_ud;
    hw_vm_fit_fn *fit; /* see config.h; may be NULL */
    void *fit_ud;
};

/* A state with the bundle loaded (it takes a reference of its own). Returns NULL with one line in
 * `why` that names file and line. */
struct hw_vm *hw_vm_new(const struct hw_vm_config *config, struct hw_bundle *bundle, char *why,
                        size_t why_size);
void hw_vm_free(struct hw_vm *vm);

/* The stage: body -> event, and the decoded table kept for hw_vm_handle. Returns 0, or
 * the job's code: HW_EINVALID_JSON, HW_EMISSING_EVENT, HW_ETOO_OLD, HW_ETOO_NEW,
 * HW_EMALFORMED_TIMESTAMP, HW_EHANDLER_ERROR (memory), HW_EHANDLER_TIMEOUT (a finalizer). */
int hw_vm_decode(struct hw_vm *vm, struct hw_notification *n, uint64_t now_ns);

/* The stage: finds the handler and runs it; its time begins at `now_ns` (hw_now_ns). Returns 0 or
 * the job's code: HW_ENO_HANDLER, HW_ESCHEMA_VIOLATION (the handler did not run),
 * HW_EHANDLER_REFUSED, HW_EHANDLER_ERROR, HW_EHANDLER_TIMEOUT. */
int hw_vm_handle(struct hw_vm *vm, struct hw_notification *n, uint64_t now_ns);

/* Forgets the job. True when the state should be replaced: it stays over half of its memory after a
 * full collection. */
bool hw_vm_rest(struct hw_vm *vm);

/* A full collection, finalizers and all: these have a second. */
void hw_vm_collect(struct hw_vm *vm);

/* Pushes the routes on the other state, the most specific first: an array of { pattern, place,
 * schema }. `place` is where the handler is; `schema` says which one it holds events to: "its own",
 * "the event's", "each event's" (those that have one), nil for none. Stack of `to`: -0 +1. */
void hw_vm_push_routes(struct hw_vm *vm, struct lua_State *to);

#endif
