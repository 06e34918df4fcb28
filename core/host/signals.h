/* signals.h -- the signals of the process, for the hosts that asked for them.
 *
 * Why     a host may run inside any Lua program, whose signals are not its own. Only the binary,
 *         `hookward serve`, and serve { signals = true } ask for them.
 * How     one set of handlers serves all hosts of the process that asked. The last release restores
 *         what the signals did before.
 * Thread  any. */
#ifndef HW_SIGNALS_H
#define HW_SIGNALS_H

#include <stdbool.h>

enum { HW_SIGNALS_TARGETS_MAX = 64 };

/* From here on a write to a pipe or socket that nobody reads, or beyond a file's size limit, is an
 * error of write() and does not end the process. */
void hw_signals_disarm(void);

/* Installs the handlers. SIGTERM and SIGINT drain; SIGHUP reloads; a second SIGINT ends the process
 * at once; SIGPIPE and SIGXFSZ are as after disarm; SIGUSR1 and SIGUSR2 do nothing, unless the
 * program has a use for them. To be called before a host starts, so that no signal is missed. Calls
 * nest: as many releases undo them. */
void hw_signals_catch(void);
void hw_signals_release(void);

/* True when a SIGINT came since catch. Then the next one ends the process. */
bool hw_signals_was_interrupted(void);

/* True when a SIGTERM or SIGINT came since catch. */
bool hw_signals_was_asked_to_stop(void);

/* What a signal reaches. Both functions are async-signal-safe; `reload` may be NULL. */
struct hw_signals_target {
    void *host;
    void (*stop)(void *host);
    void (*reload)(void *host);
};

/* From here on the signals reach this target; those that came since catch, before any target was
 * there, reach it now. The caller must not move or free it until remove has returned: after that no
 * handler knows it. Returns 0, or HW_EFAILED when there are HW_SIGNALS_TARGETS_MAX already. */
int hw_signals_add(const struct hw_signals_target *target);
void hw_signals_remove(const struct hw_signals_target *target);

#endif
