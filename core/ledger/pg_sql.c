/* pg_sql.c -- the text of each statement that the shared ledger prepares.
 *
 * Why     in one place, so that the protocol can be read as a whole.
 * How     @ stands for the schema's name. Each parameter has an explicit cast: `$2 * interval '1
 *         ms'` would make $2 a float8, and an int8 sent in binary would then be read as a number
 *         near zero. Columns that are read are bool, integers, text or bytea; a time is given in ms
 *         since 1970.
 * Not     when they run, and what their answers mean: the file that names a statement. */
#include <stdlib.h>

#include "base/error.h"
#include "ledger/pg_schema.h"
#include "ledger/postgres.h"

/* A time in ms since 1970; not for one that may be 'infinity'. */
#define MS(time) "(extract(epoch FROM " time ") * 1000)::bigint"

/* ---- parts of the claim ---- */

#define CLAIM(but)                                                                                 \
    "INSERT INTO @.notifications AS n (dedupe_id, digest, job_id, attempt, state, runs, owner,"    \
    " claim, received_at, key, headers, body)"                                                     \
    " SELECT did, digest, job_id, attempt, 6, 1, $1::bigint, claim,"                               \
    " now() - age * interval '1 ms', key, headers, body"                                           \
    " FROM unnest($2::text[], $3::bytea[], $4::text[], $5::int[], $6::bigint[], $7::bigint[],"     \
    " $8::text[], $9::text[], $10::bytea[])"                                                       \
    " AS a(did, digest, job_id, attempt, age, claim, key, headers, body)" but                      \
    " ON CONFLICT (dedupe_id, digest) DO NOTHING"                                                  \
    " RETURNING claim, seq, EXISTS (SELECT FROM @.notifications o WHERE o.dedupe_id ="             \
    " n.dedupe_id AND o.dedupe_id <> '' AND o.digest <> n.digest)"

/* A ledger that was once by-job may hold a body under several ids. */
#define BUT_UNDER_AN_ID                                                                            \
    " WHERE NOT EXISTS (SELECT FROM @.notifications o WHERE o.digest = a.digest"                   \
    " AND o.dedupe_id <> '')"

#define BY_IDENTITY                                                                                \
    "SELECT f.seq FROM @.notifications f WHERE f.dedupe_id = a.did AND f.digest = a.digest"
#define BEST_BY_BODY                                                                               \
    "SELECT f.seq FROM @.notifications f WHERE f.digest = a.digest"                                \
    " ORDER BY f.accepted DESC, f.state NOT IN (1, 3), f.seq DESC LIMIT 1"

/* What is taken: a claim of this very job whose answer was lost; what failed, unless whoever waited
 * for it gets its answer; what runs at a host that is gone. Never: what was accepted, or given
 * up. */
#define KNOWN(find)                                                                                \
    "WITH a AS MATERIALIZED (SELECT a.*, (" find ") AS seq FROM unnest($2::text[], $3::bytea[],"   \
    " $4::bigint[], $5::bool[], $6::bigint[], $7::bool[])"                                         \
    " AS a(did, digest, claim, waited, old, only_look)),"                                          \
    " took AS (UPDATE @.notifications n SET state = 6, trouble = NULL, owner = $1::bigint,"        \
    " claim = l.claim, runs = n.runs + 1, lost = n.lost + l.lost, parked = false,"                 \
    " parked_event = NULL, next_run_at = 'infinity'"                                               \
    " FROM (SELECT n.seq, a.claim, (n.state = 6 AND n.owner <> $1::bigint)::int AS lost"           \
    " FROM a JOIN @.notifications n ON n.seq = a.seq WHERE NOT a.only_look"                        \
    " AND NOT (n.owner = $1::bigint AND n.claim >= a.claim)"                                       \
    " AND ((n.state = 6 AND n.owner = $1::bigint AND n.claim = a.old) OR (NOT n.accepted"          \
    " AND ((n.state IN (2, 4) AND n.error IS DISTINCT FROM 'given_up'"                             \
    " AND (NOT a.waited OR n.error IS NULL OR n.error IN ('host_lost', 'ledger_unavailable',"      \
    " 'draining', 'queue_timeout', 'overloaded')))"                                                \
    " OR (n.state = 6 AND EXISTS (SELECT FROM @.hosts h WHERE h.id = n.owner"                      \
    " AND h.gone_at IS NOT NULL)))))"                                                              \
    " ORDER BY n.seq FOR NO KEY UPDATE OF n SKIP LOCKED) l"                                        \
    " WHERE n.seq = l.seq RETURNING n.seq, n.claim)"                                               \
    " SELECT a.claim, n.seq, n.state, n.deliveries, n.attempt, n.runs, n.retries, n.accepted,"     \
    " n.error, n.reason, t.seq IS NOT NULL, n.state = 6 AND n.owner <> $1::bigint"                 \
    " FROM a JOIN @.notifications n ON n.seq = a.seq"                                              \
    " LEFT JOIN took t ON t.seq = n.seq AND t.claim = a.claim"

