/* loop.h -- an event loop that has its memory from the start.
 *
 * Why     libuv keeps a table by the number of descriptors, and ends the process when that can't
 *         grow: one allocation that fails as a connection is accepted would be the end of all.
 * How     a descriptor with a high number is watched for a moment.
 * Thread  the one that starts the host. */
#ifndef HW_LOOP_H
#define HW_LOOP_H

#include <stddef.h>
#include <uv.h>

enum { HW_LOOP_FILES_MAX = 65534 }; /* of the table: half a megabyte */

/* uv_loop_init, for up to `files` descriptors. Returns 0, or a libuv error with nothing to close.
 */
int hw_loop_init(uv_loop_t *loop, size_t files);

#endif
