/* files.h -- how many files this process may open, and how many of them are for connections.
 *
 * Why     every connection is an open file. If connections took them all, the ledger, the scripts
 *         and the handlers could open none.
 * Thread  any. */
#ifndef HW_FILES_H
#define HW_FILES_H

#include <stddef.h>

/* The process's limit (RLIMIT_NOFILE); SIZE_MAX when it can't be read. */
size_t hw_files_limit(void);

/* Both limits; likewise. */
void hw_files_limits(size_t *soft, size_t *hard);

/* How many files a host with so many connections and workers may need at once. */
size_t hw_files_wanted(size_t connections, size_t workers);

/* How many of the `wanted` connections may be open at once, so that enough files are left for
 * everything else. */
size_t hw_files_for_connections(size_t wanted, size_t workers);

/* Raises the process's limit to what `connections` and `workers` need, as far as the system allows
 * it. Never lowers it. */
void hw_files_raise(size_t connections, size_t workers);

#endif