/* An outcome, as pg_outcome.c fills it in. */
#define OUTCOME_TYPES                                                                              \
    "$1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::bool[], $6::int[], $7::int[],"  \
    " $8::int[], $9::int[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[],"    \
    " $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::bytea[]"
#define OUTCOME_NAMES                                                                              \
    "seq, owner, claim, state, accepted, attempt, copies, back, retries, next_ms, event, error,"   \
    " reason, detail, key, place, version, lane, pool, headers, body"
#define NEXT_RUN_AT                                                                                \
    "CASE WHEN s.state = 6 THEN 'infinity' ELSE now() + s.next_ms * interval '1 ms' END"
#define TROUBLE "CASE WHEN s.state NOT IN (1, 6) THEN s.state END"

/* ---- parts of the statements for what is due ---- */

/* Whether a row `p` with a lane is the one of its lane that is due, runs, waits for its retry or is
 * parked: there is one of them at most, unless somebody has another replayed. The index `heads`. */
#define IS_HEAD "p.lane IS NOT NULL AND (p.next_run_at IS NOT NULL OR p.parked)"

/* As hw_pauses_matches does it. What was never decoded has no event, and nothing pauses it. */
#define IS_PAUSED                                                                                  \
    "(q.event IS NOT NULL AND EXISTS (SELECT FROM @.pauses u WHERE u.pattern IN ('*', q.event)"    \
    " OR (length(u.pattern) > 2"                                                                   \
    " AND ((right(u.pattern, 2) = '.*' AND starts_with(q.event, left(u.pattern, -1)))"             \
    " OR (left(u.pattern, 2) = '*.'"                                                               \
    " AND right(q.event, length(u.pattern) - 1) = substr(u.pattern, 2))))))"

/* Nothing of its lane is before it. */
#define MAY_RUN                                                                                    \
    "q.state IN (2, 5) AND q.body IS NOT NULL AND NOT EXISTS (SELECT FROM @.notifications p"       \
    " WHERE p.lane = q.lane AND " IS_HEAD " AND p.seq <> q.seq"                                    \
    " AND (p.state = 6 OR p.seq < q.seq)) AND NOT " IS_PAUSED

/* $1: the owner, $2: the claim */
#define TAKEN                                                                                      \
    "state = 6, trouble = NULL, owner = $1::bigint, claim = $2::bigint, runs = n.runs + 1,"        \
    " next_run_at = 'infinity', parked = false, parked_event = NULL"

/* What hw_pg_due_fill reads; `runs` and `state` as they were before. */
#define ROW(runs, state, next_run_ms)                                                              \
    "n.seq, n.dedupe_id, n.digest, n.job_id, n.attempt, n.deliveries, " runs ", n.retries,"        \
    " n.lost, " state                                                                              \
    ", n.accepted, n.event, n.key, n.lane, n.pool, " MS("n.received_at") ", " next_run_ms          \
                                                                         ", n.headers, n.body"

#define TAKE_DUE                                                                                   \
    " UPDATE @.notifications n SET " TAKEN                                                         \
    " FROM d WHERE n.seq = d.seq RETURNING " ROW("n.runs - 1", "d.state", MS("d.next_run_at"))

/* The pools with work that is due, or will be. */
#define EACH_POOL                                                                                  \
    "each(pool) AS ((SELECT min(q.pool) FROM @.notifications q WHERE q.pool IS NOT NULL"           \
    " AND q.next_run_at IS NOT NULL) UNION ALL SELECT (SELECT min(q.pool) FROM @.notifications q"  \
    " WHERE q.pool > each.pool AND q.pool IS NOT NULL AND q.next_run_at IS NOT NULL)"              \
    " FROM each WHERE each.pool IS NOT NULL)"

#define RUN_IN(pool)                                                                               \
    "SELECT count(*) FROM @.notifications r WHERE r.pool = " pool                                  \
    " AND r.next_run_at = 'infinity' AND r.state = 6"

/* Written by the settle of this very transaction, not by one before whose answer was lost. */
#define SETTLED_NOW(s)                                                                             \
    "n.seq = " s ".seq AND n.owner = " s ".owner AND n.claim = " s ".claim"                        \
    " AND n.settled_at = now()"

/* One that was accepted, and can't start at once. */
#define WAIT(when) "runs = n.runs - (n.state = 6)::int, state = 5, trouble = 5, next_run_at = " when

/* ---- parts of the statements for hosts ---- */

/* Whether its number still means the host that joined with it: a failover may have forgotten that
 * one, and given the number to another. */
#define IS_THIS_HOST(id, us)                                                                       \
    "id = " id "::bigint AND (extract(epoch FROM started_at) * 1000000)::bigint = " us "::bigint"

/* The rows that run at a host `h`, by their fence: what it claimed as new, then the rest. */
#define RUN_AT(columns, owner, low)                                                                \
    "SELECT " columns " WHERE n.seq >= " low " AND n.owner = " owner " AND n.state = 6"            \
    " UNION SELECT " columns " WHERE n.next_run_at = 'infinity' AND n.pool IS NULL"                \
    " AND n.owner = " owner " AND n.state = 6"                                                     \
    " UNION SELECT " columns " WHERE n.next_run_at = 'infinity' AND n.pool IS NOT NULL"            \
    " AND n.owner = " owner " AND n.state = 6"

