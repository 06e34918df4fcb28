/* lock.h -- one host a ledger: flock between processes, a list within one.
 *
 * Why     closing any descriptor of a file takes away every lock that SQLite has on it in this
 *         process (POSIX's rule): a second host that only tries must not so much as open it.
 * Not     a lock of SQLite's: other programs may read and purge, but not serve.
 * Thread  any. */
#ifndef HW_LEDGER_LOCK_H
#define HW_LEDGER_LOCK_H

#include <stddef.h>

struct hw_ledger_lock;

/* Makes the file if there is none. Returns NULL with one line in `why`. */
struct hw_ledger_lock *hw_ledger_lock_take(const char *path, char *why, size_t why_size);

/* Does a host have it, of this process or another? 1 or 0, or a negative errno. Only for who has no
 * connection to the file. */
int hw_ledger_lock_probe(const char *path);

/* Its descriptor of the database, for as long as the lock is taken. */
int hw_ledger_lock_fd(const struct hw_ledger_lock *lock);

/* Could a host take it? The file must be there. Returns 0, or -1 with one line in `why`; likewise
 * only for who has no connection to it. */
int hw_ledger_lock_try(const char *path, char *why, size_t why_size);

/* After the last connection to the file was closed. */
void hw_ledger_lock_put(struct hw_ledger_lock *lock);

#endif
