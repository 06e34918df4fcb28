/* ledger.c -- opens the ledger that the configuration names. */
#include "ledger/ledger.h"

#include <stdio.h>

#include "base/config.h"

struct hw_ledger *hw_ledger_open(const struct hw_config *config, char *why, size_t why_size)
{
    if (strcmp(config->ledger, "memory:") != 0)
        return hw_ledger_sqlite_open(config, why, why_size);
    struct hw_ledger *ledger = hw_ledger_memory_open();
    if (!ledger)
        snprintf(why, why_size, "ledger: out of memory");
    return ledger;
}
