/* ledger_api.c -- see ledger_api.h
 *
 * How     the handle owns the statements in use, since Lua may raise an error between any two
 *         steps: the next call or the handle's end finalizes what was left. */
#include "bindings/ledger_api.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "ledger/copy.h"
#include "ledger/file.h"
#include "ledger/filters.h"
#include "ledger/lock.h"
#include "script/owned.h"

#define LEDGER "hookward.ledger" /* a userdata: struct ledger */

struct ledger {
    sqlite3 *db;            /* NULL: closed */
    sqlite3_stmt *select;   /* in use, or NULL */
    sqlite3_stmt *deletion; /* in use, or NULL */
};

/* ---- the handle ---- */

static void finish(struct ledger *ledger)
{
    sqlite3_finalize(ledger->select);
    sqlite3_finalize(ledger->deletion);
    ledger->select = ledger->deletion = NULL;
}

static int close_ledger(lua_State *L)
{
    struct ledger *ledger = luaL_checkudata(L, 1, LEDGER);
    finish(ledger);
    sqlite3_close(ledger->db);
    ledger->db = NULL;
    return 0;
}

static struct ledger *check_ledger(lua_State *L)
{
    struct ledger *ledger = luaL_checkudata(L, 1, LEDGER);
    if (!ledger->db)
        luaL_error(L, "the ledger is closed");
    finish(ledger);
    return ledger;
}

/* nil, "FILE: reason" */
static int fail_for(lua_State *L, struct ledger *ledger, const char *reason)
{
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", sqlite3_db_filename(ledger->db, "main"), reason);
    finish(ledger);
    return 2;
}

static int fail(lua_State *L, struct ledger *ledger)
{
    return fail_for(L, ledger, sqlite3_errmsg(ledger->db));
}

/* ---- statements ---- */

/* Prepares and binds a statement into *stmt, which the handle owns. Stack: -0 +0. */
static int prepare(lua_State *L, struct ledger *ledger, sqlite3_stmt **stmt,
                   const struct hw_ledger_filters *f, const char *what, const char *tail)
{
    const char *sql = hw_ledger_filters_push_sql(L, f, what, tail);
    int rc = sqlite3_prepare_v2(ledger->db, sql, -1, stmt, NULL);
    lua_pop(L, 1);
    return rc == SQLITE_OK ? hw_ledger_filters_bind(L, f, *stmt) : rc;
}

/* ---- from a row to a table ---- */

static void push_hex(lua_State *L, const unsigned char *bytes, size_t len)
{
    luaL_Buffer text;
    char *to = luaL_buffinitsize(L, &text, 2 * len);
    for (size_t i = 0; i < len; i++) {
        *to++ = "0123456789abcdef"[bytes[i] >> 4];
        *to++ = "0123456789abcdef"[bytes[i] & 15];
    }
    luaL_pushresultsize(&text, 2 * len);
}

static void push_text(lua_State *L, sqlite3_stmt *stmt, int i)
{
    const char *bytes = sqlite3_column_blob(stmt, i);
    lua_pushlstring(L, bytes ? bytes : "", (size_t)sqlite3_column_bytes(stmt, i));
}

static void push_digest(lua_State *L, sqlite3_stmt *stmt, int i)
{
    const unsigned char *bytes = sqlite3_column_blob(stmt, i);
    push_hex(L, bytes, (size_t)sqlite3_column_bytes(stmt, i));
}

static void push_integer(lua_State *L, sqlite3_stmt *stmt, int i)
{
    lua_pushinteger(L, sqlite3_column_int64(stmt, i));
}

static void push_state(lua_State *L, sqlite3_stmt *stmt, int i)
{
    lua_pushstring(L, hw_ledger_state_name(sqlite3_column_int64(stmt, i)));
}

/* 0 stands for a time that has not come. */
static void push_time(lua_State *L, sqlite3_stmt *stmt, int i)
{
    double ms = (double)sqlite3_column_int64(stmt, i);
    if (ms > 0)
        lua_pushnumber(L, ms / 1000);
    else
        lua_pushnil(L);
}

static void push_presence(lua_State *L, sqlite3_stmt *stmt, int i)
{
    lua_pushboolean(L, sqlite3_column_int(stmt, i));
}

/* typeof() reads the head of a row only, however long its body is. */
#define COLUMNS                                                                                    \
    "SELECT seq, job_id, digest, event, state, attempt, deliveries, runs, received_at,"            \
    " settled_at, next_run_at, error, reason, key, place, version, typeof(body) <> 'null'"

static const struct {
    const char *name;
    void (*push)(lua_State *L, sqlite3_stmt *stmt, int i);
} columns[] = {
    {"seq", push_integer},        {"id", push_text},           {"digest", push_digest},
    {"event", push_text},         {"state", push_state},       {"attempt", push_integer},
    {"deliveries", push_integer}, {"runs", push_integer},      {"received_at", push_time},
    {"settled_at", push_time},    {"next_run_at", push_time},  {"error", push_text},
    {"reason", push_text},        {"key", push_text},          {"place", push_text},
    {"version", push_text},       {"has_body", push_presence}, {"detail", push_text},
    {"body", push_text},
};

