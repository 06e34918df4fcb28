/* sys_api.h -- the few things that commands need from the system and Lua lacks:
 * `hookward.core.sys`.
 *
 * Thread  the one that has the Lua state. */
#ifndef HW_SYS_API_H
#define HW_SYS_API_H

#include <lua.h>

/* Pushes a table of functions. Each returns nil and one line ("PATH: reason") on failure.
 *
 *     glob(pattern)           -> sorted array of paths (plain files); empty when nothing matches
 *     matches(pattern, path)  -> boolean: would glob find this path, if a file were there?
 *     list(path)              -> sorted array of the names in a folder, without "." and ".."
 *     realpath(path)          -> absolute path
 *     cwd()                   -> absolute path
 *     stat(path)              -> { kind = "file" | "folder" | "other", size, mode,
 *                                modified (seconds since 1970) }; of what a
 *                                symbolic link points to
 *     mkdir(path, mode)       -> true
 *     write_new(path, text, mode) -> true. The file is whole and on disk before it gets its name.
 *                                Never overwrites: then the third result is "exists"
 *     isatty(fd)              -> boolean
 *     columns()               -> width of the terminal, or 80
 *     sleep(seconds)          -> true
 *     now()                   -> seconds since 1970, a float
 *
 * Misuse (a wrong type) raises an error. Stack: -0 +1. */
void hw_sys_push_api(lua_State *L);

#endif
