/* watch.h -- has anything changed that the host was started from?
 *
 * How     libuv's events on folders (never on a file: after an editor's rename that would be deaf)
 *         wake the reload thread early; what it goes by is a signature over names, sizes, times and
 *         inodes, taken again and again. So a file system without events, a symbolic link swapped
 *         higher up, and an event that was missed only cost time (HW_WATCH_POLL_MS).
 *         Two writes of the same size within one tick of a file system's clock have one signature:
 *         a few milliseconds on most, up to two seconds on some. So the content is compared around
 *         each reading, and once more when HW_WATCH_COARSE_MS have passed since.
 *         The configuration's own folder is not watched by events: the ledger lives there as well,
 *         and writes all the time.
 * Thread  signature, content, folders: the reload thread; the watches: leader only. */
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

/* A list of folders: paths, each from malloc. */
struct hw_folders {
    char *paths[HW_WATCH_FOLDERS_MAX];
    size_t count;
    bool more; /* there are more than these */
};

/* A number that changes with every script, key file and configuration file: added, removed,
 * written, renamed, or reached by another link. Opens no file. */
uint64_t hw_watch_signature(const struct hw_config *config);

/* The same from what is in them: reads all of them. */
uint64_t hw_watch_content(const struct hw_config *config);

/* The folders of scripts and keys as they are now. */
void hw_watch_folders(const struct hw_config *config, struct hw_folders *folders);
void hw_folders_fini(struct hw_folders *folders);

struct hw_watches {
    uv_loop_t *loop;
    void (*changed)(void *owner);
    void *owner;
    struct hw_watch *first;
};

/* Leader only: watches these folders instead of those before. Returns NULL, or why some of them
 * are only polled. */
const char *hw_watches_set(struct hw_watches *watches, const struct hw_folders *folders);
void hw_watches_close(struct hw_watches *watches);

#endif
