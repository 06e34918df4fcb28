/* instance.h -- a host that runs beside the thread that started it.
 *
 * Why     the binary, `hookward serve` of the rock and a Lua program start, ask, wait for and end a
 *         host by the same functions.
 * How     a keeper thread waits until the host has drained and takes it apart; who waits, waits at
 *         a descriptor, so that a signal brings it back. What never comes back (a handler, a
 *         script's finalizer) is left as it is, with all that it may still touch.
 * Thread  one at a time. */
#ifndef HW_INSTANCE_H
#define HW_INSTANCE_H

#include "host/host.h"

enum { HW_INSTANCE_CLOSE_MS = 10000 }; /* closing the ledger takes a slow disk a while */

enum hw_instance_state {
    HW_INSTANCE_RUNNING,
    HW_INSTANCE_DRAINED,  /* all that was begun is done, and all is given back */
    HW_INSTANCE_CUT_OFF,  /* the same, but something was cut off at drain_timeout */
    HW_INSTANCE_STUCK,    /* a handler never came back: its thread is still there */
    HW_INSTANCE_UNCLOSED, /* a script that loads or unloads never came back, likewise */
    HW_INSTANCE_STATES
};

struct hw_instance;

/* `config` and `modules` as in hw_host_start. `signals`: those of the process are for this host
 * (process.h), from before it starts until it has ended. Returns NULL with one line in `why`. */
struct hw_instance *hw_instance_start(struct hw_config *config, const struct hw_modules *modules,
                                      bool signals, char *why, size_t why_size);

/* Begins to drain; returns at once, may be called again. */
void hw_instance_stop(struct hw_instance *instance);

/* Waits for at most `ms` (-1: for ever), or until a signal was handled, for the state to be another
 * one than RUNNING; returns it. */
enum hw_instance_state hw_instance_wait(struct hw_instance *instance, int ms);

/* 0 with what is live in `text`, or a negative code with the reason; waits for it. */
int hw_instance_reload(struct hw_instance *instance, char *text, size_t size);

/* As they are, or as they were in the end. The addresses as in hw_host_addresses. */
struct hw_instance_facts {
    bool stopping;
    struct hw_stats stats;
    struct hw_host_version version;
};
void hw_instance_read(struct hw_instance *instance, struct hw_instance_facts *facts);
const char *const *hw_instance_addresses(const struct hw_instance *instance);

/* False in a process that was forked off: there the host has no threads, and must be left alone. */
bool hw_instance_is_here(const struct hw_instance *instance);

/* Drains, waits for the end, and frees, but for what something that never came back may still use;
 * `modules` is not among that. */
void hw_instance_free(struct hw_instance *instance);

#endif