/* What becomes of a row `n` that is let go: what was accepted is due. Of the rest the sender asks
 * again (5: HW_ATTEMPT_LAST), or this side has to do it, if it has the body and `retries` says
 * so. */
#define LET_GO(error, reason, retry_ms)                                                            \
    "state = c.state, trouble = c.state, claim = -n.claim, error = '" error "',"                   \
    " reason = '" reason "', detail = NULL, settled_at = now(),"                                   \
    " next_run_at = CASE WHEN c.state = 5 THEN now() WHEN c.state = 2 AND n.attempt >= 5"          \
    " THEN now() + " retry_ms "::bigint * interval '1 ms' END,"                                    \
    " retries = n.retries + (c.state = 2 AND n.attempt >= 5)::int"
#define LET_GO_AS(lost, retry_ms)                                                                  \
    "CASE WHEN m.accepted THEN 5 WHEN m.attempt < 5 THEN 2"                                        \
    " WHEN m.body IS NOT NULL AND " retry_ms "::bigint >= 0 AND " lost " THEN 2 ELSE 4 END"

/* ---- parts of the numbers of rows ---- */

#define IN_STATE(state) "coalesce((SELECT count FROM trouble WHERE state = " state "), 0)"
#define DUE_COUNT(which)                                                                           \
    "(SELECT count(*) FROM @.notifications WHERE next_run_at IS NOT NULL AND pool IS NULL"         \
    " AND " which ") + (SELECT count(*) FROM @.notifications WHERE next_run_at IS NOT NULL"        \
    " AND pool IS NOT NULL AND " which ")"

/* ---- hosts, and what they left behind ---- */

/* clang-format off */
static const char beat[] =
    "WITH me AS (UPDATE @.hosts SET alive_until = now() + $2::bigint * interval '1 ms',"
    " low_seq = $3::bigint, since = CASE WHEN $6::bool OR alive_until < now() THEN now()"
    " ELSE since END,"
    " scripts = $5::text, scripts_at = CASE WHEN scripts IS DISTINCT FROM $5::text THEN now()"
    " ELSE scripts_at END WHERE " IS_THIS_HOST("$1", "$4") " AND gone_at IS NULL"
    " RETURNING since),"
    " late AS MATERIALIZED (SELECT h.id FROM @.hosts h WHERE h.id <> $1::bigint"
    " AND h.gone_at IS NULL AND h.alive_until < now()"
    " AND EXISTS (SELECT FROM me WHERE since < now() - $2::bigint * interval '1 ms')"
    " ORDER BY h.id FOR NO KEY UPDATE OF h SKIP LOCKED),"
    " gone AS (UPDATE @.hosts h SET gone_at = now() FROM late WHERE h.id = late.id"
    " RETURNING h.name)"
    " SELECT (SELECT count(*) FROM me), (SELECT string_agg(name, ', ') FROM gone),"
    " (SELECT last_value FROM @.notifications_seq_seq),"
    " (SELECT count(*) FROM @.hosts h WHERE h.gone_at IS NULL"
    " AND (h.alive_until >= now() OR h.id = $1::bigint)),"
    " EXISTS (SELECT FROM gone)"
    " OR EXISTS (SELECT FROM @.hosts h WHERE h.gone_at IS NOT NULL AND h.swept_at IS NULL),"
    " (SELECT compat FROM @.meta)";

static const char join[] =
    "WITH before AS (UPDATE @.hosts h SET gone_at = now() WHERE h.place = $6::text"
    " AND h.gone_at IS NULL RETURNING h.name)"
    " INSERT INTO @.hosts (name, version, alive_until, scripts, scripts_at, low_seq, place)"
    " SELECT $1::text, $2::text, now() + $3::bigint * interval '1 ms', $4::text,"
    " CASE WHEN $4::text IS NOT NULL THEN now() END,"
    " (SELECT last_value FROM @.notifications_seq_seq), $5::text"
    " RETURNING id, low_seq, (extract(epoch FROM started_at) * 1000000)::bigint,"
    " (SELECT string_agg(name, ', ') FROM before),"
    " (SELECT count(*) + 1 FROM @.hosts h WHERE h.gone_at IS NULL AND h.alive_until >= now()"
    " AND (h.place = $6::text) IS NOT TRUE)";

static const char leave[] =
    "UPDATE @.hosts SET gone_at = now() WHERE " IS_THIS_HOST("$1", "$2") " AND gone_at IS NULL";

