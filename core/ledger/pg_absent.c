/* pg_absent.c -- in place of pg.c in a build without libpq: it says so, and no more. */
#include "ledger/pg_libpq.h"

#if !HW_LIBPQ

#include <stdlib.h>

#include "ledger/pg.h"

struct hw_pg {
    struct hw_pg_facts facts;
    char settings[1024]; /* the statement that sets them: for the session, or each transaction */
};

const char *hw_pg_version(void)
{
    return NULL;
}

struct hw_pg *hw_pg_new(const struct hw_pg_options *options)
{
    (void)options;
    return calloc(1, sizeof(struct hw_pg));
}

void hw_pg_free(struct hw_pg *pg)
{
    free(pg);
}

void hw_pg_close(struct hw_pg *pg)
{
    (void)pg;
}

bool hw_pg_is_open(const struct hw_pg *pg)
{
    (void)pg;
    return false;
}

const char *hw_pg_why(const struct hw_pg *pg)
{
    (void)pg;
    return hw_libpq_load();
}

const char *hw_pg_sqlstate(const struct hw_pg *pg)
{
    (void)pg;
    return "";
}

const struct hw_pg_facts *hw_pg_facts(const struct hw_pg *pg)
{
    return &pg->facts;
}

enum hw_pg_rc hw_pg_connect(struct hw_pg *pg, uint64_t deadline_ns)
{
    (void)pg, (void)deadline_ns;
    return HW_PG_REFUSED;
}

enum hw_pg_rc hw_pg_run(struct hw_pg *pg, struct hw_pg_call *calls, size_t count,
                        uint64_t deadline_ns)
{
    for (size_t i = 0; i < count; i++)
        calls[i].result = NULL;
    return hw_pg_connect(pg, deadline_ns);
}

enum hw_pg_rc hw_pg_exec(struct hw_pg *pg, const char *sql, uint64_t deadline_ns)
{
    (void)sql;
    return hw_pg_connect(pg, deadline_ns);
}

enum hw_pg_rc hw_pg_query(struct hw_pg *pg, const char *sql, const struct hw_pg_args *args,
                          struct hw_pg_result **result, uint64_t deadline_ns)
{
    (void)sql, (void)args;
    *result = NULL;
    return hw_pg_connect(pg, deadline_ns);
}

/* There never is a result. */
size_t hw_pg_rows(const struct hw_pg_result *result)
{
    (void)result;
    return 0;
}

bool hw_pg_is_null(const struct hw_pg_result *result, size_t row, size_t column)
{
    (void)result, (void)row, (void)column;
    return true;
}

int64_t hw_pg_int(const struct hw_pg_result *result, size_t row, size_t column)
{
    (void)result, (void)row, (void)column;
    return 0;
}

struct hw_str hw_pg_text(const struct hw_pg_result *result, size_t row, size_t column)
{
    (void)result, (void)row, (void)column;
    return HW_STR_NONE;
}

int64_t hw_pg_changed(const struct hw_pg_result *result)
{
    (void)result;
    return 0;
}

void hw_pg_result_free(struct hw_pg_result *result)
{
    (void)result;
}

#endif
