/* machine_api.c -- see machine_api.h */
#include "bindings/machine_api.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <lauxlib.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"

static int fail(lua_State *L, const char *path, int error)
{
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", path, strerror(error));
    return 2;
}

static void set_integer(lua_State *L, const char *name, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

/* ---- what is asked of the system ---- */

static int machine_disk(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct statvfs fs;
    if (statvfs(path, &fs))
        return fail(L, path, errno);
    lua_createtable(L, 0, 2);
    set_integer(L, "free", (lua_Integer)(fs.f_bavail * fs.f_frsize));
    set_integer(L, "size", (lua_Integer)(fs.f_blocks * fs.f_frsize));
    return 1;
}

static int machine_files(lua_State *L)
{
    size_t soft, hard;
    hw_files_limits(&soft, &hard);
    size_t wanted =
        hw_files_wanted((size_t)luaL_checkinteger(L, 1), (size_t)luaL_checkinteger(L, 2));
    lua_createtable(L, 0, 3);
    set_integer(L, "soft", (lua_Integer)(soft < LUA_MAXINTEGER ? soft : LUA_MAXINTEGER));
    set_integer(L, "hard", (lua_Integer)(hard < LUA_MAXINTEGER ? hard : LUA_MAXINTEGER));
    set_integer(L, "wanted", (lua_Integer)wanted);
    return 1;
}

static int machine_clock(lua_State *L)
{
    struct timex state = {.modes = 0};
    int rc = adjtimex(&state);
    if (rc < 0)
        return 0;
    lua_pushboolean(L, rc != TIME_ERROR && !(state.status & STA_UNSYNC));
    return 1;
}

static int machine_user(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)geteuid());
    return 1;
}

static int machine_user_name(lua_State *L)
{
    lua_Integer uid = luaL_checkinteger(L, 1);
    const struct passwd *user = getpwuid((uid_t)uid);
    if (user)
        lua_pushstring(L, user->pw_name);
    else
        lua_pushfstring(L, "%I", uid);
    const struct group *group = user ? getgrgid(user->pw_gid) : NULL;
    if (group)
        lua_pushstring(L, group->gr_name);
    else
        lua_pushfstring(L, "%I", user ? (lua_Integer)user->pw_gid : uid);
    return 2;
}

static int machine_owner(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct stat st;
    if (stat(path, &st))
        return fail(L, path, errno);
    lua_pushinteger(L, (lua_Integer)st.st_uid);
    return 1;
}

/* ---- what is tried as another user ---- */

enum { GROUPS_MAX = 256 };

struct who {
    uid_t uid;
    gid_t gid;
    gid_t groups[GROUPS_MAX];
    int group_count;
};

/* What the user database says. */
static void read_user(struct who *who)
{
    const struct passwd *user = getpwuid(who->uid);
    who->gid = user ? user->pw_gid : (gid_t)who->uid;
    who->group_count = user ? GROUPS_MAX : 0;
    if (user && getgrouplist(user->pw_name, who->gid, who->groups, &who->group_count) < 0)
        who->group_count = GROUPS_MAX;
}

/* Reads the table at `index`. */
static void read_who(lua_State *L, int index, struct who *who)
{
    luaL_checktype(L, index, LUA_TTABLE);
    lua_getfield(L, index, "uid");
    who->uid = (uid_t)luaL_checkinteger(L, -1);
    read_user(who);
    if (lua_getfield(L, index, "gid") == LUA_TNUMBER)
        who->gid = (gid_t)lua_tointeger(L, -1);
    if (lua_getfield(L, index, "groups") == LUA_TTABLE) {
        int count = (int)lua_rawlen(L, -1);
        who->group_count = count < GROUPS_MAX ? count : GROUPS_MAX;
        for (int i = 0; i < who->group_count; i++) {
            lua_rawgeti(L, -1, i + 1);
            who->groups[i] = (gid_t)luaL_checkinteger(L, -1);
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 3);
}

/* Returns 0 or errno. */
typedef int look_fn(const char *path);

enum { UNKNOWN = 255 }; /* an exit code that is no errno */

static void become_and_look(const struct who *who, look_fn *look, const char *path)
{
    if (setgroups((size_t)who->group_count, who->groups) || setgid(who->gid) || setuid(who->uid))
        _exit(UNKNOWN);
    _exit(look(path));
}

/* Returns what `look` returns when this user calls it, or UNKNOWN. */
static int look_as(const struct who *who, look_fn *look, const char *path)
{
    if (who->uid == geteuid())
        return look(path);
    pid_t pid = fork();
    if (pid == 0)
        become_and_look(who, look, path);
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : UNKNOWN;
}

static int look_readable(const char *path)
{
    return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) ? errno : 0;
}

static int machine_readable(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct who who;
    read_who(L, 2, &who);
    int error = look_as(&who, look_readable, path);
    if (error == UNKNOWN)
        return 0;
    lua_pushboolean(L, error == 0);
    if (error == 0)
        return 1;
    lua_pushstring(L, strerror(error));
    return 2;
}

/* ENOSPC when the watches are used up; whatever inotify_init1 says, as EMFILE, otherwise. */
static int look_watchable(const char *path)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0)
        return EMFILE;
    int error = inotify_add_watch(fd, path, IN_DELETE_SELF) < 0 && errno == ENOSPC ? ENOSPC : 0;
    close(fd);
    return error;
}

static int machine_watchable(lua_State *L)
{
    struct who who;
    read_who(L, 1, &who);
    int error = look_as(&who, look_watchable, "/");
    if (error == UNKNOWN)
        return 0;
    lua_pushboolean(L, error == 0);
    if (error == 0)
        return 1;
    lua_pushstring(L, error == ENOSPC ? "watches" : "instances");
    return 2;
}

void hw_machine_push_api(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"disk", machine_disk},         {"files", machine_files},         {"clock", machine_clock},
        {"user", machine_user},         {"user_name", machine_user_name}, {"owner", machine_owner},
        {"readable", machine_readable}, {"watchable", machine_watchable}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
}
