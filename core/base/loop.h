/* loop.h -- an event loop that allocates its memory at the start.
 *
 * Why     libuv keeps a table indexed by descriptor, and aborts the process when it can't grow it.
 *         A single failed allocation while a connection is accepted would end the host.
 * How     a descriptor with a high number is watched for a moment, so the table has its full size.
 * Thread  the one that starts the host. */
#ifndef HW_LOOP_H
#define HW_LOOP_H

#include <stddef.h>
#include <uv.h>

enum { HW_LOOP_FILES_MAX = 65534 }; /* the table then takes half a megabyte */

/* uv_loop_init, for up to `files` descriptors. Returns 0, or a libuv error with nothing to close.
 */
int hw_loop_init(uv_loop_t *loop, size_t files);

#endif
