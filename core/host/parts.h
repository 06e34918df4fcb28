/* parts.h -- what is loaded before a host can start: keys, scripts, ledger.
 *
 * Why     specs (bindings/testing_api.c) and `hookward jobs replay` without a host
 *         (bindings/solo.c) must run on the same parts as a host, loaded by the same code.
 * Thread  one at a time. */
#ifndef HW_HOST_PARTS_H
#define HW_HOST_PARTS_H

#include "base/config.h"
#include "trip/stages.h"

/* Loads keys and scripts (in `vm_count` VMs). `config` must outlive them. Returns 0, or HW_EFAILED
 * with one line in `why`. Call hw_host_unload in both cases. */
int hw_host_load_scripts(const struct hw_config *config, const struct hw_modules *modules,
                         unsigned vm_count, struct hw_stages *stages, char *why, size_t why_size);

/* Opens the ledger, after that. Returns as above. */
int hw_host_open_ledger(const struct hw_config *config, struct hw_stages *stages, char *why,
                        size_t why_size);

/* Both. */
int hw_host_load(const struct hw_config *config, const struct hw_modules *modules,
                 unsigned vm_count, struct hw_stages *stages, char *why, size_t why_size);
void hw_host_unload(struct hw_stages *stages);

/* The name that `hookward init` gives the public half of its key pair. */
#define HW_DEVELOPMENT_KEY "development.pem"

/* Warns when one of the keys has that name and one of the addresses (as of hw_host_addresses) can
 * be reached from other machines. */
void hw_host_warn_of_keys(const struct hw_keyset *keys, const char *const *addresses);

#endif