static const char sweep[] =
    "WITH h AS MATERIALIZED (SELECT id, low_seq, gone_at FROM @.hosts"
    " WHERE gone_at IS NOT NULL AND swept_at IS NULL AND id > $2::bigint"
    " ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED),"
    " left_behind AS MATERIALIZED ("
    RUN_AT("n.seq FROM h, @.notifications n", "h.id", "h.low_seq") "),"
    " o AS MATERIALIZED (SELECT m.seq, " LET_GO_AS("m.lost < 2", "$1") " AS state"
    " FROM left_behind l, @.notifications m WHERE m.seq = l.seq"
    " AND m.state = 6 AND m.owner = (SELECT id FROM h)"
    " ORDER BY m.seq LIMIT 500 FOR NO KEY UPDATE OF m SKIP LOCKED),"
    " let_go AS (UPDATE @.notifications n SET lost = n.lost + 1, "
    LET_GO("host_lost", "the host ended while it ran", "$1")
    " FROM o c WHERE n.seq = c.seq RETURNING n.seq, n.owner, n.attempt, n.state,"
    " n.retries - (n.state = 2 AND n.attempt >= 5)::int AS retry),"
    " history AS (INSERT INTO @.runs (seq, began_at, attempt, retry, waited_ms, ms, host, error)"
    " SELECT seq, now(), attempt, retry, 0, 0, owner, 'host_lost' FROM let_go),"
    " done AS (UPDATE @.hosts g SET swept_at = now() FROM h WHERE g.id = h.id"
    " AND h.gone_at < now() - interval '10 s' AND NOT EXISTS (SELECT FROM left_behind))"
    " SELECT (SELECT id FROM h), (SELECT count(*) FROM left_behind), count(*),"
    " count(*) FILTER (WHERE state = 4) FROM let_go";

static const char release[] =
    "WITH a AS MATERIALIZED (SELECT * FROM unnest($3::bigint[], $4::bigint[]) AS a(seq, claim)),"
    " o AS MATERIALIZED (SELECT m.seq, " LET_GO_AS("true", "$2") " AS state"
    " FROM a, @.notifications m WHERE m.seq = a.seq AND m.owner = $1::bigint"
    " AND m.claim = a.claim AND m.state = 6 ORDER BY m.seq FOR NO KEY UPDATE OF m),"
    " let_go AS (UPDATE @.notifications n SET "
    LET_GO("ledger_unavailable", "its outcome could not be recorded", "$2")
    " FROM o c WHERE n.seq = c.seq RETURNING n.seq)"
    " SELECT count(*) FROM let_go";

static const char audit[] =
    RUN_AT("n.seq, n.claim FROM @.notifications n", "$1::bigint", "$2::bigint");

/* ---- tending ---- */

static const char expire[] =
    "WITH t AS MATERIALIZED (SELECT least(now(), to_timestamp($4::bigint / 1000.0)) AS now),"
    " mine AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(1751346283, 2) AS got),"
    " front AS MATERIALIZED (SELECT seq, received_at FROM @.notifications"
    " WHERE seq > $1::bigint AND (SELECT got FROM mine) ORDER BY seq LIMIT 256),"
    " old AS MATERIALIZED (SELECT n.seq FROM front f, @.notifications n WHERE n.seq = f.seq"
    " AND n.received_at < (SELECT now FROM t) - $2::bigint * interval '1 ms'"
    " AND n.settled_at < (SELECT now FROM t) - $2::bigint * interval '1 ms'"
    " AND n.state NOT IN (5, 6) AND n.next_run_at IS NULL AND n.lane IS NULL AND NOT n.parked"
    " AND (n.state <> 4 OR ($3::bigint >= 0"
    " AND n.settled_at < (SELECT now FROM t) - $3::bigint * interval '1 ms'))"
    " ORDER BY n.seq FOR UPDATE OF n SKIP LOCKED),"
    " gone AS (DELETE FROM @.notifications n USING old WHERE n.seq = old.seq RETURNING n.seq),"
    " history AS (DELETE FROM @.runs r USING gone WHERE r.seq = gone.seq)"
    " SELECT (SELECT got FROM mine), (SELECT max(seq) FROM front), (SELECT count(*) FROM gone),"
    " (SELECT count(*) FROM front"
    " WHERE received_at < (SELECT now FROM t) - $2::bigint * interval '1 ms'),"
    " (SELECT count(*) FROM front WHERE received_at"
    " BETWEEN (SELECT now FROM t) - $2::bigint * interval '1 ms' AND now() + interval '1 min')";

/* Numbers of those that failed, were unhandled, are dead, queued, run; the backlog; since when the
 * oldest waits; all rows: a few are counted, many are estimated. */
static const char rows[] =
    "WITH trouble AS MATERIALIZED (SELECT trouble AS state, count(*) AS count"
    " FROM @.notifications WHERE trouble IS NOT NULL GROUP BY trouble),"
    " low AS MATERIALIZED (SELECT min(low_seq) AS seq FROM @.hosts WHERE swept_at IS NULL)"
    " SELECT " IN_STATE("2") ", " IN_STATE("3") ", " IN_STATE("4") ", " IN_STATE("5") ","
    " (SELECT count(*) FROM @.notifications WHERE seq >= (SELECT seq FROM low) AND state = 6) + "
    DUE_COUNT("next_run_at = 'infinity' AND state = 6 AND seq < (SELECT seq FROM low)") ","
    " " IN_STATE("5") " + " DUE_COUNT("state IN (2, 6) AND accepted")
    " + (SELECT count(*) FROM @.notifications"
    " WHERE parked_event IS NOT NULL AND accepted AND state = 2),"
    " coalesce((SELECT " MS("received_at") " FROM @.notifications WHERE trouble IN (2, 5)"
    " AND (next_run_at IS NOT NULL OR lane IS NOT NULL OR parked) ORDER BY seq LIMIT 1), 0),"
    " (SELECT CASE WHEN few.count < 5000 THEN few.count"
    " ELSE greatest(few.count, (SELECT reltuples::bigint FROM pg_class"
    " WHERE oid = '@.notifications'::regclass)) END FROM"
    " (SELECT count(*) AS count FROM (SELECT FROM @.notifications LIMIT 5000) x) few)";

