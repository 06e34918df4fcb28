/* lock.h -- one host for each ledger: flock between processes, a list within one.
 *
 * Why     Closing any descriptor of a file drops all locks that SQLite has on it in this process
 *         (POSIX's rule). So a second host that only tries must not even open the file.
 * Not     a lock of SQLite's: other programs may read and purge, but not serve.
 * Thread  any. */
#ifndef HW_LEDGER_LOCK_H
#define HW_LEDGER_LOCK_H

#include <stddef.h>

struct hw_ledger_lock;

/* Creates the file if there is none. Returns NULL with one line in `why`. */
struct hw_ledger_lock *hw_ledger_lock_take(const char *path, char *why, size_t why_size);

/* Whether a host has it, in this process or another: 1, 0 or a negative errno. The caller must not
 * have the file open. */
int hw_ledger_lock_probe(const char *path);

/* Its descriptor of the database, valid while the lock is taken. */
int hw_ledger_lock_fd(const struct hw_ledger_lock *lock);

/* Whether a host could take it; the file must exist. Returns 0, or -1 with one line in `why`. The
 * caller must not have the file open. */
int hw_ledger_lock_try(const char *path, char *why, size_t why_size);

/* After the last connection to the file was closed. */
void hw_ledger_lock_put(struct hw_ledger_lock *lock);

#endif
