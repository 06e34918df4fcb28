/* bundle.h -- one version of the user's scripts: read once, compiled once, loaded by every VM.
 *
 * Why     two VMs, or two files within one job, must never run different versions. So nothing is
 *         read from disk after the load, not even by a late `require`.
 * What    every *.lua below the handlers folder. The files at its top are handler files, loaded in
 *         name order. All files are modules:
 *
 *             a/b.lua      is `require "a.b"`
 *             lib/x.lua    is `require "lib.x"`, and also `require "x"`
 *             a/init.lua   is `require "a.init"`, and also `require "a"`
 *
 *         A module of the folder wins over one of its lib/. Names that begin with a dot are
 *         skipped. Symbolic links are followed.
 * Thread  a shared constant: one thread builds it, then any thread reads it (ref/unref, atomic). */
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
    HW_BUNDLE_DEPTH_MAX = 16 /* nested folders; this also ends a symbolic link to its own parent */
};

struct hw_script {
    const char *module; /* "badges", "lib.mail" */
    const char *chunk;  /* "@handlers/badges.lua": its name in messages */
    bool handler;       /* at the top of the folder: loaded by every VM */
    struct hw_str code; /* compiled */
};

struct hw_bundle {
    atomic_int refs;
    struct hw_arena arena;
    struct hw_script *scripts; /* in name order */
    size_t count;
    struct hw_str settings; /* the Lua source of a chunk that returns hook.config */
};

/* Reads and compiles `folder`; messages call it `shown` ("handlers"). Returns a bundle with one
 * reference, or NULL with one line in `why` that names the file (and the line, if there is one). */
struct hw_bundle *hw_bundle_load(const char *folder, const char *shown, struct hw_str settings,
                                 char *why, size_t why_size);
struct hw_bundle *hw_bundle_ref(struct hw_bundle *bundle);
void hw_bundle_unref(struct hw_bundle *bundle);

/* The script that `require(name)` finds, or NULL. */
const struct hw_script *hw_bundle_find(const struct hw_bundle *bundle, const char *name);

#endif
