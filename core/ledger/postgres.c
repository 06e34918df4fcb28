/* postgres.c -- see postgres.h */
#include "ledger/postgres.h"

#include <stdio.h>
#include <string.h>

bool hw_ledger_is_postgres(const char *ledger)
{
    return strncmp(ledger, "postgres://", 11) == 0 || strncmp(ledger, "postgresql://", 13) == 0;
}

struct hw_ledger *hw_ledger_postgres_open(const struct hw_config *config, char *why,
                                          size_t why_size)
{
    (void)config;
    snprintf(why, why_size, "ledger: this hookward can't use PostgreSQL yet");
    return NULL;
}
