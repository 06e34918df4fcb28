/* write.h -- writes bytes to a client: at once what the socket takes, the rest later.
 *
 * Thread  leader only. */
#ifndef HW_WRITE_H
#define HW_WRITE_H

#include <uv.h>

/* Called when the rest was written (`status` 0) or could not be (a libuv error). */
typedef void hw_written_fn(uv_stream_t *stream, int status);

/* Writes all of `bufs`. What the socket does not take is copied, so the caller may reuse them at
 * once. Returns 0 when all was written; 1 when a rest follows, after which `written` is called; or
 * a libuv error. */
int hw_write(uv_stream_t *stream, const uv_buf_t *bufs, unsigned count, hw_written_fn *written);

#endif
