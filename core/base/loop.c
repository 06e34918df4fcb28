/* loop.c -- see loop.h */
#include "base/loop.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
}

static void watch_once(uv_loop_t *loop, int fd)
{
    uv_poll_t poll;
    if (uv_poll_init(loop, &poll, fd))
        return;
    uv_poll_start(&poll, UV_READABLE, on_poll);
    uv_close((uv_handle_t *)&poll, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
}

/* When the high descriptor can't be had, the table grows later as usual. */
static void widen(uv_loop_t *loop, size_t files)
{
    int number = (int)(files < HW_LOOP_FILES_MAX ? files : HW_LOOP_FILES_MAX) - 1;
    int fd = eventfd(0, EFD_CLOEXEC);
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, number);
    if (high >= 0) {
        watch_once(loop, high);
        close(high);
    }
    if (fd >= 0)
        close(fd);
}

int hw_loop_init(uv_loop_t *loop, size_t files)
{
    int rc = uv_loop_init(loop);
    if (rc == 0)
        widen(loop, files);
    return rc;
}
