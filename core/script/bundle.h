/* bundle.h -- one version of the user's scripts: read once, compiled once, loaded by every VM.
 *
 * Why     two VMs, or two files within one job, must never run different versions: nothing is
 *         read from disk after this, also not by a late `require`.
 * What    every *.lua below the handlers folder. Those at its top are handler files, loaded in name
 *         order; all are modules: a/b.lua is `require "a.b"`, lib/x.lua is also `require "x"`, and
 *         a/init.lua is also `require "a"`. The folder wins over its lib/. Names that begin with a
 *         dot are skipped, symbolic links are followed.
 * Thread  a shared constant: built by one thread, then read by any (ref/unref, atomic). */
#ifndef HW_BUNDLE_H
#define HW_BUNDLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"

enum {
    HW_BUNDLE_FILES_MAX = 2000,
    HW_BUNDLE_FILE_MAX = 4 * 1024 * 1024, /* bytes of a script */
    HW_BUNDLE_DEPTH_MAX = 16              /* folders inside folders; a link in a circle ends here */
};

struct hw_script {
    const char *module; /* "badges", "lib.mail" */
    const char *chunk;  /* "@handlers/badges.lua": what messages call it */
    bool handler;       /* at the top of the folder: loaded by every VM */
    struct hw_str code; /* compiled */
};

struct hw_bundle {
    atomic_int refs;
    struct hw_arena arena;
    struct hw_script *scripts; /* in name order */
    size_t count;
    struct hw_str settings; /* Lua source of a chunk that returns hook.config */
};

/* Reads and compiles `folder`; messages call it `shown` ("handlers"). Returns a bundle with one
 * reference, or NULL with one line in `why` that names the file, and the line if it has one. */
struct hw_bundle *hw_bundle_load(const char *folder, const char *shown, struct hw_str settings,
                                 char *why, size_t why_size);
struct hw_bundle *hw_bundle_ref(struct hw_bundle *bundle);
void hw_bundle_unref(struct hw_bundle *bundle);

/* The script that `require name` means, or NULL. */
const struct hw_script *hw_bundle_find(const struct hw_bundle *bundle, const char *name);

#endif
