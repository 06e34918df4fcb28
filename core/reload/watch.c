/* watch.c -- see watch.h */
#include "reload/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/str.h"
#include "http/tls_set.h"
#include "script/bundle.h"

/* ---- the signature ---- */

struct signature {
    uint64_t h;
    bool content; /* hash the files' content; otherwise their size, times and inode */
};

static void add_bytes(struct signature *s, const void *bytes, size_t len)
{
    s->h = hw_str_hash(s->h, (struct hw_str){bytes, len});
}

static void add_facts(struct signature *s, const struct stat *st)
{
    const int64_t facts[] = {(int64_t)st->st_dev,          (int64_t)st->st_ino,
                             (int64_t)st->st_size,         (int64_t)st->st_mtim.tv_sec,
                             (int64_t)st->st_mtim.tv_nsec, (int64_t)st->st_ctim.tv_sec,
                             (int64_t)st->st_ctim.tv_nsec};
    add_bytes(s, facts, sizeof facts);
}

/* Reads as much as would be loaded. O_NONBLOCK: a pipe in the file's place must not block us. */
static void add_content(struct signature *s, const char *path)
{
    char bytes[16384];
    size_t left = HW_BUNDLE_FILE_MAX + 1;
    int fd = hw_descriptors_open(path, O_RDONLY | O_NONBLOCK, 0);
    ssize_t n = -1;
    while (fd >= 0 && left > 0 &&
           (n = read(fd, bytes, left < sizeof bytes ? left : sizeof bytes)) > 0) {
        add_bytes(s, bytes, (size_t)n);
        left -= (size_t)n;
    }
    add_bytes(s, &n, sizeof n);
    if (fd >= 0)
        close(fd);
}

/* `st`: NULL when only the name exists, as of a dangling link. A folder's own times don't count,
 * since an editor's swap file changes them. */
static void add_file(struct signature *s, const char *path, const struct stat *st)
{
    add_bytes(s, path, strlen(path) + 1);
    if (!st)
        add_bytes(s, "?", 1);
    else if (S_ISREG(st->st_mode) && s->content)
        add_content(s, path);
    else if (!S_ISDIR(st->st_mode))
        add_facts(s, st);
}

/* ---- the folder of scripts ---- */

static bool is_script(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".lua") == 0;
}

/* True for what may be a script or a folder. Most other entries need no stat. */
static int may_count(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && (entry->d_type != DT_REG || is_script(entry->d_name));
}

/* `st` as for add_file. */
typedef void visit_fn(void *ud, const char *path, const struct stat *st);

static bool walk(const char *path, int depth, visit_fn *visit, void *ud);

static bool walk_entry(const char *path, int depth, visit_fn *visit, void *ud)
{
    struct stat st;
    bool is_there = stat(path, &st) == 0;
    if (is_script(path) || (is_there && S_ISDIR(st.st_mode)))
        visit(ud, path, is_there ? &st : NULL);
    return !is_there || !S_ISDIR(st.st_mode) || walk(path, depth + 1, visit, ud);
}

/* Visits the scripts and folders of a tree, in name order. At the depth that a bundle is refused
 * for it stops and returns false, since circular links would go on without end. */
static bool walk(const char *path, int depth, visit_fn *visit, void *ud)
{
    struct dirent **names;
    char below[PATH_MAX];
    bool go_on = true;
    if (depth > HW_BUNDLE_DEPTH_MAX)
        return false;
    int n = scandir(path, &names, may_count, alphasort);
    if (n < 0) { /* so that it shows when the folder can be read again, even if it is empty */
        visit(ud, path, NULL);
        return true;
    }
    for (int i = 0; i < n; i++) {
        int len = snprintf(below, sizeof below, "%s/%s", path, names[i]->d_name);
        if (go_on && len < (int)sizeof below)
            go_on = walk_entry(below, depth, visit, ud);
        free(names[i]);
    }
    free(names);
    return go_on;
}

static void sign(void *ud, const char *path, const struct stat *st)
{
    add_file(ud, path, st);
}

/* A file that is named, and need not be there. */
static void sign_file(void *ud, const char *path)
{
    struct stat st;
    add_file(ud, path, stat(path, &st) == 0 ? &st : NULL);
}

/* ---- the keys ---- */

/* A pattern's folder: up to the last slash before the first wildcard, unescaped. */
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

static int on_glob_error(const char *path, int error)
{
    (void)path;
    return error != ENOENT && error != ENOTDIR;
}

/* Adds only the files that the pattern finds, since the ledger may be in the same folder. A folder
 * that can't be read changes the signature too; the configuration (sys_api.c) reports that as
 * well. */
