/* pg_server.h -- a connection to the server that HOOKWARD_TEST_POSTGRES names, for tests of core/ledger. */
#ifndef HW_SPEC_LEDGER_PG_SERVER_H
#define HW_SPEC_LEDGER_PG_SERVER_H

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "ledger/pg.h"

static inline uint64_t in_ms(uint64_t ms)
{
    return hw_now_ns() + ms * 1000000;
}

/* Its URL; NULL, with a line that says why, when the tests that need it can't run. */
static inline const char *test_server(const char *program)
{
    const char *url = getenv("HOOKWARD_TEST_POSTGRES"), *absent = hw_pg_absent();
    if (url && !absent)
        return url;
    printf("%s: skipped: %s\n", program, url ? absent : "HOOKWARD_TEST_POSTGRES is not set");
    return NULL;
}

static inline void run_sql(struct hw_pg *pg, const char *text)
{
    if (hw_pg_exec(pg, text, in_ms(10000)) != HW_PG_OK)
        fail_msg("%s: %s", text, hw_pg_why(pg));
}

static inline int64_t number_of(struct hw_pg *pg, const char *text)
{
    struct hw_pg_result *result;
    if (hw_pg_query(pg, text, NULL, &result, in_ms(10000)) != HW_PG_OK)
        fail_msg("%s: %s", text, hw_pg_why(pg));
    int64_t value = hw_pg_rows(result) ? hw_pg_int(result, 0, 0) : 0;
    hw_pg_result_free(result);
    return value;
}

#endif
