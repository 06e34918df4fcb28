/* guard.h -- locks on the ledger's files that a stray close does not take away.
 *
 * Why     SQLite uses POSIX locks: when a process closes any descriptor of a file, it loses all its
 *         locks on that file. A script that reads the ledger's file is enough. The next program
 *         then takes its own connection for the only one, and removes the log and the shared
 *         memory while the host uses them.
 * How     The same ranges of the same files are also locked for reading by the open file, not by
 *         the process (F_OFD_SETLK, Linux). Every other program honours these locks. So do our own
 *         connections, so the locks are released while these need a file for themselves.
 * Thread  one at a time. */
#ifndef HW_LEDGER_GUARD_H
#define HW_LEDGER_GUARD_H

#include <stdbool.h>

struct hw_ledger_guard {
    int fd;  /* of the database; the caller's; -1: none */
    int shm; /* of the shared memory, ours; -1: none */
};

/* How much of the database is held. */
enum hw_ledger_grip {
    HW_LEDGER_LOOSE,  /* nothing */
    HW_LEDGER_SHARED, /* no other program gets it exclusively */
    HW_LEDGER_CLOSED, /* and none can begin to use it */
    HW_LEDGER_ALONE   /* and none uses it */
};

/* `fd` is a descriptor of the database, and must outlive the guard. */
void hw_ledger_guard_init(struct hw_ledger_guard *guard, int fd);

/* Returns false, and changes nothing, when another program's lock prevents it. */
bool hw_ledger_guard_grip(struct hw_ledger_guard *guard, enum hw_ledger_grip grip);

/* Keeps other programs from taking the shared memory for a dead process's. Best effort. One that is
 * open already stays so: closing it would drop the locks of our connections. */
void hw_ledger_guard_hold(struct hw_ledger_guard *guard, const char *shm);

/* Ends that; closes a descriptor, so none of our connections may be open. */
void hw_ledger_guard_drop(struct hw_ledger_guard *guard);

/* Whether another program uses this shared memory, which we must not have open. */
bool hw_ledger_guard_is_used(const char *shm);

#endif