static void sign_keys(struct signature *s, const char *pattern)
{
    glob_t found;
    int rc = glob(pattern, 0, on_glob_error, &found);
    add_bytes(s, &rc, sizeof rc);
    if (rc == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            sign_file(s, found.gl_pathv[i]);
    globfree(&found);
}

/* Adds the inode that the path leads to, up to `end` (NULL: all of it), through links. */
static void add_place(struct signature *s, const char *path, const char *end)
{
    char folder[PATH_MAX];
    struct stat st;
    snprintf(folder, sizeof folder, "%.*s", end ? (int)(end - path + 1) : (int)strlen(path), path);
    if (stat(folder, &st) == 0)
        add_bytes(s, &st.st_ino, sizeof st.st_ino);
}

/* ---- the files of TLS ---- */

/* Calls `each` with every file of every listener. */
static void each_tls_file(const struct hw_config *config, void (*each)(void *ud, const char *path),
                          void *ud)
{
    for (size_t i = 0; i < config->door_count; i++)
        if (config->listen[i].tls)
            hw_tls_set_each_file(config->listen[i].tls, each, ud);
}

/* ---- all of it ---- */

static uint64_t sign_all(const struct hw_config *config, bool content)
{
    struct signature s = {HW_STR_HASH, content};
    if (config->file_path)
        sign_file(&s, config->file_path);
    if (config->file_path && !content) /* relative paths start from its folder */
        add_place(&s, config->file_path, strrchr(config->file_path, '/'));
    if (!content)
        add_place(&s, config->handlers, NULL);
    walk(config->handlers, 0, sign, &s);
    for (size_t i = 0; i < config->pattern_count; i++)
        sign_keys(&s, config->key_patterns[i]);
    each_tls_file(config, sign_file, &s);
    return s.h;
}

uint64_t hw_watch_signature(const struct hw_config *config)
{
    return sign_all(config, false);
}

uint64_t hw_watch_content(const struct hw_config *config)
{
    return sign_all(config, true);
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
    else
        folders->more = true;
}

static void collect(void *ud, const char *path, const struct stat *st)
{
    if (st && S_ISDIR(st->st_mode))
        add_folder(ud, path);
}

struct tls_folders {
    const struct hw_config *config;
    struct hw_folders *folders;
};

static void collect_folder_of(const struct tls_folders *t, const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int len = slash > path ? (int)(slash - path) : 1;
    snprintf(folder, sizeof folder, "%.*s", len, path);
    if (strcmp(folder, t->config->folder) != 0)
        add_folder(t->folders, folder);
}

/* A file of TLS may be a link: certbot replaces the link, others write the file that it leads to.
 * So both folders are watched. */
static void collect_tls_file(void *ud, const char *path)
{
    char real[PATH_MAX];
    collect_folder_of(ud, path);
    if (realpath(path, real))
        collect_folder_of(ud, real);
}

void hw_watch_folders(const struct hw_config *config, struct hw_folders *folders)
{
    char folder[PATH_MAX];
    folders->count = 0;
    folders->more = false;
    add_folder(folders, config->handlers);
    walk(config->handlers, 0, collect, folders);
    for (size_t i = 0; i < config->pattern_count; i++)
        if (pattern_folder(config->key_patterns[i], folder, sizeof folder) &&
            strcmp(folder, config->folder) != 0)
            add_folder(folders, folder);
    each_tls_file(config, collect_tls_file, &(struct tls_folders){config, folders});
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

/* No reason is given for a folder that is missing or unreadable: when that changes, polling notices
 * it. */
static const char *explain(int rc)
{
    switch (rc) {
    case 0:
    case UV_ENOENT:
    case UV_ENOTDIR:
    case UV_ELOOP:
    case UV_EACCES:
        return NULL;
    case UV_ENOSPC:
        return "there are no watches left (sysctl fs.inotify.max_user_watches)";
    case UV_EMFILE:
        return "no file can be opened for it (ulimit -n, sysctl fs.inotify.max_user_instances)";
    default:
        return uv_strerror(rc);
    }
}

/* Starts all watches anew, since a path may lead to another folder by now. A watch that fails is no
 * error, since the signature is compared in any case. */
const char *hw_watches_set(struct hw_watches *watches, const struct hw_folders *folders)
{
    const char *why = folders->more ? "there are more than 512 folders" : NULL;
    hw_watches_close(watches);
    for (size_t i = 0; i < folders->count; i++) {
        struct hw_watch *w = calloc(1, sizeof *w);
        if (!w)
            return "out of memory";
        uv_fs_event_init(watches->loop, &w->event);
        w->event.data = w;
        w->next = watches->first;
        watches->first = w;
        int rc = uv_fs_event_start(&w->event, on_event, folders->paths[i], 0);
        why = why ? why : explain(rc);
    }
    return why;
}
