/* sys_api.c -- see sys_api.h */
#include "bindings/sys_api.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/secret.h"
#include "http/networks.h"

enum { COLUMNS_DEFAULT = 80, MODE_BITS = 07777 };

static const double SLEEP_MAX = 1e9; /* seconds; fits into any time_t */

/* nil, "PATH: reason" */
static int fail(lua_State *L, const char *path, int error)
{
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", path, strerror(error));
    return 2;
}

/* ---- results of glob and scandir, freed even if Lua raises a memory error ---- */

struct listing {
    glob_t matches;
    struct dirent **names;
    int name_count;
};

static int free_listing(lua_State *L)
{
    struct listing *l = lua_touserdata(L, 1);
    globfree(&l->matches);
    while (l->name_count > 0)
        free(l->names[--l->name_count]);
    free(l->names);
    l->names = NULL;
    return 0;
}

static struct listing *push_listing(lua_State *L)
{
    struct listing *l = lua_newuserdatauv(L, sizeof *l, 0);
    memset(l, 0, sizeof *l);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, free_listing);
    lua_setfield(L, -2, "__close");
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    return l;
}

/* ---- folders ---- */

static bool is_plain_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* A missing folder matches nothing; an unreadable one must not look empty. */
static int on_glob_error(const char *path, int error)
{
    (void)path;
    return error != ENOENT && error != ENOTDIR;
}

