/* process_api.h -- what only the command line may do to its process: `hookward.core.process`.
 *
 * Why     a host that runs inside another Lua program must not touch these settings; the program
 *         `hookward` has the process to itself.
 * Thread  the one that has the Lua state; split_init before there is any other thread. */
#ifndef HW_PROCESS_API_H
#define HW_PROCESS_API_H

#include <lua.h>

/* Pushes the table:
 *
 *     raise_files(connections, workers)  raises the limit of open files to what they need, as far
 *                                        as the system allows it
 *     return_memory()                    has the C library give large blocks back to the system as
 *                                        soon as they are freed
 *     close_stdout() -> true             everything was written to the standard output; nil and why
 *                                        if not. A reader that closed it early is no failure
 *     split_init()                       host/init.h
 *     heed_interrupt()                   from now on the first Ctrl-C is only noted; the second one
 *                                        ends the process
 *     was_interrupted() -> boolean
 *     leave(code)                        ends the process at once, without tearing anything down
 *                                        that a stuck thread may still use
 *
 * Stack: -0 +1. */
void hw_process_push_api(lua_State *L);

#endif
