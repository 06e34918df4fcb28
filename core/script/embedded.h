/* embedded.h -- where a new Lua state finds hookward's own Lua modules.
 *
 * In the binary   one row for each module, compiled; core/script/embed.lua writes them at build
 *                 time. The guide's texts have rows too, and the files of the examples, by their
 *                 paths.
 * In the rock     the modules are installed where the program's `require` finds them. One row holds
 *                 the program's package.path, one its package.cpath, and one loads `hookward` from
 *                 there (hw_modules_of makes them).
 * Either table ends with a row of zeros.
 * Thread          constant. */
#ifndef HW_EMBEDDED_H
#define HW_EMBEDDED_H

#include <stddef.h>

struct hw_embedded {
    const char *module; /* "hookward.config"; for a search path, its name in `package`: "cpath" */
    const char *chunk;  /* "@lua/hookward/config/init.lua", for messages; NULL for a search path */
    const char *text;   /* source or compiled: what luaL_loadbuffer takes; or the search path */
    size_t len;
};

extern const struct hw_embedded hw_embedded[];

#endif
