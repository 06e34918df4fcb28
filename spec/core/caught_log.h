/* caught_log.h -- the lines that the code under test logs, all within one second of the clock. */
#ifndef HW_SPEC_CAUGHT_LOG_H
#define HW_SPEC_CAUGHT_LOG_H

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"

static char caught[256 * 1024];

/* Catches what `say` logs. Calls `reset` and `say`; again if a new second began meanwhile. */
static inline void catch_log(void (*reset)(void), void (*say)(void))
{
    int ends[2];
    time_t before;
    do {
        size_t len = 0;
        reset();
        before = time(NULL);
        HW_CHECK(pipe2(ends, O_CLOEXEC) == 0);
        hw_log_set(HW_LOG_INFO, false);
        HW_CHECK(hw_log_open(ends[1]) == 0);
        say();
        hw_log_close();
        close(ends[1]);
        for (ssize_t n; (n = read(ends[0], caught + len, sizeof caught - 1 - len)) > 0;)
            len += (size_t)n;
        caught[len] = '\0';
        close(ends[0]);
    } while (time(NULL) != before);
}

static inline int lines_with(const char *text)
{
    int count = 0;
    for (const char *at = caught; (at = strstr(at, text)); at += strlen(text))
        count++;
    return count;
}

#endif
