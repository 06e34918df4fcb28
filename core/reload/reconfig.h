/* reconfig.h -- the configuration of a running host, read again.
 *
 * How     in a Lua state of its own, by the same Lua code as in `hookward serve`, and from the same
 *         file and flags. A configuration is code, so it gets a time limit and a memory limit.
 * Thread  the reload thread. */
#ifndef HW_RECONFIG_H
#define HW_RECONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/config.h"
#include "script/modules.h"

enum {
    HW_RECONFIG_MS = 10000, /* time limit of the configuration's code */
    HW_RECONFIG_MEMORY =
        64 * 1024 * 1024,       /* its memory limit, bytes; vm_memory when that is more */
    HW_RECONFIG_NAMES_MAX = 160 /* bytes of hw_reconfig_restart's text */
};

/* Called now and then while the configuration's code runs; true ends it. */
typedef bool hw_reconfig_give_up_fn(void *ud);

/* Reads the configuration that `first` was read from. Returns NULL when it can't be read. *ok is
 * false then, with one line in `why`; and also when only a file is missing that it names. To be
 * freed with hw_reconfig_free. */
struct hw_config *hw_reconfig_read(const struct hw_config *first, const struct hw_modules *modules,
                                   hw_reconfig_give_up_fn *give_up, void *ud, bool *ok, char *why,
                                   size_t why_size);
void hw_reconfig_free(struct hw_config *config); /* NULL does nothing */

/* True when all settings are equal that take effect at once, without a new release. */
bool hw_reconfig_same_limits(const struct hw_config *a, const struct hw_config *b);

/* True when both name the same handlers folder, the same patterns of key files, and the same files
 * of TLS. */
bool hw_reconfig_same_files(const struct hw_config *a, const struct hw_config *b);

/* Names the settings that differ and take effect at the next start, each after a space:
 * " listen path". */
void hw_reconfig_restart(const struct hw_config *a, const struct hw_config *b,
                         char names[HW_RECONFIG_NAMES_MAX]);

#endif
