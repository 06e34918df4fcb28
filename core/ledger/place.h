/* place.h -- are the files that the ledger writes still the ones that its next reader opens?
 *
 * Why     Removing, renaming or replacing an open file takes away its name, not the file: SQLite
 *         goes on writing and syncing a file that no later reader will find.
 * How     Device and inode of the database, its log and its shared memory, as they were when they
 *         were opened, are compared with the files that now have these names.
 * Cost    a commit asks before and after, by six calls of stat() in all. Without them throughput is
 *         the same within the spread of repeated runs.
 * Thread  one at a time. */
#ifndef HW_LEDGER_PLACE_H
#define HW_LEDGER_PLACE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/types.h>

enum hw_ledger_part { HW_LEDGER_DATABASE, HW_LEDGER_LOG, HW_LEDGER_MEMORY, HW_LEDGER_FILES };

struct hw_ledger_place {
    struct hw_ledger_file {
        char *path;
        dev_t device;
        ino_t inode;
    } files[HW_LEDGER_FILES];
};

/* Remembers the files of a database that is open in WAL mode. Returns 0, or HW_EFAILED when one of
 * them is missing or there is no memory. */
int hw_ledger_place_init(struct hw_ledger_place *place, sqlite3 *db);
void hw_ledger_place_fini(struct hw_ledger_place *place);

/* Whether this file is where it was. */
bool hw_ledger_place_has(const struct hw_ledger_place *place, enum hw_ledger_part part);

/* The path of the first file that was removed or replaced; NULL: all are in place. */
const char *hw_ledger_place_lost(const struct hw_ledger_place *place);

#endif
