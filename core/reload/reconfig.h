/* reconfig.h -- the configuration of a running host, read anew.
 *
 * How     in a Lua state of its own, by the code that `serve` reads it with, from where it came
 *         from, flags included. It is code, so it gets a deadline and a limit of memory.
 * Thread  the reload thread. */
#ifndef HW_RECONFIG_H
#define HW_RECONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/config.h"
#include "script/modules.h"

enum {
    HW_RECONFIG_MS = 10000,                /* what the configuration's own code may take */
    HW_RECONFIG_MEMORY = 64 * 1024 * 1024, /* bytes likewise; vm_memory when that is more */
    HW_RECONFIG_NAMES_MAX = 160            /* bytes of hw_reconfig_restart's text */
};

/* Asked now and then while the configuration's code runs; true ends it. */
typedef bool hw_reconfig_give_up_fn(void *ud);

/* Reads what `first` was read from. Returns NULL when it can't be read; *ok is false then,
 * and when what it names is not there. Unless *ok, one line in `why`. To be freed with
 * hw_reconfig_free. */
struct hw_config *hw_reconfig_read(const struct hw_config *first, const struct hw_modules *modules,
                                   hw_reconfig_give_up_fn *give_up, void *ud, bool *ok, char *why,
                                   size_t why_size);
void hw_reconfig_free(struct hw_config *config); /* NULL is fine */

/* True when all is equal that takes effect at once and without a new release. */
bool hw_reconfig_same_limits(const struct hw_config *a, const struct hw_config *b);

/* True when both name the same handlers and key files, whatever is there. */
bool hw_reconfig_same_files(const struct hw_config *a, const struct hw_config *b);

/* The names of what differs and waits for the next start, each after a space: " listen path". */
void hw_reconfig_restart(const struct hw_config *a, const struct hw_config *b,
                         char names[HW_RECONFIG_NAMES_MAX]);

#endif
