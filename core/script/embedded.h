/* embedded.h -- where a new Lua state finds hookward's own Lua modules.
 *
 * In the binary   carried inside it, compiled: a row a module, written by core/script/embed.lua at build
 *                 time. So are the guide's texts, and the files of the examples, by their path.
 * In the rock     installed where the program's `require` finds them: rows with the program's
 *                 package.path and package.cpath, and one that loads `hookward` from there
 *                 (hw_modules_of makes them).
 * Either table ends with a row of zeros.
 * Thread          constant. */
#ifndef HW_EMBEDDED_H
#define HW_EMBEDDED_H

#include <stddef.h>

struct hw_embedded {
    const char *module; /* "hookward.config"; of a search path its name in `package`: "cpath" */
    const char *chunk;  /* "@lua/hookward/config/init.lua", for messages; NULL: a search path */
    const char *text;   /* or compiled: what luaL_loadbuffer takes */
    size_t len;
};

extern const struct hw_embedded hw_embedded[];

#endif
