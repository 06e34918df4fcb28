/* copy.c -- see copy.h */
#include "ledger/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "ledger/file.h"
#include "ledger/guard.h"
#include "ledger/lock.h"

struct copy {
    char path[PATH_MAX]; /* of the unfinished copy; "" when there is none */
    char *why;
    size_t why_size;
};

static int fail(struct copy *c, const char *path, const char *what)
{
    snprintf(c->why, c->why_size, "%s: %s", path, what);
    return HW_EFAILED;
}

/* ---- making a copy ---- */

/* An empty file that only its owner can read; SQLite fills it. */
static int make_file(struct copy *c, const char *to)
{
    int n = snprintf(c->path, sizeof c->path, "%s.XXXXXX", to);
    int fd = n < (int)sizeof c->path ? hw_descriptors_lift(mkstemp(c->path)) : -1;
    if (fd < 0) {
        c->path[0] = '\0';
        return fail(c, to, n < (int)sizeof c->path ? strerror(errno) : "too long a path");
    }
    close(fd);
    return 0;
}

static int write_into(struct copy *c, sqlite3 *db)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(stmt, 1, c->path, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? 0 : fail(c, sqlite3_db_filename(db, "main"), sqlite3_errmsg(db));
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    int64_t value = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

/* VACUUM INTO copies damage too: such a copy must not replace a sound ledger. */
static int64_t check(struct copy *c)
{
    sqlite3 *db;
    if (hw_ledger_file_open(&db, c->path, HW_LEDGER_READ, c->why, c->why_size))
        return HW_EFAILED;
    int64_t count = number(db, "SELECT count(*) FROM notifications");
    if (number(db, "SELECT quick_check = 'ok' FROM pragma_quick_check(1)") != 1)
        count = -1;
    sqlite3_close(db);
    return count >= 0 ? count
                      : fail(c, c->path, "the copy is damaged, so its original must be too");
}

static int sync_path(struct copy *c, const char *path, int flags)
{
    int fd = hw_descriptors_open(path, O_RDONLY | flags, 0);
    int rc = fd < 0 || fsync(fd) ? fail(c, path, strerror(errno)) : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

static int sync_folder_of(struct copy *c, const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    snprintf(folder, sizeof folder, "%.*s", len ? (int)len : 1, len ? path : slash ? "/" : ".");
    return sync_path(c, folder, O_DIRECTORY);
}

/* Returns how many notifications it holds, or HW_EFAILED. */
static int64_t make(struct copy *c, const char *from, const char *to)
{
    sqlite3 *db;
    if (hw_ledger_file_open(&db, from, HW_LEDGER_READ, c->why, c->why_size))
        return HW_EFAILED;
    int rc = make_file(c, to);
    if (rc == 0)
        rc = write_into(c, db);
    sqlite3_close(db);
    int64_t count = rc ? rc : check(c);
    if (count >= 0 && sync_path(c, c->path, 0))
        count = HW_EFAILED;
    return count;
}

static void drop(struct copy *c)
{
    if (c->path[0])
        unlink(c->path);
}

/* ---- out ---- */

int64_t hw_ledger_copy_out(const char *ledger, const char *to, char *why, size_t why_size)
{
    struct copy c = {.why = why, .why_size = why_size};
    static const char there[] = "it is there already; name a file that is not";
    if (access(to, F_OK) == 0)
        return fail(&c, to, there);
    int64_t count = make(&c, ledger, to);
    if (count >= 0 && link(c.path, to)) /* unlike rename() it replaces no file */
        count = fail(&c, to, errno == EEXIST ? there : strerror(errno));
    drop(&c);
    if (count >= 0 && sync_folder_of(&c, to))
        return HW_EFAILED;
    return count;
}

/* ---- in ---- */

/* Writes the old log back and removes it, as far as that is possible, so that the old ledger is
 * whole by itself until the last moment. */
static void fold(const char *ledger)
{
    char why[512];
    sqlite3 *db;
    if (hw_ledger_file_open(&db, ledger, HW_LEDGER_WRITE, why, sizeof why) == 0)
        sqlite3_close(db);
}

static void remove_beside(const char *ledger, const char *end)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", ledger, end);
    unlink(path);
}

static int put_in_place(struct copy *c, const char *ledger)
{
    remove_beside(ledger, "-wal");
    remove_beside(ledger, "-shm");
    remove_beside(ledger, "-journal");
    if (rename(c->path, ledger))
        return fail(c, ledger, strerror(errno));
    c->path[0] = '\0';
    return sync_folder_of(c, ledger);
}

/* From here on no other program may use it, or begin to. */
static int64_t replace(struct copy *c, int fd, const char *from, const char *ledger)
{
    struct hw_ledger_guard guard;
    int64_t count = make(c, from, ledger);
    if (count < 0)
        return count;
    fold(ledger);
    hw_ledger_guard_init(&guard, fd);
    if (!hw_ledger_guard_grip(&guard, HW_LEDGER_ALONE))
        return fail(c, ledger, "another program has it open; close that first");
    int rc = put_in_place(c, ledger);
    return rc ? rc : count;
}

int64_t hw_ledger_copy_in(const char *from, const char *ledger, char *why, size_t why_size)
{
    struct copy c = {.why = why, .why_size = why_size};
    struct stat a, b;
    if (stat(from, &a))
        return fail(&c, from, strerror(errno));
    bool fresh = stat(ledger, &b) != 0;
    if (!fresh && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return fail(&c, from, "this is the ledger itself");
    struct hw_ledger_lock *lock = hw_ledger_lock_take(ledger, why, why_size);
    if (!lock)
        return HW_EFAILED;
    int64_t count = replace(&c, hw_ledger_lock_fd(lock), from, ledger);
    drop(&c);
    if (count < 0 && fresh)
        unlink(ledger); /* taking the lock created it */
    hw_ledger_lock_put(lock);
    return count;
}
