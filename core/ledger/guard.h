/* guard.h -- locks on the ledger's files that a stray close does not take away.
 *
 * Why     SQLite's locks are POSIX's: when a process closes any descriptor of a file it loses all
 * of them on it. A script that reads the ledger's file is enough; then the next program that comes
 * takes its connection for the only one, and removes the log and the shared memory under the host.
 * How     the same ranges of the same files, locked for reading as well, by the open file and not
 *         by the process (F_OFD_SETLK, Linux): every other program honours these. Since they are
 *         a stranger's to our own connections too, they go while those want a file for themselves.
 * Thread  one at a time. */
#ifndef HW_LEDGER_GUARD_H
#define HW_LEDGER_GUARD_H

#include <stdbool.h>

struct hw_ledger_guard {
    int fd;  /* of the database, somebody else's; -1: none */
    int shm; /* of the shared memory, ours; -1: none */
};

/* How much of the database is held. */
enum hw_ledger_grip {
    HW_LEDGER_LOOSE,  /* nothing */
    HW_LEDGER_SHARED, /* nobody else gets it for himself */
    HW_LEDGER_CLOSED, /* and nobody new gets in */
    HW_LEDGER_ALONE   /* nobody else is in */
};

/* `fd` is of the database, and must outlive the guard. */
void hw_ledger_guard_init(struct hw_ledger_guard *guard, int fd);

/* Returns false, with nothing changed, when another program is in the way. */
bool hw_ledger_guard_grip(struct hw_ledger_guard *guard, enum hw_ledger_grip grip);

/* Keeps the shared memory from being taken for a dead process's. Best effort. One that it has
 * already it keeps: to close it would take the locks of our connections away. */
void hw_ledger_guard_hold(struct hw_ledger_guard *guard, const char *shm);

/* Lets go of it; closes a descriptor, so no connection of ours may be open. */
void hw_ledger_guard_drop(struct hw_ledger_guard *guard);

/* Is another program using this shared memory? It must not be one that we have open. */
bool hw_ledger_guard_is_used(const char *shm);

#endif
