/* backlog.c -- how much was accepted and has yet to run, and whether the disk has room for more.
 *
 * Why     what is accepted before it runs is kept on disk: without a bound an outage would fill it.
 * How     the count is a row of its own, changed in the transaction that changes what it counts. So
 *         it is exact after a crash, and a start does not have to count. A trigger lowers it for
 *         rows that are removed. The disk is looked at once a second. */
#include <sys/statvfs.h>

#include "base/log.h"
#include "ledger/sqlite.h"

enum { LOOK_MS = 1000 /* between two looks at the disk */ };

/* ---- the count ---- */

bool hw_ledger_backlog_has(bool accepted, enum hw_ledger_state state)
{
    return accepted && (state == HW_FAILED || state == HW_QUEUED || state == HW_STARTED);
}

int hw_ledger_backlog_change(const struct hw_notification *n, bool waited)
{
    return hw_ledger_backlog_has(n->accepted, n->state) - waited;
}

int hw_ledger_backlog_write(struct hw_sqlite *s, int change, int64_t *backlog)
{
    sqlite3_stmt *count = s->statements[HW_LEDGER_COUNT];
    sqlite3_bind_int(count, 1, change);
    int rc = sqlite3_step(count);
    if (rc == SQLITE_ROW) {
        *backlog = sqlite3_column_int64(count, 0);
        return hw_ledger_writer_step(count);
    }
    sqlite3_reset(count);
    return rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
}

/* ---- the disk ---- */

void hw_ledger_backlog_look_at_disk(struct hw_sqlite *s)
{
    struct statvfs disk;
    int64_t now = s->retention.clock.steady();
    if (s->min_disk_free == 0 || (s->disk_looked_at && now - s->disk_looked_at < LOOK_MS))
        return;
    s->disk_looked_at = now;
    if (statvfs(s->path, &disk))
        return;
    bool low = (uint64_t)disk.f_bavail * disk.f_frsize < s->min_disk_free;
    if (low == atomic_exchange_explicit(&s->ledger.disk_is_low, low, memory_order_relaxed))
        return;
    if (low)
        hw_log_say(HW_LOG_ERROR,
                   "ledger: the disk has less than min_disk_free left; nothing more is accepted "
                   "ack-first until it has room again");
    else
        hw_log_say(HW_LOG_INFO, "ledger: the disk has room again");
}
