/* ledger_place.c -- see ledger_place.h */
#include "ledger_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"

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

const char *hw_ledger_place_lost(const struct hw_ledger_place *place)
{
    for (int i = 0; i < HW_LEDGER_FILES; i++) {
        const struct hw_ledger_file *file = &place->files[i];
        struct stat st;
        if (stat(file->path, &st) || st.st_dev != file->device || st.st_ino != file->inode)
            return file->path;
    }
    return NULL;
}
