/* ledger.c -- opens the ledger that the configuration names. */
#include "ledger/ledger.h"

#include <stdio.h>

#include "base/config.h"
#include "ledger/lock.h"

static bool is_in_memory(const struct hw_config *config)
{
    return strcmp(config->ledger, "memory:") == 0;
}

bool hw_ledger_is_taken(const struct hw_config *config)
{
    return !is_in_memory(config) && hw_ledger_lock_probe(config->ledger) == 1;
}

struct hw_ledger *hw_ledger_open(const struct hw_config *config, char *why, size_t why_size)
{
    if (!is_in_memory(config))
        return hw_ledger_sqlite_open(config, why, why_size);
    struct hw_ledger *ledger = hw_ledger_memory_open();
    if (!ledger)
        snprintf(why, why_size, "ledger: out of memory");
    return ledger;
}
