/* machine_api.h -- what this machine gives a host, for a diagnosis: `hookward.core.machine`.
 *
 * How     What another user may do is tried by a child process that becomes this user, so that
 *         access control lists and folders on the way count too. Only root can do that.
 * Thread  the one that has the Lua state, in a process with no other threads of its own. */
#ifndef HW_MACHINE_API_H
#define HW_MACHINE_API_H

#include <lua.h>

/* Pushes a table of functions:
 *
 *     disk(path)    -> { free, size } of its file system in bytes; or nil and one line
 *     files(connections, workers) -> { soft, hard, wanted }: the limits of open files of this
 *                                    process, and how many such a host wants
 *     clock()       -> true when it is kept in step by NTP or the like, false when it is not; nil
 *                      when the kernel does not say
 *     user()        -> the effective uid
 *     user_name(uid) -> its name and that of its group, or the numbers as texts
 *     owner(path)   -> uid; or nil and one line
 *     readable(path, who) -> true; or false and why; nil when that can't be found out
 *     watchable(who) -> true when one more inotify instance with a watch can be made; or false and
 *                       "instances" or "watches"; nil when that can't be found out
 *
 * `who` is { uid =, gid =, groups = { gid… } }; gid and groups by default the user's own.
 * Stack: -0 +1. */
void hw_machine_push_api(lua_State *L);

#endif
