/* wal_file.c -- see wal_file.h */
#include "ledger/wal_file.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A log: the platform's file, and what is to be written at its end. The platform's own struct
 * follows this one in memory. */
struct wal {
    sqlite3_file file; /* first: it is what SQLite has a pointer to */
    sqlite3_file *real;
    char *bytes; /* HW_WAL_BUFFER; NULL until the first write */
    sqlite3_int64 at;
    size_t len;
};

static sqlite3_vfs *platform;
static sqlite3_vfs vfs;

static struct wal *wal_of(sqlite3_file *file)
{
    return (struct wal *)file;
}

/* ---- collecting ---- */

/* What could not be written is forgotten: the commit that it belongs to fails, and the next one
 * begins at the same place. */
static int flush(struct wal *w)
{
    size_t len = w->len;
    w->len = 0;
    return len ? w->real->pMethods->xWrite(w->real, w->bytes, (int)len, w->at) : SQLITE_OK;
}

static bool fits(const struct wal *w, size_t size, sqlite3_int64 at)
{
    return w->len == 0 || (at == w->at + (sqlite3_int64)w->len && size <= HW_WAL_BUFFER - w->len);
}

static int write_at(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
    struct wal *w = wal_of(file);
    if (!w->bytes)
        w->bytes = malloc(HW_WAL_BUFFER);
    int rc = fits(w, (size_t)size, at) ? SQLITE_OK : flush(w);
    if (rc != SQLITE_OK)
        return rc;
    if (!w->bytes || size > HW_WAL_BUFFER)
        return w->real->pMethods->xWrite(w->real, bytes, size, at);
    if (w->len == 0)
        w->at = at;
    memcpy(w->bytes + w->len, bytes, (size_t)size);
    w->len += (size_t)size;
    return SQLITE_OK;
}

/* ---- all else sees the file as if there were no buffer ---- */

static int close_file(sqlite3_file *file)
{
    struct wal *w = wal_of(file);
    int rc = flush(w), rc_close = w->real->pMethods->xClose(w->real);
    free(w->bytes);
    return rc == SQLITE_OK ? rc_close : rc;
}

static int read_at(sqlite3_file *file, void *bytes, int size, sqlite3_int64 at)
{
    struct wal *w = wal_of(file);
    int rc = flush(w);
    return rc == SQLITE_OK ? w->real->pMethods->xRead(w->real, bytes, size, at) : rc;
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
    struct wal *w = wal_of(file);
    int rc = flush(w);
    return rc == SQLITE_OK ? w->real->pMethods->xTruncate(w->real, size) : rc;
}

static int sync_file(sqlite3_file *file, int flags)
{
    struct wal *w = wal_of(file);
    int rc = flush(w);
    return rc == SQLITE_OK ? w->real->pMethods->xSync(w->real, flags) : rc;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    struct wal *w = wal_of(file);
    int rc = flush(w);
    return rc == SQLITE_OK ? w->real->pMethods->xFileSize(w->real, size) : rc;
}

static int lock(sqlite3_file *file, int level)
{
    return wal_of(file)->real->pMethods->xLock(wal_of(file)->real, level);
}

static int unlock(sqlite3_file *file, int level)
{
    return wal_of(file)->real->pMethods->xUnlock(wal_of(file)->real, level);
}

static int check_lock(sqlite3_file *file, int *reserved)
{
    return wal_of(file)->real->pMethods->xCheckReservedLock(wal_of(file)->real, reserved);
}

static int control(sqlite3_file *file, int what, void *arg)
{
    struct wal *w = wal_of(file);
    int rc = flush(w);
    return rc == SQLITE_OK ? w->real->pMethods->xFileControl(w->real, what, arg) : rc;
}

static int sector_size(sqlite3_file *file)
{
    return wal_of(file)->real->pMethods->xSectorSize(wal_of(file)->real);
}

static int characteristics(sqlite3_file *file)
{
    return wal_of(file)->real->pMethods->xDeviceCharacteristics(wal_of(file)->real);
}

/* Version 1: shared memory and mapped reading are of the database's file, never of its log. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = close_file,
    .xRead = read_at,
    .xWrite = write_at,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = file_size,
    .xLock = lock,
    .xUnlock = unlock,
    .xCheckReservedLock = check_lock,
    .xFileControl = control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
};

/* ---- the VFS ---- */

static int open_file(sqlite3_vfs *self, sqlite3_filename name, sqlite3_file *file, int flags,
                     int *out_flags)
{
    (void)self;
    if (!(flags & SQLITE_OPEN_WAL))
        return platform->xOpen(platform, name, file, flags, out_flags);
    struct wal *w = wal_of(file);
    *w = (struct wal){.real = (sqlite3_file *)(w + 1)};
    int rc = platform->xOpen(platform, name, w->real, flags, out_flags);
    if (w->real->pMethods)
        w->file.pMethods = &methods; /* then SQLite closes it, whatever rc is */
    return rc;
}

/* A copy of the platform's VFS: its other functions work on the fields that are copied along. */
static void register_vfs(void)
{
    platform = sqlite3_vfs_find(NULL);
    if (!platform)
        return;
    vfs = *platform;
    vfs.zName = "hookward";
    vfs.szOsFile = (int)sizeof(struct wal) + platform->szOsFile;
    vfs.xOpen = open_file;
    vfs.pNext = NULL;
    if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
        platform = NULL;
}

const char *hw_wal_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_vfs);
    return platform ? vfs.zName : NULL;
}
