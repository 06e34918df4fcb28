/* crash.h -- named points at which a test build is killed, or stops.
 *
 * Only with -DHW_CRASH_POINTS; otherwise nothing is compiled in.
 *   HOOKWARD_CRASH_AT=name   kills the process, as kill -9 does, when it first reaches the point;
 *                            with name:7, when it reaches it for the seventh time
 *   HOOKWARD_NO_SYNC=1       does not sync the ledger, so that spec/power_spec.lua sees the loss
 *   HOOKWARD_STOP_AT=folder  stops the process, until SIGCONT, at each point that has a file of its
 *                            name in the folder
 * spec/crash_spec.lua names the points to be killed at, and shows that the promises hold after
 * each; spec/reload_spec.lua names those to stop at. */
#ifndef HW_CRASH_H
#define HW_CRASH_H

#ifdef HW_CRASH_POINTS
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* All points of one name are in one file, so each file counts by itself. */
static inline bool hw_crash_is_due(const char *name)
{
    static atomic_int reached;
    const char *at = getenv("HOOKWARD_CRASH_AT");
    size_t len = strlen(name);
    if (!at || strncmp(at, name, len) != 0 || (at[len] && at[len] != ':'))
        return false;
    return atomic_fetch_add(&reached, 1) + 1 >= (at[len] ? atoi(at + len + 1) : 1);
}

#define HW_CRASH_POINT(name)                                                                       \
    do {                                                                                           \
        if (hw_crash_is_due(name))                                                                 \
            raise(SIGKILL);                                                                        \
    } while (0)
#define HW_STOP_POINT(name)                                                                        \
    do {                                                                                           \
        char path[PATH_MAX];                                                                       \
        const char *folder = getenv("HOOKWARD_STOP_AT");                                           \
        snprintf(path, sizeof path, "%s/%s", folder ? folder : "", (name));                        \
        if (folder && access(path, F_OK) == 0)                                                     \
            raise(SIGSTOP);                                                                        \
    } while (0)
#define HW_CRASH_SWITCH(variable) (getenv(variable) != NULL)
#else
#define HW_CRASH_SWITCH(variable) 0
#define HW_CRASH_POINT(name)                                                                       \
    do {                                                                                           \
    } while (0)
#define HW_STOP_POINT(name) HW_CRASH_POINT(name)
#endif

#endif
