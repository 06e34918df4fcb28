/* pg_lacking.c -- what the shared ledger lacks as yet. */
#include "ledger/postgres.h"

#define WEAK __attribute__((weak))

WEAK enum hw_pg_rc hw_pg_settle(struct hw_postgres *p, struct hw_pg *pg, struct hw_pg_args *args,
                                struct hw_notification *const *batch, size_t count)
{
    (void)p, (void)pg, (void)args, (void)batch, (void)count;
    return HW_PG_REFUSED;
}

WEAK enum hw_pg_rc hw_pg_ready(struct hw_postgres *p, char *why, size_t why_size)
{
    (void)p, (void)why, (void)why_size;
    return HW_PG_AWAY;
}


