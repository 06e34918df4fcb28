/* watch.h -- has one of the files changed that the host was started from?
 *
 * How     The reload thread compares signatures, again and again: a hash over names, sizes, times
 *         and inodes. Events of libuv only wake it early. So a file system without events, a
 *         symbolic link that is swapped higher up, and a missed event only cost time
 *         (HW_WATCH_POLL_MS).
 *         Folders are watched, never a file: after an editor's rename its watch would be deaf.
 *         Two writes of the same size within one tick of the file system's clock have the same
 *         signature. A tick is a few milliseconds on most file systems, and up to two seconds on
 *         some. So the content is compared around each reading, and again HW_WATCH_COARSE_MS later.
 *         The configuration's own folder is not watched by events, since the ledger is in it too,
 *         and is written all the time.
 * Thread  signature, content, folders: the reload thread. The watches: leader only, or whoever has
 *         the loop. */
#ifndef HW_WATCH_H
#define HW_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/config.h"

enum {
    HW_WATCH_POLL_MS = 500,
    HW_WATCH_COARSE_MS = 2500, /* more than a tick of any file system's clock */
    HW_WATCH_FOLDERS_MAX = 512 /* more folders than this are only polled */
};

/* A list of folders; each path is from malloc. */
struct hw_folders {
    char *paths[HW_WATCH_FOLDERS_MAX];
    size_t count;
    bool more; /* there are more folders than the list has room for */
};

/* A number that changes whenever a script, key file, file of TLS or configuration file is added,
 * removed, written, renamed, or reached by another link. Opens no file. */
uint64_t hw_watch_signature(const struct hw_config *config);

/* The same by the content of the files; reads all of them. */
uint64_t hw_watch_content(const struct hw_config *config);

/* Lists the folders of scripts, keys and files of TLS as they are now. */
void hw_watch_folders(const struct hw_config *config, struct hw_folders *folders);
void hw_folders_fini(struct hw_folders *folders);

struct hw_watches {
    uv_loop_t *loop;
    void (*changed)(void *owner);
    void *owner;
    struct hw_watch *first;
};

/* Watches these folders instead of the ones before. Returns NULL, or why some are only polled. */
const char *hw_watches_set(struct hw_watches *watches, const struct hw_folders *folders);
void hw_watches_close(struct hw_watches *watches);

#endif