static int sys_glob(lua_State *L)
{
    const char *pattern = luaL_checkstring(L, 1);
    struct listing *l = push_listing(L);
    int rc = glob(pattern, 0, on_glob_error, &l->matches);
    if (rc == GLOB_NOSPACE)
        return fail(L, pattern, ENOMEM);
    if (rc == GLOB_ABORTED)
        return fail(L, pattern, EACCES);
    lua_createtable(L, (int)l->matches.gl_pathc, 0);
    lua_Integer count = 0;
    for (size_t i = 0; i < l->matches.gl_pathc; i++) {
        if (!is_plain_file(l->matches.gl_pathv[i]))
            continue;
        lua_pushstring(L, l->matches.gl_pathv[i]);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

static int sys_matches(lua_State *L)
{
    const char *pattern = luaL_checkstring(L, 1), *path = luaL_checkstring(L, 2);
    lua_pushboolean(L, fnmatch(pattern, path, FNM_PATHNAME | FNM_PERIOD) == 0);
    return 1;
}

static int is_entry(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int sys_list(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct listing *l = push_listing(L);
    int count = scandir(path, &l->names, is_entry, by_bytes);
    if (count < 0)
        return fail(L, path, errno);
    l->name_count = count;
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, l->names[i]->d_name);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int sys_mkdir(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    if (mkdir(path, (mode_t)luaL_checkinteger(L, 2)))
        return fail(L, path, errno);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- paths and files ---- */

static int sys_realpath(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    char absolute[PATH_MAX];
    if (!realpath(path, absolute))
        return fail(L, path, errno);
    lua_pushstring(L, absolute);
    return 1;
}

static int sys_cwd(lua_State *L)
{
    char path[PATH_MAX];
    if (!getcwd(path, sizeof path))
        return fail(L, "the current folder", errno);
    lua_pushstring(L, path);
    return 1;
}

static const char *kind_of(mode_t mode)
{
    return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "folder" : "other";
}

static int sys_stat(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct stat st;
    if (stat(path, &st))
        return fail(L, path, errno);
    lua_createtable(L, 0, 4);
    lua_pushstring(L, kind_of(st.st_mode));
    lua_setfield(L, -2, "kind");
    lua_pushinteger(L, st.st_size);
    lua_setfield(L, -2, "size");
    lua_pushinteger(L, st.st_mode & MODE_BITS);
    lua_setfield(L, -2, "mode");
    lua_pushnumber(L, (double)st.st_mtim.tv_sec + (double)st.st_mtim.tv_nsec / 1e9);
    lua_setfield(L, -2, "modified");
    return 1;
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        text += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_file(int fd, const char *text, size_t len)
{
    int error = write_all(fd, text, len);
    if (!error && fsync(fd))
        error = errno;
    if (close(fd) && !error)
        error = errno;
    return error;
}

/* Gives a file its final name, unless that exists. Returns 0 or errno. */
static int publish(const char *from, const char *to)
{
    if (link(from, to) == 0) {
        unlink(from);
        return 0;
    }
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EMLINK)
        return errno;
    /* a file system without hard links */
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) ? errno : 0;
}

/* ".NAME.new-PID" in the same folder: a star in a pattern does not match a leading dot. */
static const char *push_draft_name(lua_State *L, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    lua_pushlstring(L, path, (size_t)(name - path));
    lua_pushfstring(L, "%s.%s.new-%d", lua_tostring(L, -1), name, (int)getpid());
    return lua_tostring(L, -1);
}

static int sys_write_new(lua_State *L)
{
    size_t len;
    const char *path = luaL_checkstring(L, 1);
    const char *text = luaL_checklstring(L, 2, &len);
    mode_t mode = (mode_t)luaL_checkinteger(L, 3);
    const char *draft = push_draft_name(L, path);
    unlink(draft); /* left by an earlier process with this PID that was killed */
    int fd = hw_descriptors_open(draft, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (fd < 0)
        return fail(L, path, errno);
    int error = write_file(fd, text, len);
    if (!error)
        error = publish(draft, path);
    if (!error) {
        lua_pushboolean(L, 1);
        return 1;
    }
    unlink(draft);
    fail(L, path, error);
    if (error != EEXIST)
        return 2;
    lua_pushliteral(L, "exists");
    return 3;
}

/* ---- networks ---- */

static bool is_before(const uint64_t a[2], const uint64_t b[2])
{
    return a[0] != b[0] ? a[0] < b[0] : a[1] < b[1];
}

static bool has_loopback(const struct hw_network *n)
{
    static const uint64_t v4[2][2] = {{0, 0x7f000000}, {0, 0x7fffffff}},
                          v6[2][2] = {{0, 1}, {0, 1}};
    const uint64_t(*local)[2] = n->is_v6 ? v6 : v4;
    return !is_before(local[1], n->first) && !is_before(n->last, local[0]);
}

/* network(text) -> "loopback" if it has such an address, "other"; or nil and why it is no network */
static int sys_network(lua_State *L)
{
    struct hw_network network;
    struct hw_str text;
    char why[HW_NETWORK_WHY_MAX];
    text.ptr = luaL_checklstring(L, 1, &text.len);
    if (hw_network_read(&network, text, why, sizeof why)) {
        lua_pushnil(L);
        lua_pushstring(L, why);
        return 2;
    }
    lua_pushstring(L, has_loopback(&network) ? "loopback" : "other");
    return 1;
}

/* (text) -> the text without passwords of databases */
static int sys_without_passwords(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    luaL_Buffer buffer;
    size_t size = HW_SECRET_ROOM(len);
    char *out = luaL_buffinitsize(L, &buffer, size);
    luaL_pushresultsize(&buffer, hw_secret_hide(out, size, text));
    return 1;
}

/* ---- terminal and time ---- */

static int sys_isatty(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

static int sys_columns(lua_State *L)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    lua_pushinteger(L, known ? size.ws_col : COLUMNS_DEFAULT);
    return 1;
}

static int sys_sleep(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0 && seconds <= SLEEP_MAX, 1, "not a number of seconds");
    struct timespec rest = {.tv_sec = (time_t)seconds};
    rest.tv_nsec = (long)((seconds - (double)rest.tv_sec) * 1e9);
    while (nanosleep(&rest, &rest) && errno == EINTR)
        ;
    lua_pushboolean(L, 1);
    return 1;
}

static int sys_now(lua_State *L)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    lua_pushnumber(L, (double)now.tv_sec + (double)now.tv_nsec / 1e9);
    return 1;
}

void hw_sys_push_api(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"glob", sys_glob},
        {"matches", sys_matches},
        {"list", sys_list},
        {"realpath", sys_realpath},
        {"cwd", sys_cwd},
        {"stat", sys_stat},
        {"mkdir", sys_mkdir},
        {"write_new", sys_write_new},
        {"isatty", sys_isatty},
        {"columns", sys_columns},
        {"sleep", sys_sleep},
        {"now", sys_now},
        {"network", sys_network},
        {"without_passwords", sys_without_passwords},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
}
