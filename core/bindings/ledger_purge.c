/* ledger_purge.c -- see ledger_purge.h */
#include "bindings/ledger_purge.h"

#include <stdint.h>
#include <time.h>

#include "base/clock.h"
#include "bindings/ledger_handle.h"
#include "ledger/file.h"

/* ---- one step ---- */

/* The rows of one transaction. */
struct purge_step {
    sqlite3_int64 seqs[HW_LEDGER_PURGE_ROWS];
    int count;
    int done; /* how many of them the time allowed */
    int64_t deleted;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int find_next(struct hw_ledger_handle *handle, struct purge_step *step)
{
    int rc = SQLITE_DONE;
    step->count = step->done = 0;
    step->deleted = 0;
    while (step->count < HW_LEDGER_PURGE_ROWS && (rc = sqlite3_step(handle->select)) == SQLITE_ROW)
        step->seqs[step->count++] = sqlite3_column_int64(handle->select, 0);
    sqlite3_reset(handle->select); /* ends its read transaction */
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int begin(sqlite3 *db)
{
    int rc = SQLITE_BUSY;
    for (int i = 0; (rc & 0xff) == SQLITE_BUSY && i < HW_LEDGER_PURGE_TRIES; i++)
        rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    return rc;
}

/* The next of a lane is due, now that the one before it is gone. */
static int promote(sqlite3 *db, const void *lane, int size)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(db, HW_LEDGER_PROMOTE_SQL, -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_text(stmt, 1, lane, size, SQLITE_TRANSIENT);
    sqlite3_bind_int64(stmt, 2, (int64_t)(hw_now() * 1000));
    rc = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int delete_row(struct hw_ledger_handle *handle, struct purge_step *step)
{
    sqlite3_stmt *deletion = handle->deletion;
    hw_ledger_filters_bind_row(deletion, step->seqs[step->done]);
    int rc = sqlite3_step(deletion);
    if (rc == SQLITE_ROW) {
        step->deleted++;
        rc = SQLITE_DONE;
        if (sqlite3_column_type(deletion, 0) != SQLITE_NULL &&
            promote(handle->db, sqlite3_column_blob(deletion, 0),
                    sqlite3_column_bytes(deletion, 0)) != SQLITE_OK)
            rc = SQLITE_ERROR;
    }
    int ended = sqlite3_reset(deletion);
    return ended != SQLITE_OK ? ended : rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Lua is not called in here, since an error would leave the transaction open. */
static int delete_found(struct hw_ledger_handle *handle, struct purge_step *step)
{
    int rc = begin(handle->db);
    if (rc != SQLITE_OK)
        return rc;
    int64_t until = now_ms() + HW_LEDGER_PURGE_HOLD_MS;
    do
        rc = delete_row(handle, step);
    while (rc == SQLITE_OK && ++step->done < step->count && now_ms() < until);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(handle->db, "COMMIT", NULL, NULL, NULL);
    if (!sqlite3_get_autocommit(handle->db))
        sqlite3_exec(handle->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* Leaves the lock to others for as long as it was held, and for 5 ms at least. */
static void rest(int64_t held_ms)
{
    if (held_ms < 5)
        held_ms = 5;
    struct timespec pause = {.tv_sec = held_ms / 1000, .tv_nsec = held_ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* ---- all steps ---- */

/* How far a purge has come. */
struct purge {
    int64_t after; /* the next step begins after this row */
    lua_Integer total;
    bool more; /* there may be more rows */
};

/* Makes one step. Returns SQLITE_OK or SQLite's error. */
static int purge_some(lua_State *L, struct hw_ledger_handle *handle, struct purge *purge)
{
    struct purge_step step;
    struct hw_ledger_filters f;
    hw_ledger_filters_read(L, 2, &f);
    if (f.after < purge->after)
        f.after = purge->after;
    int rc =
        hw_ledger_handle_prepare(L, handle, &handle->select, &f, "SELECT seq", " ORDER BY seq");
    if (rc == SQLITE_OK)
        rc =
            hw_ledger_handle_prepare(L, handle, &handle->deletion, &f, "DELETE", " RETURNING lane");
    if (rc == SQLITE_OK)
        rc = find_next(handle, &step);
    purge->more = false;
    if (rc != SQLITE_OK || step.count == 0)
        return rc;
    int64_t start = now_ms();
    rc = delete_found(handle, &step);
    if (rc != SQLITE_OK)
        return rc;
    purge->total += step.deleted;
    purge->after = step.seqs[step.done - 1];
    purge->more = step.done < step.count || step.count == HW_LEDGER_PURGE_ROWS;
    if (purge->more)
        rest(now_ms() - start);
    return rc;
}

/* The write-ahead log still has the removed rows. Returns false when a reader keeps it. */
static bool empty_log(struct hw_ledger_handle *handle)
{
    return handle->db && sqlite3_wal_checkpoint_v2(handle->db, NULL, SQLITE_CHECKPOINT_TRUNCATE,
                                                   NULL, NULL) == SQLITE_OK;
}

/* No statement is in use while on_progress runs, since that may use the handle, or close it. */
int hw_ledger_purge_call(lua_State *L)
{
    struct purge purge = {.after = INT64_MIN};
    lua_settop(L, 3);
    do {
        struct hw_ledger_handle *handle = hw_ledger_handle_check(L);
        int rc = purge_some(L, handle, &purge);
        if (rc != SQLITE_OK) {
            hw_ledger_handle_fail_for(L, handle, sqlite3_errstr(rc));
            lua_pushinteger(L, purge.total);
            return 3;
        }
        hw_ledger_handle_finish(handle);
        if (!lua_isnil(L, 3)) {
            lua_pushvalue(L, 3);
            lua_pushinteger(L, purge.total);
            lua_call(L, 1, 0);
        }
        lua_settop(L, 3);
    } while (purge.more);
    lua_pushinteger(L, purge.total);
    lua_pushboolean(L, empty_log(lua_touserdata(L, 1)));
    return 2;
}
