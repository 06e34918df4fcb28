/* crash.h -- named points at which a test build dies.
 *
 * Only with -DHW_CRASH_POINTS: HOOKWARD_CRASH_AT=name kills the process, as kill -9 does, the first
 * time that it comes by. Otherwise nothing is compiled in. The points are named in
 * spec/crash_spec.lua, which shows that the promises hold after each. */
#ifndef HW_CRASH_H
#define HW_CRASH_H

#ifdef HW_CRASH_POINTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define HW_CRASH_POINT(name)                                                                       \
    do {                                                                                           \
        const char *at = getenv("HOOKWARD_CRASH_AT");                                              \
        if (at && strcmp(at, (name)) == 0)                                                         \
            raise(SIGKILL);                                                                        \
    } while (0)
#else
#define HW_CRASH_POINT(name)                                                                       \
    do {                                                                                           \
    } while (0)
#endif

#endif
