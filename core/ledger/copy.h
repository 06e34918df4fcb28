/* copy.h -- a whole ledger into another file, and back.
 *
 * Why     a database in WAL mode is two files and what other programs do to them meanwhile: `cp`
 *         makes a copy that is torn, and a copy that is put back beside an old log is spoilt by it.
 * How     SQLite writes what one moment's reader sees into a new file (VACUUM INTO), without what
 *         was removed, so it is as small as can be. It is checked, synced, and only then given its
 *         name, at once: whoever dies in between leaves all as it was.
 * Thread  the caller's, who has no connection to either file. */
#ifndef HW_LEDGER_COPY_H
#define HW_LEDGER_COPY_H

#include <stddef.h>
#include <stdint.h>

/* Copies a ledger, also one that a host has, to a file that is not there yet. Returns the number of
 * notifications in it, or HW_EFAILED with one line in `why`. */
int64_t hw_ledger_copy_out(const char *ledger, const char *to, char *why, size_t why_size);

/* Puts a copy in place of a ledger that nobody has open, or makes it. As above. */
int64_t hw_ledger_copy_in(const char *from, const char *ledger, char *why, size_t why_size);

#endif
