/* vm.h -- the room `script`: Lua states that run the user's scripts, and what scripts may call.
 *
 * A VM is a Lua state with limits and with all handler files loaded. It runs one notification at a
 * time, in two stages: decode (JSON becomes a table), handle (the handler is found and called).
 *
 * Promises
 *   - No error of a script leaves the room: every call into Lua is protected.
 *   - A state uses no more memory than vm_memory, and no Lua code runs longer than handler_timeout.
 *     A C function that a script calls can block for longer; the crew handles that.
 *   - All scripts of a VM have the same version, and nothing is read from disk after it is loaded.
 *   - A child process that a script forks never runs the host's code.
 *
 * The files of the room
 *
 *     vm, setup, router                        a VM: made, filled, its routes
 *     bundle                                   one version of the scripts, compiled once
 *     require, modules, embedded               what `require` finds
 *     limits, memory, stoppable, forked        limits, and how what exceeds them is stopped
 *     api, command, log_fields, globals, null  what a script can call, and what it is warned about
 *     job_table, headers                       what a handler gets as `job`
 *     event_name                               the name of an event, without decoding its body
 *     json, json_*                             strict JSON with exact numbers
 *     http_*, proxy                            outgoing HTTP
 *     error_text, running, owned               shared by these
 *
 * Not     no threads, no queues, no ledger. The Lua side is in lua/hookward/handlers.
 * Thread  a VM is used by one thread at a time, the one that holds it: a crew thread for a job, the
 *         reload thread to try a new set of scripts. Other rooms use json, http_* and modules in
 *         states of their own. A bundle is shared by all threads. */
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
    size_t memory_max;                /* bytes that the state may use */
    uint64_t timeout_ms;              /* for a handler, and for loading all scripts */
    uint64_t max_age_ms;              /* of an event's Timestamp; 0: not checked */
    bool accept_unhandled;            /* an event without a handler is no error */
    bool validate;                    /* every event that has a schema must keep it */
    bool ack_first;                   /* a handler that does not say is ack-first */
    bool durable;                     /* the ledger keeps what was accepted: ack-first is allowed */
    const struct hw_modules *modules; /* hookward's own */
    /* Called at times while scripts are being loaded, not later; true ends the loading. May be
     * NULL. */
    bool (*give_up)(void *give_up_ud);
    void *give_up_ud;
    hw_vm_fit_fn *fit; /* see config.h; may be NULL */
    void *fit_ud;
};

/* Makes a VM with the bundle loaded, of which it takes a reference. Returns NULL with one line in
 * `why` that names file and line. */
struct hw_vm *hw_vm_new(const struct hw_vm_config *config, struct hw_bundle *bundle, char *why,
                        size_t why_size);

/* Runs the functions of hook.on_unload, closes the state and frees the VM. */
void hw_vm_free(struct hw_vm *vm);

/* The stage `decode`: sets the notification's event, and keeps the decoded table for hw_vm_handle.
 * The time limit begins at `now_ns` (hw_now_ns). Returns 0 or the outcome's code:
 *
 *     HW_EINVALID_JSON, HW_EMISSING_EVENT
 *     HW_ETOO_OLD, HW_ETOO_NEW, HW_EMALFORMED_TIMESTAMP    by max_age
 *     HW_EHANDLER_ERROR                                    the state is out of memory
 *     HW_EHANDLER_TIMEOUT                                  a finalizer ran too long
 *     HW_EOVERLOADED                                       the process is out of memory */
int hw_vm_decode(struct hw_vm *vm, struct hw_notification *n, uint64_t now_ns);

/* The stage `match`: finds the handler, checks the event's schema, and keeps the handler for
 * hw_vm_handle. The time limit begins at `now_ns`. Sets outcome.place, ack_first, pool and
 * pool_max. Returns 0 or the outcome's code; with 0 and outcome.unhandled there is no handler, and
 * that is fine:
 *
 *     HW_ENO_HANDLER, HW_ESCHEMA_VIOLATION
 *     HW_EHANDLER_ERROR, HW_EHANDLER_TIMEOUT               the check failed
 *     HW_EOVERLOADED                                       the process is out of memory */
int hw_vm_match(struct hw_vm *vm, struct hw_notification *n, uint64_t now_ns);

/* The lane of one that was matched: asks the handler's `key`, which gets HW_VM_KEY_MS. Sets n->lane,
 * if it has one. Returns 0, HW_EHANDLER_ERROR or HW_EOVERLOADED. */
enum { HW_VM_KEY_MS = 100, HW_VM_KEY_MAX = 256 /* bytes of a key */ };
int hw_vm_find_lane(struct hw_vm *vm, struct hw_notification *n, uint64_t now_ns);

/* The stage `handle`: runs the handler that was matched. The time limit begins at `now_ns`. Returns
 * 0 or the outcome's code:
 *
 *     HW_EHANDLER_REFUSED, HW_EHANDLER_ERROR, HW_EHANDLER_TIMEOUT, HW_EGIVEN_UP
 *     HW_EOVERLOADED                                       the process is out of memory */
int hw_vm_handle(struct hw_vm *vm, struct hw_notification *n, uint64_t now_ns);

/* Ends with the notification; after hw_vm_decode or hw_vm_handle. True if the state should be
 * replaced, since it uses more than half of its memory even after a full collection. */
bool hw_vm_rest(struct hw_vm *vm);

/* Runs a full collection, with the finalizers; these get a second. */
void hw_vm_collect(struct hw_vm *vm);

/* The bytes that its state uses. */
size_t hw_vm_memory(const struct hw_vm *vm);

/* How many handlers are registered; 0 when the state is out of memory. */
size_t hw_vm_count_handlers(struct hw_vm *vm);

/* Pushes the routes on another state, the most specific first. Stack of `to`: -0 +1. An array of
 *
 *     pattern    as registered
 *     place      where the handler is
 *     schema     which schema the events must keep: "its own"; "the event's"; "each event's" (of
 *                those that have one); nil for none */
void hw_vm_push_routes(struct hw_vm *vm, struct lua_State *to);

/* The same as a JSON array of objects: pattern, place, schema (left out for none), ack_first, and of
 * an ack-first one concurrency and in_order, if it has them. The text is the caller's (free); NULL
 * without memory. */
char *hw_vm_routes_as_json(struct hw_vm *vm);

#endif
