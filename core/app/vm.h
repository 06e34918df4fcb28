/* vm.h -- the Lua state of an app: its handler, its timers, what it sends.
 *
 * An app is a Lua module that returns a function, or a table with such a function as `handle`:
 *
 *     handle(request) -> status, headers, body
 *
 *     request   { method, path, query, headers (lower-case names), body, peer }
 *     status    a whole number from 200 to 599
 *     headers   nil, or name -> value, a value being a string, a number or a list of these
 *     body      nil, a string, or a table, which is sent as JSON
 *
 * and maybe `start(addresses)`, called once when the listeners are open. It has all of hookward's
 * modules, and `hookward.app` (api.h). It must not block: nobody else answers meanwhile.
 * Limits  memory, and a time limit for each entry into Lua.
 * Thread  loading: the caller's; from then on the app's alone. */
#ifndef HW_APP_VM_H
#define HW_APP_VM_H

#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/arena.h"
#include "http/answer.h"
#include "http/request.h"
#include "http/waiter.h"
#include "script/modules.h"

enum {
    HW_APP_MEMORY_MAX = 256 * 1024 * 1024, /* bytes of the state */
    HW_APP_RUN_MS = 10000,                 /* of one entry into Lua */
    HW_APP_FIELDS_MAX = 64                 /* header lines of an answer */
};

struct hw_app_vm_config {
    const char *module; /* "hookward.sandbox" */
    const struct hw_modules *modules;
    struct hw_str settings; /* Lua source that returns app.settings; may be empty */
    size_t memory_max;      /* bytes */
    uint64_t run_ms;
};

struct hw_app_vm;

/* One request on its way through an app: the leader makes it, the app fills it in. */
struct hw_app_call {
    struct hw_app_call *next;
    struct hw_request *request;
    char peer[96];
    struct hw_waiter *waiters; /* leader only: the connection, unless it is gone */
    int code;                  /* 0: there is a reply; or HW_EAPP_ERROR */
    struct hw_reply reply;
    struct hw_arena arena; /* of what is in the reply */
};

/* A state with the module loaded. Returns 0, or HW_ENOMEM or HW_EFAILED with one line in `why`;
 * *out, which may be NULL then, is to be stopped and freed all the same. `stop` ends whatever
 * runs. */
int hw_app_vm_open(struct hw_app_vm **out, const struct hw_app_vm_config *config, uv_loop_t *loop,
                   const atomic_bool *stop, char *why, size_t why_size);

/* Calls the module's `start`, if it has one. */
void hw_app_vm_start(struct hw_app_vm *vm, char *const *addresses, size_t count);

/* Answers a call. */
void hw_app_vm_handle(struct hw_app_vm *vm, struct hw_app_call *call);

/* Ends timers and what is being sent; then run the loop until its handles are closed. */
void hw_app_vm_stop(struct hw_app_vm *vm);
void hw_app_vm_free(struct hw_app_vm *vm);

#endif