static const char hosts_forget[] =
    "DELETE FROM @.hosts WHERE swept_at < now() - interval '1 day'";

/* ---- what is due: pg_due.c ---- */

static const char due[] =
    "WITH d AS MATERIALIZED (SELECT q.seq, q.state, q.next_run_at"
    " FROM @.notifications q WHERE q.next_run_at <= now() AND q.pool IS NULL"
    " AND " MAY_RUN " ORDER BY q.next_run_at, q.seq LIMIT $3::bigint"
    " FOR NO KEY UPDATE OF q SKIP LOCKED)" TAKE_DUE;

static const char pool_lock[] =
    "SELECT pg_advisory_xact_lock(1751346284, h) FROM"
    " (SELECT DISTINCT hashtext(l) AS h FROM unnest($1::text[]) l"
    " ORDER BY 1) x";

static const char due_pool[] =
    "WITH d AS MATERIALIZED (SELECT q.seq, q.state, q.next_run_at"
    " FROM @.notifications q WHERE q.pool = $4::text AND q.next_run_at <= now()"
    " AND " MAY_RUN " ORDER BY q.next_run_at, q.seq"
    " LIMIT least($3::bigint, greatest(0, $5::bigint - (" RUN_IN("$4::text") ")))"
    " FOR NO KEY UPDATE OF q SKIP LOCKED)" TAKE_DUE;

static const char next_pool[] =
    "WITH RECURSIVE " EACH_POOL
    " SELECT e.pool, (" RUN_IN("e.pool") ") FROM each e,"
    " LATERAL (SELECT q.next_run_at FROM @.notifications q WHERE q.pool = e.pool"
    " AND q.next_run_at <= now() ORDER BY q.next_run_at, q.seq LIMIT 1) first"
    " ORDER BY first.next_run_at LIMIT $1::bigint";

static const char take[] =
    "WITH q AS MATERIALIZED (SELECT q.seq, q.state, q.owner FROM @.notifications q"
    " WHERE q.seq = $3::bigint FOR NO KEY UPDATE SKIP LOCKED),"
    " took AS (UPDATE @.notifications n SET " TAKEN
    " FROM q WHERE n.seq = q.seq AND n.body IS NOT NULL AND (q.state IN (2, 4, 5)"
    " OR ($4::bool AND q.state IN (1, 3)) OR (q.state = 6 AND EXISTS (SELECT FROM @.hosts h"
    " WHERE h.id = q.owner AND h.gone_at IS NOT NULL))) RETURNING n.seq)"
    " SELECT " ROW("n.runs", "n.state", "CASE WHEN n.next_run_at < 'infinity' THEN "
    MS("n.next_run_at") " END") ", t.seq IS NOT NULL, h.name"
    " FROM @.notifications n LEFT JOIN took t ON t.seq = n.seq"
    " LEFT JOIN @.hosts h ON h.id = n.owner WHERE n.seq = $3::bigint";

/* ---- lanes and pools of what is accepted, and what ends in a lane: pg_along.c ---- */

static const char lane_lock[] =
    "SELECT pg_advisory_xact_lock(1751346285, h) FROM"
    " (SELECT DISTINCT hashtext(l) AS h FROM unnest($1::text[]) l"
    " ORDER BY 1) x";

static const char lane_accept[] =
    "WITH s AS MATERIALIZED (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])"
    " AS s(seq, owner, claim))"
    " UPDATE @.notifications n SET " WAIT("NULL") " FROM s WHERE n.seq = ANY ($1::bigint[])"
    " AND " SETTLED_NOW("s")
    " AND n.state IN (5, 6) AND EXISTS (SELECT FROM @.notifications p WHERE p.lane = n.lane"
    " AND p.seq <> n.seq AND (p.seq < n.seq OR NOT EXISTS (SELECT FROM s o"
    " WHERE o.seq = p.seq AND o.owner = p.owner AND o.claim = p.claim))) RETURNING n.seq";

static const char pool_accept[] =
    "WITH s AS MATERIALIZED (SELECT s.*, row_number() OVER (PARTITION BY pool ORDER BY seq)"
    " AS place FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[])"
    " AS s(seq, owner, claim, pool, most))"
    " UPDATE @.notifications n SET " WAIT("now()") " FROM s WHERE " SETTLED_NOW("s")
    " AND n.state = 6 AND s.place + (" RUN_IN("s.pool")
    " AND NOT EXISTS (SELECT FROM s o WHERE o.seq = r.seq)) > s.most RETURNING n.seq";

