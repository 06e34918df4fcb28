/* watch.c -- see watch.h */
#include "watch.h"

#include <dirent.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bundle.h"

/* ---- the signature ---- */

static uint64_t mix(uint64_t h, const void *bytes, size_t len)
{
    const unsigned char *b = bytes;
    for (size_t i = 0; i < len; i++)
        h = (h ^ b[i]) * 0x100000001b3u;
    return h;
}

static uint64_t mix_file(uint64_t h, const char *path, const struct stat *st)
{
    const int64_t facts[] = {(int64_t)st->st_dev,          (int64_t)st->st_ino,
                             (int64_t)st->st_size,         (int64_t)st->st_mtim.tv_sec,
                             (int64_t)st->st_mtim.tv_nsec, (int64_t)st->st_ctim.tv_sec,
                             (int64_t)st->st_ctim.tv_nsec};
    return mix(mix(h, path, strlen(path)), facts, sizeof facts);
}

static bool is_script(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".lua") == 0;
}

/* Each visit of a folder's tree: the scripts in name order, then what is below. A folder's own
 * times do not count: an editor's swap file changes them. */
typedef void visit_fn(void *ud, const char *path, const struct stat *st);

/* Returns false, and visits no more, at the depth that a bundle is refused for: links in a circle
 * would lead to more and more. */
static bool walk(const char *path, int depth, visit_fn *visit, void *ud)
{
    struct dirent **names;
    char below[PATH_MAX];
    struct stat st;
    bool go_on = true;
    if (depth > HW_BUNDLE_DEPTH_MAX)
        return false;
    int n = scandir(path, &names, NULL, alphasort);
    if (n < 0)
        return true;
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        int len = snprintf(below, sizeof below, "%s/%s", path, name);
        if (go_on && name[0] != '.' && len < (int)sizeof below && stat(below, &st) == 0) {
            if (S_ISDIR(st.st_mode) || is_script(name))
                visit(ud, below, &st);
            if (S_ISDIR(st.st_mode))
                go_on = walk(below, depth + 1, visit, ud);
        }
        free(names[i]);
    }
    free(names);
    return go_on;
}

static void sign(void *ud, const char *path, const struct stat *st)
{
    uint64_t *h = ud;
    if (S_ISDIR(st->st_mode))
        *h = mix(*h, path, strlen(path));
    else
        *h = mix_file(*h, path, st);
}

/* A pattern's folder: up to the last slash before the first wildcard, without what escapes. */
static bool pattern_folder(const char *pattern, char *folder, size_t size)
{
    size_t len = 0, end = 0;
    for (const char *c = pattern; *c && !strchr("*?[", *c); c++) {
        if (*c == '\\' && c[1])
            c++;
        if (len + 1 == size)
            return false;
        if (*c == '/')
            end = len;
        folder[len++] = *c;
    }
    folder[end ? end : 1] = '\0';
    return len > 0;
}

/* What the pattern finds, and nothing else of that folder: the ledger may live there. */
static uint64_t sign_keys(uint64_t h, const char *pattern)
{
    glob_t found;
    struct stat st;
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            if (stat(found.gl_pathv[i], &st) == 0)
                h = S_ISDIR(st.st_mode) ? mix(h, "/", 1) : mix_file(h, found.gl_pathv[i], &st);
    globfree(&found);
    return h;
}

uint64_t hw_watch_signature(const struct hw_config *config)
{
    uint64_t h = 0xcbf29ce484222325u;
    struct stat st;
    if (config->file_path && stat(config->file_path, &st) == 0)
        h = mix_file(h, config->file_path, &st);
    if (stat(config->handlers, &st) == 0)
        h = mix(h, &st.st_ino, sizeof st.st_ino); /* a link to another folder */
    walk(config->handlers, 0, sign, &h);
    for (size_t i = 0; i < config->pattern_count; i++)
        h = sign_keys(h, config->key_patterns[i]);
    return h;
}

/* ---- the folders ---- */

static void add_folder(struct hw_folders *folders, const char *path)
{
    for (size_t i = 0; i < folders->count; i++)
        if (strcmp(folders->paths[i], path) == 0)
            return;
    char *copy = folders->count < HW_WATCH_FOLDERS_MAX ? strdup(path) : NULL;
    if (copy)
        folders->paths[folders->count++] = copy;
}

static void collect(void *ud, const char *path, const struct stat *st)
{
    if (S_ISDIR(st->st_mode))
        add_folder(ud, path);
}

void hw_watch_folders(const struct hw_config *config, struct hw_folders *folders)
{
    char folder[PATH_MAX];
    folders->count = 0;
    add_folder(folders, config->handlers);
    walk(config->handlers, 0, collect, folders);
    for (size_t i = 0; i < config->pattern_count; i++)
        if (pattern_folder(config->key_patterns[i], folder, sizeof folder) &&
            strcmp(folder, config->folder) != 0)
            add_folder(folders, folder);
}

void hw_folders_fini(struct hw_folders *folders)
{
    while (folders->count)
        free(folders->paths[--folders->count]);
}

/* ---- the events ---- */

struct hw_watch {
    uv_fs_event_t event;
    struct hw_watch *next;
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status)
{
    (void)name;
    (void)events;
    (void)status;
    struct hw_watches *watches = event->loop->data;
    watches->changed(watches->owner);
}

void hw_watches_close(struct hw_watches *watches)
{
    while (watches->first) {
        struct hw_watch *w = watches->first;
        watches->first = w->next;
        uv_close((uv_handle_t *)&w->event, on_closed);
    }
}

/* All anew: a path may lead to another folder by now. A watch that can't be had (too many, a file
 * system without events) is no error: the signature is taken all the same. */
void hw_watches_set(struct hw_watches *watches, const struct hw_folders *folders)
{
    hw_watches_close(watches);
    for (size_t i = 0; i < folders->count; i++) {
        struct hw_watch *w = calloc(1, sizeof *w);
        if (!w)
            return;
        uv_fs_event_init(watches->loop, &w->event);
        w->event.data = w;
        w->next = watches->first;
        watches->first = w;
        uv_fs_event_start(&w->event, on_event, folders->paths[i], 0);
    }
}
