/* parts.h -- what is read from files before a host can start: keys, scripts, ledger.
 *
 * `hookward check` and `hookward serve` load the same things by the same code, so that what passes
 * the one starts with the other.
 * Thread  the caller's. */
#ifndef HW_HOST_PARTS_H
#define HW_HOST_PARTS_H

#include <lua.h>

#include "base/config.h"
#include "trip/stages.h"

/* Loads keys and scripts (in `vm_count` VMs), and opens the ledger. `config` must outlive it.
 * Returns 0, or HW_EFAILED with one line in `why`; what was loaded by then is for hw_host_unload.
 */
int hw_host_load(const struct hw_config *config, const struct hw_modules *modules,
                 unsigned vm_count, struct hw_stages *stages, char *why, size_t why_size);
void hw_host_unload(struct hw_stages *stages);

/* What `hookward init` calls the public half of its key pair. */
#define HW_DEVELOPMENT_KEY "development.pem"

/* Warns when one of the keys is that, and one of the addresses (NULL-terminated, as in
 * hw_host_addresses) is not this machine's own. */
void hw_host_warn_of_keys(const struct hw_keyset *keys, const char *const *addresses);

/* check(config) -> { routes = { { pattern, place, schema }… } } | nil, why: loads the scripts in
 * one VM, as a host would. Stack: -0 +1, a function. */
void hw_host_push_check(lua_State *L);

#endif