static void push_row(lua_State *L, sqlite3_stmt *stmt)
{
    int count = sqlite3_column_count(stmt);
    lua_createtable(L, 0, count);
    for (int i = 0; i < count; i++) {
        if (sqlite3_column_type(stmt, i) == SQLITE_NULL)
            continue;
        columns[i].push(L, stmt, i);
        lua_setfield(L, -2, columns[i].name);
    }
}

/* ---- reading ---- */

static int ledger_list(lua_State *L)
{
    struct ledger *ledger = check_ledger(L);
    struct hw_ledger_filters f;
    hw_ledger_filters_read(L, 2, &f);
    if (prepare(L, ledger, &ledger->select, &f, COLUMNS,
                f.oldest_first ? " ORDER BY seq" : " ORDER BY seq DESC") != SQLITE_OK)
        return fail(L, ledger);
    int rc = SQLITE_DONE;
    lua_newtable(L);
    for (lua_Integer i = 1; f.limit < 0 || i <= f.limit; i++) {
        rc = sqlite3_step(ledger->select);
        if (rc != SQLITE_ROW)
            break;
        push_row(L, ledger->select);
        lua_rawseti(L, -2, i);
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return fail(L, ledger);
    finish(ledger);
    return 1;
}

static int ledger_show(lua_State *L)
{
    struct ledger *ledger = check_ledger(L);
    lua_Integer seq = luaL_checkinteger(L, 2);
    if (sqlite3_prepare_v2(ledger->db, COLUMNS ", detail, body FROM notifications WHERE seq = ?",
                           -1, &ledger->select, NULL) != SQLITE_OK ||
        sqlite3_bind_int64(ledger->select, 1, seq) != SQLITE_OK)
        return fail(L, ledger);
    int rc = sqlite3_step(ledger->select);
    if (rc == SQLITE_ROW)
        push_row(L, ledger->select);
    else if (rc == SQLITE_DONE)
        lua_pushnil(L);
    else
        return fail(L, ledger);
    finish(ledger);
    return 1;
}

static int ledger_count(lua_State *L)
{
    struct ledger *ledger = check_ledger(L);
    struct hw_ledger_filters f;
    hw_ledger_filters_read(L, 2, &f);
    if (prepare(L, ledger, &ledger->select, &f, "SELECT count(*), state", " GROUP BY state") !=
        SQLITE_OK)
        return fail(L, ledger);
    lua_Integer total = 0;
    int rc;
    lua_newtable(L); /* by_state */
    while ((rc = sqlite3_step(ledger->select)) == SQLITE_ROW) {
        total += sqlite3_column_int64(ledger->select, 0);
        push_state(L, ledger->select, 1);
        push_integer(L, ledger->select, 0); /* by_state name count */
        lua_rawset(L, -3);
    }
    if (rc != SQLITE_DONE)
        return fail(L, ledger);
    finish(ledger);
    lua_pushinteger(L, total);
    lua_insert(L, -2);
    return 2;
}

/* ---- purging ---- */

/* One transaction's worth: found without a lock, then deleted if it still matches. */
struct purge_step {
    sqlite3_int64 seqs[HW_LEDGER_PURGE_ROWS];
    int count;
    int done; /* of count: what the time allowed */
    int64_t deleted;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int find_next(struct ledger *ledger, struct purge_step *step)
{
    int rc = SQLITE_DONE;
    step->count = step->done = 0;
    step->deleted = 0;
    while (step->count < HW_LEDGER_PURGE_ROWS && (rc = sqlite3_step(ledger->select)) == SQLITE_ROW)
        step->seqs[step->count++] = sqlite3_column_int64(ledger->select, 0);
    sqlite3_reset(ledger->select); /* lets go of what it reads */
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int begin(sqlite3 *db)
{
    int rc = SQLITE_BUSY;
    for (int i = 0; (rc & 0xff) == SQLITE_BUSY && i < HW_LEDGER_PURGE_TRIES; i++)
        rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    return rc;
}

static int delete_row(sqlite3_stmt *deletion, sqlite3_int64 seq)
{
    hw_ledger_filters_bind_row(deletion, seq);
    int rc = sqlite3_step(deletion);
    sqlite3_reset(deletion);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Lua is not called in here: nothing may leave with the transaction open. */
static int delete_found(struct ledger *ledger, struct purge_step *step)
{
    int rc = begin(ledger->db);
    if (rc != SQLITE_OK)
        return rc;
    int64_t until = now_ms() + HW_LEDGER_PURGE_HOLD_MS;
    int64_t before = sqlite3_total_changes(ledger->db);
    do
        rc = delete_row(ledger->deletion, step->seqs[step->done]);
    while (rc == SQLITE_OK && ++step->done < step->count && now_ms() < until);
    step->deleted = sqlite3_total_changes(ledger->db) - before;
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(ledger->db, "COMMIT", NULL, NULL, NULL);
    if (!sqlite3_get_autocommit(ledger->db))
        sqlite3_exec(ledger->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* Leaves the lock to others for as long as it was held. */
static void rest(int64_t held_ms)
{
    if (held_ms < 5)
        held_ms = 5;
    struct timespec pause = {.tv_sec = held_ms / 1000, .tv_nsec = held_ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* How far a purge is. */
struct purge {
    int64_t after; /* the next step begins behind it */
    lua_Integer total;
    bool more; /* there may be */
};

/* One step; returns SQLITE_OK or what went wrong. */
static int purge_some(lua_State *L, struct ledger *ledger, struct purge *purge)
{
    struct purge_step step;
    struct hw_ledger_filters f;
    hw_ledger_filters_read(L, 2, &f);
    if (f.after < purge->after)
        f.after = purge->after;
    int rc = prepare(L, ledger, &ledger->select, &f, "SELECT seq", " ORDER BY seq");
    if (rc == SQLITE_OK)
        rc = prepare(L, ledger, &ledger->deletion, &f, "DELETE", "");
    if (rc == SQLITE_OK)
        rc = find_next(ledger, &step);
    purge->more = false;
    if (rc != SQLITE_OK || step.count == 0)
        return rc;
    int64_t start = now_ms();
    rc = delete_found(ledger, &step);
    if (rc != SQLITE_OK)
        return rc;
    purge->total += step.deleted;
    purge->after = step.seqs[step.done - 1];
    purge->more = step.done < step.count || step.count == HW_LEDGER_PURGE_ROWS;
    if (purge->more)
        rest(now_ms() - start);
    return rc;
}

/* What was removed is still in it. */
static bool empty_log(struct ledger *ledger)
{
    return ledger->db && sqlite3_wal_checkpoint_v2(ledger->db, NULL, SQLITE_CHECKPOINT_TRUNCATE,
                                                   NULL, NULL) == SQLITE_OK;
}

/* No statement lives while on_progress runs: it may use the handle, or close it. */
static int ledger_purge(lua_State *L)
{
    struct purge purge = {.after = INT64_MIN};
    lua_settop(L, 3);
    do {
        struct ledger *ledger = check_ledger(L);
        int rc = purge_some(L, ledger, &purge);
        if (rc != SQLITE_OK) {
            fail_for(L, ledger, sqlite3_errstr(rc));
            lua_pushinteger(L, purge.total);
            return 3;
        }
        finish(ledger);
        if (!lua_isnil(L, 3)) {
            lua_pushvalue(L, 3);
            lua_pushinteger(L, purge.total);
            lua_call(L, 1, 0);
        }
        lua_settop(L, 3);
    } while (purge.more);
    lua_pushinteger(L, purge.total);
    lua_pushboolean(L, empty_log(luaL_checkudata(L, 1, LEDGER)));
    return 2;
}

/* ---- the module ---- */

static int ledger_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"list", ledger_list},   {"show", ledger_show},   {"count", ledger_count},
        {"purge", ledger_purge}, {"close", close_ledger}, {NULL, NULL},
    };
    char why[1024];
    const char *path = luaL_checkstring(L, 1);
    enum hw_ledger_access access = lua_toboolean(L, 2) ? HW_LEDGER_WRITE : HW_LEDGER_READ;
    struct ledger *ledger = lua_newuserdatauv(L, sizeof *ledger, 0);
    memset(ledger, 0, sizeof *ledger);
    hw_owned_set(L, LEDGER, methods, close_ledger);
    if (hw_ledger_file_open(&ledger->db, path, access, why, sizeof why) == 0)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

static int ledger_is_locked(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    int rc = hw_ledger_lock_probe(path);
    if (rc >= 0) {
        lua_pushboolean(L, rc);
        return 1;
    }
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", path, strerror(-rc));
    return 2;
}

static int copy(lua_State *L, int64_t (*run)(const char *, const char *, char *, size_t))
{
    char why[1024];
    int64_t count = run(luaL_checkstring(L, 1), luaL_checkstring(L, 2), why, sizeof why);
    if (count >= 0) {
        lua_pushinteger(L, count);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

static int ledger_backup(lua_State *L)
{
    return copy(L, hw_ledger_copy_out);
}

static int ledger_restore(lua_State *L)
{
    return copy(L, hw_ledger_copy_in);
}

void hw_ledger_push_api(lua_State *L)
{
    lua_createtable(L, 0, 3);
    lua_pushcfunction(L, ledger_is_locked);
    lua_setfield(L, -2, "is_locked");
    lua_pushcfunction(L, ledger_backup);
    lua_setfield(L, -2, "backup");
    lua_pushcfunction(L, ledger_restore);
    lua_setfield(L, -2, "restore");
    lua_pushcfunction(L, ledger_open);
    lua_setfield(L, -2, "open");
    lua_createtable(L, HW_LEDGER_STATE_END, 0);
    for (int i = 1; i < HW_LEDGER_STATE_END; i++) {
        lua_pushstring(L, hw_ledger_state_name(i));
        lua_rawseti(L, -2, i);
    }
    lua_setfield(L, -2, "states");
}
