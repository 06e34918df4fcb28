/* crash.h -- named points at which a test build dies, or stands still.
 *
 * Only with -DHW_CRASH_POINTS, else nothing is compiled in:
 *   HOOKWARD_CRASH_AT=name   the process is killed, as by kill -9, the first time that it comes by
 *   HOOKWARD_NO_SYNC=1       the ledger is not synced, for spec/power_spec.lua to see it lost
 *   HOOKWARD_STOP_AT=folder  it stops, until SIGCONT comes, at each point whose name is a file
 * there spec/crash_spec.lua names the points to die at, and shows that the promises hold after
 * each; spec/reload_spec.lua names those to stop at. */
#ifndef HW_CRASH_H
#define HW_CRASH_H

#ifdef HW_CRASH_POINTS
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HW_CRASH_POINT(name)                                                                       \
    do {                                                                                           \
        const char *at = getenv("HOOKWARD_CRASH_AT");                                              \
        if (at && strcmp(at, (name)) == 0)                                                         \
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
