/* usage.h -- what this process uses: processor time, memory, files.
 *
 * Thread  any. */
#ifndef HW_USAGE_H
#define HW_USAGE_H

#include <stdbool.h>
#include <stddef.h>

struct hw_usage {
    bool has_memory; /* the four below; otherwise the system did not say */
    double resident_bytes, virtual_bytes;
    double threads;
    double started_at; /* seconds since 1970 */
    bool has_files;
    double open_files;
    double cpu_seconds; /* of all threads, since the start */
};

/* Takes some dozen microseconds; on Linux before 6.2 some more for each thousand open files. */
void hw_usage_read(struct hw_usage *usage);

#endif