static const char promote[] =
    "UPDATE @.notifications n SET next_run_at = least(n.settled_at, now())"
    " FROM (SELECT DISTINCT l AS lane FROM unnest($1::text[]) l) x,"
    " LATERAL (SELECT p.seq FROM @.notifications p WHERE p.lane = x.lane"
    " ORDER BY p.seq LIMIT 1) first"
    " WHERE n.seq = first.seq AND n.state IN (2, 5) AND NOT EXISTS (SELECT"
    " FROM @.notifications p WHERE p.lane = x.lane AND " IS_HEAD ")";

/* ---- runs: pg_history.c ---- */

static const char runs_add[] =
    "INSERT INTO @.runs (seq, began_at, attempt, retry, waited_ms, ms, host, error, reason,"
    " version) SELECT s.seq, now() - s.ms * interval '1 ms', s.attempt, s.retry, s.waited_ms,"
    " s.ms, s.owner, s.error, s.reason, s.version FROM unnest($1::bigint[], $2::bigint[],"
    " $3::bigint[], $4::int[], $5::int[], $6::bigint[], $7::bigint[], $8::text[], $9::text[],"
    " $10::text[], $11::bool[]) AS s(seq, owner, claim, attempt, retry, waited_ms, ms, error,"
    " reason, version, sure) JOIN @.notifications n ON n.seq = s.seq"
    " WHERE " SETTLED_NOW("s")
    /* no EXISTS: it may become a hash of all runs */
    " AND (s.sure OR (SELECT true FROM @.runs r WHERE r.seq = s.seq LIMIT 1))";

static const char runs_trim[] =
    "DELETE FROM @.runs WHERE ctid = ANY (ARRAY(SELECT r.ctid FROM (SELECT r.ctid,"
    " row_number() OVER (PARTITION BY r.seq ORDER BY r.began_at DESC, r.ctid DESC) AS place"
    " FROM @.runs r WHERE r.seq = ANY ($1::bigint[])) r WHERE r.place > $2::bigint))";

/* ---- pauses: pg_park.c ---- */

/* Of what has no limit, and of each pool, those in front. */
static const char park[] =
    "WITH RECURSIVE " EACH_POOL ","
    " front AS MATERIALIZED ((SELECT q.seq FROM @.notifications q WHERE q.next_run_at <= now()"
    " AND q.pool IS NULL ORDER BY q.next_run_at, q.seq LIMIT $1::bigint)"
    " UNION ALL SELECT x.seq FROM each e, LATERAL (SELECT q.seq FROM @.notifications q"
    " WHERE q.pool = e.pool AND q.next_run_at <= now() ORDER BY q.next_run_at, q.seq"
    " LIMIT $1::bigint) x),"
    " d AS MATERIALIZED (SELECT q.seq FROM @.notifications q"
    " WHERE q.seq = ANY (ARRAY(SELECT f.seq FROM front f))" /* a join may read all rows */
    " AND q.next_run_at <= now() AND q.state IN (2, 5) AND " IS_PAUSED
    " LIMIT $1::bigint FOR NO KEY UPDATE OF q SKIP LOCKED)"
    " UPDATE @.notifications n SET parked = true, parked_event = n.event, next_run_at = NULL"
    " FROM d WHERE n.seq = d.seq";

static const char unpark[] =
    "WITH RECURSIVE each(event) AS ((SELECT min(q.parked_event) FROM @.notifications q"
    " WHERE q.parked_event IS NOT NULL) UNION ALL SELECT (SELECT min(q.parked_event)"
    " FROM @.notifications q WHERE q.parked_event > each.event)"
    " FROM each WHERE each.event IS NOT NULL),"
    " d AS MATERIALIZED (SELECT x.seq FROM each q, LATERAL (SELECT p.seq"
    " FROM @.notifications p WHERE p.parked_event = q.event ORDER BY p.seq"
    " LIMIT $1::bigint FOR NO KEY UPDATE OF p SKIP LOCKED) x WHERE NOT " IS_PAUSED
    " LIMIT $1::bigint)"
    " UPDATE @.notifications n SET parked = false, parked_event = NULL,"
    " next_run_at = least(n.settled_at, now())"
    " FROM d WHERE n.seq = d.seq";

static const char pauses[] =
    "SELECT pattern, " MS("since") " FROM @.pauses ORDER BY since, pattern";

static const char pause_sql[] =
    "WITH added AS (INSERT INTO @.pauses (pattern, since) SELECT $1::text, now()"
    " WHERE (SELECT count(*) FROM @.pauses) < $2::bigint ON CONFLICT (pattern) DO NOTHING"
    " RETURNING since)"
    " SELECT " MS("since") ", true FROM added UNION ALL"
    " SELECT " MS("since") ", false FROM @.pauses WHERE pattern = $1::text";

static const char resume[] =
    "DELETE FROM @.pauses WHERE pattern = $1::text";

/* ---- on request: pg_due.c; the host's own: pg_minutes.c ---- */

