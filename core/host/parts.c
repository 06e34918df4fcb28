/* parts.c -- see parts.h */
#include "host/parts.h"

#include <stdio.h>

#include "base/log.h"
#include "script/modules.h"

int hw_host_load_scripts(const struct hw_config *config, const struct hw_modules *modules,
                         unsigned vm_count, struct hw_stages *stages, char *why, size_t why_size)
{
    memset(stages, 0, sizeof *stages);
    struct hw_release *first = hw_release_make(config, modules, 1, why, why_size);
    if (!first)
        return HW_EFAILED;
    hw_shelf_init(&stages->shelf, first);
    return hw_release_fill(first, vm_count, NULL, NULL, why, why_size);
}

int hw_host_open_ledger(const struct hw_config *config, struct hw_stages *stages, char *why,
                        size_t why_size)
{
    for (size_t i = 0; i < config->ledger_advice_count; i++)
        hw_log_say(HW_LOG_WARN, "%s", config->ledger_advice[i]);
    stages->ledger = hw_ledger_open(config, why, why_size);
    return stages->ledger ? 0 : HW_EFAILED;
}

int hw_host_load(const struct hw_config *config, const struct hw_modules *modules,
                 unsigned vm_count, struct hw_stages *stages, char *why, size_t why_size)
{
    int rc = hw_host_load_scripts(config, modules, vm_count, stages, why, why_size);
    return rc ? rc : hw_host_open_ledger(config, stages, why, why_size);
}

static bool is_local(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]", 5) == 0 ||
           strncmp(address, "unix:", 5) == 0;
}

/* `hookward init` wrote the private half too; whoever has that can sign anything. */
void hw_host_warn_of_keys(const struct hw_keyset *keys, const char *const *addresses)
{
    bool found = false;
    for (size_t i = 0; i < keys->count; i++)
        found |= strcmp(keys->keys[i].name, HW_DEVELOPMENT_KEY) == 0;
    for (; found && *addresses; addresses++) {
        if (is_local(*addresses))
            continue;
        hw_log_say(HW_LOG_WARN,
                   "%s is a key for development, and others can reach %s: whoever has "
                   "development.key can sign; remove it from `keys` before you go live",
                   HW_DEVELOPMENT_KEY, *addresses);
        return;
    }
}

void hw_host_unload(struct hw_stages *stages)
{
    if (stages->ledger)
        stages->ledger->type->close(stages->ledger);
    if (stages->shelf.current)
        hw_shelf_fini(&stages->shelf);
}
