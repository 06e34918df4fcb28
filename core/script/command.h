/* command.h -- os.execute and io.popen for scripts: shell commands that a signal to the host
 * misses.
 *
 * Why     system() ignores SIGINT in the whole process for as long as the command runs: a Ctrl-C
 *         kills the command, and the host runs on. With popen it reaches both.
 * How     the shell gets a process group of its own, and no signal of the host is touched: a
 *         Ctrl-C drains the host, and a command that runs comes to its end.
 * Not     a command that reads the terminal is stopped by it, as any in the background.
 * Thread  the one that has the Lua state; both block for as long as the command takes. */
#ifndef HW_COMMAND_H
#define HW_COMMAND_H

#include <lua.h>

/* Puts both in place of Lua's own, which give back the same. May raise. Stack: -0 +0. */
void hw_command_open(lua_State *L);

#endif