static const char purge_lanes[] =
    "SELECT DISTINCT lane FROM @.notifications"
    " WHERE seq = ANY ($1::bigint[]) AND lane IS NOT NULL";

static const char purge[] =
    "WITH x AS MATERIALIZED (SELECT n.seq FROM unnest($1::bigint[], $2::bigint[])"
    " AS x(seq, settled_ms) JOIN @.notifications n ON n.seq = x.seq"
    " WHERE " MS("n.settled_at") " = x.settled_ms AND n.state <> 6"
    " ORDER BY n.seq FOR UPDATE OF n),"
    " gone AS (DELETE FROM @.notifications n USING x WHERE n.seq = x.seq RETURNING n.seq),"
    " r AS (DELETE FROM @.runs r USING gone WHERE r.seq = gone.seq)"
    " SELECT count(*) FROM gone";

static const char minute[] =
    "INSERT INTO @.minutes (host, minute, numbers)"
    " VALUES ($1::text, $2::bigint, $3::bytea) ON CONFLICT (host, minute)"
    " DO UPDATE SET numbers = excluded.numbers";

static const char minutes[] =
    "SELECT minute, numbers FROM @.minutes WHERE host = $1::text"
    " AND minute >= $2::bigint ORDER BY minute";

static const char minutes_forget[] =
    "DELETE FROM @.minutes WHERE minute <= $1::bigint";
/* clang-format on */

static const char *const texts[HW_PG_STATEMENTS] = {
    /* ---- claims and settles: pg_claim.c, pg_settle.c ---- */
    [HW_PG_CLAIM] = CLAIM(""),
    [HW_PG_KNOWN] = KNOWN(BY_IDENTITY),
    /* A row with -claim was let go, and nobody has taken it since. It does not start to run again:
     * its host may be gone, and nobody would look for it. */
    [HW_PG_SETTLE] =
        "UPDATE @.notifications n SET state = s.state, trouble = " TROUBLE ", claim = s.claim,"
        " accepted = n.accepted OR s.accepted, attempt = greatest(n.attempt, s.attempt),"
        " deliveries = n.deliveries + s.copies, runs = n.runs - s.back, settled_at = now(),"
        " retries = s.retries, lost = CASE s.state WHEN 6 THEN n.lost ELSE 0 END, parked = false,"
        " parked_event = NULL, next_run_at = " NEXT_RUN_AT ", event = s.event, error = s.error,"
        " reason = s.reason, detail = s.detail, key = s.key, place = s.place, version = s.version,"
        " lane = s.lane, pool = s.pool, headers = s.headers, body = s.body"
        " FROM unnest(" OUTCOME_TYPES ") AS s(" OUTCOME_NAMES ")"
        " WHERE n.seq = s.seq AND n.owner = s.owner AND ((n.claim = s.claim AND n.state = 6)"
        " OR (n.claim = -s.claim AND n.state <> 6 AND s.state <> 6)) RETURNING n.seq",
    [HW_PG_LOOK] = "SELECT n.seq, n.owner, n.claim, n.state, h.name FROM @.notifications n"
                   " LEFT JOIN @.hosts h ON h.id = n.owner WHERE n.seq = ANY ($1::bigint[])",
    [HW_PG_INSERT] =
        "INSERT INTO @.notifications (owner, claim, received_at, settled_at, dedupe_id, digest,"
        " job_id, state, trouble, accepted, attempt, deliveries, runs, retries, next_run_at, event,"
        " error, reason, detail, key, place, version, lane, pool, headers, body)"
        " SELECT s.owner, s.claim, now() - s.age * interval '1 ms', now(), s.did, s.digest,"
        " s.job_id, s.state, " TROUBLE ", s.accepted, s.attempt, s.copies, 1 - s.back, s.retries,"
        " " NEXT_RUN_AT ", s.event, s.error, s.reason, s.detail, s.key, s.place, s.version, s.lane,"
        " s.pool, s.headers, s.body"
        " FROM unnest(" OUTCOME_TYPES ", $22::text[], $23::bytea[], $24::text[], $25::bigint[])"
        " AS s(" OUTCOME_NAMES ", did, digest, job_id, age)"
        " ON CONFLICT (dedupe_id, digest) DO NOTHING RETURNING claim, seq",
    [HW_PG_ROWS_LOCK] = "SELECT n.seq FROM @.notifications n WHERE n.seq = ANY ($1::bigint[])"
                        " ORDER BY n.seq FOR NO KEY UPDATE",

    [HW_PG_REPEAT] =
        "UPDATE @.notifications n SET deliveries = n.deliveries + l.copies,"
        " attempt = greatest(n.attempt, l.attempt) FROM (SELECT n.seq, s.copies, s.attempt"
        " FROM (SELECT seq, sum(copies)::int AS copies, max(attempt) AS attempt"
        " FROM unnest($1::bigint[], $2::int[], $3::int[]) AS s(seq, copies, attempt) GROUP BY seq) "
        "s"
        " JOIN @.notifications n ON n.seq = s.seq ORDER BY n.seq FOR NO KEY UPDATE OF n) l"
        " WHERE n.seq = l.seq",

    /* ---- hosts and what they left behind: pg_pulse.c, pg_sweep.c, pg_tend.c ---- */
    [HW_PG_BEAT] = beat,
    [HW_PG_JOIN] = join,
    [HW_PG_LEAVE] = leave,
    [HW_PG_SWEEP] = sweep,
    [HW_PG_RELEASE] = release,
    [HW_PG_AUDIT] = audit,
    [HW_PG_EXPIRE] = expire,
    [HW_PG_ROWS] = rows,
    [HW_PG_HOSTS_FORGET] = hosts_forget,

    /* ---- what is due: pg_due.c ---- */
    [HW_PG_DUE] = due,
    [HW_PG_POOL_LOCK] = pool_lock,
    [HW_PG_DUE_POOL] = due_pool,
    [HW_PG_NEXT_POOL] = next_pool,
    [HW_PG_TAKE] = take,

    /* ---- lanes and pools of what is accepted, and what ends in a lane: pg_along.c ---- */
    [HW_PG_LANE_LOCK] = lane_lock,
    [HW_PG_LANE_ACCEPT] = lane_accept,
    [HW_PG_POOL_ACCEPT] = pool_accept,
    [HW_PG_PROMOTE] = promote,

    /* ---- runs: pg_history.c ---- */
    [HW_PG_RUNS_ADD] = runs_add,
    [HW_PG_RUNS_TRIM] = runs_trim,

    /* ---- pauses: pg_park.c ---- */
    [HW_PG_PARK] = park,
    [HW_PG_UNPARK] = unpark,
    [HW_PG_PAUSES] = pauses,
    [HW_PG_PAUSE] = pause_sql,
    [HW_PG_RESUME] = resume,

    /* ---- on request: pg_due.c; the host's own: pg_minutes.c ---- */
    [HW_PG_PURGE_LANES] = purge_lanes,
    [HW_PG_PURGE] = purge,
    [HW_PG_MINUTE] = minute,
    [HW_PG_MINUTES] = minutes,
    [HW_PG_MINUTES_FORGET] = minutes_forget,
};

