/* write.c -- see write.h */
#include "http/write.h"

#include <stdlib.h>
#include <string.h>

struct rest {
    uv_write_t write;
    hw_written_fn *written;
    char bytes[];
};

static void on_written(uv_write_t *write, int status)
{
    struct rest *rest = (struct rest *)write; /* its first member */
    uv_stream_t *stream = write->handle;
    hw_written_fn *written = rest->written;
    free(rest);
    written(stream, status);
}

/* Copies all but the first `skip` bytes. Returns how many were copied. */
static size_t copy(char *to, const uv_buf_t *bufs, unsigned count, size_t skip)
{
    char *at = to;
    for (unsigned i = 0; i < count; i++) {
        size_t done = skip < bufs[i].len ? skip : bufs[i].len;
        if (bufs[i].len > done)
            memcpy(at, bufs[i].base + done, bufs[i].len - done);
        at += bufs[i].len - done;
        skip -= done;
    }
    return (size_t)(at - to);
}

int hw_write(uv_stream_t *stream, const uv_buf_t *bufs, unsigned count, hw_written_fn *written)
{
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += bufs[i].len;
    int n = uv_try_write(stream, bufs, count);
    if (n == UV_EAGAIN)
        n = 0;
    if (n < 0 || (size_t)n == len)
        return n < 0 ? n : 0;
    struct rest *rest = malloc(sizeof *rest + len - (size_t)n);
    if (!rest)
        return UV_ENOMEM;
    rest->written = written;
    uv_buf_t buf = uv_buf_init(rest->bytes, (unsigned)copy(rest->bytes, bufs, count, (size_t)n));
    int rc = uv_write(&rest->write, stream, &buf, 1, on_written);
    if (rc)
        free(rest);
    return rc ? rc : 1;
}
