/* pg_stubs_due.c -- parts of the shared ledger, until they are there; each is weak. */
#include "base/clock.h"
#include "ledger/postgres.h"

__attribute__((weak)) uint64_t hw_pg_boot_ns(void)
{
    return hw_now_ns();
}

__attribute__((weak)) void hw_pg_pulse_set_away(struct hw_postgres *p, const char *why)
{
    (void)p;
    (void)why;
}

__attribute__((weak)) enum hw_pg_rc hw_pg_settle(struct hw_postgres *p, struct hw_pg *pg,
                                                 struct hw_pg_args *args,
                                                 struct hw_notification *const *batch, size_t count)
{
    (void)p;
    (void)pg;
    (void)args;
    (void)batch;
    (void)count;
    return HW_PG_AWAY;
}
