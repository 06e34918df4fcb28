/* place.c -- see place.h */
#include "ledger/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"

int hw_ledger_place_init(struct hw_ledger_place *place, sqlite3 *db)
{
    static const char *const ends[HW_LEDGER_FILES] = {"", "-wal", "-shm"};
    const char *name = sqlite3_db_filename(db, "main"); /* with no symlink in it */
    for (int i = 0; i < HW_LEDGER_FILES; i++) {
        struct hw_ledger_file *file = &place->files[i];
        struct stat st;
        if (asprintf(&file->path, "%s%s", name, ends[i]) < 0)
            file->path = NULL; /* glibc leaves it undefined */
        if (!file->path || stat(file->path, &st))
            return HW_EFAILED;
        file->device = st.st_dev;
        file->inode = st.st_ino;
    }
    return 0;
}

void hw_ledger_place_fini(struct hw_ledger_place *place)
{
    for (int i = 0; i < HW_LEDGER_FILES; i++)
        free(place->files[i].path);
    memset(place, 0, sizeof *place);
}

bool hw_ledger_place_has(const struct hw_ledger_place *place, enum hw_ledger_part part)
{
    const struct hw_ledger_file *file = &place->files[part];
    struct stat st;
    return stat(file->path, &st) == 0 && st.st_dev == file->device && st.st_ino == file->inode;
}

const char *hw_ledger_place_lost(const struct hw_ledger_place *place)
{
    for (int i = 0; i < HW_LEDGER_FILES; i++)
        if (!hw_ledger_place_has(place, (enum hw_ledger_part)i))
            return place->files[i].path;
    return NULL;
}
