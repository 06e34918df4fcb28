/* copy.h -- copies a whole ledger into another file, and back.
 *
 * Why     A database in WAL mode is two files, which other programs may be writing. `cp` makes a
 *         torn copy, and a copy that is put back beside an old log is damaged by it.
 * How     SQLite writes a snapshot into a new file (VACUUM INTO), without removed rows, so it is as
 *         small as possible. The copy is checked and synced, and only then gets its name, in one
 *         step: a crash in between leaves everything as it was.
 * Thread  the caller's, which must not have either file open. */
#ifndef HW_LEDGER_COPY_H
#define HW_LEDGER_COPY_H

#include <stddef.h>
#include <stdint.h>

/* Copies a ledger, which a host may be using, to a new file. Returns the number of notifications in
 * it, or HW_EFAILED with one line in `why`. */
int64_t hw_ledger_copy_out(const char *ledger, const char *to, char *why, size_t why_size);

/* Replaces a ledger that no program has open, or creates it. Returns as above. */
int64_t hw_ledger_copy_in(const char *from, const char *ledger, char *why, size_t why_size);

#endif
