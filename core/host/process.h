/* process.h -- what belongs to the process and not to a host: signals, its standard output, its memory.
 *
 * Why     a host runs inside any Lua program, whose process it must not touch. Here is the one
 *         place that does, for those who ask: the binary, `hookward serve`, and
 *         serve { signals = true }.
 * How     one set of handlers for all hosts of the process that asked; what the signals did
 *         before comes back with the last of them.
 * Thread  any, but catch and release one at a time with themselves (they lock). */
#ifndef HW_PROCESS_H
#define HW_PROCESS_H

#include <lua.h>
#include <stdbool.h>

enum { HW_PROCESS_HOSTS_MAX = 64 };

/* A reader that is gone, and a file at its size limit, are errors of write() from here on. */
void hw_process_disarm(void);

/* From here on SIGTERM and SIGINT drain, SIGHUP reloads, a second SIGINT ends the process now; and
 * what disarm does;
 * SIGUSR1 and SIGUSR2 do nothing, unless the program has a use for them. To be called before a host
 * starts, so that no signal is missed. Nests. */
void hw_process_catch(void);
void hw_process_release(void);

/* Was it a SIGINT? Then a second one ends the process. */
bool hw_process_was_interrupted(void);

/* What a signal reaches. Both functions are async-signal-safe; `reload` may be NULL. */
struct hw_process_host {
    void *host;
    void (*stop)(void *host);
    void (*reload)(void *host);
};

/* The signals are for this host too, and what came since catch for want of one. It stays the
 * caller's, and where it is, until remove; after that no handler knows it. Returns 0, or HW_EFAILED
 * when there are HW_PROCESS_HOSTS_MAX already. */
int hw_process_add(const struct hw_process_host *host);
void hw_process_remove(const struct hw_process_host *host);

/* The Lua functions of `core.process`. Stack: -0 +1.
 *   raise_files(connections, workers)  raises the limit of open files to what they need, as far as
 *                                      it goes
 *   return_memory()                    has the C library give large blocks back when they are
 *                                      freed. Only for a process that is ours from the start: it
 *                                      is a setting of the whole process, and another program may
 *                                      have its own
 *   close_stdout() -> true             all that was written is where it should be; or nil and why.
 *                                      A reader who has had enough is no failure
 *   split_init()                       init.h
 *   leave(code)                        ends the process now: nothing is torn down under a thread
 *                                      that never came back
 */
void hw_process_push_api(lua_State *L);

#endif
