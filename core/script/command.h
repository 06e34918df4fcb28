/* command.h -- os.execute and io.popen for scripts, without their effects on signals.
 *
 * Why     system() ignores SIGINT in the whole process while the command runs: a Ctrl-C kills the
 *         command, and the host runs on. With popen(), a Ctrl-C reaches the command and the host.
 * How     the shell gets a process group of its own, and the host's signal handling stays as it is.
 *         A Ctrl-C drains the host, and a running command finishes.
 * Not     a command that reads the terminal is stopped, as any background process is.
 * Thread  the one that has the Lua state. Both block until the command ends. */
#ifndef HW_COMMAND_H
#define HW_COMMAND_H

#include <lua.h>

/* Replaces Lua's own functions, whose results these return. May raise. Stack: -0 +0. */
void hw_command_open(lua_State *L);

#endif
