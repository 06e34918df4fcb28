/* bundle.c -- see bundle.h */
#include "script/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptors.h"

/* A load in progress. `why` gets one line when it fails. */
struct loader {
    struct hw_bundle *bundle;
    lua_State *L; /* only compiles */
    const char *shown;
    size_t cap;
    char *why;
    size_t why_size;
};

static int fail(struct loader *l, const char *path, const char *what)
{
    snprintf(l->why, l->why_size, "%s: %s", path, what);
    return -1;
}

/* ---- one file ---- */

/* Reads up to one byte over the limit, so that what is larger shows. NULL without memory. */
static char *read_bytes(FILE *file, size_t *len)
{
    struct stat st;
    bool is_short = fstat(fileno(file), &st) == 0 && st.st_size < HW_BUNDLE_FILE_MAX;
    size_t size = is_short ? (size_t)st.st_size + 1 : HW_BUNDLE_FILE_MAX + 1;
    char *bytes = malloc(size);
    *len = bytes ? fread(bytes, 1, size, file) : 0;
    if (*len < size || size > HW_BUNDLE_FILE_MAX)
        return bytes;
    char *more = realloc(bytes, HW_BUNDLE_FILE_MAX + 1); /* it has grown since */
    if (!more) {
        free(bytes);
        return NULL;
    }
    *len += fread(more + *len, 1, HW_BUNDLE_FILE_MAX + 1 - *len, file);
    return more;
}

static char *read_file(struct loader *l, const char *path, const char *chunk, size_t *len)
{
    int fd = hw_descriptors_open(path, O_RDONLY, 0);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "rb");
    if (!file) {
        if (fd >= 0)
            close(fd);
        fail(l, chunk + 1, strerror(errno));
        return NULL;
    }
    char *bytes = read_bytes(file, len);
    if (!bytes || ferror(file) || *len > HW_BUNDLE_FILE_MAX) {
        fail(l, chunk + 1, !bytes ? "out of memory" : *len ? "larger than 4 MB" : strerror(errno));
        free(bytes);
        bytes = NULL;
    }
    fclose(file);
    return bytes;
}

struct dump {
    char *bytes;
    size_t len, cap;
};

static int on_dump(lua_State *L, const void *piece, size_t size, void *ud)
{
    struct dump *d = ud;
    (void)L;
    if (d->len + size > d->cap) {
        size_t cap = (d->len + size) * 2;
        char *bytes = realloc(d->bytes, cap);
        if (!bytes)
            return 1;
        d->bytes = bytes;
        d->cap = cap;
    }
    memcpy(d->bytes + d->len, piece, size);
    d->len += size;
    return 0;
}

/* As luaL_loadfile does: skips a byte order mark, then a first line that begins with '#' (for a
 * shell). The end of that line stays, so that the others keep their numbers. */
static struct hw_str skip_first(struct hw_str text)
{
    if (text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0)
        text = (struct hw_str){text.ptr + 3, text.len - 3};
    if (text.len == 0 || text.ptr[0] != '#')
        return text;
    const char *end = memchr(text.ptr, '\n', text.len);
    size_t skip = end ? (size_t)(end - text.ptr) : text.len;
    return (struct hw_str){text.ptr + skip, text.len - skip};
}

static int compile(struct loader *l, struct hw_script *script, struct hw_str whole)
{
    struct dump d = {0};
    struct hw_str text = skip_first(whole);
    if (text.len && text.ptr[0] == LUA_SIGNATURE[0]) /* Lua's message does not name the file */
        return fail(l, script->chunk + 1, "is compiled Lua; only source is loaded");
    if (luaL_loadbufferx(l->L, text.ptr, text.len, script->chunk, "t")) {
        snprintf(l->why, l->why_size, "%s", lua_tostring(l->L, -1));
        lua_settop(l->L, 0);
        return -1;
    }
    int rc = lua_dump(l->L, on_dump, &d, 0);
    lua_settop(l->L, 0);
    if (rc == 0)
        script->code = hw_arena_copy(&l->bundle->arena, (struct hw_str){d.bytes, d.len});
    free(d.bytes);
    return script->code.ptr ? 0 : fail(l, script->chunk + 1, "out of memory");
}

static struct hw_script *add(struct loader *l)
{
    struct hw_bundle *b = l->bundle;
    if (b->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        struct hw_script *scripts = realloc(b->scripts, cap * sizeof *scripts);
        if (!scripts)
            return NULL;
        b->scripts = scripts;
        l->cap = cap;
    }
    struct hw_script *script = &b->scripts[b->count++];
    memset(script, 0, sizeof *script);
    return script;
}

/* "lib/mail.lua" -> "lib.mail" */
static struct hw_str module_name(struct hw_arena *arena, const char *relative)
{
    struct hw_str name = {relative, strlen(relative) - strlen(".lua")};
    name = hw_arena_copy(arena, name);
    for (char *c = (char *)name.ptr; c && *c; c++)
        if (*c == '/')
            *c = '.';
    return name;
}

static int load_file(struct loader *l, const char *path, const char *relative)
{
    char chunk[PATH_MAX];
    size_t len;
    struct hw_arena *arena = &l->bundle->arena;
    int n = snprintf(chunk, sizeof chunk, "@%s/%s", l->shown, relative);
    if (n >= (int)sizeof chunk)
        return fail(l, relative, "the path is too long");
    if (l->bundle->count == HW_BUNDLE_FILES_MAX)
        return fail(l, chunk + 1, "more than 2000 scripts");
    char *text = read_file(l, path, chunk, &len);
    if (!text)
        return -1;
    struct hw_script *script = add(l);
    int rc = -1;
    if (script) {
        script->module = module_name(arena, relative).ptr;
        script->chunk = hw_arena_copy(arena, hw_str_of(chunk)).ptr;
        script->handler = !strchr(relative, '/');
    }
    if (!script || !script->module || !script->chunk)
        fail(l, chunk + 1, "out of memory");
    else
        rc = compile(l, script, (struct hw_str){text, len});
    free(text);
    return rc;
}

