/* write.h -- bytes to a client: at once when the socket takes them, the rest when it can.
 *
 * Thread  leader only. */
#ifndef HW_WRITE_H
#define HW_WRITE_H

#include <uv.h>

/* A rest is out, or was lost: a libuv error. */
typedef void hw_written_fn(uv_stream_t *stream, int status);

/* Writes all of `bufs`, which the caller may use again after this: what the socket does not take is
 * copied. Returns 0 when all was written; 1 when a rest is on its way, and `written` will be
 * called; or a libuv error. */
int hw_write(uv_stream_t *stream, const uv_buf_t *bufs, unsigned count, hw_written_fn *written);

#endif
