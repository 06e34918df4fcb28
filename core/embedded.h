/* embedded.h -- hookward's own Lua modules, carried inside the binary.
 *
 * Written by core/embed.lua at build time; ends with a row of zeros. The LuaRocks module has no
 * such table: there the same files are installed where `require` finds them.
 * Thread  constant. */
#ifndef HW_EMBEDDED_H
#define HW_EMBEDDED_H

#include <stddef.h>

struct hw_embedded {
    const char *module; /* "hookward.cli" */
    const char *chunk;  /* "@lua/hookward/cli.lua", for messages */
    const char *text;
    size_t len;
};

extern const struct hw_embedded hw_embedded[];

#endif