static const char *text_of(size_t statement, bool by_body)
{
    if (by_body && statement == HW_PG_CLAIM)
        return CLAIM(BUT_UNDER_AN_ID);
    if (by_body && statement == HW_PG_KNOWN)
        return KNOWN(BEST_BY_BODY);
    return texts[statement] ? texts[statement] : "SELECT 1";
}

int hw_pg_sql_fill(struct hw_pg_statement *statements, const char *schema, bool by_body)
{
    static const char *const names[HW_PG_STATEMENTS] = {
        [HW_PG_CLAIM] = "hw_claim",
        [HW_PG_KNOWN] = "hw_known",
        [HW_PG_SETTLE] = "hw_settle",
        [HW_PG_LOOK] = "hw_look",
        [HW_PG_INSERT] = "hw_insert",
        [HW_PG_REPEAT] = "hw_repeat",
        [HW_PG_ROWS_LOCK] = "hw_rows_lock",
        [HW_PG_BEAT] = "hw_beat",
        [HW_PG_JOIN] = "hw_join",
        [HW_PG_LEAVE] = "hw_leave",
        [HW_PG_SWEEP] = "hw_sweep",
        [HW_PG_RELEASE] = "hw_release",
        [HW_PG_AUDIT] = "hw_audit",
        [HW_PG_EXPIRE] = "hw_expire",
        [HW_PG_ROWS] = "hw_rows",
        [HW_PG_HOSTS_FORGET] = "hw_hosts_forget",
        [HW_PG_DUE] = "hw_due",
        [HW_PG_POOL_LOCK] = "hw_pool_lock",
        [HW_PG_DUE_POOL] = "hw_due_pool",
        [HW_PG_NEXT_POOL] = "hw_next_pool",
        [HW_PG_LANE_LOCK] = "hw_lane_lock",
        [HW_PG_LANE_ACCEPT] = "hw_lane_accept",
        [HW_PG_POOL_ACCEPT] = "hw_pool_accept",
        [HW_PG_PROMOTE] = "hw_promote",
        [HW_PG_TAKE] = "hw_take",
        [HW_PG_RUNS_ADD] = "hw_runs_add",
        [HW_PG_RUNS_TRIM] = "hw_runs_trim",
        [HW_PG_PARK] = "hw_park",
        [HW_PG_UNPARK] = "hw_unpark",
        [HW_PG_PAUSES] = "hw_pauses",
        [HW_PG_PAUSE] = "hw_pause",
        [HW_PG_RESUME] = "hw_resume",
        [HW_PG_PURGE_LANES] = "hw_purge_lanes",
        [HW_PG_PURGE] = "hw_purge",
        [HW_PG_MINUTE] = "hw_minute",
        [HW_PG_MINUTES] = "hw_minutes",
        [HW_PG_MINUTES_FORGET] = "hw_minutes_forget",
    };
    for (size_t i = 0; i < HW_PG_STATEMENTS; i++) {
        char *sql = hw_pg_schema_fill(text_of(i, by_body), schema);
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
