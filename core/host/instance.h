/* instance.h -- a host that runs beside the thread that started it.
 *
 * Why     the binary, `hookward serve` of the rock, and a Lua program start, ask, wait for and end
 *         a host by the same functions.
 * How     A keeper thread waits until the host has drained, and frees it. The caller waits on a
 *         descriptor, so that a signal wakes it. Something that never returns (a handler, a
 *         script's finalizer) is left alone, with all that it may still touch.
 * Thread  one at a time, but for the keeper, which stays inside. */
#ifndef HW_INSTANCE_H
#define HW_INSTANCE_H

#include "host/host.h"

enum { HW_INSTANCE_CLOSE_MS = 10000 }; /* to free a host; its ledger may be on a slow disk */

enum hw_instance_state {
    HW_INSTANCE_RUNNING,
    HW_INSTANCE_DRAINED,  /* all that was begun is done, and everything is freed */
    HW_INSTANCE_CUT_OFF,  /* the same, but something was cut off at drain_timeout */
    HW_INSTANCE_STUCK,    /* a handler never returned; its thread is still there */
    HW_INSTANCE_UNCLOSED, /* the same of a script that was loading or unloading */
    HW_INSTANCE_STATES
};

struct hw_instance;

/* `config` and `modules` as in hw_host_start. `signals`: the signals of the process are for this
 * host (signals.h), from before it starts until it has ended. Returns NULL with `why` as
 * hw_host_start. */
struct hw_instance *hw_instance_start(struct hw_config *config, const struct hw_modules *modules,
                                      bool signals, char *why, size_t why_size);

/* Begins to drain; returns at once, may be called again. */
void hw_instance_stop(struct hw_instance *instance);

/* Waits until the state is no longer RUNNING, until a signal was handled, or for `ms` (-1: without
 * a limit). Returns the state. */
enum hw_instance_state hw_instance_wait(struct hw_instance *instance, int ms);

/* Reloads and waits for the result: 0 and what is live in `text`, or a negative code and why. */
int hw_instance_reload(struct hw_instance *instance, char *text, size_t size);

/* The facts as of now, or as of the host's end. The addresses as in hw_host_addresses. */
struct hw_instance_facts {
    bool stopping;
    struct hw_stats stats;
    struct hw_host_version version;
};
void hw_instance_read(struct hw_instance *instance, struct hw_instance_facts *facts);
const char *const *hw_instance_addresses(const struct hw_instance *instance);

/* False in a forked child: the host's threads are not there, and it must be left alone. */
bool hw_instance_is_here(const struct hw_instance *instance);

/* Drains, waits for the end, and frees everything; when something never returned, all but what it
 * may still use. `modules` is free to go in any case. Does nothing in a forked child. */
void hw_instance_free(struct hw_instance *instance);

#endif
