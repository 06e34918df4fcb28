/* trial_postgres.c -- see trial_postgres.h */
#include "bindings/trial_postgres.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "ledger/pg.h"
#include "ledger/pg_schema.h"

enum { WAIT_MS = 5000, WHY_MAX = 1024 };

struct trial {
    struct hw_pg *pg;
    const char *schema;
    bool by_body;
    char why[WHY_MAX];

    /* what was found */
    char server[32];
    int64_t standbys, hosts; /* hosts -1: no schema */
    bool has_schema, may_create;
};

static uint64_t deadline(void)
{
    return hw_now_ns() + (uint64_t)WAIT_MS * 1000000;
}

/* Takes the reason over. Returns rc. */
static enum hw_pg_rc explain(struct trial *t, enum hw_pg_rc rc)
{
    if (rc)
        snprintf(t->why, sizeof t->why, "%s", hw_pg_why(t->pg));
    return rc;
}

static enum hw_pg_rc look(struct trial *t)
{
    static const char sql[] = "SELECT to_regclass(quote_ident($1) || '.meta') IS NOT NULL,"
                              " has_database_privilege(current_database(), 'CREATE'),"
                              " (SELECT count(*) FROM pg_stat_replication),"
                              " split_part(current_setting('server_version'), ' ', 1)";
    struct hw_pg_result *result = NULL;
    struct hw_pg_args *args = hw_pg_args_new();
    if (!args) {
        snprintf(t->why, sizeof t->why, "out of memory");
        return HW_PG_DATA;
    }
    hw_pg_arg_text(args, hw_str_of(t->schema));
    enum hw_pg_rc rc = explain(t, hw_pg_query(t->pg, sql, args, &result, deadline()));
    if (rc == HW_PG_OK) {
        t->has_schema = hw_pg_int(result, 0, 0) != 0;
        t->may_create = hw_pg_int(result, 0, 1) != 0;
        t->standbys = hw_pg_int(result, 0, 2);
        snprintf(t->server, sizeof t->server, "%.*s", HW_STR_ARG(hw_pg_text(result, 0, 3)));
    }
    hw_pg_result_free(result);
    hw_pg_args_free(args);
    return rc;
}

static enum hw_pg_rc count_hosts(struct trial *t)
{
    struct hw_pg_result *result = NULL;
    char *sql = hw_pg_schema_fill("SELECT count(*) FROM @.hosts"
                                  " WHERE gone_at IS NULL AND alive_until > now()",
                                  t->schema);
    if (!sql) {
        snprintf(t->why, sizeof t->why, "out of memory");
        return HW_PG_DATA;
    }
    enum hw_pg_rc rc = explain(t, hw_pg_query(t->pg, sql, NULL, &result, deadline()));
    if (rc == HW_PG_OK)
        t->hosts = hw_pg_int(result, 0, 0);
    hw_pg_result_free(result);
    free(sql);
    return rc;
}

static enum hw_pg_rc examine(struct trial *t)
{
    enum hw_pg_rc rc = explain(t, hw_pg_connect(t->pg, deadline()));
    if (rc == HW_PG_OK)
        rc = look(t);
    if (rc || !t->has_schema)
        return rc;
    rc = hw_pg_schema_check(t->pg, t->schema, t->by_body, t->why, sizeof t->why);
    if (rc == HW_PG_OK)
        rc = hw_pg_schema_rights(t->pg, t->schema, t->why, sizeof t->why);
    return rc ? rc : count_hosts(t);
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void set_bool(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

static void set_int(lua_State *L, const char *name, int64_t value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void push_findings(lua_State *L, const struct trial *t)
{
    const struct hw_pg_facts *facts = hw_pg_facts(t->pg);
    lua_createtable(L, 0, 16);
    set_text(L, "server", t->server);
    set_text(L, "database", facts->database);
    set_text(L, "user", facts->user);
    set_text(L, "host", facts->host);
    set_text(L, "port", facts->port);
    set_bool(L, "tls", facts->tls);
    set_bool(L, "is_local", facts->local);
    set_bool(L, "pooled", facts->pooled);
    set_bool(L, "durable", facts->durable);
    set_text(L, "synchronous", facts->standbys);
    set_int(L, "standbys", t->standbys);
    set_bool(L, "has_schema", t->has_schema);
    set_bool(L, "may_create", t->may_create);
    if (t->hosts >= 0)
        set_int(L, "hosts", t->hosts);
}

static bool is_away(enum hw_pg_rc rc)
{
    return rc == HW_PG_AWAY || rc == HW_PG_BROKEN || rc == HW_PG_LATE || rc == HW_PG_AGAIN;
}

int hw_trial_postgres(lua_State *L)
{
    struct hw_pg_options options = {.url = luaL_checkstring(L, 1), .name = "check"};
    struct trial t = {
        .schema = luaL_checkstring(L, 2), .by_body = lua_toboolean(L, 3), .hosts = -1};
    const char *absent = hw_pg_absent();
    enum hw_pg_rc rc = HW_PG_REFUSED;
    snprintf(t.why, sizeof t.why, "%s", absent ? absent : "out of memory");
    if (!absent && (t.pg = hw_pg_new(&options)))
        rc = examine(&t);
    if (rc == HW_PG_OK)
        push_findings(L, &t);
    else
        lua_pushnil(L);
    hw_pg_free(t.pg);
    if (rc == HW_PG_OK)
        return 1;
    lua_pushstring(L, t.why);
    lua_pushboolean(L, is_away(rc));
    return 3;
}
