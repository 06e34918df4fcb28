/* folder.h -- a folder for a test's files, removed at its end. */
#ifndef HW_SPEC_FOLDER_H
#define HW_SPEC_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

enum { FOLDER_PATH_MAX = 512 };

struct folder {
    char path[64];
};

static inline void folder_open(struct folder *f)
{
    strcpy(f->path, P_tmpdir "/hookward-test-XXXXXX");
    HW_CHECK(mkdtemp(f->path));
}

static inline int folder_remove_one(const char *path, const struct stat *st, int kind,
                                    struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static inline void folder_close(struct folder *f)
{
    HW_CHECK(nftw(f->path, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

/* The path of a name in the folder, in the caller's `out` of FOLDER_PATH_MAX bytes. */
static inline const char *folder_path(const struct folder *f, const char *name, char *out)
{
    int n = snprintf(out, FOLDER_PATH_MAX, "%s/%s", f->path, name);
    HW_CHECK(n > 0 && n < FOLDER_PATH_MAX);
    return out;
}

static inline void folder_write_bytes(const struct folder *f, const char *name, const void *bytes,
                                      size_t len)
{
    char path[FOLDER_PATH_MAX];
    FILE *file = fopen(folder_path(f, name, path), "wb");
    HW_CHECK(file && fwrite(bytes, 1, len, file) == len && fclose(file) == 0);
}

static inline void folder_write(const struct folder *f, const char *name, const char *text)
{
    folder_write_bytes(f, name, text, strlen(text));
}

#endif
