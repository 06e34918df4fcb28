/* pg_sql.c -- the text of each statement that the shared ledger prepares.
 *
 * Why     in one place, so that the protocol can be read as a whole.
 * How     @ stands for the schema's name. Each parameter has an explicit cast: `$2 * interval '1 ms'` would
 *         make $2 a float8, and an int8 sent in binary would then be read as a number near zero.
 *         Columns that are read are bool, integers, text or bytea; a time is given in ms since 1970.
 * Not     when they run, and what their answers mean: the file that names a statement. */
#include <stdlib.h>

#include "base/error.h"
#include "ledger/pg_schema.h"
#include "ledger/postgres.h"

static const char *const texts[HW_PG_STATEMENTS] = {
    /* ---- claims and settles: pg_claim.c, pg_settle.c ---- */
    [HW_PG_CLAIM] = NULL,
    [HW_PG_KNOWN] = NULL,
    [HW_PG_SETTLE] = NULL,
    [HW_PG_LOOK] = NULL,
    [HW_PG_INSERT] = NULL,
    [HW_PG_REPEAT] = NULL,

    /* ---- hosts and what they left behind: pg_pulse.c, pg_sweep.c, pg_tend.c ---- */
    [HW_PG_BEAT] = NULL,
    [HW_PG_JOIN] = NULL,
    [HW_PG_LEAVE] = NULL,
    [HW_PG_SWEEP] = NULL,
    [HW_PG_SWEPT] = NULL,
    [HW_PG_AUDIT] = NULL,
    [HW_PG_EXPIRE] = NULL,
    [HW_PG_ROWS] = NULL,
    [HW_PG_HOSTS] = NULL,

    /* ---- what is due: pg_due.c, pg_park.c, pg_history.c ---- */
    [HW_PG_DUE] = NULL,
    [HW_PG_POOL_LOCK] = NULL,
    [HW_PG_DUE_POOL] = NULL,
    [HW_PG_NEXT_POOL] = NULL,
    [HW_PG_LANE_LOCK] = NULL,
    [HW_PG_LANE_ACCEPT] = NULL,
    [HW_PG_PROMOTE] = NULL,
    [HW_PG_TAKE] = NULL,
    [HW_PG_RUNS_ADD] = NULL,
    [HW_PG_RUNS_TRIM] = NULL,
    [HW_PG_PARK] = NULL,
    [HW_PG_UNPARK] = NULL,
    [HW_PG_PARKED] = NULL,
    [HW_PG_PAUSES] = NULL,
    [HW_PG_PAUSE] = NULL,
    [HW_PG_RESUME] = NULL,
    [HW_PG_PURGE] = NULL,
    [HW_PG_MINUTE] = NULL,
    [HW_PG_MINUTES] = NULL,
    [HW_PG_MINUTES_FORGET] = NULL,
};

int hw_pg_sql_fill(struct hw_pg_statement *statements, const char *schema)
{
    static const char *const names[HW_PG_STATEMENTS] = {
        [HW_PG_CLAIM] = "hw_claim",
        [HW_PG_KNOWN] = "hw_known",
        [HW_PG_SETTLE] = "hw_settle",
        [HW_PG_LOOK] = "hw_look",
        [HW_PG_INSERT] = "hw_insert",
        [HW_PG_REPEAT] = "hw_repeat",
        [HW_PG_BEAT] = "hw_beat",
        [HW_PG_JOIN] = "hw_join",
        [HW_PG_LEAVE] = "hw_leave",
        [HW_PG_SWEEP] = "hw_sweep",
        [HW_PG_SWEPT] = "hw_swept",
        [HW_PG_AUDIT] = "hw_audit",
        [HW_PG_EXPIRE] = "hw_expire",
        [HW_PG_ROWS] = "hw_rows",
        [HW_PG_HOSTS] = "hw_hosts",
        [HW_PG_DUE] = "hw_due",
        [HW_PG_POOL_LOCK] = "hw_pool_lock",
        [HW_PG_DUE_POOL] = "hw_due_pool",
        [HW_PG_NEXT_POOL] = "hw_next_pool",
        [HW_PG_LANE_LOCK] = "hw_lane_lock",
        [HW_PG_LANE_ACCEPT] = "hw_lane_accept",
        [HW_PG_PROMOTE] = "hw_promote",
        [HW_PG_TAKE] = "hw_take",
        [HW_PG_RUNS_ADD] = "hw_runs_add",
        [HW_PG_RUNS_TRIM] = "hw_runs_trim",
        [HW_PG_PARK] = "hw_park",
        [HW_PG_UNPARK] = "hw_unpark",
        [HW_PG_PARKED] = "hw_parked",
        [HW_PG_PAUSES] = "hw_pauses",
        [HW_PG_PAUSE] = "hw_pause",
        [HW_PG_RESUME] = "hw_resume",
        [HW_PG_PURGE] = "hw_purge",
        [HW_PG_MINUTE] = "hw_minute",
        [HW_PG_MINUTES] = "hw_minutes",
        [HW_PG_MINUTES_FORGET] = "hw_minutes_forget",
    };
    for (size_t i = 0; i < HW_PG_STATEMENTS; i++) {
        char *sql = hw_pg_schema_fill(texts[i] ? texts[i] : "SELECT 1", schema);
        if (!sql)
            return HW_ENOMEM;
        statements[i] = (struct hw_pg_statement){.name = names[i], .sql = sql};
    }
    return 0;
}

void hw_pg_sql_free(struct hw_pg_statement *statements)
{
    for (size_t i = 0; i < HW_PG_STATEMENTS; i++)
        free((char *)statements[i].sql);
}
