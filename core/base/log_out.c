/* log_out.c -- see log_out.h */
#include "base/log_out.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sigpipe.h"

struct buffer {
    char *bytes;
    size_t len, cap;
};

static struct {
    /* atomic */
    atomic_bool colour;
    atomic_int fd;

    /* guarded by m */
    pthread_mutex_t m;
    pthread_cond_t filled, written;
    struct buffer filling;
    uint64_t dropped; /* and not reported yet */
    uint64_t dropped_ever;
    int opened;
    bool waiting; /* the thread sleeps and needs a signal */
    bool closing, ended;

    /* log thread only */
    struct buffer writing;

    /* constant after open */
    pthread_t thread;
    hw_log_out_report_fn *report;
} L = {.fd = STDERR_FILENO,
       .m = PTHREAD_MUTEX_INITIALIZER,
       .filled = PTHREAD_COND_INITIALIZER,
       .written = PTHREAD_COND_INITIALIZER};

static void write_all(const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(L.fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* the reader is gone, and there is nowhere else to say so */
        bytes += n;
        len -= (size_t)n;
    }
}

/* ---- the thread ---- */

static void report_dropped(uint64_t dropped)
{
    char text[96];
    write_all(text, L.report(text, sizeof text, dropped));
}

static void *write_lines(void *unused)
{
    (void)unused;
    pthread_setname_np(pthread_self(), "hookward-log");
    hw_sigpipe_block_for_good();
    pthread_mutex_lock(&L.m);
    while (L.filling.len || !L.closing) {
        if (!L.filling.len) {
            L.waiting = true;
            pthread_cond_wait(&L.filled, &L.m);
            L.waiting = false;
            continue;
        }
        struct buffer b = L.filling;
        L.filling = L.writing;
        L.writing = b;
        uint64_t dropped = L.dropped;
        L.dropped = 0;
        pthread_mutex_unlock(&L.m);
        write_all(b.bytes, b.len);
        if (dropped)
            report_dropped(dropped);
        L.writing.len = 0;
        pthread_mutex_lock(&L.m);
    }
    L.ended = true;
    pthread_cond_signal(&L.written);
    pthread_mutex_unlock(&L.m);
    return NULL;
}

/* ---- any thread ---- */

static bool reserve_locked(struct buffer *b, size_t len)
{
    if (b->len + len <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap * 2 : 16 * 1024;
    while (cap < b->len + len)
        cap *= 2;
    char *bytes = cap <= HW_LOG_BUFFER_MAX ? realloc(b->bytes, cap) : NULL;
    if (!bytes)
        return false;
    b->bytes = bytes;
    b->cap = cap;
    return true;
}

void hw_log_out_write(const char *bytes, size_t len)
{
    pthread_mutex_lock(&L.m);
    bool buffered = L.opened > 0;
    if (buffered && reserve_locked(&L.filling, len)) {
        memcpy(L.filling.bytes + L.filling.len, bytes, len);
        L.filling.len += len;
        if (L.waiting)
            pthread_cond_signal(&L.filled);
    } else if (buffered) {
        L.dropped++;
        L.dropped_ever++;
    }
    pthread_mutex_unlock(&L.m);
    if (buffered)
        return;
    sigset_t before;
    hw_sigpipe_block(&before);
    write_all(bytes, len);
    hw_sigpipe_restore(&before);
}

/* ---- open and close ---- */

int hw_log_out_open(int fd, hw_log_out_report_fn *report)
{
    pthread_mutex_lock(&L.m);
    int rc = 0;
    if (L.opened == 0) {
        L.fd = fd;
        L.report = report;
        L.colour = isatty(fd) && !getenv("NO_COLOR");
        L.closing = L.ended = false;
        rc = pthread_create(&L.thread, NULL, write_lines, NULL) ? HW_EFAILED : 0;
    }
    if (rc == 0)
        L.opened++;
    pthread_mutex_unlock(&L.m);
    return rc;
}

void hw_log_out_close(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += HW_LOG_CLOSE_MS / 1000;

    pthread_mutex_lock(&L.m);
    bool last = L.opened > 0 && --L.opened == 0;
    bool ended = false;
    if (last) {
        L.closing = true;
        pthread_cond_signal(&L.filled);
        int rc = 0;
        while (!L.ended && rc == 0)
            rc = pthread_cond_timedwait(&L.written, &L.m, &until);
        ended = L.ended;
    }
    pthread_mutex_unlock(&L.m);
    if (!last)
        return;
    if (!ended) {
        pthread_detach(L.thread); /* it hangs in write(); its lines are lost with the process */
        return;
    }
    pthread_join(L.thread, NULL);
    free(L.filling.bytes);
    free(L.writing.bytes);
    L.filling = L.writing = (struct buffer){0};
}

uint64_t hw_log_out_dropped(void)
{
    pthread_mutex_lock(&L.m);
    uint64_t count = L.dropped_ever;
    pthread_mutex_unlock(&L.m);
    return count;
}

bool hw_log_out_has_colour(void)
{
    return L.colour;
}