/* ---- the folder ---- */

static int load_folder(struct loader *l, const char *path, const char *relative, int depth);

static bool is_script(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".lua") == 0;
}

static int load_entry(struct loader *l, const char *folder, const char *relative, const char *name,
                      int depth)
{
    char path[PATH_MAX], below[PATH_MAX];
    struct stat st;
    if (name[0] == '.')
        return 0;
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    int m = snprintf(below, sizeof below, "%s%s%s", relative, *relative ? "/" : "", name);
    if (n >= (int)sizeof path || m >= (int)sizeof below)
        return fail(l, name, "the path is too long");
    if (stat(path, &st)) {
        if (!is_script(name))
            return 0; /* a dangling link that is no script, such as an editor's lock */
        return fail(l, path, strerror(errno));
    }
    if (S_ISDIR(st.st_mode))
        return load_folder(l, path, below, depth + 1);
    return S_ISREG(st.st_mode) && is_script(name) ? load_file(l, path, below) : 0;
}

static int load_folder(struct loader *l, const char *path, const char *relative, int depth)
{
    struct dirent **names;
    if (depth > HW_BUNDLE_DEPTH_MAX)
        return fail(l, path, "folders are nested more than 16 deep (a link to a parent folder?)");
    int n = scandir(path, &names, NULL, alphasort);
    if (n < 0)
        return fail(l, *relative ? path : l->shown, strerror(errno));
    int rc = 0;
    for (int i = 0; i < n; i++) {
        if (rc == 0)
            rc = load_entry(l, path, relative, names[i]->d_name, depth);
        free(names[i]);
    }
    free(names);
    return rc;
}

static int by_module(const void *a, const void *b)
{
    return strcmp(((const struct hw_script *)a)->module, ((const struct hw_script *)b)->module);
}

/* "a.b.lua" and "a/b.lua" have the same module name, so one of them would never be loaded. */
static int refuse_twins(struct loader *l)
{
    const struct hw_bundle *b = l->bundle;
    for (size_t i = 1; i < b->count; i++) {
        const struct hw_script *s = &b->scripts[i], *before = s - 1;
        if (strcmp(s->module, before->module) != 0)
            continue;
        snprintf(l->why, l->why_size, "%s: it is the same module as %s: '%s'; rename one",
                 s->chunk + 1, before->chunk + 1, s->module);
        return -1;
    }
    return 0;
}

static int load_all(struct loader *l, const char *folder, struct hw_str settings)
{
    struct hw_bundle *b = l->bundle;
    if (load_folder(l, folder, "", 0))
        return -1;
    size_t handlers = 0;
    for (size_t i = 0; i < b->count; i++)
        handlers += b->scripts[i].handler;
    if (handlers == 0)
        return fail(l, l->shown, "no handler file (*.lua) in this folder");
    qsort(b->scripts, b->count, sizeof *b->scripts, by_module);
    if (refuse_twins(l))
        return -1;
    b->settings = hw_arena_copy(&b->arena, settings);
    return b->settings.ptr ? 0 : fail(l, l->shown, "out of memory");
}

struct hw_bundle *hw_bundle_load(const char *folder, const char *shown, struct hw_str settings,
                                 char *why, size_t why_size)
{
    struct hw_bundle *bundle = calloc(1, sizeof *bundle);
    struct loader l = {
        .bundle = bundle, .L = luaL_newstate(), .shown = shown, .why = why, .why_size = why_size};
    int rc = -1;
    if (!bundle || !l.L) {
        fail(&l, shown, "out of memory");
    } else {
        atomic_init(&bundle->refs, 1);
        rc = load_all(&l, folder, settings);
    }
    if (l.L)
        lua_close(l.L);
    if (rc == 0)
        return bundle;
    if (bundle)
        hw_bundle_unref(bundle);
    return NULL;
}

struct hw_bundle *hw_bundle_ref(struct hw_bundle *bundle)
{
    atomic_fetch_add_explicit(&bundle->refs, 1, memory_order_relaxed);
    return bundle;
}

void hw_bundle_unref(struct hw_bundle *bundle)
{
    if (atomic_fetch_sub(&bundle->refs, 1) != 1)
        return;
    free(bundle->scripts);
    hw_arena_fini(&bundle->arena);
    free(bundle);
}

/* ---- require ---- */

static const struct hw_script *find_exactly(const struct hw_bundle *bundle, const char *module)
{
    struct hw_script key = {.module = module};
    return bsearch(&key, bundle->scripts, bundle->count, sizeof key, by_module);
}

const struct hw_script *hw_bundle_find(const struct hw_bundle *bundle, const char *name)
{
    static const char *const forms[] = {"%s", "%s.init", "lib.%s", "lib.%s.init"};
    char module[PATH_MAX];
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        int n =
            snprintf(module, sizeof module, forms[i], name); /* NOLINT: the forms are constants */
        const struct hw_script *script =
            n < (int)sizeof module ? find_exactly(bundle, module) : NULL;
        if (script)
            return script;
    }
    return NULL;
}
